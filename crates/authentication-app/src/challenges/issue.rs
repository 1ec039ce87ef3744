//! Issuing a challenge and sending its code: the part that all flows share.

use authentication_domain::{
    accounts::Identifier,
    challenges::{CodeFormat, Purpose},
    opaque_token::OpaqueToken,
};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

use crate::{
    Foundation, RequestContext,
    accounts::{PendingChange, PendingRegistration},
    ports::{
        Channel, CodeDispatch, CodeOutcome, IndexKeys, MessageKind, NewChallenge, QuotaGrant,
        Recipient, SendRequest, ServicePurpose, StoreError, Subject, UnitOfWork,
    },
    retry::retry_on_store_error,
};

/// The challenge as the client gets it: the right to try a code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuedChallenge {
    /// Opaque; the client presents it with the code.
    pub challenge_id: String,
    /// The format of the code.
    #[serde(with = "format_name", default)]
    pub format: CodeFormat,
    /// The channel that reaches the recipient.
    #[serde(with = "channel_name")]
    pub channel: Channel,
    /// The masked identifier, derived only from what was typed.
    pub sent_to: String,
    /// How long the code stays valid, in seconds.
    pub expires_in_seconds: u32,
    /// When a new code can be requested, in seconds.
    pub resend_in_seconds: u32,
}

/// Why no message was queued.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The recipient's hourly or daily quota of messages is used up.
    #[error("too many messages to this recipient")]
    TooManyMessages {
        /// The time until the next message may go out.
        retry_after: Duration,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

retry_on_store_error!(SendError);

/// A request for a code.
pub(crate) struct CodeRequest<'a> {
    pub(crate) identifier: &'a Identifier,
    /// The identifier's digests.
    pub(crate) keys: IndexKeys,
    pub(crate) purpose: Purpose,
    pub(crate) pending: Option<Pending<'a>>,
}

/// What a challenge stores until its code is proven. The identifier belongs to no account yet, so the message must
/// carry it.
#[derive(Clone, Copy)]
pub(crate) enum Pending<'a> {
    Registration(&'a PendingRegistration),
    Change(&'a PendingChange),
}

impl<'a> Pending<'a> {
    fn for_its_message(self) -> Zeroizing<String> {
        match self {
            Self::Registration(pending) => pending.for_its_message(),
            Self::Change(pending) => pending.for_its_message(),
        }
    }

    const fn registration(self) -> Option<&'a PendingRegistration> {
        match self {
            Self::Registration(pending) => Some(pending),
            Self::Change(_) => None,
        }
    }

    const fn change(self) -> Option<&'a PendingChange> {
        match self {
            Self::Change(pending) => Some(pending),
            Self::Registration(_) => None,
        }
    }
}

/// A challenge about to be stored, with what its response shows.
pub(crate) struct DraftChallenge {
    id: OpaqueToken,
    row: NewChallenge,
    sent_to: String,
    /// The identifier for the message to carry, if it belongs to no account yet.
    typed_identifier: Option<Zeroizing<String>>,
}

