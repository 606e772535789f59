//! How the text of Redis's variables becomes values, each by itself. `docs/redis.md` describes them.
//!
//! In a program that is built without Redis they are read all the same: what cannot be read is a fault.

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
