//! The client: connections that are kept for ever, and calls that are sent at most once.
//!
//! ```text
//!  Connector ──connect──▶ Client ──▶ Node ──▶ links ──▶ wires: one connection each
//!                            └──▶ Cluster ──▶ Node…
//! ```
//!
//! A client lives on the runtime that made it. Dropped, it closes its connections.

mod cluster;
mod contact;
mod credentials;
mod health;
mod link;
mod node;
mod plan;
mod probing;
mod redirection;
mod wire;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::sync::watch;

use self::{
    cluster::Cluster,
    contact::Contacts,
    health::Healths,
    node::Node,
    plan::{Plan, Target},
    wire::{Command, Reply, ReplyLimit},
};
pub use self::{contact::Contact, health::BreakerReading};
use super::{Address, Call, CallError, Caller, Endpoint, HostPort, Script, Topology, script};
use crate::{
    domain::CounterKey,
    tls::{ClientStats, ClientTls, TlsError, client_config},
};

/// A reconnection that is asked for sooner after the last one is not made.
const BETWEEN_RECONNECTIONS: Duration = Duration::from_secs(1);

/// Why no client can be made for an endpoint.
#[derive(Debug, thiserror::Error)]
pub enum ConnectorError {
    /// Its TLS files.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Makes clients of one endpoint, and counts the connections of all of them.
#[derive(Clone, Debug)]
pub struct Connector {
    plan: Arc<Plan>,
    place: Place,
    healths: Arc<Healths>,
}

#[derive(Clone, Debug)]
enum Place {
    One(Target),
    Cluster(Vec<HostPort>),
}

impl Connector {
    /// Reads the TLS files; connects to nothing.
    ///
    /// # Errors
    /// A TLS file cannot be used.
    pub fn new(endpoint: &Endpoint) -> Result<Self, ConnectorError> {
        let contacts = Arc::new(Contacts::new());
        let plan = Plan {
            credentials: endpoint.credentials.clone(),
            tls: match &endpoint.tls {
                Some(files) => Some(ClientTls::new(client_config(files)?, Arc::new(ClientStats::new("redis")))),
                None => None,
            },
            database: endpoint.database,
            connections: endpoint.connections.get(),
            timeout: endpoint.timeout,
            startup: endpoint.startup,
            contacts: Arc::clone(&contacts),
        };
        let place = match &endpoint.topology {
            Topology::Single(Address::Tcp(at)) => Place::One(Target::Tcp(at.clone())),
            Topology::Single(Address::Unix(path)) => Place::One(Target::Unix(path.clone())),
            Topology::Sentinel { master, sentinels, credentials } => Place::One(Target::Sentinel {
                master: master.clone(),
                sentinels: sentinels.clone(),
                credentials: credentials.clone(),
            }),
            Topology::Cluster(nodes) => Place::Cluster(nodes.clone()),
        };
        Ok(Self { plan: Arc::new(plan), place, healths: Healths::new(contacts, endpoint.breaker) })
    }

    /// A client on the current runtime. It connects in the background, and again for ever.
    #[must_use]
    pub fn connect(&self) -> Client {
        let route = match &self.place {
            Place::One(target) => {
                Route::One(Arc::new(Node::connect(&self.plan, target, &self.healths.of(target))), self.plan.timeout)
            }
            Place::Cluster(seeds) => Route::Cluster(Arc::new(Cluster::connect(&self.plan, seeds, &self.healths))),
        };
        Client { route, reconnected: Mutex::default() }
    }

    /// How the connections of all its clients are doing.
    #[must_use]
    pub fn contact(&self) -> Contact {
        self.plan.contacts.now()
    }

    /// Follows that.
    #[must_use]
    pub fn follow(&self) -> watch::Receiver<Contact> {
        self.plan.contacts.follow()
    }

    /// Connections that are open, of all its clients.
    #[must_use]
    pub fn open_connections(&self) -> usize {
        self.contact().open
    }

    /// Connections that were ever made, by all its clients.
    #[must_use]
    pub fn opened_connections(&self) -> u64 {
        self.contact().made
    }

    /// The TLS handshakes of all its clients; `None` without TLS.
    #[must_use]
    pub fn handshakes(&self) -> Option<&ClientStats> {
        self.plan.tls.as_ref().map(ClientTls::stats)
    }

    /// The breaker of each address that its clients have known.
    #[must_use]
    pub fn breakers(&self) -> Vec<BreakerReading> {
        self.healths.breakers()
    }
}

/// Sends calls to one endpoint.
pub struct Client {
    route: Route,
    reconnected: Mutex<Option<Instant>>,
}

#[derive(Clone, Debug)]
enum Route {
    /// With the time that a call may take.
    One(Arc<Node>, Duration),
    Cluster(Arc<Cluster>),
}

impl Client {
    /// Its connections that are open.
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
    ) -> impl Future<Output = Result<Reply, CallError>> + Send + use<> {
        let route = self.route.clone();
        // boxed, as all that wait for it would carry it
        Box::pin(async move {
            match route {
                Route::One(node, timeout) => node.run(command, false, timeout).await,
                Route::Cluster(cluster) => cluster.run(slot, command).await,
            }
        })
    }
}

impl Caller for Client {
    fn call(
        &self,
        slot: Option<u16>,
        script: Script,
        call: &Call<'_>,
    ) -> impl Future<Output = Result<Bytes, CallError>> + Send + 'static {
        let reply = self.run(slot, command(script, call));
        async move {
            match reply.await? {
                Reply::Bytes(bytes) => Ok(bytes),
                other => Err(unreadable("a script", &other)),
            }
        }
    }

    fn delete(
        &self,
        slot: Option<u16>,
        key: &CounterKey,
    ) -> impl Future<Output = Result<bool, CallError>> + Send + 'static {
        let reply = self.run(slot, Command::new(&[b"DEL", key.as_bytes()], ReplyLimit::SHORT));
        async move {
            match reply.await? {
                Reply::Number(deleted) => Ok(deleted == 1),
                other => Err(unreadable("DEL", &other)),
            }
        }
    }

    fn has_slots(&self) -> bool {
        matches!(self.route, Route::Cluster(_))
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

/// A call of the script that only tells the time.
fn probe() -> Command {
    command(Script::Sha1, &Call::of_nothing())
}

fn command(script: Script, call: &Call<'_>) -> Command {
    let (name, which): (&[u8], &str) = match script {
        Script::Sha1 => (b"EVALSHA", script::SHA1),
        Script::Text => (b"EVAL", script::TEXT),
    };
    let count = call.keys.len().to_string();
    let words = [name, which.as_bytes(), count.as_bytes()];
    let words = words.into_iter().chain(call.keys.iter().copied()).chain([&call.kinds[..], &call.groups]);
    Command::of(call.keys.len() + 5, words, reply_limit(call))
}

/// Far above what the script can say: a state for each counter, or an error for each group.
fn reply_limit(call: &Call<'_>) -> ReplyLimit {
    ReplyLimit { bytes: (64 << 10) + 256 * call.keys.len() + 128 * call.groups.len(), ..ReplyLimit::SHORT }
}
