//! What the connections to a Redis mean for health, and when to give up on one that has never answered.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

use super::{AppError, readiness::Readiness};
use crate::store::redis::Contact;

/// One Redis, as health sees it.
#[derive(Clone, Debug)]
pub(super) struct Watched {
    /// The setting that says where it is.
    pub(super) setting: &'static str,
    pub(super) contact: watch::Receiver<Contact>,
    /// REDIS_HEALTH_CHECK_ACTIVE_CONNECTION.
    pub(super) needs_connection: bool,
}

impl Watched {
    /// Tells how it is at once, and whenever that changes for as long as this runs.
    pub(super) fn tell(mut self, ready: Readiness) -> impl Future<Output = ()> {
        let tell = move |one: &mut Self| {
            let fault = fault(one.setting, &one.contact.borrow_and_update(), one.needs_connection);
            ready.store(one.setting, fault);
        };
        tell(&mut self);
        async move {
            while self.contact.changed().await.is_ok() {
                tell(&mut self);
            }
            // its owner outlives this, and nobody expects an end
            std::future::pending::<()>().await;
        }
    }
}

/// What is wrong, if anything. Names the address and what it said last, never credentials.
fn fault(setting: &str, contact: &Contact, needs_connection: bool) -> Option<Arc<str>> {
    let fault = if contact.made == 0 {
        format!("redis has not answered yet ({setting}): {contact}")
    } else if needs_connection && contact.open == 0 {
        format!("no connection to redis ({setting}), and REDIS_HEALTH_CHECK_ACTIVE_CONNECTION asks for one: {contact}")
    } else {
        return None;
    };
    Some(fault.into())
}

/// Waits until `patience` is over; gives those that have never answered, unless there are none.
pub(super) async fn gave_up(patience: Option<Duration>, watched: &[Watched]) -> AppError {
    let Some(patience) = patience else { return std::future::pending().await };
    tokio::time::sleep(patience).await;
    let never = watched.iter().filter(|one| one.contact.borrow().made == 0);
    let reasons: Vec<_> = never.map(|one| format!("{}: {}", one.setting, *one.contact.borrow())).collect();
    if reasons.is_empty() {
        return std::future::pending().await;
    }
    AppError::NeverAnswered { patience, reasons: reasons.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contact(open: usize, made: u64, trouble: Option<&str>) -> Contact {
        Contact { open, made, trouble: trouble.map(Arc::from) }
    }

    #[test]
    fn one_answer_is_enough_unless_a_connection_is_asked_for() {
        let cases = [
            (contact(0, 0, None), true, true),
            (contact(0, 0, Some("redis:1: refused")), true, true),
            (contact(1, 1, None), false, false),
            (contact(0, 1, Some("redis:1: closed")), false, true),
            (contact(1, 2, None), false, false),
        ];
        for (contact, otherwise, where_asked_for) in cases {
            let found = [false, true].map(|needs| fault("REDIS_URL", &contact, needs));
            assert_eq!(found.each_ref().map(Option::is_some), [otherwise, where_asked_for], "{contact:?}");
            for fault in found.iter().flatten() {
                let trouble = contact.trouble.as_deref().unwrap_or_default();
                assert!(fault.contains("REDIS_URL") && fault.contains(trouble), "{fault}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_gives_up_on_those_alone_that_never_answered() {
        let watched = |setting, contact| {
            let (sender, contact) = watch::channel(contact);
            (sender, Watched { setting, contact, needs_connection: false })
        };
        let (_a, lost) = watched("REDIS_URL", contact(0, 1, Some("a:1: closed")));
        let (_b, never) = watched("REDIS_PERSECOND_URL", contact(0, 0, Some("b:1: refused")));
        let all = [lost.clone(), never];
        let error = gave_up(Some(Duration::from_secs(5)), &all).await.to_string();
        assert!(error.contains("5s") && error.contains("REDIS_STARTUP_MAX_ELAPSED_TIME"), "{error}");
        assert!(error.contains("REDIS_PERSECOND_URL: b:1: refused") && !error.contains("a:1"), "{error}");

        let year = Duration::from_secs(365 * 24 * 60 * 60);
        for (patience, watched) in [(Some(Duration::from_secs(5)), &[lost][..]), (None, &all)] {
            tokio::time::timeout(year, gave_up(patience, watched)).await.expect_err("it never gives up");
        }
    }
}
