//! Statistics of rules: the hits of each rule and their outcomes, with the reference's names and arithmetic.
//!
//! A [`StatsTable`] is built with each rule set and replaced together with it; rules that stay keep their figures.
//! [`Stats`] outlives the tables: it holds the series that are created from requests' values, under a hard cap.
//! [`DecisionStats`] counts the decisions of one worker.

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

pub use decisions::{DecisionResult, DecisionStats, DecisionTotals, Decisions};
pub use dynamic::Stats;
pub use exposition::RuleFamilies;
pub use name::{Labels, SeriesName};
pub use page::StatsPage;
pub use row::{Figure, Observation, Row, near_threshold};
pub use series::Series;
pub use table::StatsTable;
