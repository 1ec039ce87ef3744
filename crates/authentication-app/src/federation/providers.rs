//! All providers that are configured, by name.

use std::{fmt, sync::Arc};

use authentication_domain::federation::ProviderName;

use super::Federation;

/// All providers that are configured. Few, and looked through in order.
#[derive(Clone, Default)]
pub struct Providers(Arc<[Federation]>);

/// Providers that cannot be told apart, or are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidProviders {
    /// Two have one name.
    #[error("two providers are called {0}")]
    SameName(ProviderName),
    /// Each is a label of metrics, and holds keys and connections.
    #[error("there are more than {most} providers", most = Providers::MOST)]
    TooMany,
}

impl Providers {
    /// That there may be.
    pub const MOST: usize = 16;

    /// Those, in the order of their names.
    ///
    /// # Errors
    /// [`InvalidProviders`].
    pub fn new(mut all: Vec<Federation>) -> Result<Self, InvalidProviders> {
        if all.len() > Self::MOST {
            return Err(InvalidProviders::TooMany);
        }
        all.sort_by_key(Federation::name);
        for (one, next) in all.iter().zip(all.iter().skip(1)) {
            if one.name() == next.name() {
                return Err(InvalidProviders::SameName(one.name()));
            }
        }
        Ok(Self(all.into()))
    }

    /// The provider of this name, if there is one.
    pub fn named(&self, name: ProviderName) -> Option<&Federation> {
        self.0.iter().find(|provider| provider.name() == name)
    }

    /// All of them, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Federation> {
        self.0.iter()
    }

    /// Whether nobody signs in through a provider here.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Providers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.iter().map(Federation::name))
            .finish()
    }
}
