//! Units by their numbers: requests (`envoy.type.v3.RateLimitUnit`) and answers number them alike.

use crate::domain::Unit;

/// The unit of this number.
pub(super) fn unit(number: i32) -> Option<Unit> {
    Unit::ALL.into_iter().find(|unit| unit_number(*unit) == number)
}

/// The number of a unit.
pub(super) const fn unit_number(unit: Unit) -> i32 {
    match unit {
        Unit::Second => 1,
        Unit::Minute => 2,
        Unit::Hour => 3,
        Unit::Day => 4,
        Unit::Month => 5,
        Unit::Year => 6,
        Unit::Week => 7,
    }
}
