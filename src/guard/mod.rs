//! Decorators on a limiter, each a [`RateLimiter`](crate::domain::RateLimiter) around another: observation, failure
//! modes, the deny cache, the breaker.
//!
//! Empty so far: the memory store neither fails nor costs a round trip, so nothing needs guarding. They come with the
//! Redis store; `docs/adr/0003-decorators-for-guards-and-observability.md` has their order.
