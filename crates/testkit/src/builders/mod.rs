//! Values that ports take: complete, and different each time. A test sets only the fields that it is about:
//! `NewAccount { password: None, ..new_account() }`.
//!
//! All times are [`START`]. Values that other crates seal, hash or MAC are random bytes here: stores must not look
//! inside.

mod accounts;
mod challenges;
mod federation;
mod passkeys;
mod records;
mod second_factors;
mod sessions;

use authentication_app::ports::Sealed;
use common::{Id, RequestId, random::bytes};
use time::OffsetDateTime;
use uuid::Uuid;

pub use accounts::{
    account, account_record, index_entry, index_keys, index_keys_amid_rotation, new_account,
    new_account_in, password_hash, sign_in_question, wrapped_key,
};
pub use challenges::{new_challenge, new_notice_link, nonce, send_request, subject, token_digest};
pub use federation::{
    federation_question, flow_return, new_flow, new_identity, new_nonce, nonce_use,
};
pub use passkeys::{credential_digest, new_ceremony, passkey, passkey_use};
pub use records::{audit_record, event_envelope, idempotency_record, message_order, session_ended};
pub use second_factors::{pending_sign_in, recovery_code};
pub use sessions::{new_session, new_session_at};

use crate::{SeededRandom, clock::START};

/// Shared by all builders of a process, so that no two values of a test are alike.
pub(crate) static RANDOM: SeededRandom = SeededRandom::new(0);

/// An id created at [`START`].
pub fn id<K>() -> Id<K> {
    id_at(START)
}

/// An id created at `at`, which determines its sort order.
pub fn id_at<K>(at: OffsetDateTime) -> Id<K> {
    Id::at(at, &RANDOM)
}

/// A version 7 UUID of no particular entity.
pub fn uuid_at(at: OffsetDateTime) -> Uuid {
    enum Anything {}
    id_at::<Anything>(at).as_uuid()
}

/// Random bytes that a store cannot tell from a ciphertext.
pub fn sealed() -> Sealed {
    Sealed(bytes::<56>(&RANDOM).to_vec())
}

/// The id of a request.
pub fn request_id() -> RequestId {
    RequestId::from_uuid(uuid_at(START))
}
