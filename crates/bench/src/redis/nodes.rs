//! A fresh Redis for a turn: one server, or a cluster of three primaries without replicas.

use std::{
    fmt::{self, Write as _},
    net::{SocketAddr, TcpListener},
    path::Path,
    str::FromStr,
    time::Duration,
};

use tokio::time::{Instant, sleep};

use super::{Connection, PATIENCE, RedisError, slot};
use crate::{
    folder::Folder,
    process::{self, Server},
};

/// The number of nodes of a cluster.
const NODES: u16 = 3;
/// The port of a node's bus is this far above its own. Redis 6 cannot choose another one.
const BUS: u16 = 10_000;

/// One server or a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Single,
    Cluster,
}

impl FromStr for Kind {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        match text {
            "single" => Ok(Self::Single),
            "cluster" => Ok(Self::Cluster),
            _ => Err("write single or cluster"),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Single => "single",
            Self::Cluster => "cluster",
        })
    }
}

/// Running servers. They are stopped when this is dropped.
#[derive(Debug)]
pub(crate) struct Nodes {
    kind: Kind,
    servers: Vec<Server>,
    _folder: Folder,
}

impl Nodes {
    /// Starts this program, once or as a cluster.
    pub(crate) async fn start(program: &Path, kind: Kind) -> Result<Self, RedisError> {
        let folder = Folder::create()?;
        let servers = match kind {
            Kind::Single => vec![process::redis_at(program, None, &["--dir", &folder.text()])?],
            Kind::Cluster => (0..NODES).map(|_| node(program, &folder)).collect::<Result<_, _>>()?,
        };
        let nodes = Self { kind, servers, _folder: folder };
        if kind == Kind::Cluster {
            nodes.join().await?;
        }
        Ok(nodes)
    }

    /// The value of REDIS_URL.
    pub(crate) fn url(&self) -> String {
        let scheme = match self.kind {
            Kind::Single => "redis",
            Kind::Cluster => "redis-cluster",
        };
        let mut url = format!("{scheme}://");
        for (nth, address) in self.addresses().iter().enumerate() {
            let _ = write!(url, "{}{address}", if nth > 0 { "," } else { "" });
        }
        url
    }

    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.servers.iter().map(|server| server.address).collect()
    }

    pub(crate) fn pids(&self) -> Vec<u32> {
        self.servers.iter().map(Server::pid).collect()
    }

    /// The name and version of the program.
    pub(crate) async fn version(&self) -> Result<String, RedisError> {
        self.connect().await?[0].version().await
    }

    /// Loads a script on all nodes. Returns its SHA1.
    pub(crate) async fn load_script(&self, text: &str) -> Result<String, RedisError> {
        let mut sha1 = String::new();
        for mut connection in self.connect().await? {
            sha1 = connection.ask(&[&["SCRIPT", "LOAD", text]]).await?;
        }
        Ok(sha1)
    }

    /// Removes all keys.
    pub(crate) async fn flush(&self) -> Result<(), RedisError> {
        for mut connection in self.connect().await? {
            connection.ask(&[&["FLUSHALL"]]).await?;
        }
        Ok(())
    }

    /// Opens a connection to each node.
    pub(crate) async fn connect(&self) -> Result<Vec<Connection>, RedisError> {
        connect(&self.addresses()).await
    }

    /// Makes a cluster of the servers: each has an equal part of the slots.
    async fn join(&self) -> Result<(), RedisError> {
        let mut connections = self.connect().await?;
        let addresses = self.addresses();
        for (nth, connection) in connections.iter_mut().enumerate() {
            let slots: Vec<String> =
                (0..slot::SLOTS).filter(|slot| owner(*slot, NODES.into()) == nth).map(text).collect();
            let words: Vec<&str> =
                ["CLUSTER", "ADDSLOTS"].into_iter().chain(slots.iter().map(String::as_str)).collect();
            connection.ask(&[&words]).await?;
            for other in &addresses {
                connection.ask(&[&["CLUSTER", "MEET", "127.0.0.1", &other.port().to_string()]]).await?;
            }
        }
        let start = Instant::now();
        for connection in &mut connections {
            loop {
                let info = connection.ask(&[&["CLUSTER", "INFO"]]).await?;
                if info.contains("cluster_state:ok") && info.contains(&format!("cluster_known_nodes:{NODES}\r\n")) {
                    break;
                }
                if start.elapsed() > PATIENCE {
                    return Err(RedisError::NotACluster(info.lines().next().unwrap_or_default().to_owned()));
                }
                sleep(Duration::from_millis(20)).await;
            }
        }
        Ok(())
    }
}

fn text(slot: u16) -> String {
    slot.to_string()
}

/// The node of a slot.
pub(super) fn owner(slot: u16, nodes: usize) -> usize {
    usize::from(slot) * nodes / usize::from(slot::SLOTS)
}

pub(super) async fn connect(addresses: &[SocketAddr]) -> Result<Vec<Connection>, RedisError> {
    let mut connections = Vec::new();
    for address in addresses {
        connections.push(Connection::to(*address).await?);
    }
    Ok(connections)
}

/// Starts a node of a cluster.
fn node(program: &Path, folder: &Folder) -> Result<Server, RedisError> {
    const ATTEMPTS: usize = 100;
    let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let mut ports = (0..ATTEMPTS).filter_map(|_| process::free_port().ok());
    let port = ports.find(|port| port.checked_add(BUS).is_some_and(free)).ok_or(RedisError::NoPorts)?;
    let config = format!("nodes-{port}.conf");
    let arguments = ["--dir", &folder.text(), "--cluster-enabled", "yes", "--cluster-config-file", &config];
    Ok(process::redis_at(program, Some(port), &arguments)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_node_has_an_equal_part_of_the_slots() {
        let owners: Vec<usize> = (0..slot::SLOTS).map(|slot| owner(slot, 3)).collect();
        for node in 0..3 {
            let slots = owners.iter().filter(|owner| **owner == node).count();
            assert!((5461..=5462).contains(&slots), "{node}: {slots}");
        }
        assert!(owners.is_sorted());
    }
}
