//! The state of the connections to one address: counted, and logged once when it changes. Shared by the workers.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Instant,
};

use tokio::sync::Notify;

use super::{MAX_NODES, contact::Contacts};
use crate::breaker::{Breaker, BreakerConfig, BreakerState};
use throttle::LineBudget;

/// The health of each address.
#[derive(Debug)]
pub(super) struct Healths {
    contacts: Arc<Contacts>,
    breaker: Option<BreakerConfig>,
    /// For lines about connections that come and go.
    lines: Arc<LineBudget>,
    of: Mutex<HashMap<String, Arc<Health>>>,
}

/// The most unused addresses that are remembered, for what was logged of them: a cluster may keep naming new ones.
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

/// A reading of a breaker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakerReading {
    /// Its address.
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
    /// Notified when a connection was made.
    pub(super) connected: Notify,
    /// Notified when a connection was made, or could not be.
    pub(super) news: Notify,
    /// Notified when every connection, idle ones too, has to be tested for an answer.
    pub(super) doubt: Notify,
    /// Clients that are connected to it or try to connect: none once its node has left the cluster.
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
    /// There are connections, but no further ones can be made.
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
            connected: Notify::new(),
            news: Notify::new(),
            doubt: Notify::new(),
            users: AtomicUsize::new(0),
            contacts,
            lines,
            state: Mutex::default(),
        })
    }

    /// A client begins to use it.
    pub(super) fn joined(&self) {
        self.users.fetch_add(1, Relaxed);
        self.note();
    }

    fn note(&self) {
        let is_shut = || self.breaker.as_ref().is_some_and(|breaker| !breaker.admits());
        self.contacts.note(&self.address, || (self.users.load(Relaxed) > 0).then(is_shut));
    }

    /// A new connection has charged a counter, which is all that a probe does: it closes the breaker as one would,
    /// unless the address has passed this before and then answered nothing.
    pub(super) fn proven(&self) {
        if self.breaker.as_ref().is_some_and(|breaker| breaker.proven(Instant::now())) {
            self.mended();
        }
    }

    /// A client uses it no more. The state of an address without clients is unknown: if it joins a cluster again, it
    /// starts anew.
    pub(super) fn left(&self) {
        if self.users.fetch_sub(1, Relaxed) == 1 {
            let was_shut = self.breaker.as_ref().is_some_and(Breaker::reset);
            self.note();
            self.contacts.forget(&self.address);
            if was_shut {
                tracing::warn!(address = self.address, "redis is not used any more: its breaker is closed");
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

    /// A connection has stopped answering. Idle connections may have too, and must be tested before they count as
    /// connected.
    pub(super) fn fell_silent(&self) {
        self.doubt.notify_waiters();
    }

    /// The breaker has opened: on silence, or on a call that was refused with this error.
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

    /// The breaker has closed. Logged at the level of its opening, so that a log with one of the lines has the other.
    pub(super) fn mended(&self) {
        self.note();
        tracing::warn!(address = self.address, "redis answers again: its breaker is closed");
    }

    /// A connection was made; it is open until what this returns is closed or dropped.
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

    /// An attempt to connect failed. If other connections are open, it was one more for `REDIS_POOL_SIZE`, and Redis
    /// may be at its limit of clients.
    pub(super) fn failed(&self, reason: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.contacts.failed(&self.address, reason, state.open == 0);
        if state.open == 0 {
            if state.logged.replace(Logged::Disconnected) != Some(Logged::Disconnected)
                && let Some(left_out) = self.lines.line(Instant::now())
            {
                tracing::warn!(address = self.address, reason, left_out, "cannot connect to redis; trying on");
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
                "cannot make another connection to redis; trying on"
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
            tracing::warn!(address, reason, left_out, "lost the connection to redis; connecting again");
        }
    }
}

/// A connection that is open.
#[derive(Debug)]
pub(super) struct Open {
    health: Arc<Health>,
    lost: Option<Box<str>>,
}

impl Open {
    /// The connection broke. One that is closed on purpose is dropped instead.
    pub(super) fn lost(mut self, reason: Box<str>) {
        self.lost = Some(reason);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.health.closed(self.lost.as_deref());
    }
}
