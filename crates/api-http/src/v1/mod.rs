//! Version 1 of the API: one file per use case, with its body, its handler and its answer.

pub(crate) mod auth;
pub(crate) mod countries;
pub(crate) mod me;
pub(crate) mod passkey_answers;
pub(crate) mod views;
