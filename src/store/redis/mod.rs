//! Counters in Redis: the script that counts, what it is told and what it tells.
//!
//! ```text
//!  groups ──▶ Entry ──▶ Call::new ──▶ KEYS, ARGV ──▶ EVALSHA script::SHA1
//!               │                                         │
//!               └─────▶ decode ◀───────── reply ◀─────────┘
//!                         └──▶ verdicts of each group, or why it has none
//! ```
//!
//! Pure: no client, no connection, no retry. The script decides what is charged and returns the time and the states it
//! found; [`decode`] derives the verdicts from those by `algorithm::settle`, and says so if it would have charged
//! otherwise.

mod call;
mod caller;
mod client;
mod config;
mod decode;
mod entry;
mod error;
pub mod script;
#[cfg(test)]
mod tests;

pub use call::Call;
pub use caller::{CallError, Caller, Script};
pub use client::{Client, Connector, ConnectorError, TlsError};
pub use config::{Address, Credentials, Endpoint, HostPort, Identity, RedisConfig, TlsConfig, Topology};
pub use decode::{Answer, decode};
pub use entry::{Entry, Equality};
pub use error::{GroupError, ReplyError};
