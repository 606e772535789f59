//! How the connections to one endpoint are doing, as one who watches it sees; and until the first of them is made, whose
//! turn it is to try. Shared by the workers.

use std::{fmt, sync::Arc};

use tokio::sync::{Semaphore, SemaphorePermit, watch};

/// The connections to one endpoint, whatever their addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contact {
    /// Connections that are open.
    pub open: usize,
    /// Connections that were ever made.
    pub made: u64,
    /// Why there is none, without credentials; `None`: there is one, or no attempt has ended yet.
    pub trouble: Option<Arc<str>>,
}

/// Keeps a [`Contact`], and the gate that is shut until the endpoint was reached.
#[derive(Debug)]
pub(super) struct Contacts {
    now: watch::Sender<Contact>,
    /// Has one permit, and is closed for good once the endpoint has answered.
    gate: Semaphore,
}

impl Contacts {
    pub(super) fn new() -> Self {
        Self { now: watch::Sender::default(), gate: Semaphore::new(1) }
    }

    /// The present state.
    pub(super) fn now(&self) -> Contact {
        self.now.borrow().clone()
    }

    /// Follows the state.
    pub(super) fn follow(&self) -> watch::Receiver<Contact> {
        self.now.subscribe()
    }

    /// Waits for the turn to try; `None`: the endpoint has answered, and everybody may. While it never has, one at a time
    /// tries, so that the pauses are those of the process and not of each of its connections.
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        self.gate.acquire().await.ok()
    }

    /// Whether the endpoint has answered.
    pub(super) fn answered(&self) -> bool {
        self.gate.is_closed()
    }

    /// The endpoint answers: nobody has to wait for a turn any more.
    pub(super) fn answers(&self) {
        self.gate.close();
    }

    /// A connection was made.
    pub(super) fn opened(&self) {
        self.answers();
        self.now.send_modify(|now| *now = Contact { open: now.open + 1, made: now.made + 1, trouble: None });
    }

    /// An attempt to connect failed.
    pub(super) fn failed(&self, address: &str, reason: &str) {
        self.now.send_if_modified(|now| now.open == 0 && now.trouble(address, reason));
    }

    /// A connection is gone; `lost` says why, if not on purpose.
    pub(super) fn closed(&self, address: &str, lost: Option<&str>) {
        self.now.send_modify(|now| {
            now.open -= 1;
            if let (0, Some(reason)) = (now.open, lost) {
                now.trouble(address, reason);
            }
        });
    }
}

impl Contact {
    /// Whether that changes anything.
    fn trouble(&mut self, address: &str, reason: &str) -> bool {
        let trouble: Arc<str> = format_args!("{address}: {reason}").to_string().into();
        let changes = self.trouble.as_ref() != Some(&trouble);
        self.trouble = Some(trouble);
        changes
    }
}

impl fmt::Display for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.trouble.as_deref().unwrap_or("no attempt to connect has ended yet"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_reason_stands_while_there_is_no_connection() {
        let contacts = Contacts::new();
        let mut seen = contacts.follow();
        contacts.failed("redis:6379", "refused");
        contacts.failed("redis:6379", "refused");
        assert!(seen.has_changed().expect("a sender"));
        assert_eq!(seen.borrow_and_update().to_string(), "redis:6379: refused");
        contacts.opened();
        contacts.opened();
        contacts.failed("other:6379", "refused");
        contacts.closed("redis:6379", Some("closed"));
        assert_eq!(contacts.now(), Contact { open: 1, made: 2, trouble: None });
        contacts.closed("redis:6379", Some("closed"));
        assert_eq!((contacts.now().open, contacts.now().to_string()), (0, "redis:6379: closed".to_owned()));
        contacts.failed("redis:6379", "refused");
        assert_eq!(contacts.now().to_string(), "redis:6379: refused");
    }

    #[tokio::test]
    async fn one_tries_until_the_endpoint_answers_and_then_all_do() {
        let contacts = Arc::new(Contacts::new());
        let mine = contacts.turn().await.expect("nobody tries");
        let other = tokio::spawn({
            let contacts = Arc::clone(&contacts);
            async move { contacts.turn().await.is_some() }
        });
        tokio::task::yield_now().await;
        assert!(!other.is_finished() && !contacts.answered());
        contacts.answers();
        assert!(!other.await.expect("no panic"), "it needs no turn");
        assert!(contacts.turn().await.is_none());
        drop(mine);

        let contacts = Contacts::new();
        drop(contacts.turn().await);
        assert!(contacts.turn().await.is_some(), "whoever gives up passes it on");
    }
}
