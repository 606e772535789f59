//! The types of the Redis variables' values, each parsed by itself. `docs/redis.md` describes the variables.
//!
//! A program that is built without Redis parses them too, and reports malformed values.

mod auth;
mod kind;
pub(super) mod login;
pub(super) mod url;
mod values;

pub(super) use auth::Auth;
pub(super) use kind::{RedisType, SocketType};
pub(super) use values::{
    CacheBytes, CallTimeout, JitterSeconds, KeysPerCall, MaxPending, PoolOnEmpty, PoolSize, Share, Timeout, Url,
};
