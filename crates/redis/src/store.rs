//! The store: routes groups, hands their parts to the batcher, and combines the outcomes.

use std::{
    num::NonZeroUsize,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use smallvec::SmallVec;
use tokio::{task::JoinHandle, time::Instant};

use super::{
    CallError, Caller, KeysPerCall, RedisStats,
    batch::{Batcher, Inbox, MAX_KEYS_PER_CALL, Ticket},
    named, refusal,
    route::{self, Hasher, Indices, KeyConstraints, Lane, Part, Routes, Side},
};
use limiter::domain::{
    Algorithm, AtomicGroups, Capabilities, CounterKey, Group, Limit, RateLimiter, StoreError, Verdicts,
};

/// How a store behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreOptions {
    /// How long a check may take, waiting included; then it fails.
    pub timeout: Duration,
    /// The same for limits that are counted in the second Redis.
    pub per_second_timeout: Duration,
    /// The most that is added, at random, to the time that a counter lives.
    pub max_jitter: Duration,
    /// The most parts of requests that wait or are in flight; more are shed at once.
    pub max_pending: NonZeroUsize,
}

/// Counters in Redis. Lives on the runtime that started it; each worker has its own.
///
/// An atomic group (all or nothing) is atomic within each Redis that counts it, and within each slot of a cluster.
/// Other groups are charged descriptor by descriptor, in as many calls as needed. Where a call may carry only one key,
/// hits that must be charged together and have several keys are refused.
#[derive(Debug)]
pub struct RedisStore<C> {
    shared: Arc<Shared<C>>,
    batcher: Mutex<Option<JoinHandle<()>>>,
}

/// The part of the store that checks in progress share.
#[derive(Debug)]
struct Shared<C> {
    main: Arc<C>,
    per_second: Option<Arc<C>>,
    hasher: Hasher,
    options: StoreOptions,
    inbox: Arc<Inbox>,
    stats: Arc<RedisStats>,
}

impl<C: Caller> RedisStore<C> {
    /// A store over `main`, and over `per_second` for limits per second if there is one. Spawns the batcher, which ends
    /// with the store, on the current runtime.
    #[must_use]
    pub fn start(main: C, per_second: Option<C>, options: StoreOptions, stats: Arc<RedisStats>) -> Self {
        let (main, per_second) = (Arc::new(main), per_second.map(Arc::new));
        let inbox = Inbox::new(options.max_pending.get(), Arc::clone(&stats));
        let (one, other) = (Arc::clone(&main), per_second.clone());
        let batcher = Batcher::new(Arc::clone(&inbox), one, other, &options, &stats.error_log);
        let batcher = Mutex::new(Some(tokio::spawn(batcher.run())));
        Self {
            shared: Arc::new(Shared { main, per_second, hasher: Hasher::default(), options, inbox, stats }),
            batcher,
        }
    }
}

impl<C: Caller> Shared<C> {
    fn routes(&self) -> Routes<'_> {
        let per_second = self.per_second.as_deref().map(KeyConstraints::of);
        Routes { main: KeyConstraints::of(&*self.main), per_second, hasher: &self.hasher }
    }

    /// Hands a part of a request to the batcher. `asked` is when the request arrived, from which its timeout counts.
    fn submit(&self, lane: Lane, group: Arc<Group>, asked: Instant) -> Result<Ticket, StoreError> {
        let timeout = match lane.side {
            Side::Main => self.options.timeout,
            Side::PerSecond => self.options.per_second_timeout,
        };
        let latest = (asked + timeout).into_std();
        let deadline = group.deadline.map_or(latest, |deadline| deadline.min(latest));
        let ticket = if self.caller(lane.side).admits(lane.partition.slot()) {
            self.inbox.submit(lane, group, deadline)
        } else {
            Err(StoreError::Tripped)
        };
        ticket.inspect_err(|error| self.stats.count_failed(*error))
    }

    /// Counts and logs hits that no call can carry. Returns the error to report.
    fn refuse(&self, error: StoreError) -> StoreError {
        if self.inbox.is_closed() {
            return StoreError::Closed;
        }
        self.stats.count_failed(error);
        self.stats.error_log.divided();
        error
    }

    /// Hands a group to the batcher, in as many parts as there are lanes.
    fn dispatch(&self, group: Arc<Group>, asked: Instant) -> Dispatched {
        let routes = self.routes();
        match routes.whole(&group) {
            Some(lane) => {
                let hits = group.hits.len();
                Dispatched::Whole { ticket: self.submit(lane, group, asked), hits }
            }
            None => {
                let submit = |part: Part| match part.lane {
                    Ok(lane) => (self.submit(lane, Arc::new(part.group), asked), part.indices),
                    Err(error) => (Err(self.refuse(error)), part.indices),
                };
                let parts = routes.split(&group).into_iter().map(submit).collect();
                Dispatched::Parts { parts, hits: group.hits.len() }
            }
        }
    }

    /// Checks a group that is too large for one call, one piece after the other, so that calls of other requests get
    /// their turn in between.
    async fn check_pieces(self: Arc<Self>, group: Arc<Group>, asked: Instant) -> Verdicts {
        let mut verdicts = Verdicts::with_capacity(group.hits.len());
        for piece in route::pieces(&group, MAX_KEYS_PER_CALL) {
            verdicts.extend(self.dispatch(Arc::new(piece), asked).outcome().await);
        }
        verdicts
    }

    fn caller(&self, side: Side) -> &C {
        match (side, &self.per_second) {
            (Side::PerSecond, Some(caller)) => caller,
            _ => &self.main,
        }
    }
}

