//! Rules from an xDS server: a client of `AggregatedDiscoveryService/StreamAggregatedResources`, state of the world,
//! for `ratelimit.config.ratelimit.v3.RateLimitConfig`. `docs/xds.md` describes it for its users.
//!
//! ```text
//!            connect ─▶ stream ─▶ decode ─▶ XdsSource ─▶ caller: compiles, puts in force, and settles
//!  server ◀──────────── stream ◀─ ACK, NACK ─┘   ▲                          │
//!                                                └──────────────────────────┘
//! ```
//!
//! Neither compiles rules nor puts them in force.

mod backoff;
mod config;
mod connect;
mod convert;
mod decode;
mod nack;
mod observed_io;
mod reach;
mod request;
mod source;
mod stats;
mod stream;

pub use config::{BackoffConfig, XdsConfig, XdsTlsConfig};
pub use reach::reach;
pub use request::BadHeader;
pub use source::{XdsSnapshot, XdsSource, XdsUpdate};
pub use stats::XdsStats;
