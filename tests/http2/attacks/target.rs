//! A process to attack, whose next connections all go to the worker of one caller, and none to that of the other.

use std::sync::Arc;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustls::ClientConfig;

use super::{
    caller::{Connection, To},
    process::workers,
};
use testkit::scrape::count;
use testkit::{
    eventually,
    process::{Builder, Tollgate},
};

pub const RULES: &str =
    "domain: edge\ndescriptors: [{key: path, rate_limit: {unit: year, requests_per_unit: 4000000000}}]\n";

/// How many connections of an attack may not have been closed yet when its next ones arrive, in addition to one for
/// each peer.
const SPARE: usize = 100;

/// A process, with connections that determine where others go.
pub struct Target {
    pub tollgate: Tollgate,
    /// The attacked worker, by its thread's name.
    pub attacked: String,
    /// Connections that keep the other worker from getting more.
    idle: Vec<Connection>,
}

/// Connections for two callers.
pub struct Pair {
    /// On the attacked worker.
    pub same: Connection,
    /// On the other worker.
    pub other: Connection,
}

impl Target {
    /// Makes all `peers` of an attack go to one worker. The worker with the fewest connections gets the next one, so
    /// the other worker gets more connections than there are peers, and some for those that have not been closed yet.
    pub async fn start(builder: Builder, tls: Option<Arc<ClientConfig>>, peers: usize) -> (Self, Pair) {
        let files = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: files.maximum, ..files }).expect("as many files as may be");
        let tollgate = builder.rules(RULES).start();
        let to = To { address: tollgate.address("grpc"), tls };
        // all work for the new connections is done first, because it may be more than a few PINGs
        let open = || {
            let mut connection = Connection::open(to.clone()).expect("open");
            connection.pings(1).expect("answered");
            connection
        };
        let (mut same, mut other) = (open(), open());
        let attacked = worker_of(&tollgate, &mut same);
        assert_ne!(worker_of(&tollgate, &mut other), attacked, "the first two are on different workers");
        let (mut idle, mut surplus) = (Vec::new(), Vec::new());
        for _ in 0..2 * peers + SPARE {
            // while both have equally many, each gets one of two
            let (mut one, two) = (open(), open());
            let (leaving, staying) = if worker_of(&tollgate, &mut one) == attacked { (one, two) } else { (two, one) };
            idle.push(staying);
            surplus.push(leaving);
        }
        drop(surplus);
        let target = Self { tollgate, attacked, idle };
        target.has_no_more_than(target.connections()).await;
        (target, Pair { same, other })
    }

    /// With one worker, which both callers share.
    pub fn with_one_worker(builder: Builder) -> (Self, Pair) {
        let tollgate = builder.rules(RULES).env("WORKERS", "1").start();
        let to = To { address: tollgate.address("grpc"), tls: None };
        let open = || Connection::open(to.clone()).expect("open");
        let pair = Pair { same: open(), other: open() };
        (Self { tollgate, attacked: "worker-0".to_owned(), idle: Vec::new() }, pair)
    }

    /// The number of open connections.
    pub fn connections(&self) -> usize {
        self.idle.len() + 2
    }

    /// Waits until only this many are left.
    pub async fn has_no_more_than(&self, connections: usize) {
        eventually("others to end", async || {
            (count(&self.tollgate, "tollgate_connections").await <= connections as u64).then_some(())
        })
        .await;
    }
}

/// The worker that runs when this connection has work. It repeats until the result is clear, because another one may
/// have work too.
fn worker_of(tollgate: &Tollgate, connection: &mut Connection) -> String {
    loop {
        let before = workers(tollgate.pid());
        connection.pings(10).expect("answered");
        let now = workers(tollgate.pid());
        let mut ran: Vec<_> = now.iter().map(|(name, ran)| (ran - before[name], name)).collect();
        ran.sort_unstable();
        if let [.., (second, _), (most, worker)] = ran[..]
            && most > 5 * second
        {
            return worker.clone();
        }
    }
}
