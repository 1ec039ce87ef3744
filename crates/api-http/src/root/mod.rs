//! Documents at the root, without the envelope of the API.

pub(crate) mod docs;
pub(crate) mod health;
pub(crate) mod mailbox;
pub(crate) mod metrics;
pub(crate) mod well_known;
