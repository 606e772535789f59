//! The report of a run: as text for people, as JSON for programs.

mod bars;
pub mod format;
mod notes;
mod one;

pub use one::{as_json, as_text, config_json};
