//! What [`RevocationChannel`] promises: whoever listens hears everything that is told, as it was told.

use std::sync::Arc;

use async_trait::async_trait;
use authentication_app::ports::{Invalidation, RevocationChannel};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::{builders::id, race::fifty_at_once};

/// What one node heard, in the order in which it did; `None` where something may have been missed.
pub type Told = UnboundedReceiver<Option<Invalidation>>;

/// What an adapter hands in: a channel that nobody else uses.
#[async_trait]
pub trait RevocationBed: Send + Sync {
    /// The channel as each node has it.
    fn channels(&self) -> Vec<Arc<dyn RevocationChannel>>;
    /// Begins to listen on each node, and comes back when all of them hear. Empty where a node is alone.
    async fn listen(&self) -> Vec<Told>;
}

/// One test for each promise. It takes the name of an `async fn() -> impl RevocationBed` beside it.
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

/// Of sessions and accounts.
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

/// Past what was missed before it listened.
async fn heard(node: &mut Told) -> Invalidation {
    loop {
        if let Some(heard) = next(node).await {
            return heard;
        }
    }
}

/// The one that tells it too.
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

/// An end after a change stays after it.
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

/// In whatever order.
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

/// So it empties its cache before it believes anything.
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
