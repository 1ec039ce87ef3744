//! Google, or another OpenID provider, behind the use cases' port.
//!
//! ```text
//! metadata and keys   fetched on first use, cached for an hour, one request at a time; a token with an unknown key
//!                     has the keys fetched again, at most every ten seconds
//! an ID token         RS256 or ES256 by a key of the provider; issuer, audience, authorized party, times
//! a code              redeemed once, with the PKCE verifier, over a connection that follows no redirect
//! ```
//!
//! Metadata are trusted only within limits: the issuer must match the configured one exactly, and every endpoint must
//! be on the issuer's host or on a configured one. After five consecutive failures a circuit breaker admits one attempt
//! every ten seconds, and callers learn when they may retry.
//!
//! This crate must never know who has an account, or what happens to the identities that the provider vouches for.

mod breaker;
mod config;
mod directory;
mod exchange;
mod http;
mod key_set;
mod metadata;
mod provider;
mod token;
mod verification;

pub use config::{InvalidProvider, ProviderConfig};
pub use provider::{OpenIdProvider, ProviderFigures};
