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

pub mod admin;
pub mod api;
pub mod app;
pub mod cli;
pub mod engine;
pub mod rejections;
pub mod server;
pub mod settings;
pub mod source;
pub mod telemetry;
