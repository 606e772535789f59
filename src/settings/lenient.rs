//! Values that the reference runs with although they make no sense here: what stands in for each, with a warning.

use std::time::Duration;

use super::go;
use super::parse::Value;
use super::values::NearLimitRatio;

/// A pause between attempts. As in the reference, 0 and less stand for `DEFAULT` milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pause<const DEFAULT: u64>(pub(super) Duration);

impl<const DEFAULT: u64> Value for Pause<DEFAULT> {
    const ACCEPTED: &'static str = "a duration above 0, such as 10s or 150ms";

    fn parse(text: &str) -> Option<Self> {
        go::duration(text).filter(|pause| !pause.is_zero()).map(Self)
    }

    fn instead(text: &str) -> Option<(Self, &'static str)> {
        go::signed_duration(text)?;
        let note = match DEFAULT {
            100 => "is taken as 100ms, as the reference takes 0 and less",
            10_000 => "is taken as 10s, as the reference takes 0 and less",
            _ => "is taken as the shortest pause, 100ms",
        };
        Some((Self(Duration::from_millis(DEFAULT)), note))
    }
}

/// How long a connection that is too old may go on; 0: for ever.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grace(pub(super) Duration);

impl Value for Grace {
    const ACCEPTED: &'static str = Duration::ACCEPTED;

    fn parse(text: &str) -> Option<Self> {
        go::duration(text).map(Self)
    }

    fn instead(text: &str) -> Option<(Self, &'static str)> {
        go::signed_duration(text)?;
        Some((Self(Duration::from_nanos(1)), "is taken as no grace: calls end with their connection; for ever is 0"))
    }

    fn is_off(&self) -> bool {
        self.0.is_zero()
    }
}

/// When to give up; 0: never.
#[derive(Clone, Copy, Debug)]
pub(super) struct GiveUp(pub(super) Duration);

impl Value for GiveUp {
    const ACCEPTED: &'static str = Duration::ACCEPTED;

    fn parse(text: &str) -> Option<Self> {
        go::duration(text).map(Self)
    }

    fn instead(text: &str) -> Option<(Self, &'static str)> {
        go::signed_duration(text)?;
        Some((Self(Duration::ZERO), "is taken as 0: it never gives up"))
    }

    fn is_off(&self) -> bool {
        self.0.is_zero()
    }
}

/// What a pause is multiplied by: finite, above 0.
#[derive(Clone, Copy, Debug)]
pub(super) struct Factor(pub(super) f64);

impl Value for Factor {
    const ACCEPTED: &'static str = "a number above 0";

    fn parse(text: &str) -> Option<Self> {
        go::number(text).filter(|factor| factor.is_finite() && *factor > 0.0).map(Self)
    }

    fn instead(text: &str) -> Option<(Self, &'static str)> {
        let factor = go::number(text)?;
        Some(if factor.is_nan() {
            (Self(1.0), "is taken as 1: each pause is as long as the first")
        } else if factor > 0.0 {
            (Self(f64::MAX), "is taken as a very large number: the second pause is the longest")
        } else {
            (Self(2.0), "is taken as 2, as the reference takes 0 and less")
        })
    }
}

impl Value for NearLimitRatio {
    const ACCEPTED: &'static str = "a number, 0 or more, such as 0.8";

    fn parse(text: &str) -> Option<Self> {
        NearLimitRatio::parse(text)
    }

    fn instead(text: &str) -> Option<(Self, &'static str)> {
        let ratio = go::number(text)?;
        let is_no_part = ratio < 0.0 || !ratio.is_finite();
        let default = NearLimitRatio::parse("0.8").filter(|_| is_no_part)?;
        Some((default, "is no part of a limit: 0.8 is used, which the statistics alone depend on"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_is_what_the_reference_runs_with() {
        let pause = |text: &str| Pause::<100>::instead(text).map(|(pause, _)| pause.0);
        assert_eq!(["0", "-1s", "-0"].map(pause), [Some(Duration::from_millis(100)); 3]);
        assert_eq!(["", "10", "-1", "1d", "soon"].map(pause), [None; 5]);
        let longest = Pause::<10_000>::instead("0s").map(|(pause, _)| pause.0);
        assert_eq!(longest, Some(Duration::from_secs(10)));
        let factor = |text: &str| Factor::instead(text).map(|(factor, _)| factor.0);
        assert_eq!(["0", "-0.5", "-inf"].map(factor), [Some(2.0); 3]);
        assert_eq!([factor("NaN"), factor("+Inf"), factor("half")], [Some(1.0), Some(f64::MAX), None]);
        assert!(Factor::parse("1e308").is_some() && Factor::parse("0").is_none());
        let ratio = |text: &str| NearLimitRatio::instead(text).map(|(ratio, _)| ratio.get());
        assert_eq!(["-0.1", "nan", "inf", "-1e300"].map(ratio), [Some(0.8); 4]);
        assert_eq!(["80%", "", "1e39", "1e400"].map(ratio), [None; 4]);
    }
}
