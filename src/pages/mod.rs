//! The HTTP pages: health, metrics and, on the debug listener, rules and statistics. All are read-only.
//!
//! Content comes in through closures, so nothing here knows where it is from, nor how it is served.

mod elsewhere;
mod health;
mod rlconfig;
mod routers;

pub use health::{Health, State};
pub use rlconfig::{RuleLine, rlconfig};
pub use routers::{DebugPages, Pieces, debug_router, http_router, metrics_router};
