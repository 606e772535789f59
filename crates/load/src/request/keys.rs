//! Which key a request uses: always the same, or one of n, uniformly or not.

use std::{fmt, num::NonZeroU32, str::FromStr};

use fastrand::Rng;

use super::zipf::Zipf;

/// The exponent of `zipf:N`: measurements of web caches and hot keys are mostly near it.
const DEFAULT_EXPONENT: f64 = 1.0;
/// With a larger exponent every request would use the first key.
const MAX_EXPONENT: f64 = 20.0;

/// The distribution of keys. Written `hot`, `uniform:N`, `zipf:N` or `zipf:N:EXPONENT`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Keys {
    /// All requests use one key.
    Hot,
    /// Each of this many keys is equally likely.
    Uniform(NonZeroU32),
    /// The k-th of this many keys has a probability proportional to 1/k^exponent.
    Zipf(NonZeroU32, f64),
}

/// The text is not a distribution.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "write hot, uniform:N or zipf:N:EXPONENT, with N from 1 to {} and an exponent above 0, at most {MAX_EXPONENT}",
    u32::MAX
)]
pub struct KeysError;

impl FromStr for Keys {
    type Err = KeysError;

    fn from_str(text: &str) -> Result<Self, KeysError> {
        let count = |text: &str| text.parse().map_err(|_| KeysError);
        let mut parts = text.split(':');
        let keys = match (parts.next(), parts.next(), parts.next()) {
            (Some("hot"), None, None) => Self::Hot,
            (Some("uniform"), Some(n), None) => Self::Uniform(count(n)?),
            (Some("zipf"), Some(n), None) => Self::Zipf(count(n)?, DEFAULT_EXPONENT),
            (Some("zipf"), Some(n), Some(exponent)) => {
                let exponent = exponent.parse().map_err(|_| KeysError)?;
                let sound = exponent > 0.0 && exponent <= MAX_EXPONENT;
                Self::Zipf(count(n)?, if sound { exponent } else { return Err(KeysError) })
            }
            _ => return Err(KeysError),
        };
        if parts.next().is_some() { Err(KeysError) } else { Ok(keys) }
    }
}

impl fmt::Display for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hot => f.write_str("hot"),
            Self::Uniform(n) => write!(f, "uniform:{n}"),
            Self::Zipf(n, exponent) => write!(f, "zipf:{n}:{exponent}"),
        }
    }
}

impl Keys {
    /// The number of decimal digits of the last key; all keys are written with it.
    #[must_use]
    pub fn digits(self) -> usize {
        match self {
            Self::Hot => 1,
            Self::Uniform(n) | Self::Zipf(n, _) => (n.get() - 1).checked_ilog10().map_or(1, |log| log as usize + 1),
        }
    }

    /// A picker of keys with this distribution.
    #[must_use]
    pub fn picker(self) -> Picker {
        match self {
            Self::Hot => Picker(Draw::First),
            Self::Uniform(n) => Picker(Draw::Uniform(n.get())),
            Self::Zipf(n, exponent) => Picker(Draw::Zipf(Zipf::new(n.get().into(), exponent))),
        }
    }
}

/// Picks keys at random.
#[derive(Clone, Copy, Debug)]
pub struct Picker(Draw);

#[derive(Clone, Copy, Debug)]
enum Draw {
    First,
    Uniform(u32),
    Zipf(Zipf),
}

impl Picker {
    /// The number of the next key, from 0.
    pub fn pick(&self, random: &mut Rng) -> u32 {
        match &self.0 {
            Draw::First => 0,
            Draw::Uniform(n) => random.u32(..n),
            Draw::Zipf(zipf) => (zipf.sample(random) - 1) as u32,
        }
    }
}

/// A part of all requests, from 0 to 1. Written `0.2` or `20%`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Share(f64);

/// The text is not a share.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write a part of all requests, such as 20% or 0.2")]
pub struct ShareError;

impl FromStr for Share {
    type Err = ShareError;

    fn from_str(text: &str) -> Result<Self, ShareError> {
        let (number, scale) = text.strip_suffix('%').map_or((text, 1.0), |percent| (percent, 100.0));
        let share: f64 = number.parse().map_err(|_| ShareError)?;
        if (0.0..=scale).contains(&share) { Ok(Self(share / scale)) } else { Err(ShareError) }
    }
}

impl Share {
    /// The share as a number.
    pub(crate) const fn get(self) -> f64 {
        self.0
    }

    /// Whether the next request belongs to this share, at random.
    pub(crate) fn takes(self, random: &mut Rng) -> bool {
        self.0 > 0.0 && random.f64() < self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distributions_are_parsed_and_printed() {
        for text in ["hot", "uniform:10000", "uniform:4294967295", "zipf:5:1.2", "zipf:5:20"] {
            assert_eq!(text.parse::<Keys>().map(|keys| keys.to_string()).as_deref(), Ok(text));
        }
        assert_eq!("zipf:9".parse(), Ok(Keys::Zipf(NonZeroU32::new(9).expect("not zero"), 1.0)));
        for text in [
            "",
            "warm",
            "hot:1",
            "uniform",
            "uniform:0",
            "uniform:-1",
            "uniform:4294967296",
            "uniform:1:2",
            "zipf:5:0",
            "zipf:5:21",
            "zipf:5:NaN",
            "zipf:5:1:1",
        ] {
            assert_eq!(text.parse::<Keys>(), Err(KeysError), "{text}");
        }
    }

    #[test]
    fn shares_are_parsed() {
        for (text, share) in [("0", 0.0), ("1", 1.0), ("0.2", 0.2), ("20%", 0.2), ("100%", 1.0)] {
            assert_eq!(text.parse(), Ok(Share(share)), "{text}");
        }
        for text in ["", "%", "1.1", "101%", "-1", "NaN", "x"] {
            assert_eq!(text.parse::<Share>(), Err(ShareError), "{text}");
        }
    }

    #[test]
    fn all_numbers_of_a_distribution_have_the_same_digits() {
        for (text, digits) in
            [("hot", 1), ("uniform:1", 1), ("uniform:10", 1), ("uniform:11", 2), ("zipf:1000", 3), ("uniform:1001", 4)]
        {
            assert_eq!(text.parse::<Keys>().expect("keys").digits(), digits, "{text}");
        }
    }

    /// With a fixed seed: the frequency of each key is within a tenth of the expected one.
    #[test]
    fn a_uniform_distribution_is_even() {
        let picker = "uniform:10".parse::<Keys>().expect("keys").picker();
        let mut random = Rng::with_seed(1);
        let mut counts = [0; 10];
        for _ in 0..100_000 {
            counts[picker.pick(&mut random) as usize] += 1;
        }
        assert!(counts.iter().all(|count| (9_000..11_000).contains(count)), "{counts:?}");
    }

    #[test]
    fn the_frequency_of_a_share_is_its_number() {
        let mut random = Rng::with_seed(1);
        let mut takes = |share: f64| (0..100_000).filter(|_| Share(share).takes(&mut random)).count();
        assert_eq!((takes(0.0), takes(1.0)), (0, 100_000));
        let fifth = takes(0.2);
        assert!((19_000..21_000).contains(&fifth), "{fifth}");
    }

    #[test]
    fn the_same_seed_draws_the_same_keys() {
        let picker = "zipf:1000".parse::<Keys>().expect("keys").picker();
        let draw = |seed| {
            let mut random = Rng::with_seed(seed);
            (0..100).map(|_| picker.pick(&mut random)).collect::<Vec<_>>()
        };
        assert_eq!(draw(5), draw(5));
        assert_ne!(draw(5), draw(6));
    }
}
