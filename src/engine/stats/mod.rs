//! Statistics of rules: what was asked of each and what became of it, with the reference's names and arithmetic.
//!
//! A [`StatsTable`] is built with each rule set and swapped together with it; rows of rules that stay keep their
//! figures. [`Stats`] outlives the tables: it holds the series that requests make up at run time, under a hard cap.
//! [`RequestMetrics`] counts what one worker answered. This module counts; `telemetry` exports.

mod dynamic;
mod name;
mod requests;
mod row;
mod series;
mod table;

#[cfg(test)]
mod tests;

pub use dynamic::Stats;
pub use name::{Labels, SeriesName};
pub use requests::{Answered, ErrorKind, InFlight, RequestMetrics, RequestTotals};
pub use row::{Figure, Observation, Row, near_threshold};
pub use series::Series;
pub use table::StatsTable;
