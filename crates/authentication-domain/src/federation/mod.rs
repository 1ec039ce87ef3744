//! Signing in through an identity provider (OpenID Connect): Google, and others by name.
//!
//! A person is who the provider says by issuer and subject, and by nothing else: an address can change hands
//! (OpenID Connect Core 1.0 §5.7). The address is believed once, to make an account for somebody who has none.

mod claims;
mod identity;
mod name;
mod rules;

pub use claims::{AdmissionRules, ExternalPerson, IdentityClaims, Untrusted};
pub use identity::ExternalIdentity;
pub use name::{InvalidProviderName, ProviderName};
pub use rules::FederationRules;
