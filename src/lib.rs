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

pub mod api;
pub mod app;
pub mod cli;
pub mod engine;
pub mod pages;
pub mod rejections;
pub mod server;
pub mod settings;
pub mod source;
pub mod telemetry;
