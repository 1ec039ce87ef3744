//! Name resolution that yields only allowed addresses. It runs at connection time, so that the checked address is the
//! one that is connected to (no DNS rebinding).

use std::{io, net::SocketAddr, sync::Arc};

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::address::Reach;

/// A name resolves to no address that may be connected to.
#[derive(Debug, thiserror::Error)]
#[error("the name has no address of the public internet or of events.webhook_networks")]
pub(crate) struct OutOfReach;

/// Resolves a name to addresses.
#[async_trait]
pub(crate) trait Lookup: Send + Sync {
    async fn addresses(&self, name: &str) -> io::Result<Vec<SocketAddr>>;
}

/// The resolver of the operating system.
pub(crate) struct SystemLookup;

#[async_trait]
impl Lookup for SystemLookup {
    async fn addresses(&self, name: &str) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((name, 0)).await?.collect())
    }
}

/// Gives the HTTP client only addresses that it may connect to. Literal addresses are not resolved here; `Target`
/// refuses those that are out of reach.
pub(crate) struct WithinReach {
    lookup: Arc<dyn Lookup>,
    reach: Arc<Reach>,
}

impl WithinReach {
    pub(crate) fn new(lookup: Arc<dyn Lookup>, reach: Reach) -> Self {
        let reach = Arc::new(reach);
        Self { lookup, reach }
    }
}

impl Resolve for WithinReach {
    fn resolve(&self, name: Name) -> Resolving {
        let (lookup, reach) = (Arc::clone(&self.lookup), Arc::clone(&self.reach));
        Box::pin(async move {
            let mut addresses = lookup.addresses(name.as_str()).await?;
            addresses.retain(|address| reach.allows(address.ip()));
            if addresses.is_empty() {
                return Err(OutOfReach.into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
