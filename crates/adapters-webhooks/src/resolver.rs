//! From a name to addresses that may be called, at the moment of connecting: what was checked is what is
//! connected to.

use std::{io, net::SocketAddr, sync::Arc};

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::address::Reach;

/// A name stands for nothing that may be called.
#[derive(Debug, thiserror::Error)]
#[error("the name has no address of the public internet or of events.webhook_networks")]
pub(crate) struct OutOfReach;

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
/// out of reach.
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
