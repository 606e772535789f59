//! The client: connections that are re-established when they break, and calls that are sent at most once.
//!
//! ```text
//!  Connector ──connect──▶ Client ──▶ Node ──▶ links ──▶ wires: one connection each, proven to count
//!                            └──▶ Cluster ──▶ Node…
//! ```
//!
//! A client lives on the runtime on which it was created. Dropping it closes its connections.

mod ask;
mod cluster;
mod contact;
mod credentials;
mod cure;
#[cfg(fuzzing)]
mod fuzzing;
mod health;
mod key_limit;
mod link;
mod node;
mod peer;
mod plain;
mod plan;
mod proof;
mod redirection;
mod wire;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::watch;

#[cfg(fuzzing)]
pub use self::fuzzing::read_replies;
pub(super) use self::node::Observation;
use self::{
    cluster::Cluster,
    contact::Contacts,
    health::Healths,
    key_limit::KeyLimit,
    node::Node,
    peer::Peer,
    plan::{Plan, Target},
    proof::Proof,
    wire::{Command, CommandKind, Reply, ReplyLimit},
};
pub use self::{contact::Contact, cure::RIGHTS, health::BreakerReading};
use super::{
    Addition, Address, Call, CallError, Caller, Endpoint, HostPort, KeysPerCall, Replied, Script, Server, Topology,
    script,
};

use tls::{ClientStats, ClientTls, TlsError, client_config};

/// The least time between two requested reconnections; an earlier request is ignored.
const BETWEEN_RECONNECTIONS: Duration = Duration::from_secs(1);

/// The most nodes of a cluster that are connected to. The cluster specification recommends at most about a thousand; a
/// reply that names more is malformed or malicious.
const MAX_NODES: usize = 1000;

/// Why no client can be made for an endpoint.
#[derive(Debug, thiserror::Error)]
pub enum ConnectorError {
    /// A TLS file cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Creates the clients of one endpoint, and counts the connections of all of them.
#[derive(Clone, Debug)]
pub struct Connector {
    plan: Arc<Plan>,
    servers: Servers,
    healths: Arc<Healths>,
}

#[derive(Clone, Debug)]
enum Servers {
    One(Target),
    /// The seeds: nodes from which the others are discovered.
    Cluster(Vec<HostPort>),
}

impl Connector {
    /// Reads the TLS files. Connects to no server.
    ///
    /// # Errors
    /// If a TLS file cannot be used.
    pub fn new(endpoint: &Endpoint) -> Result<Self, ConnectorError> {
        let contacts = Arc::new(Contacts::new());
        let plan = Plan {
            credentials: endpoint.credentials.clone(),
            key_prefix: endpoint.key_prefix.as_str().into(),
            tls: match &endpoint.tls {
                Some(files) => Some(ClientTls::new(client_config(files)?, Arc::new(ClientStats::new("redis")))),
                None => None,
            },
            database: endpoint.database,
            connections: endpoint.connections.get(),
            timeout: endpoint.timeout,
            startup: endpoint.startup,
            contacts: Arc::clone(&contacts),
            keys: Arc::new(KeyLimit::new(keys_per_call(endpoint))),
            plain_commands: endpoint.plain_commands,
        };
        let servers = match &endpoint.topology {
            Topology::Single(Address::Tcp(at)) => Servers::One(Target::Tcp(at.clone())),
            Topology::Single(Address::Unix(path)) => Servers::One(Target::Unix(path.clone())),
            Topology::Sentinel { master, sentinels, credentials } => Servers::One(Target::Sentinel {
                master: master.clone(),
                sentinels: sentinels.clone(),
                credentials: credentials.clone(),
            }),
            Topology::Cluster(nodes) => Servers::Cluster(nodes.clone()),
        };
        Ok(Self { plan: Arc::new(plan), servers, healths: Healths::new(contacts, endpoint.breaker) })
    }

