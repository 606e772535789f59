//! The HTTP pages: health, metrics and, on the debug listener, rules and statistics. All are read-only.
//!
//! The content comes from closures, so that this module depends neither on its sources nor on the server.

mod elsewhere;
mod health;
mod rlconfig;
mod routers;

pub use health::{Health, State};
pub use rlconfig::{RuleLine, rlconfig};
pub use routers::{DebugPages, Pieces, debug_router, http_router, metrics_router};
