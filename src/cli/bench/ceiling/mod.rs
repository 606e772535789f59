//! What a rate limit service can at best be measured against: a server that does nothing but answer, and the Redis that
//! would count, asked directly.

pub(super) mod bare;
pub(super) mod child;
pub(super) mod redis;