    /// A client on the current runtime. It connects in the background, and reconnects for as long as it lives.
    #[must_use]
    pub fn connect(&self) -> Client {
        let member = self.plan.contacts.joins();
        let route = match &self.servers {
            Servers::One(target) => {
                let proof = Proof::of_one(&self.plan.key_prefix, &self.plan.credentials);
                let peer = Peer::new(&self.plan, target, &self.healths.of(target), proof, &member);
                Route::One(Node::connect(peer), self.plan.timeout)
            }
            Servers::Cluster(seeds) => {
                Route::Cluster(Arc::new(Cluster::connect(&self.plan, seeds, &self.healths, member)))
            }
        };
        Client { route, keys: Arc::clone(&self.plan.keys), reconnected: Mutex::default() }
    }

    /// The state of the connections of all its clients.
    #[must_use]
    pub fn contact(&self) -> Contact {
        self.plan.contacts.now()
    }

    /// Follows that state.
    #[must_use]
    pub fn follow(&self) -> watch::Receiver<Contact> {
        self.plan.contacts.follow()
    }

    /// Follows how many keys a call may carry; `None` while that is not known yet.
    #[must_use]
    pub fn keys_per_call(&self) -> watch::Receiver<Option<KeysPerCall>> {
        self.plan.keys.follow()
    }

    /// Open connections of all its clients.
    #[must_use]
    pub fn open_connections(&self) -> usize {
        self.contact().open
    }

    /// Failed attempts to connect of all its clients, since the start.
    #[must_use]
    pub fn failed_connections(&self) -> u64 {
        self.contact().failed
    }

    /// Connections that all its clients have made since the start.
    #[must_use]
    pub fn opened_connections(&self) -> u64 {
        self.contact().made
    }

    /// The TLS handshakes of all its clients; `None` without TLS.
    #[must_use]
    pub fn handshakes(&self) -> Option<&ClientStats> {
        self.plan.tls.as_ref().map(ClientTls::stats)
    }

    /// The breakers of all addresses that its clients use.
    #[must_use]
    pub fn breakers(&self) -> Vec<BreakerReading> {
        self.healths.breakers()
    }
}

/// The limit that is configured or implied; `None`: to be detected. Sentinels name a Redis, not a proxy, and in a
/// cluster all keys of a slot are on one node.
fn keys_per_call(endpoint: &Endpoint) -> Option<KeysPerCall> {
    match endpoint.topology {
        Topology::Single(_) => endpoint.keys_per_call,
        Topology::Sentinel { .. } | Topology::Cluster(_) => endpoint.keys_per_call.or(Some(KeysPerCall::Many)),
    }
}

/// Sends calls to one endpoint.
pub struct Client {
    route: Route,
    keys: Arc<KeyLimit>,
    reconnected: Mutex<Option<Instant>>,
}

#[derive(Clone, Debug)]
enum Route {
    /// With the time that a call may take.
    One(Arc<Node>, Duration),
    Cluster(Arc<Cluster>),
}

impl Client {
    /// Its open connections.
    #[must_use]
    pub fn open_connections(&self) -> usize {
        match &self.route {
            Route::One(node, _) => node.open(),
            Route::Cluster(cluster) => cluster.open(),
        }
    }

    fn run(
        &self,
        slot: Option<u16>,
        command: Command,
    ) -> impl Future<Output = Result<(Reply, Option<Observation>), CallError>> + Send + use<> {
        self.route.clone().run(slot, command)
    }
}

impl Route {
    fn run(
        self,
        slot: Option<u16>,
        command: Command,
    ) -> impl Future<Output = Result<(Reply, Option<Observation>), CallError>> + Send + use<> {
        // boxed, so that the futures that await it do not contain this large one
        Box::pin(async move {
            match self {
                Self::One(node, timeout) => node.run(command, false, timeout).await,
                Self::Cluster(cluster) => cluster.run(slot, command).await,
            }
        })
    }
}

impl Caller for Client {
    fn call(
        &self,
        slot: Option<u16>,
        script: Script,
        call: &Call,
    ) -> impl Future<Output = Result<Replied, CallError>> + Send + 'static {
        let reply = self.run(slot, command(script, call));
        async move {
            match reply.await? {
                (Reply::Bytes(bytes), observation) => Ok(Replied::observed(bytes, observation)),
                (other, _) => Err(unreadable("a script", &other)),
            }
        }
    }

