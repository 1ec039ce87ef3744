//! Sign-in through an identity provider (OpenID Connect): Google, and others by name.
//!
//! Issuer and subject alone identify a person: an address can change hands (OpenID Connect Core 1.0 §5.7).
//! The address is trusted only once, to create an account for a person who has none.

mod claims;
mod identity;
mod name;
mod rules;

pub use claims::{AdmissionRules, ExternalPerson, IdentityClaims, Untrusted};
pub use identity::ExternalIdentity;
pub use name::{InvalidProviderName, ProviderName};
pub use rules::FederationRules;
