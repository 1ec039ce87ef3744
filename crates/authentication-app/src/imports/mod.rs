//! People who come over from Django: each becomes an account that they sign in to as before.
//!
//! A line of the file is judged first, without the store ([`Imports::judge`]): what is wrong with it is a
//! [`Refusal`]. Those that pass are kept in batches, each in one unit of work ([`Imports::keep`]). A person
//! is known by the key of their row in Django; whoever was imported before is left as they are now, so the
//! same file may be imported again at any time, and a batch that a crash undid is simply done again.

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

/// What an import stands on. No hasher: what was hashed elsewhere is compared with when its owner comes.
pub struct ImportPorts {
    /// The relational store.
    pub store: Arc<dyn IdentityStore>,
    /// Field encryption, and fingerprints.
    pub vault: Arc<dyn Vault>,
    /// Blind index of identifiers.
    pub index: Arc<dyn IdentifierIndex>,
    /// Providers by name, with their issuers.
    pub issuers: BTreeMap<ProviderName, String>,
    /// Which hashes are taken.
    pub hashes: Arc<dyn ForeignHashes>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn SecureRandom>,
}

/// The use cases of an import.
#[derive(Clone)]
pub struct Imports {
    ports: Arc<ImportPorts>,
    /// In every entry and event of this run.
    run: RequestId,
}

impl Imports {
    /// Built once by the composition root, for one run.
    pub fn new(ports: ImportPorts, run: RequestId) -> Self {
        Self {
            ports: Arc::new(ports),
            run,
        }
    }
}
