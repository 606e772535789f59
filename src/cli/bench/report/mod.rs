//! What was measured, for a person and for a program.

mod bars;
pub(super) mod contest;
pub(super) mod format;
mod notes;
mod one;

pub(super) use one::{Subject, as_json, as_text, plan_json};
