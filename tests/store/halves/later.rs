//! A limiter whose callers always have to wait, based on one that never blocks.

use std::{
    collections::HashMap,
    future::{Future, ready},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Waker},
};

use limiter::{
    domain::{Capabilities, CounterKey, Group, Limit, RateLimiter, StoreError, Verdicts},
    memory::MemoryStore,
};

/// Answers when the test says so.
#[derive(Debug)]
pub struct Later {
    store: Arc<MemoryStore>,
    checks: Arc<Mutex<Checks>>,
}

/// The checks in flight.
#[derive(Debug, Default)]
struct Checks {
    begun: usize,
    waiting: HashMap<usize, Check>,
}

#[derive(Debug)]
struct Check {
    group: Arc<Group>,
    verdicts: Option<Verdicts>,
    waker: Option<Waker>,
}

impl Later {
    pub fn over(store: &Arc<MemoryStore>) -> Self {
        Self { store: Arc::clone(store), checks: Arc::default() }
    }

    fn checks(&self) -> MutexGuard<'_, Checks> {
        lock(&self.checks)
    }

    /// The number of the last check, and its group.
    pub fn last(&self) -> (usize, Arc<Group>) {
        let checks = self.checks();
        let number = checks.begun - 1;
        (number, Arc::clone(&checks.waiting[&number].group))
    }

    /// Charges a waiting check, and wakes its caller.
    pub fn charge(&self, number: usize) {
        let mut checks = self.checks();
        let check = checks.waiting.get_mut(&number).expect("a check that waits");
        check.verdicts = Some(self.store.try_check(&check.group).expect("the memory store answers at once"));
        if let Some(waker) = check.waker.take() {
            waker.wake();
        }
    }

    /// The number of checks that were neither abandoned nor answered.
    pub fn waiting(&self) -> usize {
        self.checks().waiting.len()
    }
}

fn lock(checks: &Mutex<Checks>) -> MutexGuard<'_, Checks> {
    checks.lock().expect("no test panics while it holds this")
}

impl RateLimiter for Later {
    fn begin(&self, group: Arc<Group>) -> impl Future<Output = Verdicts> + Send + use<> {
        let mut checks = self.checks();
        let number = checks.begun;
        checks.begun += 1;
        checks.waiting.insert(number, Check { group, verdicts: None, waker: None });
        Ticket { number, checks: Arc::clone(&self.checks) }
    }

    fn try_check(&self, _: &Group) -> Option<Verdicts> {
        None
    }

    fn reset(&self, key: &CounterKey, limit: &Limit) -> impl Future<Output = Result<bool, StoreError>> + Send {
        self.store.reset(key, limit)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::ALL
    }

    fn close(&self) -> impl Future<Output = ()> + Send {
        ready(())
    }
}

/// The future of one check; dropping it abandons the check.
struct Ticket {
    number: usize,
    checks: Arc<Mutex<Checks>>,
}

impl Future for Ticket {
    type Output = Verdicts;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Verdicts> {
        let mut checks = lock(&self.checks);
        let check = checks.waiting.get_mut(&self.number).expect("polled before its end");
        match check.verdicts.take() {
            Some(verdicts) => Poll::Ready(verdicts),
            None => {
                check.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        lock(&self.checks).waiting.remove(&self.number);
    }
}
