//! Events for other systems as signed HTTP calls (Standard Webhooks, <https://www.standardwebhooks.com>).
//!
//! A target is an `https` URL of the public internet, or of a network that an operator listed: what it says is
//! checked when it is configured, and every address that its name stands for when a connection is made, so that
//! nobody who controls a name makes the service call another network. Redirects are not followed, answers are read for a moment and 64
//! KiB, and a delivery takes ten seconds at the most.
//!
//! It must never know what an event means or who is asking.

mod address;
mod resolver;
mod signature;
mod sink;
mod target;

pub use address::Reach;
pub use signature::{InvalidSecret, SigningSecret};
pub use sink::{WebhookConfig, WebhookSetupError, WebhookSink};
pub use target::{InvalidTarget, Target, TargetPolicy};
