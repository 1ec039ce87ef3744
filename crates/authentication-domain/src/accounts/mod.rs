//! Accounts: a person as this service knows them, with exactly one identifier.

mod account;
mod email_address;
mod identifier;
mod identifier_rules;
mod legacy_id;
mod numbering_plan;
mod phone_number;
mod status;

pub use account::{Account, AccountId};
pub use email_address::{EmailAddress, InvalidEmail};
pub use identifier::{Identifier, InvalidIdentifier, SignUpMethod};
pub use identifier_rules::IdentifierRules;
pub use legacy_id::{InvalidLegacyId, LegacyId};
pub use phone_number::{InvalidPhone, PhoneNumber};
pub use status::{AccountStatus, Closed, StatusChangeRefused};
