//! What a fleet does: how many processes, how much load on each, which keys and limits, and on which Redis.

use std::{
    fmt,
    num::{NonZeroU32, NonZeroUsize},
    str::FromStr,
};

use limiter::domain::Algorithm;
use load::{
    Descriptor, Keys,
    report::format::{count, things},
};

use crate::redis::Kind;

/// The load on each process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rate {
    /// An open loop of this many decisions a second.
    Fixed(NonZeroU32),
    /// As much as it answers.
    Max,
}

impl FromStr for Rate {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        match text {
            "max" => Ok(Self::Max),
            text => text.parse().map(Self::Fixed).map_err(|_| "write a number from 1, or max"),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(rate) => write!(f, "{}/s", count(rate.get().into())),
            Self::Max => f.write_str("full load"),
        }
    }
}

/// Parses the name of an algorithm, as rules have it.
pub(crate) fn algorithm(text: &str) -> Result<Algorithm, String> {
    let names = || Algorithm::ALL.map(Algorithm::name).join(", ");
    Algorithm::from_name(text).ok_or_else(|| format!("write one of {}", names()))
}

/// A group of rows of the table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scenario {
    pub(super) processes: NonZeroUsize,
    pub(super) rate: Rate,
    pub(super) keys: Keys,
    pub(super) algorithm: Algorithm,
    pub(super) descriptors: NonZeroUsize,
    pub(super) redis: Kind,
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { processes, rate, keys, algorithm, descriptors, redis } = self;
        write!(f, "{processes} × {rate}, {keys}, ")?;
        if *algorithm != Algorithm::FixedWindow {
            write!(f, "{algorithm}, ")?;
        }
        if descriptors.get() > 1 {
            write!(f, "{}, ", things(descriptors.get() as u64, "descriptor"))?;
        }
        write!(f, "{redis}")
    }
}

/// The most descriptors that the rules have a limit for.
pub(super) const MAX_DESCRIPTORS: usize = 16;

impl Scenario {
    /// The descriptors of a request. Each has a limit of its own.
    pub(super) fn request(&self) -> Vec<Descriptor> {
        let key = |nth| format!("{}{nth}", self.algorithm);
        (1..=self.descriptors.get()).map(|nth| [(key(nth), "user-{}".to_owned())].into_iter().collect()).collect()
    }
}

/// The length of all windows, in seconds.
pub(super) const WINDOW: u32 = 10;

/// The rules for every scenario: limits that are never reached.
pub(super) fn rules() -> String {
    let limits = Algorithm::ALL.iter().flat_map(|algorithm| {
        let limit = move |nth| {
            format!(
                "  - {{key: {algorithm}{nth}, rate_limit: {{algorithm: {algorithm}, unit: second, \
                 unit_multiplier: {WINDOW}, requests_per_unit: 4000000000}}}}\n"
            )
        };
        (1..=MAX_DESCRIPTORS).map(limit)
    });
    format!("domain: {DOMAIN}\ndescriptors:\n{}", limits.collect::<String>())
}

/// The domain of all rules and requests.
pub(super) const DOMAIN: &str = "bench";

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(algorithm: Algorithm, descriptors: usize) -> Scenario {
        Scenario {
            processes: NonZeroUsize::new(4).expect("not zero"),
            rate: "1500".parse().expect("a rate"),
            keys: Keys::Hot,
            algorithm,
            descriptors: NonZeroUsize::new(descriptors).expect("not zero"),
            redis: Kind::Cluster,
        }
    }

    #[test]
    fn a_scenario_is_named_by_what_is_not_usual() {
        assert_eq!(scenario(Algorithm::FixedWindow, 1).to_string(), "4 × 1 500/s, hot, cluster");
        let all = Scenario { rate: Rate::Max, ..scenario(Algorithm::TokenBucket, 2) };
        assert_eq!(all.to_string(), "4 × full load, hot, token_bucket, 2 descriptors, cluster");
    }

    #[test]
    fn rates_and_algorithms_are_parsed() {
        assert_eq!("max".parse(), Ok(Rate::Max));
        assert_eq!("7".parse::<Rate>().map(|rate| rate.to_string()).as_deref(), Ok("7/s"));
        for text in ["0", "-1", "1.5", "most", ""] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
        assert_eq!(algorithm("sliding_window"), Ok(Algorithm::SlidingWindow));
        assert!(algorithm("leaky").is_err_and(|error| error.contains("token_bucket")));
    }

    #[test]
    fn the_rules_have_a_limit_for_each_descriptor() {
        assert_eq!(crate::hot_path::compile(rules()).rule_count() as usize, 3 * MAX_DESCRIPTORS);
        assert_eq!(
            scenario(Algorithm::TokenBucket, 2).request()[1],
            [("token_bucket2", "user-{}")].into_iter().collect()
        );
    }
}
