//! The program `bench`, run as a user does, with this build's `tollgate` and `redis-server`.

#![allow(missing_docs, unreachable_pub, reason = "a test")]
#![allow(clippy::panic, reason = "a test fails by panicking")]

mod bare;
mod calls;
mod compare;
mod fleet;
mod run;
mod targets;
