//! The state of the connections to each address: counted, and logged when it changes. Shared by the workers.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Instant,
};

use tokio::sync::Notify;

use super::{MAX_NODES, contact::Contacts};
use crate::{
    breaker::{Breaker, BreakerConfig, BreakerState},
    clock::ServerClock,
    refusal,
};
use limiter::domain::Refusal;
use throttle::LineBudget;

/// The health of each address.
#[derive(Debug)]
pub(super) struct Healths {
    contacts: Arc<Contacts>,
    breaker: Option<BreakerConfig>,
    /// Limits log lines about connections that come and go.
    lines: Arc<LineBudget>,
    of: Mutex<HashMap<String, Arc<Health>>>,
}

/// The most unused addresses that are remembered, so that their state is not logged again. The bound is needed because
/// a cluster may keep naming new ones.
const MAX_UNUSED: usize = 2 * MAX_NODES;

impl Healths {
    pub(super) fn new(contacts: Arc<Contacts>, breaker: Option<BreakerConfig>) -> Arc<Self> {
        let lines = Arc::new(LineBudget::new(Instant::now()));
        Arc::new(Self { contacts, breaker, lines, of: Mutex::default() })
    }

    /// The breaker of each address that is in use: its state, and how often it has opened.
    pub(super) fn breakers(&self) -> Vec<BreakerReading> {
        let of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        let reading = |health: &Arc<Health>| {
            let breaker = health.breaker.as_ref().filter(|_| health.users.load(Relaxed) > 0)?;
            Some(BreakerReading { address: health.address.clone(), state: breaker.state(), opened: breaker.opened() })
        };
        of.values().filter_map(reading).collect()
    }

    /// The health of this address.
    pub(super) fn of(&self, address: &impl fmt::Display) -> Arc<Health> {
        let address = address.to_string();
        let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        if of.len() > MAX_UNUSED && !of.contains_key(&address) {
            of.retain(|address, health| {
                let is_used = Arc::strong_count(health) > 1;
                if !is_used {
                    self.contacts.forget(address);
                }
                is_used
            });
        }
        let new = || Health::new(address.clone(), Arc::clone(&self.contacts), self.breaker, Arc::clone(&self.lines));
        Arc::clone(of.entry(address.clone()).or_insert_with(new))
    }
}

/// A snapshot of a breaker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakerReading {
    /// The address whose calls it guards.
    pub address: String,
    /// Its state.
    pub state: BreakerState,
    /// How many times it has opened since the start.
    pub opened: u64,
}

/// The connections to one address.
#[derive(Debug)]
pub(super) struct Health {
    address: String,
    pub(super) breaker: Option<Breaker>,
    /// The clock of the server at the address.
    pub(super) clock: ServerClock,
    /// Whether the server refuses plain commands to this user.
    refuses_plain: AtomicBool,
    /// Notified when a connection was made.
    pub(super) connected: Notify,
    /// Notified when an attempt to connect has succeeded or failed.
    pub(super) news: Notify,
    /// Notified when every connection, idle ones included, has to be tested with a PING.
    pub(super) doubt: Notify,
    /// The number of clients that are connected or try to connect; zero once the node has left the cluster.
    users: AtomicUsize,
    contacts: Arc<Contacts>,
    lines: Arc<LineBudget>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    open: usize,
    /// What was logged last; `None`: nothing yet.
    logged: Option<Logged>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Logged {
    Connected,
    /// There are connections, but attempts to make further ones fail.
    Partly,
    Disconnected,
}

impl Health {
    fn new(
        address: String,
        contacts: Arc<Contacts>,
        breaker: Option<BreakerConfig>,
        lines: Arc<LineBudget>,
    ) -> Arc<Self> {
        Arc::new(Self {
            address,
            breaker: breaker.map(Breaker::new),
            clock: ServerClock::new(),
            refuses_plain: AtomicBool::new(false),
            connected: Notify::new(),
            news: Notify::new(),
            doubt: Notify::new(),
            users: AtomicUsize::new(0),
            contacts,
            lines,
            state: Mutex::default(),
        })
    }

    /// Whether the server takes plain commands, as far as is known.
    pub(super) fn takes_plain(&self) -> bool {
        !self.refuses_plain.load(Relaxed)
    }

    /// The server has taken all plain commands.
    pub(super) fn took_plain(&self) {
        self.refuses_plain.store(false, Relaxed);
    }

    /// The server has refused a plain command of a call with this error. If the error will recur for other counters,
    /// none is sent any more, until a new connection has tried them.
    pub(super) fn refused_plain(&self, reason: &str) {
        if refusal::of(reason) == Refusal::NotPermitted || refusal::is_unknown_command(reason) {
            self.gives_up_plain(reason);
        }
    }

    /// The server has refused a plain command of the proof, which has a counter of its own, with this error.
    pub(super) fn refused_plain_proof(&self, reason: &str) {
        if !matches!(refusal::of(reason), Refusal::NotReady | Refusal::ReadOnly | Refusal::OutOfMemory) {
            self.gives_up_plain(reason);
        }
    }

