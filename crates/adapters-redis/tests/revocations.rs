//! The broadcast between nodes.

mod support;

use std::time::Duration;

use adapters_redis::{RedisConfig, RedisConnection, RedisRevocations, RedisSessionCache};
use authentication_app::ports::{Invalidation, RevocationChannel, SessionCache};
use deadpool_redis::redis::cmd;
use support::{node, raw, until, until_connected};
use testkit::{LogCapture, builders::id, redis_url, servers::RedisServer, unique_name};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

#[derive(Debug, PartialEq, Eq)]
enum Heard {
    Invalidation(Invalidation),
    Gap,
}

struct Listener {
    heard: mpsc::UnboundedReceiver<Heard>,
    shutdown: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Listener {
    /// A listener that is already listening: it has been notified of its first gap.
    async fn on(node: &RedisConnection) -> Self {
        let (sender, heard) = mpsc::unbounded_channel();
        let (shutdown, told) = oneshot::channel::<()>();
        let of_gaps = sender.clone();
        let task = RedisRevocations::new(node.clone()).subscribe(
            move |invalidation| drop(sender.send(Heard::Invalidation(invalidation))),
            move || drop(of_gaps.send(Heard::Gap)),
            async move { drop(told.await) },
        );
        let mut listener = Self {
            heard,
            shutdown,
            task,
        };
        assert_eq!(
            listener.next().await,
            Heard::Gap,
            "what was before it listened"
        );
        listener
    }

    async fn next(&mut self) -> Heard {
        let heard = self.heard.recv().await;
        heard.unwrap_or_else(|| unreachable!("the listener holds a sender as long as it runs"))
    }
}

fn invalidation() -> Invalidation {
    Invalidation {
        ended: vec![id(), id()],
        changed: vec![id()],
    }
}

#[tokio::test]
async fn every_node_hears_what_a_node_invalidates() {
    let (url, prefix) = (redis_url(), unique_name());
    let (here, there) = (node(&url, &prefix).await, node(&url, &prefix).await);
    let mut listeners = [Listener::on(&here).await, Listener::on(&there).await];
    let told = invalidation();
    RedisSessionCache::new(here.clone())
        .invalidate(&told)
        .await
        .unwrap();
    for listener in &mut listeners {
        let Heard::Invalidation(mut heard) = listener.next().await else {
            panic!("nothing was lost")
        };
        heard.ended.sort();
        assert_eq!(
            (heard.ended, &heard.changed),
            (told.ended.clone(), &told.changed)
        );
    }
    RedisSessionCache::new(here).clear().await.unwrap();
    for listener in &mut listeners {
        assert_eq!(listener.next().await, Heard::Gap);
    }
}

#[tokio::test]
async fn every_node_hears_what_is_published() {
    let (url, prefix) = (redis_url(), unique_name());
    let (here, there) = (node(&url, &prefix).await, node(&url, &prefix).await);
    let stranger = node(&url, &unique_name()).await;
    let mut listeners = [Listener::on(&here).await, Listener::on(&there).await];
    RedisRevocations::new(stranger)
        .publish(&invalidation())
        .await
        .unwrap();
    for _ in 0..3 {
        let told = invalidation();
        RedisRevocations::new(here.clone())
            .publish(&told)
            .await
            .unwrap();
        for listener in &mut listeners {
            assert_eq!(listener.next().await, Heard::Invalidation(told.clone()));
        }
    }
}

#[tokio::test]
async fn a_message_that_makes_no_sense_is_a_gap() {
    let (url, prefix) = (redis_url(), unique_name());
    let mut listener = Listener::on(&node(&url, &prefix).await).await;
    for nonsense in ["", "null", "{\"later_release\":{}}", "\u{0}"] {
        let mut publish = cmd("PUBLISH");
        publish.arg(format!("{prefix}v1:revocations")).arg(nonsense);
        publish.exec_async(&mut raw(&url).await).await.unwrap();
        assert_eq!(listener.next().await, Heard::Gap, "{nonsense:?}");
    }
}

#[tokio::test]
async fn a_lost_connection_is_a_gap_when_it_is_back() {
    let mut server = RedisServer::start().await;
    let node = node(&server.url(), "fa:").await;
    let mut listener = Listener::on(&node).await;
    let heard_again = async |listener: &mut Listener| {
        assert_eq!(listener.next().await, Heard::Gap);
        let told = invalidation();
        RedisRevocations::new(node.clone())
            .publish(&told)
            .await
            .unwrap();
        assert_eq!(listener.next().await, Heard::Invalidation(told));
    };

    server.cut("pubsub");
    heard_again(&mut listener).await;

    server.kill();
    server.restart().await;
    until_connected(&node).await;
    heard_again(&mut listener).await;
}

/// A frozen server closes no connection and sends nothing. Only a heartbeat detects it.
#[tokio::test]
async fn a_server_that_froze_is_a_gap_when_it_is_back() {
    let (log, _capturing) = LogCapture::on_this_thread();
    let server = RedisServer::start().await;
    let config = RedisConfig {
        heartbeat: Duration::from_millis(10),
        ..RedisConfig::new(server.url())
    };
    let node = RedisConnection::connect(&config).await.unwrap();
    let mut listener = Listener::on(&node).await;
    server.freeze();
    until(async || log.text().contains("lost the broadcast")).await;
    server.thaw();
    assert_eq!(listener.next().await, Heard::Gap);
}

#[tokio::test]
async fn a_listener_ends_when_it_is_told_to() {
    let mut server = RedisServer::start().await;
    let node = node(&server.url(), "fa:").await;
    let listening = Listener::on(&node).await;
    listening.shutdown.send(()).unwrap();
    listening.task.await.unwrap();

    let away = Listener::on(&node).await;
    server.kill();
    away.shutdown.send(()).unwrap();
    away.task.await.unwrap();
}
