//! Tollgate: the rate limit service that Envoy and Istio call.
//!
//! ```text
//!  api ──▶ engine ──▶ rules            match the descriptors
//!              │
//!              ├────▶ limiter          charge the counters: guard(store)
//!              │
//!              └────▶ decision ──▶ api answer
//! ```
//!
//! Each module exports its own counters through the crate `metrics`; `app` registers them with `telemetry`.
//!
//! `docs/architecture.md` describes the layout and the reasons for it.

pub mod store;
#[cfg(any(feature = "server", feature = "redis"))]
mod throttle;
#[cfg(any(feature = "server", feature = "redis"))]
pub mod tls;

#[cfg(feature = "server")]
pub mod admin;
#[cfg(feature = "server")]
pub mod api;
#[cfg(feature = "server")]
pub mod app;
#[cfg(feature = "server")]
pub mod cli;
#[cfg(feature = "server")]
pub mod engine;
#[cfg(feature = "server")]
pub mod rejections;
#[cfg(feature = "server")]
pub mod server;
#[cfg(feature = "server")]
pub mod settings;
#[cfg(feature = "server")]
pub mod slot_pool;
#[cfg(feature = "server")]
pub mod source;
#[cfg(feature = "server")]
pub mod telemetry;
