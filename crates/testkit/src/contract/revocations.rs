//! The promises of [`RevocationChannel`]: every listener receives everything that is published, unchanged.

use std::sync::Arc;

use async_trait::async_trait;
use authentication_app::ports::{Invalidation, RevocationChannel};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::{builders::id, race::fifty_at_once};

/// What one node received, in order; `None` where invalidations may have been missed.
pub type Told = UnboundedReceiver<Option<Invalidation>>;

/// What an adapter provides: a channel without other users.
#[async_trait]
pub trait RevocationBed: Send + Sync {
    /// The channel of each node.
    fn channels(&self) -> Vec<Arc<dyn RevocationChannel>>;
    /// Starts listening on each node, and returns when all of them receive. Empty if the adapter has a single node.
    async fn listen(&self) -> Vec<Told>;
}

/// One test for each promise. Takes the name of an `async fn() -> impl RevocationBed` in the same module.
#[macro_export]
macro_rules! revocation_channel_contract {
    ($bed:ident) => {
        $crate::revocation_channel_contract! { $bed:
            every_node_hears_what_any_node_tells,
            what_one_node_tells_is_heard_in_order,
            nothing_is_lost_when_many_tell_at_once,
            a_node_that_begins_to_listen_is_told_that_it_missed_something,
            telling_nothing_harms_nothing,
        }
    };
    ($bed:ident: $($fact:ident),+ $(,)?) => {
        $(#[test]
        fn $fact() {
            $crate::runtime::run(async {
                $crate::contract::revocations::$fact($bed().await).await
            });
        })+
    };
}

/// An invalidation of sessions and accounts.
fn some() -> Invalidation {
    Invalidation {
        ended: vec![id(), id()],
        changed: vec![id()],
    }
}

async fn publish(channel: &dyn RevocationChannel, told: &Invalidation) {
    channel.publish(told).await.expect("the channel is there");
}

async fn next(node: &mut Told) -> Option<Invalidation> {
    node.recv().await.expect("it listens as long as the test")
}

/// The next invalidation, after any `None` for what was missed before listening.
async fn heard(node: &mut Told) -> Invalidation {
    loop {
        if let Some(heard) = next(node).await {
            return heard;
        }
    }
}

/// Including the node that publishes.
pub async fn every_node_hears_what_any_node_tells(bed: impl RevocationBed) {
    let mut nodes = bed.listen().await;
    for channel in bed.channels() {
        let told = some();
        publish(&*channel, &told).await;
        for node in &mut nodes {
            assert_eq!(heard(node).await, told);
        }
    }
}

/// So an end that follows a change is received after it.
pub async fn what_one_node_tells_is_heard_in_order(bed: impl RevocationBed) {
    let mut nodes = bed.listen().await;
    let told: Vec<_> = (0..20).map(|_| some()).collect();
    let channels = bed.channels();
    for told in &told {
        publish(&*channels[0], told).await;
    }
    for node in &mut nodes {
        for told in &told {
            assert_eq!(&heard(node).await, told);
        }
    }
}

/// In any order.
pub async fn nothing_is_lost_when_many_tell_at_once(bed: impl RevocationBed) {
    let mut nodes = bed.listen().await;
    let channels = bed.channels();
    let mut told = fifty_at_once(|rival| {
        let channel = Arc::clone(&channels[rival % channels.len()]);
        async move {
            let told = id();
            publish(&*channel, &Invalidation::of_account(told)).await;
            told
        }
    })
    .await;
    told.sort();
    for node in &mut nodes {
        let mut all = Vec::new();
        while all.len() < told.len() {
            all.extend(heard(node).await.changed);
        }
        all.sort();
        assert_eq!(all, told);
    }
}

/// So that it clears its cache first.
pub async fn a_node_that_begins_to_listen_is_told_that_it_missed_something(
    bed: impl RevocationBed,
) {
    for channel in bed.channels() {
        publish(&*channel, &some()).await;
    }
    for mut node in bed.listen().await {
        assert_eq!(next(&mut node).await, None);
    }
}

/// A use case may have ended no session at all.
pub async fn telling_nothing_harms_nothing(bed: impl RevocationBed) {
    let mut nodes = bed.listen().await;
    let (channels, told) = (bed.channels(), some());
    publish(&*channels[0], &Invalidation::default()).await;
    publish(&*channels[0], &told).await;
    for node in &mut nodes {
        let first = heard(node).await;
        let next = if first.is_empty() {
            heard(node).await
        } else {
            first
        };
        assert_eq!(next, told);
    }
}