    fn gives_up_plain(&self, reason: &str) {
        if !self.refuses_plain.swap(true, Relaxed) {
            tracing::warn!(
                address = self.address,
                reason,
                "redis refuses plain commands, so the script counts what they could count, at about twice the cost: \
                 permit +set +incrby +pexpire, which the next connection tries, or set REDIS_PLAIN_COMMANDS=false"
            );
        }
    }

    /// A client begins to use the address.
    pub(super) fn joined(&self) {
        self.users.fetch_add(1, Relaxed);
        self.note();
    }

    fn note(&self) {
        let is_shut = || self.breaker.as_ref().is_some_and(|breaker| !breaker.admits());
        self.contacts.note(&self.address, || (self.users.load(Relaxed) > 0).then(is_shut));
    }

    /// A new connection has charged a counter, as a probe does. This closes the breaker like a successful probe, unless
    /// the address has recently passed such a test and then answered no calls.
    pub(super) fn proven(&self) {
        if self.breaker.as_ref().is_some_and(|breaker| breaker.proven(Instant::now())) {
            self.recovered();
        }
    }

    /// A client no longer uses the address. The last one resets the breaker: the state of an address without clients is
    /// unknown, and its node may join the cluster again.
    pub(super) fn left(&self) {
        if self.users.fetch_sub(1, Relaxed) == 1 {
            let was_shut = self.breaker.as_ref().is_some_and(Breaker::reset);
            self.note();
            self.contacts.forget(&self.address);
            if was_shut {
                tracing::warn!(address = self.address, "redis is no longer used: its breaker is closed");
            }
        }
    }

    /// Whether any client is connected to it.
    pub(super) fn is_connected(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).open > 0
    }

    /// Whether no client is connected to it, and the last attempt to connect failed.
    pub(super) fn is_down(&self) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.open == 0 && state.logged == Some(Logged::Disconnected)
    }

    /// A connection has stopped answering. Idle connections may have stopped too, so all are tested.
    pub(super) fn fell_silent(&self) {
        self.doubt.notify_waiters();
    }

    /// The breaker has opened: because of a call without a reply, or of one that was refused with this error.
    pub(super) fn tripped(&self, refused: Option<&str>) {
        self.note();
        match refused {
            None => {
                self.doubt.notify_waiters();
                tracing::warn!(address = self.address, "redis does not answer: its breaker is open");
            }
            Some(text) => {
                tracing::warn!(address = self.address, reason = text, "redis refuses to count: its breaker is open");
            }
        }
    }

    /// The breaker has closed. Logged at the same level as its opening, so that a log has both lines or neither.
    pub(super) fn recovered(&self) {
        self.note();
        tracing::warn!(address = self.address, "redis answers again: its breaker is closed");
    }

    /// A connection was made. It counts as open until the returned guard is dropped.
    pub(super) fn opened(self: &Arc<Self>) -> Open {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.contacts.opened(&self.address);
        state.open += 1;
        // while some attempts still fail, one that succeeds is not logged
        if state.logged != Some(Logged::Partly)
            && state.logged.replace(Logged::Connected) != Some(Logged::Connected)
            && let Some(left_out) = self.lines.line(Instant::now())
        {
            tracing::info!(address = self.address, left_out, "connected to redis");
        }
        self.connected.notify_waiters();
        self.news.notify_waiters();
        Open { health: Arc::clone(self), lost: None }
    }

    /// An attempt to connect failed. If other connections are open, Redis may be at its limit of clients
    /// (`maxclients`), which is logged with another message.
    pub(super) fn failed(&self, reason: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.contacts.failed(&self.address, reason, state.open == 0);
        if state.open == 0 {
            if state.logged.replace(Logged::Disconnected) != Some(Logged::Disconnected)
                && let Some(left_out) = self.lines.line(Instant::now())
            {
                tracing::warn!(address = self.address, reason, left_out, "cannot connect to redis; retrying");
            }
        } else if state.logged.replace(Logged::Partly) != Some(Logged::Partly)
            && let Some(left_out) = self.lines.line(Instant::now())
        {
            let open = state.open;
            tracing::warn!(
                address = self.address,
                open,
                reason,
                left_out,
                "cannot make another connection to redis; retrying"
            );
        }
        self.news.notify_waiters();
    }

    fn closed(&self, lost: Option<&str>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.open -= 1;
        let lost = lost.filter(|_| state.open == 0);
        self.contacts.closed(&self.address, lost);
        let Some(reason) = lost else { return };
        if state.logged.replace(Logged::Disconnected) != Some(Logged::Disconnected)
            && let Some(left_out) = self.lines.line(Instant::now())
        {
            let address = &*self.address;
            tracing::warn!(address, reason, left_out, "lost the connection to redis; reconnecting");
        }
    }
}

/// Counts a connection as open until it is dropped.
#[derive(Debug)]
pub(super) struct Open {
    health: Arc<Health>,
    lost: Option<Box<str>>,
}

impl Open {
    /// The connection broke, for this reason. For one that was closed on purpose, drop the guard instead.
    pub(super) fn lost(mut self, reason: Box<str>) {
        self.lost = Some(reason);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.health.closed(self.lost.as_deref());
    }
}
