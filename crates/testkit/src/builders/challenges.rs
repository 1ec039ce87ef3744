//! One-time codes.

use authentication_app::ports::{
    Channel, IndexKeys, LinkKind, NewChallenge, NewNoticeLink, SendRequest, Subject,
};
use authentication_domain::{
    accounts::{AccountId, IdentifierRules},
    challenges::{ChallengeRules, CodeNonce, Purpose},
    opaque_token::TokenDigest,
};
use common::random::bytes;
use time::OffsetDateTime;

use super::{RANDOM, sealed};
use crate::clock::START;

/// A challenge for a code of this recipient, created at [`START`].
pub fn new_challenge(recipient: &IndexKeys, purpose: Purpose) -> NewChallenge {
    NewChallenge {
        digest: token_digest(),
        subject: recipient.subject,
        index: recipient.entries.clone(),
        purpose,
        channel: Channel::Email,
        payload: sealed(),
        created_at: START,
        expires_at: START + ChallengeRules::default().challenge_lifetime,
    }
}

/// A request to send a code at `now`, with a new nonce and without a link.
pub fn send_request(subject: Subject, purpose: Purpose, now: OffsetDateTime) -> SendRequest {
    SendRequest {
        subject,
        purpose,
        nonce: nonce(),
        link: None,
        now,
    }
}

/// A link in a notice, created at [`START`].
pub fn new_notice_link(account: AccountId, kind: LinkKind) -> NewNoticeLink {
    NewNoticeLink {
        digest: token_digest(),
        account,
        kind,
        previous: None,
        created_at: START,
        expires_at: START + IdentifierRules::default().notice_link_lifetime,
    }
}

/// A random identifier, under the current index key.
pub fn subject() -> Subject {
    Subject(bytes(&RANDOM))
}

/// The name of a dispatch.
pub fn nonce() -> CodeNonce {
    CodeNonce(bytes(&RANDOM))
}

/// The digest of a token that is never issued.
pub fn token_digest() -> TokenDigest {
    TokenDigest(bytes(&RANDOM))
}
