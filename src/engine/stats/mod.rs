//! Statistics of rules: what was asked of each and what became of it, with the reference's names and arithmetic.
//!
//! A [`StatsTable`] is built with each rule set and swapped together with it; rows of rules that stay keep their
//! figures. [`Stats`] outlives the tables: it holds the series that requests make up at run time, under a hard cap.
//! [`DecisionStats`] counts what one worker decided.

mod decisions;
mod dynamic;
mod exposition;
mod name;
mod page;
mod row;
mod series;
mod table;

#[cfg(test)]
mod tests;

pub use decisions::{Answered, DecisionStats, DecisionTotals, Decisions};
pub use dynamic::Stats;
pub use exposition::RuleFamilies;
pub use name::{Labels, SeriesName};
pub use page::StatsPage;
pub use row::{Figure, Observation, Row, near_threshold};
pub use series::Series;
pub use table::StatsTable;
