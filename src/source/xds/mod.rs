//! Rules from an xDS server: a client of `AggregatedDiscoveryService/StreamAggregatedResources`, state of the world,
//! for `ratelimit.config.ratelimit.v3.RateLimitConfig`. `docs/xds.md` describes it for operators.
//!
//! ```text
//!            connect ─▶ stream ─▶ decode ─▶ XdsSource ─▶ caller: compiles, activates, and settles
//!  server ◀──────────── stream ◀─ ACK, NACK ─┘   ▲                          │
//!                                                └──────────────────────────┘
//! ```
//!
//! This module neither compiles nor activates rules.

mod backoff;
mod config;
mod connect;
mod convert;
mod decode;
mod nack;
mod observed_io;
mod probe;
mod request;
mod source;
mod stats;
mod stream;

pub use config::{BackoffConfig, XdsConfig, XdsTlsConfig};
pub use probe::probe;
pub use request::BadHeader;
pub use source::{XdsSnapshot, XdsSource, XdsUpdate};
pub use stats::XdsStats;
