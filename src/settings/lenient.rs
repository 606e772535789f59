//! Values that the reference runs with although they make no sense: the substitute for each, with a warning.

use std::time::Duration;

use super::go;
use super::parse::Value;
use super::values::NearLimitRatio;

/// A pause between attempts. As in the reference, 0 or less means `DEFAULT` milliseconds; if `DEFAULT` is 0, where the
/// reference would not pause at all, the shortest pause.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pause<const DEFAULT: u64>(pub(super) Duration);

impl<const DEFAULT: u64> Value for Pause<DEFAULT> {
    const ACCEPTED: &'static str = "a duration above 0, such as 10s or 150ms";

    fn parse(text: &str) -> Option<Self> {
        go::duration(text).filter(|pause| !pause.is_zero()).map(Self)
    }

    fn substitute(text: &str) -> Option<(Self, &'static str)> {
        go::signed_duration(text)?;
        let note = match DEFAULT {
            100 => "is taken as 100ms, which 0 or less means in the reference",
            10_000 => "is taken as 10s, which 0 or less means in the reference",
            _ => "is taken as 100ms, the shortest pause",
        };
        Some((Self(Duration::from_millis(DEFAULT)), note))
    }
}

/// How long a connection may continue after its maximum age; 0: without limit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grace(pub(super) Duration);

impl Value for Grace {
    const ACCEPTED: &'static str = Duration::ACCEPTED;

    fn parse(text: &str) -> Option<Self> {
        go::duration(text).map(Self)
    }

    fn substitute(text: &str) -> Option<(Self, &'static str)> {
        go::signed_duration(text)?;
        let note = "is taken as no grace: calls in flight end with their connection; 0 means unlimited";
        Some((Self(Duration::from_nanos(1)), note))
    }

    fn is_off(&self) -> bool {
        self.0.is_zero()
    }
}

/// The time after which to give up; 0: never.
#[derive(Clone, Copy, Debug)]
pub(super) struct GiveUp(pub(super) Duration);

impl Value for GiveUp {
    const ACCEPTED: &'static str = Duration::ACCEPTED;

    fn parse(text: &str) -> Option<Self> {
        go::duration(text).map(Self)
    }

    fn substitute(text: &str) -> Option<(Self, &'static str)> {
        go::signed_duration(text)?;
        Some((Self(Duration::ZERO), "is taken as 0: never give up"))
    }

    fn is_off(&self) -> bool {
        self.0.is_zero()
    }
}

/// The factor between successive pauses: finite, above 0.
#[derive(Clone, Copy, Debug)]
pub(super) struct Factor(pub(super) f64);

impl Value for Factor {
    const ACCEPTED: &'static str = "a number above 0";

    fn parse(text: &str) -> Option<Self> {
        go::number(text).filter(|factor| factor.is_finite() && *factor > 0.0).map(Self)
    }

    fn substitute(text: &str) -> Option<(Self, &'static str)> {
        let factor = go::number(text)?;
        Some(if factor.is_nan() {
            (Self(1.0), "is taken as 1: each pause is as long as the first")
        } else if factor > 0.0 {
            (Self(f64::MAX), "is taken as a very large number: the second pause is the longest")
        } else {
            (Self(2.0), "is taken as 2, which 0 or less means in the reference")
        })
    }
}

impl Value for NearLimitRatio {
    const ACCEPTED: &'static str = "a number, 0 or more, such as 0.8";

    fn parse(text: &str) -> Option<Self> {
        NearLimitRatio::parse(text)
    }

    fn substitute(text: &str) -> Option<(Self, &'static str)> {
        let ratio = go::number(text)?;
        let is_unusable = ratio < 0.0 || !ratio.is_finite();
        let default = NearLimitRatio::parse("0.8").filter(|_| is_unusable)?;
        Some((default, "is not a fraction of a limit: 0.8 is used; only statistics depend on it"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_is_what_the_reference_runs_with() {
        let pause = |text: &str| Pause::<100>::substitute(text).map(|(pause, _)| pause.0);
        assert_eq!(["0", "-1s", "-0"].map(pause), [Some(Duration::from_millis(100)); 3]);
        assert_eq!(["", "10", "-1", "1d", "soon"].map(pause), [None; 5]);
        let longest = Pause::<10_000>::substitute("0s").map(|(pause, _)| pause.0);
        assert_eq!(longest, Some(Duration::from_secs(10)));
        let factor = |text: &str| Factor::substitute(text).map(|(factor, _)| factor.0);
        assert_eq!(["0", "-0.5", "-inf"].map(factor), [Some(2.0); 3]);
        assert_eq!([factor("NaN"), factor("+Inf"), factor("half")], [Some(1.0), Some(f64::MAX), None]);
        assert!(Factor::parse("1e308").is_some() && Factor::parse("0").is_none());
        let ratio = |text: &str| NearLimitRatio::substitute(text).map(|(ratio, _)| ratio.get());
        assert_eq!(["-0.1", "nan", "inf", "-1e300"].map(ratio), [Some(0.8); 4]);
        assert_eq!(["80%", "", "1e39", "1e400"].map(ratio), [None; 4]);
    }
}
