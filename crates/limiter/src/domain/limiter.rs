//! The interface that every store and every decorator implements.

use std::{fmt::Debug, future::Future, pin::Pin, sync::Arc};

use super::{Algorithm, Charge, CounterKey, Group, Hit, Limit, StoreError, Verdict, Verdicts};

/// What a store can do. A rule that needs more is rejected when it is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// The algorithms that the store supports.
    pub algorithms: &'static [Algorithm],
    /// Whether it charges groups all or none.
    pub atomic_groups: AtomicGroups,
}

impl Capabilities {
    /// Every algorithm, and all-or-nothing groups: what a store in this process can do.
    pub const ALL: Self = Self { algorithms: &Algorithm::ALL, atomic_groups: AtomicGroups::Supported };
}

/// Whether a store can charge several counters all or none: those of a request in an atomic domain, and several limits
/// on one descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtomicGroups {
    /// It can.
    Supported,
    /// It cannot. The text, for an error message, names the setting that is the reason and what to do about it.
    Unsupported(&'static str),
}

impl AtomicGroups {
    /// The reason if atomic groups are unsupported, else `None`.
    #[must_use]
    pub const fn unsupported(self) -> Option<&'static str> {
        match self {
            Self::Supported => None,
            Self::Unsupported(why) => Some(why),
        }
    }
}

/// Counts hits against limits.
///
/// Implementations provide [`begin`](Self::begin), [`try_check`](Self::try_check), [`reset`](Self::reset),
/// [`capabilities`](Self::capabilities) and [`close`](Self::close); the other methods are based on `begin`.
pub trait RateLimiter: Debug + Send + Sync + 'static {
    /// Starts to charge a group and returns a future of its outcomes: one for each hit, in order. Everything that does
    /// not need to wait, such as handing the group to the store, happens before this returns (for a group that takes
    /// several calls to a store, the first call). The future borrows nothing, so it can be kept anywhere. Dropping it
    /// abandons the check: what was not sent by then is not charged.
    fn begin(&self, group: Arc<Group>) -> impl Future<Output = Verdicts> + Send + use<Self>;

    /// The non-blocking form of [`begin`](Self::begin); `None` means that it would have to wait and that nothing was
    /// charged. It is tried first for every request, because it saves a future and an allocation for the group.
    /// Decorators must forward it.
    fn try_check(&self, group: &Group) -> Option<Verdicts>;

    /// Charges a group that the caller owns.
    fn check(&self, group: Group) -> impl Future<Output = Verdicts> + Send + use<Self> {
        self.begin(Arc::new(group))
    }

    /// Drops the counter of this key and limit. Returns whether it existed.
    fn reset(&self, key: &CounterKey, limit: &Limit) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// What this limiter can do.
    fn capabilities(&self) -> Capabilities;

    /// Finishes the checks in flight and fails later ones with [`StoreError::Closed`].
    fn close(&self) -> impl Future<Output = ()> + Send;

    /// Takes one unit.
    fn allow(&self, key: CounterKey, limit: Limit) -> impl Future<Output = Result<Verdict, StoreError>> + Send {
        self.allow_n(key, limit, 1)
    }

    /// Takes `n` units. If they do not fit, they are denied, and charged only if the limit counts denied hits. 0 looks.
    fn allow_n(
        &self,
        key: CounterKey,
        limit: Limit,
        n: u64,
    ) -> impl Future<Output = Result<Verdict, StoreError>> + Send {
        async move {
            let mut verdicts = self.check(Group::single(Hit::new(key, limit, Charge::Take(n)))).await;
            verdicts.pop().unwrap_or(Err(StoreError::Closed))
        }
    }

    /// Looks at a counter without charging it.
    fn peek(&self, key: CounterKey, limit: Limit) -> impl Future<Output = Result<Verdict, StoreError>> + Send {
        self.allow_n(key, limit, 0)
    }
}

/// A boxed future, as a [`DynRateLimiter`] returns it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// [`RateLimiter`] as a trait object, used between the engine and the store with its decorators.
pub trait DynRateLimiter: Debug + Send + Sync + 'static {
    /// See [`RateLimiter::begin`].
    fn begin(&self, group: Arc<Group>) -> BoxFuture<'static, Verdicts>;
    /// See [`RateLimiter::try_check`].
    fn try_check(&self, group: &Group) -> Option<Verdicts>;
    /// See [`RateLimiter::reset`].
    fn reset<'a>(&'a self, key: &'a CounterKey, limit: &'a Limit) -> BoxFuture<'a, Result<bool, StoreError>>;
    /// See [`RateLimiter::capabilities`].
    fn capabilities(&self) -> Capabilities;
    /// See [`RateLimiter::close`].
    fn close(&self) -> BoxFuture<'_, ()>;
}

impl<T: RateLimiter> DynRateLimiter for T {
    fn begin(&self, group: Arc<Group>) -> BoxFuture<'static, Verdicts> {
        Box::pin(RateLimiter::begin(self, group))
    }

    fn try_check(&self, group: &Group) -> Option<Verdicts> {
        RateLimiter::try_check(self, group)
    }

    fn reset<'a>(&'a self, key: &'a CounterKey, limit: &'a Limit) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(RateLimiter::reset(self, key, limit))
    }

    fn capabilities(&self) -> Capabilities {
        RateLimiter::capabilities(self)
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(RateLimiter::close(self))
    }
}
