//! The state of the connections to one endpoint, for readiness and metrics. Until the first connection is made, it also
//! serialises the attempts. Shared by the workers.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use tokio::sync::{Semaphore, SemaphorePermit, watch};

/// The most addresses whose error is shown. A cluster may have hundreds that fail alike.
const SHOWN: usize = 3;

/// A snapshot of the connections to all addresses of one endpoint. Each was proven to count, except those to nodes of a
/// cluster that serve no slots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contact {
    /// Open connections.
    pub open: usize,
    /// Connections made since the start.
    pub made: u64,
    /// Attempts to connect that failed since the start: the server was not reached, rejected the login, or did not
    /// count.
    pub failed: u64,
    /// Clients that exist.
    pub clients: usize,
    /// Clients that have counted on each of their nodes at least once.
    pub counting: usize,
    /// The addresses that clients use, and whether the breaker of each is open or half open.
    pub used: BTreeMap<Arc<str>, bool>,
    /// Why there is no connection, by address, without credentials.
    pub trouble: BTreeMap<Arc<str>, Arc<str>>,
}

/// Keeps a [`Contact`] up to date, and serialises attempts to connect until the endpoint has answered.
#[derive(Debug)]
pub(super) struct Contacts {
    now: watch::Sender<Contact>,
    /// One permit; closed for good once the endpoint has answered.
    gate: Semaphore,
    /// Whether a connection was ever made.
    made: AtomicBool,
}

impl Contacts {
    pub(super) fn new() -> Self {
        Self { now: watch::Sender::default(), gate: Semaphore::new(1), made: AtomicBool::new(false) }
    }

    /// The current state.
    pub(super) fn now(&self) -> Contact {
        self.now.borrow().clone()
    }

    /// Follows the state.
    pub(super) fn follow(&self) -> watch::Receiver<Contact> {
        self.now.subscribe()
    }

    /// Waits for the turn to connect; `None` if the endpoint has answered, after which there are no turns. Before that
    /// only one connection at a time attempts, so that the pauses apply to the process, not to each connection.
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        self.gate.acquire().await.ok()
    }

    /// Whether a connection was ever made.
    pub(super) fn has_connected(&self) -> bool {
        self.made.load(Relaxed)
    }

    /// Records that the endpoint has answered, which ends the turns.
    pub(super) fn answers(&self) {
        self.gate.close();
    }

    /// Adds a client, which is removed when the result is dropped.
    pub(super) fn joins(self: &Arc<Self>) -> Arc<Member> {
        self.now.send_modify(|now| now.clients += 1);
        Arc::new(Member { contacts: Arc::clone(self), counts: AtomicBool::new(false) })
    }

    /// Waits until each client has counted on each of its nodes.
    pub(super) async fn all_count(&self) {
        // fails only if this was dropped
        let _ = self.follow().wait_for(|now| now.counting >= now.clients).await;
    }

    /// Updates whether the breaker of an address is open or half open. `is_shut` returns `None` if no client uses the
    /// address; it is called under the lock, so that the last update has the latest state.
    pub(super) fn note(&self, address: &str, is_shut: impl FnOnce() -> Option<bool>) {
        self.now.send_modify(|now| match is_shut() {
            Some(shut) => drop(now.used.insert(address.into(), shut)),
            None => drop(now.used.remove(address)),
        });
    }

    /// A connection was made.
    pub(super) fn opened(&self, address: &str) {
        self.made.store(true, Relaxed);
        self.answers();
        self.now.send_modify(|now| {
            now.open += 1;
            now.made += 1;
            now.trouble.remove(address);
        });
    }

    /// An attempt to connect failed. `alone`: no connection to this address is open.
    pub(super) fn failed(&self, address: &str, reason: &str, alone: bool) {
        self.now.send_modify(|now| {
            now.failed += 1;
            if alone {
                now.trouble.insert(address.into(), reason.into());
            }
        });
    }

    /// A connection has ended. `lost` is the reason if the connection was not closed on purpose and no other connection
    /// to the address is open.
    pub(super) fn closed(&self, address: &str, lost: Option<&str>) {
        self.now.send_modify(|now| {
            now.open -= 1;
            if let Some(reason) = lost {
                now.trouble.insert(address.into(), reason.into());
            }
        });
    }

    /// Drops the error of an address.
    pub(super) fn forget(&self, address: &str) {
        self.now.send_if_modified(|now| now.trouble.remove(address).is_some());
    }
}

