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

/// A challenge for somebody's code, made at [`START`].
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

/// A request to send a code at `now`, with a nonce of its own and no link.
pub fn send_request(subject: Subject, purpose: Purpose, now: OffsetDateTime) -> SendRequest {
    SendRequest {
        subject,
        purpose,
        nonce: nonce(),
        link: None,
        now,
    }
}

/// A link in a notice, made at [`START`].
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

/// Somebody's identifier, under the current key.
pub fn subject() -> Subject {
    Subject(bytes(&RANDOM))
}

/// Names a sending.
pub fn nonce() -> CodeNonce {
    CodeNonce(bytes(&RANDOM))
}

/// The digest of a token nobody has.
pub fn token_digest() -> TokenDigest {
    TokenDigest(bytes(&RANDOM))
}
