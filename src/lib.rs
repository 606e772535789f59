//! Tollgate: the rate limit service that Envoy and Istio call.
//!
//! ```text
//!  api ──▶ engine ──▶ rules            match the descriptors
//!              │
//!              ├────▶ store stack      charge the counters: guard(store)
//!              │
//!              └────▶ decision ──▶ api answer
//! ```
//!
//! What a module counts it exports itself, through the crate `metrics`; `app` registers it with `telemetry`.
//!
//! `docs/architecture.md` has the whole picture.

pub mod store;

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
pub mod source;
#[cfg(feature = "server")]
pub mod telemetry;
