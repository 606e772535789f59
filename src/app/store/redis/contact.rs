//! Derives health from the connections to each Redis, and ends the process if a Redis never answers.

use std::{sync::Arc, time::Duration};

use redis::Contact;
use tokio::sync::watch;

use super::{super::super::readiness::Readiness, RedisError};

/// One Redis endpoint, whose connections determine the health.
#[derive(Clone, Debug)]
pub(super) struct Watched {
    /// The setting of its address.
    pub(super) setting: &'static str,
    pub(super) contact: watch::Receiver<Contact>,
    /// The number of its clients, each of which must have counted once: one for each worker, and one for `/json`.
    pub(super) clients: usize,
    /// `REDIS_HEALTH_CHECK_ACTIVE_CONNECTION`.
    pub(super) needs_connection: bool,
}

impl Watched {
    /// Reports the endpoint's state to `ready`: immediately, and then at each change until the future is dropped.
    pub(super) fn report(mut self, ready: Readiness) -> impl Future<Output = ()> {
        let mut counts = false;
        let mut report = move |one: &mut Self| {
            let contact = one.contact.borrow_and_update();
            // while every breaker is open, no request reaches redis
            counts |= contact.counting >= one.clients && !contact.is_shut();
            let fault = if counts {
                one.needs_connection.then(|| lost(one.setting, &contact)).flatten()
            } else {
                Some(never_counted(one.setting, &contact))
            };
            drop(contact);
            ready.store(one.setting, fault.map(Arc::from));
        };
        report(&mut self);
        async move {
            while self.contact.changed().await.is_ok() {
                report(&mut self);
            }
            // the sender was dropped, which happens only when the process ends; background tasks must not end
            std::future::pending::<()>().await;
        }
    }
}

/// Why the process is unhealthy until every client has counted: the addresses and their last errors, without
/// credentials.
fn never_counted(setting: &str, contact: &Contact) -> String {
    format!("redis has not counted yet ({setting}): {contact}")
}

/// What is wrong if the setting requires a working connection; `None`: nothing.
fn lost(setting: &str, contact: &Contact) -> Option<String> {
    const ASKS: &str = "REDIS_HEALTH_CHECK_ACTIVE_CONNECTION asks for one that works";
    if contact.open == 0 {
        Some(format!("no connection to redis ({setting}), and {ASKS}: {contact}"))
    } else if contact.is_shut() {
        Some(format!("redis refuses or does not answer ({setting}): its breaker is open, and {ASKS}"))
    } else {
        None
    }
}

/// Resolves after `patience` if an endpoint has had no connection by then, with an error that names each such endpoint.
/// Otherwise it never resolves.
pub(super) async fn gave_up(patience: Option<Duration>, watched: &[Watched]) -> RedisError {
    let Some(patience) = patience else { return std::future::pending().await };
    tokio::time::sleep(patience).await;
    let never = watched.iter().filter(|one| one.contact.borrow().made == 0);
    let reasons: Vec<_> = never.map(|one| format!("{}: {}", one.setting, *one.contact.borrow())).collect();
    if reasons.is_empty() {
        return std::future::pending().await;
    }
    RedisError::NeverAnswered { patience, reasons: reasons.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contact(open: usize, made: u64, trouble: Option<&str>) -> Contact {
        let trouble = trouble.map(|reason| ("redis:1".into(), reason.into()));
        let used = [("redis:1".into(), false)].into();
        Contact { open, made, used, trouble: trouble.into_iter().collect(), ..Contact::default() }
    }

    /// The reasons for being unhealthy after each of these contacts.
    async fn reasons(needs_connection: bool, contacts: impl IntoIterator<Item = Contact>) -> Vec<Vec<Arc<str>>> {
        let ready = Readiness::new(false);
        ready.listening();
        ready.rules_loaded(1);
        let (sender, contact) = watch::channel(Contact::default());
        let watched = Watched { setting: "REDIS_URL", contact, clients: 2, needs_connection };
        let reporting = tokio::spawn(watched.report(ready.clone()));
        let mut reasons = Vec::new();
        for contact in contacts {
            sender.send_replace(contact);
            tokio::task::yield_now().await;
            reasons.push(ready.health().state().unhealthy);
        }
        reporting.abort();
        reasons
    }

    #[tokio::test]
    async fn once_each_client_has_counted_only_a_setting_makes_a_lost_connection_unhealthy() {
        let counting = |counting, contact| Contact { counting, ..contact };
        let steps = || {
            [
                counting(0, contact(0, 0, None)),
                counting(0, contact(0, 0, Some("refused"))),
                counting(1, contact(1, 1, None)),
                counting(2, contact(2, 2, None)),
                counting(2, contact(0, 2, Some("closed"))),
                Contact { used: [("redis:1".into(), true)].into(), ..counting(2, contact(1, 3, None)) },
                Contact {
                    used: [("redis:1".into(), true), ("redis:2".into(), false)].into(),
                    ..counting(2, contact(1, 3, None))
                },
            ]
        };
        let is_healthy = |reasons: &[Vec<Arc<str>>]| reasons.iter().map(Vec::is_empty).collect::<Vec<_>>();
        let lenient = reasons(false, steps()).await;
        assert_eq!(is_healthy(&lenient), [false, false, false, true, true, true, true], "{lenient:?}");
        assert!(lenient[1][0].contains("REDIS_URL") && lenient[1][0].contains("redis:1: refused"), "{lenient:?}");
        let strict = reasons(true, steps()).await;
        assert_eq!(is_healthy(&strict), [false, false, false, true, false, false, true], "{strict:?}");
        assert!(strict[4][0].contains("redis:1: closed") && strict[5][0].contains("breaker"), "{strict:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn it_gives_up_only_on_endpoints_that_never_answered() {
        let watched = |setting, contact| {
            let (sender, contact) = watch::channel(contact);
            (sender, Watched { setting, contact, clients: 1, needs_connection: false })
        };
        let (_a, lost) = watched("REDIS_URL", contact(0, 1, Some("closed of a")));
        let (_b, never) = watched("REDIS_PERSECOND_URL", contact(0, 0, Some("refused of b")));
        let all = [lost.clone(), never];
        let error = gave_up(Some(Duration::from_secs(5)), &all).await.to_string();
        assert!(error.contains("5s") && error.contains("REDIS_STARTUP_MAX_ELAPSED_TIME"), "{error}");
        assert!(error.contains("REDIS_PERSECOND_URL: redis:1: refused of b") && !error.contains("of a"), "{error}");

        let year = Duration::from_secs(365 * 24 * 60 * 60);
        for (patience, watched) in [(Some(Duration::from_secs(5)), &[lost][..]), (None, &all)] {
            tokio::time::timeout(year, gave_up(patience, watched)).await.expect_err("it never gives up");
        }
    }
}
