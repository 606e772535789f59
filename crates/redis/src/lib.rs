//! Rate limit counters in Redis: the script that counts, its arguments and replies, and the client that runs it.
//!
//! ```text
//!  Group ─▶ RedisStore ─▶ route ─▶ batch ─▶ Entry ─▶ Call::new ─▶ KEYS, ARGV ─▶ Client ─▶ Redis
//!                                    │        └───▶ decode ◀─────── reply ◀──────────────────┘
//!                                    └─▶ verdicts of each group, or an error
//! ```
//!
//! The script decides what is charged, and returns the time and the states that it found. [`decode`] derives the
//! verdicts from these by `algorithm::settle`, and reports an error if it would have charged otherwise. Encoding and
//! decoding are pure; `batch` has the timers and tasks, `client` the connections.

mod addition;
mod batch;
mod breaker;
mod call;
mod caller;
mod client;
mod clock;
mod config;
mod connectors;
mod decode;
mod entry;
mod error;
mod error_log;
mod named;
mod refusal;
mod reply;
mod route;
pub mod script;
#[cfg(test)]
mod simulation;
mod slot;
mod stats;
mod store;
#[cfg(test)]
mod tests;

pub use addition::Addition;
pub use breaker::{BreakerConfig, BreakerState};
pub use call::Call;
pub use caller::{CallError, Caller, KeysPerCall, Script, Server};
#[cfg(fuzzing)]
pub use client::read_replies;
pub use client::{BreakerReading, Client, Connector, ConnectorError, Contact, RIGHTS};
pub use clock::ServerTime;
pub use config::{Address, Credentials, Endpoint, HostPort, RedisConfig, Startup, Topology};
pub use connectors::Connectors;
pub use decode::{Answer, decode};
pub use entry::Entry;
pub use error::{GroupError, ReplyError};
pub use reply::Replied;
pub use stats::RedisStats;
pub use store::{RedisStore, StoreOptions};
