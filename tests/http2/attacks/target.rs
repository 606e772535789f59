//! A process to attack, whose next connections all come to the worker of one caller, and to none of another's.

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

/// Connections of an attack that may not have left yet when the next come, beside one for each of its peers.
const SPARE: usize = 100;

/// A process, and what keeps connections where they belong.
pub struct Target {
    pub tollgate: Tollgate,
    /// The worker that is attacked, by its thread's name.
    pub attacked: String,
    /// These keep the other one from being dealt more.
    idle: Vec<Connection>,
}

/// For two callers.
pub struct Pair {
    /// On the worker that is attacked.
    pub same: Connection,
    /// On the other one.
    pub other: Connection,
}

impl Target {
    /// `peers` of an attack will all be on one worker. Connections are dealt to the worker that has fewest, so the
    /// other one is given more than they are, and some, for those that have not left yet when the next come.
    pub async fn start(builder: Builder, tls: Option<Arc<ClientConfig>>, peers: usize) -> (Self, Pair) {
        let files = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: files.maximum, ..files }).expect("as many files as may be");
        let tollgate = builder.rules(RULES).start();
        let to = To { address: tollgate.address("grpc"), tls };
        // what there is to do for a new connection is done, for that may be more than a few PINGs
        let open = || {
            let mut connection = Connection::open(to.clone()).expect("open");
            connection.pings(1).expect("answered");
            connection
        };
        let (mut same, mut other) = (open(), open());
        let attacked = worker_of(&tollgate, &mut same);
        assert_ne!(worker_of(&tollgate, &mut other), attacked, "the first two are dealt to a worker each");
        let (mut idle, mut surplus) = (Vec::new(), Vec::new());
        for _ in 0..2 * peers + SPARE {
            // as long as both have as many, each is dealt one of two
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

    /// With one worker, on which both callers are.
    pub fn with_one_worker(builder: Builder) -> (Self, Pair) {
        let tollgate = builder.rules(RULES).env("WORKERS", "1").start();
        let to = To { address: tollgate.address("grpc"), tls: None };
        let open = || Connection::open(to.clone()).expect("open");
        let pair = Pair { same: open(), other: open() };
        (Self { tollgate, attacked: "worker-0".to_owned(), idle: Vec::new() }, pair)
    }

    /// Connections of this.
    pub fn connections(&self) -> usize {
        self.idle.len() + 2
    }

    /// Waits until all others have ended.
    pub async fn has_no_more_than(&self, connections: usize) {
        eventually("others to end", async || {
            (count(&self.tollgate, "tollgate_connections").await <= connections as u64).then_some(())
        })
        .await;
    }
}

/// The worker that runs when this connection wants something, which is clear sooner or later: another one may have
/// something to do as well.
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
