//! A promise about a case.

use super::row::{Bound, Row};
use crate::sample::{Figure, Series};

/// A promise about a case: a number of the first contender, as a ratio to that of another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Claim {
    pub(super) what: &'static str,
    pub(super) figure: Figure,
    /// The index of the other contender.
    pub(super) of: usize,
    pub(super) bound: Bound,
}

impl Claim {
    /// Compares the promise with the measurements, in the case with this name.
    pub(super) fn judge(&self, case: &'static str, series: &[Series]) -> Row {
        let (mine, other) = (&series[0], &series[self.of]);
        Row {
            case,
            what: self.what,
            bound: self.bound,
            value: mine.ratio(self.figure, other),
            unit: "",
            // shown beside every rate: other load on the machine limits rates, but not the CPU per response
            server_cpu: if self.figure == Figure::Rate { mine.ratio(Figure::ServerCpu, other) } else { None },
            failed: mine.failed() + other.failed(),
        }
    }
}