/// A client of the endpoint.
#[derive(Debug)]
pub(super) struct Member {
    contacts: Arc<Contacts>,
    counts: AtomicBool,
}

impl Member {
    /// Records that the client has counted on each of its nodes.
    pub(super) fn counts(&self) {
        if !self.counts.swap(true, Relaxed) {
            self.contacts.now.send_modify(|now| now.counting += 1);
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let counted = usize::from(*self.counts.get_mut());
        self.contacts.now.send_modify(|now| {
            now.clients -= 1;
            now.counting -= counted;
        });
    }
}

impl Contact {
    /// Whether the breakers of all addresses in use are open or half open.
    #[must_use]
    pub fn is_shut(&self) -> bool {
        !self.used.is_empty() && self.used.values().all(|shut| *shut)
    }
}

impl fmt::Display for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.trouble.is_empty() {
            return f.write_str("no attempt to connect has finished yet");
        }
        for (number, (address, reason)) in self.trouble.iter().take(SHOWN).enumerate() {
            let between = if number > 0 { "; " } else { "" };
            write!(f, "{between}{address}: {reason}")?;
        }
        match self.trouble.len().checked_sub(SHOWN) {
            None | Some(0) => Ok(()),
            Some(more) => write!(f, "; and {more} more addresses"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_error_of_an_address_is_kept_while_it_has_no_connection() {
        let contacts = Contacts::new();
        contacts.failed("redis:6379", "refused", true);
        contacts.failed("redis:6379", "timeout", true);
        assert_eq!(contacts.now().to_string(), "redis:6379: timeout");
        contacts.opened("redis:6379");
        contacts.opened("redis:6379");
        contacts.failed("redis:6379", "maxclients", false);
        contacts.closed("redis:6379", None);
        let now = contacts.now();
        assert_eq!((now.open, now.made, now.failed, now.trouble.len()), (1, 2, 3, 0));
        contacts.closed("redis:6379", Some("closed"));
        assert_eq!((contacts.now().open, contacts.now().to_string()), (0, "redis:6379: closed".to_owned()));
        contacts.failed("other:6379", "refused", true);
        assert_eq!(contacts.now().to_string(), "other:6379: refused; redis:6379: closed");
        contacts.forget("other:6379");
        assert_eq!(contacts.now().to_string(), "redis:6379: closed");
    }

    #[test]
    fn only_a_few_of_many_failing_addresses_are_shown() {
        let contacts = Contacts::new();
        for node in 0..9 {
            contacts.failed(&format!("node{node}"), "refused", true);
        }
        let shown = contacts.now().to_string();
        assert!(shown.starts_with("node0: refused; node1: ") && shown.ends_with("; and 6 more addresses"), "{shown}");
    }

    #[tokio::test]
    async fn one_connection_at_a_time_attempts_until_the_endpoint_answers() {
        let contacts = Arc::new(Contacts::new());
        let mine = contacts.turn().await.expect("the turn is free");
        let other = tokio::spawn({
            let contacts = Arc::clone(&contacts);
            async move { contacts.turn().await.is_some() }
        });
        tokio::task::yield_now().await;
        assert!(!other.is_finished() && !contacts.has_connected());
        contacts.answers();
        assert!(!other.await.expect("no panic"), "it needs no turn");
        assert!(contacts.turn().await.is_none());
        drop(mine);

        let contacts = Contacts::new();
        drop(contacts.turn().await);
        assert!(contacts.turn().await.is_some(), "a dropped turn is free again");
    }
}
