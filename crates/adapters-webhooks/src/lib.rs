//! Events for other systems as signed HTTP requests (Standard Webhooks, <https://www.standardwebhooks.com>).
//!
//! A target is an `https` URL on the public internet, or in a network that an operator listed. The URL is checked when
//! it is configured, and every address that its name resolves to when a connection is made, so that the owner of a name
//! cannot make the service call another network. Redirects are not followed. At most 64 KiB of an answer are read, for
//! at most one second. A delivery takes ten seconds at most.
//!
//! This crate must never know what an event means, or on whose behalf it is sent.

mod address;
mod resolver;
mod signature;
mod sink;
mod target;

pub use address::Reach;
pub use signature::{InvalidSecret, SigningSecret};
pub use sink::{WebhookConfig, WebhookSetupError, WebhookSink};
pub use target::{InvalidTarget, Target, TargetPolicy};
