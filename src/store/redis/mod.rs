//! Counters in Redis: the script that counts, what it is told and what it tells.
//!
//! ```text
//!  Group ─▶ RedisStore ─▶ route ─▶ batch ─▶ Entry ─▶ Call::new ─▶ KEYS, ARGV ─▶ Client ─▶ Redis
//!                                    │        └───▶ decode ◀─────── reply ◀──────────────────┘
//!                                    └─▶ verdicts of each group, or why it has none
//! ```
//!
//! The script decides what is charged and returns the time and the states that it found; [`decode`] derives the
//! verdicts from those by `algorithm::settle`, and says so if it would have charged otherwise. What is encoded and
//! decoded is pure; `batch` knows time and tasks, `client` connections.

mod batch;
mod breaker;
mod call;
mod caller;
mod client;
mod config;
mod connectors;
mod decode;
mod entry;
mod error;
mod refusal;
mod reply;
mod route;
pub mod script;
mod slot;
mod stats;
mod store;
#[cfg(test)]
mod tests;
mod trouble;

pub use breaker::{BreakerConfig, BreakerState};
pub use call::Call;
pub use caller::{CallError, Caller, KeysPerCall, Script};
#[cfg(fuzzing)]
pub use client::read_replies;
pub use client::{BreakerReading, Client, Connector, ConnectorError, Contact, RIGHTS};
pub use config::{Address, Credentials, Endpoint, HostPort, RedisConfig, Startup, Topology};
pub use connectors::Connectors;
pub use decode::{Answer, decode};
pub use entry::Entry;
pub use error::{GroupError, ReplyError};
pub use reply::Replied;
pub use stats::RedisStats;
pub use store::{RedisStore, StoreOptions};
