//! A promise about a case.

use super::row::{Bound, Row};
use crate::sample::{Figure, Series};

/// A promise about a case: the first contender's figure, as a ratio to another's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Claim {
    pub(super) what: &'static str,
    pub(super) figure: Figure,
    /// The index of that other contender.
    pub(super) of: usize,
    pub(super) bound: Bound,
}

impl Claim {
    /// What was measured of it, in the case of this name.
    pub(super) fn judge(&self, case: &'static str, series: &[Series]) -> Row {
        let (mine, other) = (&series[0], &series[self.of]);
        Row {
            case,
            what: self.what,
            bound: self.bound,
            value: mine.ratio(self.figure, other),
            unit: "",
            // beside every rate: what shares the machine limits rates, and not the CPU for a response
            server_cpu: if self.figure == Figure::Rate { mine.ratio(Figure::ServerCpu, other) } else { None },
            failed: mine.failed() + other.failed(),
        }
    }
}
