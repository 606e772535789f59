//! The interface that every store and every decorator implements.

use std::{fmt::Debug, future::Future, pin::Pin, sync::Arc};

use super::{Algorithm, Charge, CounterKey, Group, Hit, Limit, StoreError, Verdict, Verdicts};

/// What a store can do. A rule that needs more is refused at load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// The algorithms it counts.
    pub algorithms: &'static [Algorithm],
    /// Whether all-or-nothing groups hold.
    pub atomic_groups: AtomicGroups,
}

impl Capabilities {
    /// Every algorithm, and all-or-nothing groups: what a store in this process can do.
    pub const ALL: Self = Self { algorithms: &Algorithm::ALL, atomic_groups: AtomicGroups::Supported };
}

/// Whether a store charges the counters of a group all or none: those of a request of an atomic domain, and several
/// limits on one descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtomicGroups {
    /// It does.
    Supported,
    /// It does not: the setting that is the reason, and what to do about it, for an error.
    Unsupported(&'static str),
}

impl AtomicGroups {
    /// Why they are not supported, if so.
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
/// Implementors provide [`begin`](Self::begin), [`try_check`](Self::try_check), [`reset`](Self::reset),
/// [`capabilities`](Self::capabilities) and [`close`](Self::close); the rest is in terms of `begin`.
pub trait RateLimiter: Debug + Send + Sync + 'static {
    /// Starts to charge a group, and returns what to wait for: one outcome for each hit, in order. What needs no waiting, such as
    /// handing the group to the store, is done before this returns (of a group that takes several calls to a store, the first). The future borrows nothing, so that it can be kept
    /// anywhere; dropping it abandons the check, and what was not sent by then is not charged.
    fn begin(&self, group: Arc<Group>) -> impl Future<Output = Verdicts> + Send + use<Self>;

    /// What [`begin`](Self::begin) would give, if that needs no waiting; `None` means that nothing was charged. Asked first
    /// for every request, for it spares a future and an allocation for the group. Decorators must forward it.
    fn try_check(&self, group: &Group) -> Option<Verdicts>;

    /// Charges a group that is not shared.
    fn check(&self, group: Group) -> impl Future<Output = Verdicts> + Send + use<Self> {
        self.begin(Arc::new(group))
    }

    /// Forgets one counter; whether there was one.
    fn reset(&self, key: &CounterKey) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// Finishes what is under way and refuses the rest with [`StoreError::Closed`].
    fn close(&self) -> impl Future<Output = ()> + Send;

    /// Takes one unit.
    fn allow(&self, key: CounterKey, limit: Limit) -> impl Future<Output = Result<Verdict, StoreError>> + Send {
        self.allow_n(key, limit, 1)
    }

    /// Takes `n` units, all or none as the limit's `count_denied` says; 0 looks.
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

    /// Looks without charging.
    fn peek(&self, key: CounterKey, limit: Limit) -> impl Future<Output = Result<Verdict, StoreError>> + Send {
        self.allow_n(key, limit, 0)
    }
}

/// A future of a [`DynRateLimiter`].
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// [`RateLimiter`] as a trait object: the one boxed seam, between the engine and the store stack.
pub trait DynRateLimiter: Debug + Send + Sync + 'static {
    /// See [`RateLimiter::begin`].
    fn begin(&self, group: Arc<Group>) -> BoxFuture<'static, Verdicts>;
    /// See [`RateLimiter::try_check`].
    fn try_check(&self, group: &Group) -> Option<Verdicts>;
    /// See [`RateLimiter::reset`].
    fn reset<'a>(&'a self, key: &'a CounterKey) -> BoxFuture<'a, Result<bool, StoreError>>;
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

    fn reset<'a>(&'a self, key: &'a CounterKey) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(RateLimiter::reset(self, key))
    }

    fn capabilities(&self) -> Capabilities {
        RateLimiter::capabilities(self)
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(RateLimiter::close(self))
    }
}
