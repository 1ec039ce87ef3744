//! All configured providers, by name.

use std::{fmt, sync::Arc};

use authentication_domain::federation::ProviderName;

use super::Federation;

/// All configured providers. They are few, so a look-up scans them in order.
#[derive(Clone, Default)]
pub struct Providers(Arc<[Federation]>);

/// Why a list of providers is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidProviders {
    /// Two providers have the same name.
    #[error("two providers are called {0}")]
    SameName(ProviderName),
    /// Too many, since each is a metrics label and holds keys and connections.
    #[error("there are more than {most} providers", most = Providers::MOST)]
    TooMany,
}

impl Providers {
    /// The maximum number of providers.
    pub const MOST: usize = 16;

    /// Sorts the providers by name.
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

    /// The provider with this name, if configured.
    pub fn named(&self, name: ProviderName) -> Option<&Federation> {
        self.0.iter().find(|provider| provider.name() == name)
    }

    /// All providers, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = &Federation> {
        self.0.iter()
    }

    /// Whether no provider is configured.
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
