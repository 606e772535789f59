//! Conversions between counts, times and the `f64` that the algorithms compute with, each in a few instructions.
//!
//! `f64::floor` and `f64::ceil` are calls into libm where the target has no instruction for them, as x86-64 without
//! extensions; a call also spills every number in use. Conversions from and to `u64` take several times
//! as many instructions there as those of `i64`.

use std::time::Duration;

/// A count, which is at most [`MAX_COUNT`](crate::domain::MAX_COUNT), as the algorithms compute with it.
#[inline]
pub(super) const fn exact(count: u64) -> f64 {
    count as i64 as f64
}

/// From here on every `f64` is whole.
const ALL_WHOLE: f64 = (1u64 << 52) as f64;

/// The nearest whole number, of one from 0 to [`ALL_WHOLE`].
#[inline]
fn nearest(number: f64) -> f64 {
    (number + ALL_WHOLE) - ALL_WHOLE
}

/// `f64::floor` of a number that is not negative.
#[inline]
pub(super) fn floor(number: f64) -> f64 {
    if number < ALL_WHOLE {
        let nearest = nearest(number);
        if nearest > number { nearest - 1.0 } else { nearest }
    } else {
        number
    }
}

/// `f64::ceil` of a number that is not negative.
#[inline]
pub(super) fn ceil(number: f64) -> f64 {
    if number < ALL_WHOLE {
        let nearest = nearest(number);
        if nearest < number { nearest + 1.0 } else { nearest }
    } else {
        number
    }
}

/// `micros` as a duration, rounded up; nothing below zero, and 584 000 years at most.
#[inline]
pub(super) fn duration(micros: f64) -> Duration {
    // what is negative stays so, and is zero as a `u64`
    Duration::from_micros(ceil(micros) as u64)
}

/// `amount`, which is far below 2^63, rounded down; nothing below zero.
#[inline]
pub(super) fn whole(amount: f64) -> u64 {
    // towards zero
    (amount as i64).max(0) as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_are_rounded_as_by_the_standard_library(number in 0.0..1e18, near in 0u64..1 << 53, off in -2i8..3) {
            let close = (0..off.abs()).fold(near as f64, |at, _| if off < 0 { at.next_down() } else { at.next_up() });
            for number in [number, number / 1e9, close.max(0.0), close.max(0.0) / 1e9, near as f64 + 0.5] {
                prop_assert_eq!(floor(number), number.floor());
                prop_assert_eq!(ceil(number), number.ceil());
            }
        }
    }

    #[test]
    fn the_ends_of_the_range_are_rounded_too() {
        for number in [0.0, f64::MIN_POSITIVE, 0.5, ALL_WHOLE.next_down(), ALL_WHOLE, f64::MAX, f64::INFINITY] {
            assert_eq!((floor(number), ceil(number)), (number.floor(), number.ceil()), "{number}");
        }
        assert!(floor(f64::NAN).is_nan() && ceil(f64::NAN).is_nan());
        for none in [-0.5, -1e300, f64::NAN] {
            assert_eq!((duration(none), whole(none)), (Duration::ZERO, 0), "{none}");
        }
        assert_eq!(duration(f64::INFINITY), Duration::from_micros(u64::MAX));
    }
}