    fn add(
        &self,
        slot: Option<u16>,
        addition: &Addition,
    ) -> impl Future<Output = Result<i64, CallError>> + Send + 'static {
        let (reply, route, addition) = (self.run(slot, plain::add(addition)), self.route.clone(), addition.clone());
        async move {
            let (reply, _) = reply.await?;
            let counted = match &reply {
                Reply::List(replies) => plain::count(replies, &addition),
                _ => None,
            };
            let (count, is_immortal) = counted.ok_or_else(|| unreadable("SET and INCRBY", &reply))?;
            if is_immortal {
                // the count stands, whatever becomes of this
                let _ = route.run(slot, plain::expire(&addition)).await;
            }
            Ok(count)
        }
    }

    fn delete(
        &self,
        slot: Option<u16>,
        keys: &[Vec<u8>],
    ) -> impl Future<Output = Result<bool, CallError>> + Send + 'static {
        let words = std::iter::once(&b"DEL"[..]).chain(keys.iter().map(Vec::as_slice));
        let command = Command::of(keys.len() + 1, words, ReplyLimit::SHORT).with_keys(keys.len());
        let reply = self.run(slot, command);
        async move {
            match reply.await? {
                (Reply::Number(deleted), _) => Ok(deleted > 0),
                (other, _) => Err(unreadable("DEL", &other)),
            }
        }
    }

    fn server(&self, slot: Option<u16>) -> Server {
        match &self.route {
            Route::One(node, _) => node.server(),
            Route::Cluster(cluster) => cluster.server(slot),
        }
    }

    fn has_slots(&self) -> bool {
        matches!(self.route, Route::Cluster(_))
    }

    fn keys_per_call(&self) -> Option<KeysPerCall> {
        self.keys.now()
    }

    fn admits(&self, slot: Option<u16>) -> bool {
        match &self.route {
            Route::One(node, _) => node.admits(),
            Route::Cluster(cluster) => cluster.admits(slot),
        }
    }

    fn reconnect(&self) {
        let mut reconnected = self.reconnected.lock().unwrap_or_else(PoisonError::into_inner);
        if reconnected.is_none_or(|at| at.elapsed() >= BETWEEN_RECONNECTIONS) {
            *reconnected = Some(Instant::now());
            match &self.route {
                Route::One(node, _) => node.reconnect(),
                Route::Cluster(cluster) => cluster.reconnect(),
            }
        }
    }

    async fn close(&self) {
        match &self.route {
            Route::One(node, _) => node.close().await,
            Route::Cluster(cluster) => cluster.close().await,
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("open", &self.open_connections()).finish_non_exhaustive()
    }
}

fn unreadable(to: &str, reply: &Reply) -> CallError {
    CallError::Unreadable(format!("{reply}, which is no reply to {to}: does a proxy mix up replies?").into())
}

fn command(script: Script, call: &Call) -> Command {
    let (name, which): (&[u8], &str) = match script {
        Script::Sha1 => (b"EVALSHA", script::SHA1),
        Script::Text => (b"EVAL", script::TEXT),
    };
    let keys = call.keys().len();
    let count = keys.to_string();
    let words = [name, which.as_bytes(), count.as_bytes()];
    let words = words.into_iter().chain(call.keys()).chain([&call.kinds[..], &call.groups]);
    Command::of(keys + 5, words, reply_limit(call)).with_keys(keys).of_kind(CommandKind::Script)
}

/// A limit far above the longest reply of the script, which has a state for each counter or an error for each group.
fn reply_limit(call: &Call) -> ReplyLimit {
    ReplyLimit { bytes: (64 << 10) + 256 * call.keys().len() + 128 * call.groups.len(), ..ReplyLimit::SHORT }
}
