//! Importing people from Django: each gets an account to which they sign in as before.
//!
//! Each line of the file is first judged without the store ([`Imports::judge`]); a failure is a [`Refusal`]. The
//! accepted ones are stored in batches, each in one unit of work ([`Imports::keep`]). A person is identified by the
//! key of their row in Django. People who were imported before stay unchanged, so the same file can be imported
//! again at any time, and a batch that a crash rolled back is simply repeated.

mod judge;
mod keep;
mod legacy_user;
mod refusal;
mod seal;

use std::{collections::BTreeMap, sync::Arc};

use authentication_domain::federation::ProviderName;
use common::{Clock, RequestId, SecureRandom};

pub use judge::Candidate;
pub use keep::{Manner, Outcome};
pub use legacy_user::LegacyUser;
pub use refusal::Refusal;

use crate::ports::{ForeignHashes, IdentifierIndex, IdentityStore, Vault};

/// The ports that an import needs. There is no hasher: foreign hashes are verified when their owners sign in.
pub struct ImportPorts {
    /// The relational store.
    pub store: Arc<dyn IdentityStore>,
    /// Field encryption and fingerprints.
    pub vault: Arc<dyn Vault>,
    /// Blind index of identifiers.
    pub index: Arc<dyn IdentifierIndex>,
    /// Providers by name, with their issuers.
    pub issuers: BTreeMap<ProviderName, String>,
    /// Validates foreign password hashes.
    pub hashes: Arc<dyn ForeignHashes>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The source of randomness.
    pub random: Arc<dyn SecureRandom>,
}

/// The use cases of an import.
#[derive(Clone)]
pub struct Imports {
    ports: Arc<ImportPorts>,
    /// The request id in every audit entry and event of this run.
    run: RequestId,
}

impl Imports {
    /// Called once per run, by the composition root.
    pub fn new(ports: ImportPorts, run: RequestId) -> Self {
        Self {
            ports: Arc::new(ports),
            run,
        }
    }
}