impl Foundation {
    /// Prepares everything that needs no unit of work.
    pub(crate) fn draft_challenge(
        &self,
        request: &CodeRequest<'_>,
        now: OffsetDateTime,
    ) -> DraftChallenge {
        #[derive(Serialize)]
        struct Payload<'a> {
            sent_to: &'a str,
            registration: Option<&'a PendingRegistration>,
            #[serde(skip_serializing_if = "Option::is_none")]
            change: Option<&'a PendingChange>,
        }
        let id = OpaqueToken::from_random(self.random_bytes());
        let keys = &request.keys;
        let sent_to = request.identifier.masked();
        let payload = Payload {
            sent_to: &sent_to,
            registration: request.pending.and_then(Pending::registration),
            change: request.pending.and_then(Pending::change),
        };
        let row = NewChallenge {
            digest: id.digest(),
            subject: keys.subject,
            index: keys.entries.clone(),
            purpose: request.purpose,
            channel: Channel::of(request.identifier),
            payload: self.seal_payload(id.digest(), &payload),
            created_at: now,
            expires_at: now + self.rules.challenges.challenge_lifetime,
        };
        let typed_identifier = request.pending.map(Pending::for_its_message);
        DraftChallenge {
            id,
            row,
            sent_to,
            typed_identifier,
        }
    }

    /// Stores the challenge and sends a code, unless the cool-down of an earlier one applies.
    pub(crate) async fn issue(
        &self,
        unit: &mut dyn UnitOfWork,
        draft: DraftChallenge,
        ctx: &RequestContext,
        now: OffsetDateTime,
    ) -> Result<IssuedChallenge, SendError> {
        unit.challenges().insert(&draft.row).await?;
        let to = Sending {
            subject: draft.row.subject,
            purpose: draft.row.purpose,
            typed_identifier: draft.typed_identifier,
        };
        let dispatch = self.send_code(unit, to, ctx, now).await?;
        Ok(self.describe(
            draft.id.expose(),
            draft.row.channel,
            draft.sent_to,
            dispatch,
            now,
        ))
    }

    /// Sends a code to a recipient, unless the cool-down of an earlier one applies.
    pub(crate) async fn send_code(
        &self,
        unit: &mut dyn UnitOfWork,
        to: Sending,
        ctx: &RequestContext,
        now: OffsetDateTime,
    ) -> Result<CodeDispatch, SendError> {
        let rules = &self.rules.challenges;
        let nonce = self.macs.code_nonce(self.random_bytes());
        let link = (to.purpose == Purpose::PasswordReset)
            .then(|| self.macs.reset_link_token(nonce, to.subject).digest());
        let request = SendRequest {
            subject: to.subject,
            purpose: to.purpose,
            nonce,
            link,
            now,
        };
        let dispatch = unit.challenges().request_sending(&request, rules).await?;
        if dispatch.nonce != nonce {
            self.note_code(to.purpose, CodeOutcome::CooledDown);
            return Ok(dispatch);
        }
        let quota = unit
            .challenges()
            .claim_message_quota(to.subject, rules, now)
            .await?;
        if let QuotaGrant::Exhausted { retry_at } = quota {
            self.note_code(to.purpose, CodeOutcome::Capped);
            return Err(SendError::TooManyMessages {
                retry_after: retry_at - now,
            });
        }
        let kind = MessageKind::Code {
            purpose: to.purpose,
            nonce,
        };
        let mut order = self.message(kind, Recipient::Subject(to.subject), ctx, now);
        order.typed_identifier = to.typed_identifier.map(|typed| {
            let purpose = ServicePurpose::PendingRegistration;
            self.vault
                .seal_for_service(purpose, order.id.as_bytes(), typed.as_bytes())
        });
        unit.outbox().append_message(&order).await?;
        // A retried unit counts again. That is too rare to justify another parameter in every signature.
        self.note_code(to.purpose, CodeOutcome::Queued);
        Ok(dispatch)
    }

    /// The challenge as the client sees it.
    pub(crate) fn describe(
        &self,
        challenge_id: &str,
        channel: Channel,
        sent_to: String,
        dispatch: CodeDispatch,
        now: OffsetDateTime,
    ) -> IssuedChallenge {
        let rules = &self.rules.challenges;
        IssuedChallenge {
            challenge_id: challenge_id.to_owned(),
            format: dispatch.format,
            channel,
            sent_to,
            expires_in_seconds: seconds_left(dispatch.sent_at + rules.code_lifetime, now),
            resend_in_seconds: seconds_left(dispatch.sent_at + rules.resend_after, now),
        }
    }
}

/// The recipient of a code.
pub(crate) struct Sending {
    pub(crate) subject: Subject,
    pub(crate) purpose: Purpose,
    pub(crate) typed_identifier: Option<Zeroizing<String>>,
}

/// Whole seconds from `now` to `until`, rounded up; 0 once it has passed.
fn seconds_left(until: OffsetDateTime, now: OffsetDateTime) -> u32 {
    crate::protection::whole_seconds(until - now)
}

mod format_name {
    use authentication_domain::challenges::CodeFormat;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "the signature that serde's `with` asks for"
    )]
    pub(super) fn serialize<S: Serializer>(format: &CodeFormat, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(format.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<CodeFormat, D::Error> {
        let name = String::deserialize(from)?;
        CodeFormat::from_name(&name).ok_or_else(|| D::Error::custom("no such format"))
    }
}

mod channel_name {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::ports::Channel;

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "the signature that serde's `with` asks for"
    )]
    pub(super) fn serialize<S: Serializer>(channel: &Channel, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(channel.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Channel, D::Error> {
        let name = String::deserialize(from)?;
        Channel::from_name(&name).ok_or_else(|| D::Error::custom("no such channel"))
    }
}
