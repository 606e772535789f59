//! A Redis Cluster of three primaries.

use super::Redis;
use crate::{
    ports::{free_port, hold},
    until,
};

/// Three primaries, each with a third of the slots.
pub struct Cluster {
    pub nodes: Vec<Redis>,
}

/// How long a node may be silent before it counts as failed: longer than a busy machine starves one.
const NODE_TIMEOUT_MS: &str = "4000";

/// A node. The port of its bus is 10 000 above its own (Redis 6 cannot choose it): both have to be free.
fn node() -> Redis {
    for _ in 0..100 {
        let arguments = ["--cluster-enabled", "yes", "--cluster-node-timeout", NODE_TIMEOUT_MS];
        let (directory, port) = (tempfile::tempdir().expect("a directory"), free_port());
        if port.checked_add(10_000).and_then(hold).is_none() {
            continue;
        }
        if let Some(node) = Redis::try_start(directory, port, &arguments) {
            return node;
        }
    }
    panic!("redis-server does not start as a node of a cluster");
}

impl Cluster {
    pub async fn start() -> Self {
        let nodes: Vec<_> = (0..3).map(|_| node()).collect();
        for (node, slots) in nodes.iter().zip([0..5461, 5461..10_923, 10_923..16_384]) {
            let slots: Vec<_> = slots.map(|slot| slot.to_string()).collect();
            let words = ["CLUSTER", "ADDSLOTS"].into_iter().chain(slots.iter().map(String::as_str));
            node.cli(&words.collect::<Vec<_>>());
            for other in &nodes {
                other.meet(node);
            }
        }
        let cluster = Self { nodes };
        cluster.settled(3).await;
        cluster
    }

    /// Waits until every node knows this many nodes, and the cluster is up.
    async fn settled(&self, nodes: usize) {
        until("the cluster is up", || {
            self.nodes.iter().all(|node| {
                let info = node.cli(&["CLUSTER", "INFO"]);
                info.contains("cluster_state:ok") && info.contains(&format!("cluster_known_nodes:{nodes}\r\n"))
            })
        })
        .await;
    }

    /// Adds a replica of a node, and waits until it has all of the node's data.
    pub async fn replica(&mut self, of: usize) {
        let replica = node();
        replica.cli(&["CONFIG", "SET", "repl-diskless-sync-delay", "0"]);
        self.nodes[of].cli(&["CONFIG", "SET", "repl-diskless-sync-delay", "0"]);
        replica.meet(&self.nodes[of]);
        self.nodes.push(replica);
        self.settled(self.nodes.len()).await;
        let (id, replica) = (self.id(of), self.nodes.last().expect("a replica"));
        until("it is a replica", || replica.cli(&["CLUSTER", "REPLICATE", &id]) == "OK").await;
        until("it is up to date", || self.nodes[of].feeds_a_replica(&[])).await;
    }

    pub fn id(&self, node: usize) -> String {
        self.nodes[node].cli(&["CLUSTER", "MYID"])
    }
}

impl Redis {
    fn meet(&self, node: &Self) {
        self.cli(&["CLUSTER", "MEET", "127.0.0.1", &node.port.to_string()]);
    }
}
