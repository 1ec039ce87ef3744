//! A Redis Cluster that one test may break.

use std::{ffi::OsString, path::Path, time::Duration};

use super::{RedisServer, free_port};

const SLOTS: u16 = 16_384;
/// The distance from a client port to the port of the cluster bus.
const BUS: u16 = 10_000;
const A_MOMENT: Duration = Duration::from_millis(20);

/// Three primaries on loopback, each with a third of the slots, and replicas as tests add them. They end when this is
/// dropped.
pub struct RedisCluster {
    /// The three primaries, followed by the replicas.
    pub nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts a cluster, and returns when all nodes report that it works.
    ///
    /// # Panics
    /// As [`RedisServer::start`].
    pub async fn start() -> Self {
        let mut nodes = Vec::new();
        for number in 0..3_u16 {
            let node = RedisServer::start_with(port_with_a_bus, arguments).await;
            let slots = SLOTS * number / 3..SLOTS * (number + 1) / 3;
            let slots: Vec<String> = slots.map(|slot| slot.to_string()).collect();
            node.order(&format!("CLUSTER ADDSLOTS {}", slots.join(" ")));
            node.order(&format!("CLUSTER SET-CONFIG-EPOCH {}", number + 1));
            nodes.push(node);
        }
        let cluster = Self { nodes };
        for node in cluster.nodes.iter().skip(1) {
            cluster.introduce(node);
        }
        cluster.until_whole().await;
        cluster
    }

    /// The URL of one of the nodes.
    pub fn url(&self) -> String {
        self.node(0).url()
    }

    /// All nodes as `host:port`.
    pub fn addresses(&self) -> Vec<String> {
        let ports = self.nodes.iter().map(RedisServer::port);
        ports.map(|port| format!("127.0.0.1:{port}")).collect()
    }

    /// The slot of a key.
    ///
    /// # Panics
    /// When the Cluster does not answer.
    pub fn slot(&self, key: &str) -> u16 {
        let answer = self.node(0).ask(&format!("CLUSTER KEYSLOT {key}"));
        let slot = answer.trim().trim_start_matches(':').parse();
        slot.expect("the number of a slot")
    }

    /// The index of the primary that had this slot at the start.
    pub fn owner(&self, slot: u16) -> usize {
        (0..3)
            .find(|number| slot < SLOTS * (number + 1) / 3)
            .map_or(2, usize::from)
    }

    /// Adds a replica of this node, and returns when it has all of the node's data.
    pub async fn add_replica_of(&mut self, of: usize) {
        let node = RedisServer::start_with(port_with_a_bus, arguments).await;
        self.introduce(&node);
        let command = format!("CLUSTER REPLICATE {}", self.id(of));
        while node.ask(&command) != "+OK\r\n" {
            tokio::time::sleep(A_MOMENT).await;
        }
        while !node
            .ask("INFO replication")
            .contains("master_link_status:up")
        {
            tokio::time::sleep(A_MOMENT).await;
        }
        self.nodes.push(node);
        self.until_whole().await;
    }

    /// Kills a node, and lets the others notice within a second. Until then their timeout is long, for busy machines.
    ///
    /// # Panics
    /// When there is no such node.
    pub fn lose(&mut self, number: usize) {
        for node in &self.nodes {
            node.order("CONFIG SET cluster-node-timeout 1000");
        }
        let node = self.nodes.get_mut(number);
        node.expect("a node of that number").kill();
    }

    /// Begins to migrate a slot: from now on, the source answers ASK for keys that it no longer has.
    pub fn begin_to_move(&self, slot: u16, from: usize, to: usize) {
        let (giver, taker) = (self.id(from), self.id(to));
        self.node(to)
            .order(&format!("CLUSTER SETSLOT {slot} IMPORTING {giver}"));
        self.node(from)
            .order(&format!("CLUSTER SETSLOT {slot} MIGRATING {taker}"));
    }

    /// Migrates the keys of the slot, and then the slot itself.
    ///
    /// # Panics
    /// When a key does not move.
    pub fn move_the_rest(&self, slot: u16, from: usize, to: usize) {
        let port = self.node(to).port();
        loop {
            let answer = self
                .node(from)
                .ask(&format!("CLUSTER GETKEYSINSLOT {slot} 100"));
            let lines = answer.lines();
            let keys: Vec<&str> = lines.filter(|line| !line.starts_with(['*', '$'])).collect();
            if keys.is_empty() {
                break;
            }
            let keys = keys.join(" ");
            let moved = self
                .node(from)
                .ask(&format!("MIGRATE 127.0.0.1 {port} \"\" 0 5000 KEYS {keys}"));
            assert!(
                moved.starts_with("+OK") || moved.starts_with("+NOKEY"),
                "{moved}"
            );
        }
        let taker = self.id(to);
        for number in [to, from] {
            self.node(number)
                .order(&format!("CLUSTER SETSLOT {slot} NODE {taker}"));
        }
    }

    fn node(&self, number: usize) -> &RedisServer {
        self.nodes.get(number).expect("a node of that number")
    }

    fn id(&self, number: usize) -> String {
        let answer = self.node(number).ask("CLUSTER MYID");
        answer.lines().nth(1).expect("an id").to_owned()
    }

    fn introduce(&self, node: &RedisServer) {
        let port = node.port();
        self.node(0)
            .order(&format!("CLUSTER MEET 127.0.0.1 {port}"));
    }

    async fn until_whole(&self) {
        let known = format!("cluster_known_nodes:{}\r\n", self.nodes.len());
        for node in &self.nodes {
            loop {
                let info = node.ask("CLUSTER INFO");
                if info.contains("cluster_state:ok") && info.contains(&known) {
                    break;
                }
                tokio::time::sleep(A_MOMENT).await;
            }
        }
    }
}

fn port_with_a_bus() -> u16 {
    loop {
        let port = free_port();
        if port < u16::MAX - BUS {
            return port;
        }
    }
}

fn arguments(_: &Path, _: u16) -> Vec<OsString> {
    [
        "--cluster-enabled",
        "yes",
        "--cluster-node-timeout",
        "10000",
        "--cluster-replica-validity-factor",
        "0",
        "--repl-diskless-sync-delay",
        "0",
    ]
    .map(OsString::from)
    .into()
}
