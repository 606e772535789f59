//! The interface that every store and every decorator implements.

use std::{fmt::Debug, future::Future, pin::Pin};

use super::{Algorithm, Charge, CounterKey, Group, Hit, Limit, StoreError, Verdict, Verdicts};

/// What a store can do. A rule that needs more is refused at load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// The algorithms it counts.
    pub algorithms: &'static [Algorithm],
    /// Whether all-or-nothing groups (atomic domains, several limits on one descriptor) hold.
    pub atomic_groups: bool,
}

/// Counts hits against limits.
///
/// Implementors provide [`check`](Self::check), [`reset`](Self::reset), [`capabilities`](Self::capabilities) and
/// [`close`](Self::close); the rest is in terms of `check`.
pub trait RateLimiter: Debug + Send + Sync + 'static {
    /// Charges a group and gives one outcome for each hit, in order.
    fn check(&self, group: Group) -> impl Future<Output = Verdicts> + Send;

    /// What [`check`](Self::check) would give, if that needs no waiting; else `None`, and nothing was charged. Asked first
    /// where every request passes, for it spares a future that carries the group.
    fn check_at_once(&self, _group: &Group) -> Option<Verdicts> {
        None
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
    /// See [`RateLimiter::check`].
    fn check(&self, group: Group) -> BoxFuture<'_, Verdicts>;
    /// See [`RateLimiter::check_at_once`].
    fn check_at_once(&self, group: &Group) -> Option<Verdicts>;
    /// See [`RateLimiter::reset`].
    fn reset<'a>(&'a self, key: &'a CounterKey) -> BoxFuture<'a, Result<bool, StoreError>>;
    /// See [`RateLimiter::capabilities`].
    fn capabilities(&self) -> Capabilities;
    /// See [`RateLimiter::close`].
    fn close(&self) -> BoxFuture<'_, ()>;
}

impl<T: RateLimiter> DynRateLimiter for T {
    fn check(&self, group: Group) -> BoxFuture<'_, Verdicts> {
        Box::pin(RateLimiter::check(self, group))
    }

    fn check_at_once(&self, group: &Group) -> Option<Verdicts> {
        RateLimiter::check_at_once(self, group)
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