/// A group that was handed to the batcher, whole or in parts.
enum Dispatched {
    Whole {
        ticket: Result<Ticket, StoreError>,
        hits: usize,
    },
    /// Each part with the indices of its hits in the whole group. Boxed, because groups in parts are rare.
    Parts {
        parts: Box<[(Result<Ticket, StoreError>, Indices)]>,
        hits: usize,
    },
}

impl Dispatched {
    async fn outcome(self) -> Verdicts {
        match self {
            Self::Whole { ticket, hits } => outcomes(ticket, hits).await,
            Self::Parts { parts, hits } => {
                let mut verdicts: Verdicts = SmallVec::from_elem(Err(StoreError::Closed), hits);
                for (ticket, indices) in parts {
                    for (index, verdict) in indices.iter().zip(outcomes(ticket, indices.len()).await) {
                        verdicts[*index] = verdict;
                    }
                }
                verdicts
            }
        }
    }
}

/// The outcome of each hit of one part.
async fn outcomes(ticket: Result<Ticket, StoreError>, hits: usize) -> Verdicts {
    let outcome = match ticket {
        Ok(ticket) => ticket.await,
        Err(error) => Err(error),
    };
    match outcome {
        Ok(verdicts) => verdicts.into_iter().map(Ok).collect(),
        Err(error) => SmallVec::from_elem(Err(error), hits),
    }
}

/// A check in progress: of a group that was dispatched at once, or of a large one that is checked in pieces.
enum Asked<F> {
    Dispatched(Dispatched),
    Pieces(Pin<Box<F>>),
}

impl<C: Caller> RateLimiter for RedisStore<C> {
    fn begin(&self, group: Arc<Group>) -> impl Future<Output = Verdicts> + Send + use<C> {
        let asked = Instant::now();
        let under_way = if group.atomic || group.hits.len() <= MAX_KEYS_PER_CALL {
            Asked::Dispatched(self.shared.dispatch(group, asked))
        } else {
            Asked::Pieces(Box::pin(Arc::clone(&self.shared).check_pieces(group, asked)))
        };
        async move {
            match under_way {
                Asked::Dispatched(dispatched) => dispatched.outcome().await,
                Asked::Pieces(pieces) => pieces.await,
            }
        }
    }

    /// Always `None`: every check waits for Redis.
    fn try_check(&self, _: &Group) -> Option<Verdicts> {
        None
    }

    async fn reset(&self, key: &CounterKey, limit: &Limit) -> Result<bool, StoreError> {
        let shared = &self.shared;
        if shared.inbox.is_closed() {
            return Err(StoreError::Closed);
        }
        let mut existed = false;
        for lane in shared.routes().of_key(key) {
            let (caller, slot) = (shared.caller(lane.side), lane.partition.slot());
            let names = named::names(key, limit, &caller.server(slot));
            existed |= caller.delete(slot, &names).await.map_err(|error| match error {
                CallError::Unreachable => StoreError::Unreachable,
                CallError::Tripped => StoreError::Tripped,
                CallError::ManyKeys => StoreError::Divided,
                CallError::Unanswered(_) => StoreError::Unanswered,
                CallError::Unreadable(_) => {
                    shared.stats.error_log.unreadable(&error);
                    StoreError::Unreadable
                }
                CallError::Refused(text) => {
                    if refusal::code(&text) == "READONLY" {
                        caller.reconnect();
                    }
                    StoreError::Refused(refusal::of(&text))
                }
            })?;
        }
        Ok(existed)
    }

    fn capabilities(&self) -> Capabilities {
        let callers = [Some(&self.shared.main), self.shared.per_second.as_ref()];
        let mut known = callers.into_iter().flatten().map(|caller| caller.keys_per_call());
        let atomic_groups = if known.any(|keys| keys == Some(KeysPerCall::One)) {
            AtomicGroups::Unsupported("a call to this Redis may carry only one key")
        } else {
            AtomicGroups::Supported
        };
        Capabilities { algorithms: &Algorithm::ALL, atomic_groups }
    }

    async fn close(&self) {
        self.shared.inbox.close();
        let batcher = self.batcher.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(batcher) = batcher {
            // it ends by itself: every call in flight has a deadline
            let _ = batcher.await;
        }
        self.shared.main.close().await;
        if let Some(per_second) = &self.shared.per_second {
            per_second.close().await;
        }
    }
}

impl<C> Drop for RedisStore<C> {
    fn drop(&mut self) {
        if let Some(batcher) = self.batcher.get_mut().unwrap_or_else(PoisonError::into_inner) {
            batcher.abort();
        }
    }
}
