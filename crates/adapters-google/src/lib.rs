//! Google, or another OpenID provider, behind the port of the use cases.
//!
//! ```text
//! metadata and keys   fetched when they are needed first, kept for an hour, one flight at a time; a key that
//!                     is not known has the keys fetched anew, at most every ten seconds
//! an ID token         RS256 or ES256 by a key of the provider; issuer, audience, authorized party, times
//! a code              given back once, with the PKCE verifier, over a connection that follows no redirect
//! ```
//!
//! What the metadata says is believed as far as it stays at home: the issuer must be the configured one to the
//! letter, and every address must be on its host or on one that configuration names. A provider that does not
//! answer is asked less and less often (a circuit breaker), and whoever waits for it is told when to come back.
//!
//! It must never know who has an account, or what becomes of whom it vouches for.

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
