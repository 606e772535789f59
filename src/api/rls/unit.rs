//! The numbers of units, which are the same in requests (`envoy.type.v3.RateLimitUnit`) and answers.

use limiter::domain::{Unit, UnknownUnit};

/// The unit with this number.
pub(super) fn unit(number: i32) -> Result<Unit, UnknownUnit> {
    Unit::ALL.into_iter().find(|unit| unit_number(*unit) == number).ok_or(UnknownUnit(number))
}

/// The unit in the text form of a request's override, as in the reference: the name in `envoy.type.v3.RateLimitUnit`,
/// or the number if it has no name there, as a week; `None` for 0.
pub(super) fn unit_text(unit: Result<Unit, UnknownUnit>) -> Option<String> {
    match unit {
        Err(UnknownUnit(0)) => None,
        Err(UnknownUnit(number)) => Some(number.to_string()),
        Ok(Unit::Week) => Some(unit_number(Unit::Week).to_string()),
        Ok(unit) => Some(unit.name().to_uppercase()),
    }
}

/// The protobuf number of a unit.
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
