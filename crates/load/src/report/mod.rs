//! The report of a run: for a person as text, for a program as JSON.

mod bars;
pub mod format;
mod notes;
mod one;

pub use one::{as_json, as_text, config_json};
