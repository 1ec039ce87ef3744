//! From a name to addresses of the public internet, at the moment of connecting: what was checked is what is
//! connected to.

use std::{io, net::SocketAddr, sync::Arc};

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::address::is_public;

/// A name stands for nothing that may be called.
#[derive(Debug, thiserror::Error)]
#[error("the name has no address of the public internet")]
pub(crate) struct NotPublic;

/// Asks for the addresses of a name.
#[async_trait]
pub(crate) trait Lookup: Send + Sync {
    async fn addresses(&self, name: &str) -> io::Result<Vec<SocketAddr>>;
}

/// As the operating system does it.
pub(crate) struct SystemLookup;

#[async_trait]
impl Lookup for SystemLookup {
    async fn addresses(&self, name: &str) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((name, 0)).await?.collect())
    }
}

/// Gives a client only what it may connect to. Literal addresses do not come here: a target has none that is
/// not public.
pub(crate) struct PublicOnly {
    lookup: Arc<dyn Lookup>,
    allow_loopback: bool,
}

impl PublicOnly {
    pub(crate) const fn new(lookup: Arc<dyn Lookup>, allow_loopback: bool) -> Self {
        Self {
            lookup,
            allow_loopback,
        }
    }
}

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let (lookup, allow_loopback) = (Arc::clone(&self.lookup), self.allow_loopback);
        Box::pin(async move {
            let mut addresses = lookup.addresses(name.as_str()).await?;
            addresses.retain(|address| {
                let ip = address.ip();
                is_public(ip) || (allow_loopback && ip.is_loopback())
            });
            if addresses.is_empty() {
                return Err(NotPublic.into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
