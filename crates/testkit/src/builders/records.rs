//! Records that are written with a change: audit entries, events, messages, recorded answers.

use authentication_app::ports::{
    AuditRecord, EventEnvelope, IdempotencyKey, IdempotencyRecord, MessageKind, MessageOrder,
    Recipient,
};
use authentication_domain::{
    accounts::AccountId,
    audit::{Action, Outcome},
    events::Event,
    sessions::EndReason,
};
use common::random::bytes;
use time::{Duration, OffsetDateTime};

use super::{RANDOM, id, id_at, request_id, sealed, uuid_at};
use crate::clock::START;

/// An audit entry about no particular account.
pub fn audit_record(action: Action, outcome: Outcome) -> AuditRecord {
    AuditRecord {
        id: uuid_at(START),
        at: START,
        action,
        outcome,
        actor: None,
        subject: None,
        identifier: None,
        session: None,
        request_id: request_id(),
        sealed_for: None,
        context: sealed(),
        diff: None,
    }
}

/// An event with its envelope.
pub fn event_envelope(event: Event) -> EventEnvelope {
    EventEnvelope {
        id: id_at(START),
        at: START,
        event,
        request_id: request_id(),
    }
}

/// An example event of an account.
pub fn session_ended(account: AccountId) -> Event {
    Event::SessionEnded {
        account,
        session: id(),
        reason: EndReason::SignedOut,
    }
}

/// A message requested at `at`.
pub fn message_order(kind: MessageKind, recipient: Recipient, at: OffsetDateTime) -> MessageOrder {
    MessageOrder {
        id: uuid_at(at),
        kind,
        recipient,
        link: None,
        typed_identifier: None,
        gathers_until: None,
        at,
        request_id: request_id(),
    }
}

/// An answer recorded at [`START`], which is replayed for a day.
pub fn idempotency_record() -> IdempotencyRecord {
    IdempotencyRecord {
        key: IdempotencyKey(bytes(&RANDOM)),
        fingerprint: bytes(&RANDOM),
        answer: sealed(),
        expires_at: START + Duration::days(1),
    }
}
