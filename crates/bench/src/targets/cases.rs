//! The cases of the table: the contenders, the load, and what is promised.

use std::num::{NonZeroU32, NonZeroUsize};

use load::{Config, Descriptor, Keys, Pace, Requests, Scenario};

use super::{claim::Claim, row::Bound, servers::Servers};
use crate::{
    contest::Contender,
    error::Error,
    process::Server,
    sample::{Figure, Series},
};

/// A row group of the table: contenders under one load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    Memory,
    MemoryUniform,
    MemoryFive,
    Redis,
    RedisHot,
    SlidingWindow,
    SlidingWindowHot,
    TokenBucket,
    TokenBucketHot,
    Denied,
    MemoryOpen,
    RedisOpen,
}

const UNIFORM: Keys = Keys::Uniform(NonZeroU32::new(10_000).expect("not zero"));

/// The value of each entry.
const USER: &str = "user-{}";

/// The rates at saturation, half of which the open loops use.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rates {
    memory: Option<f64>,
    redis: Option<f64>,
}

impl Rates {
    /// Stores the rate of a case, if a later case needs it.
    pub(super) fn note(&mut self, case: Case, series: &[Series]) {
        let rate = series[0].median(Figure::Rate);
        match case {
            Case::Memory => self.memory = rate,
            Case::Redis => self.redis = rate,
            _ => {}
        }
    }
}

/// An open loop at half of a rate.
fn half(rate: Option<f64>) -> Pace {
    let half = rate.map_or(0, |rate| (rate / 2.0).round() as u32);
    Pace::Rate(NonZeroU32::new(half).unwrap_or(NonZeroU32::MIN))
}

const fn claim(what: &'static str, figure: Figure, of: usize, bound: Bound) -> Claim {
    Claim { what, figure, of, bound }
}

impl Case {
    pub(super) const ALL: [Self; 12] = [
        Self::Memory,
        Self::MemoryUniform,
        Self::MemoryFive,
        Self::Redis,
        Self::RedisHot,
        Self::SlidingWindow,
        Self::SlidingWindowHot,
        Self::TokenBucket,
        Self::TokenBucketHot,
        Self::Denied,
        Self::MemoryOpen,
        Self::RedisOpen,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory, one descriptor, one hot key",
            Self::MemoryUniform => "memory, one descriptor, 10 000 keys",
            Self::MemoryFive => "memory, five descriptors",
            Self::Redis => "Redis, fixed window, 10 000 keys",
            Self::RedisHot => "Redis, fixed window, one hot key",
            Self::SlidingWindow => "Redis, sliding window, 10 000 keys",
            Self::SlidingWindowHot => "Redis, sliding window, one hot key",
            Self::TokenBucket => "Redis, token bucket, 10 000 keys",
            Self::TokenBucketHot => "Redis, token bucket, one hot key",
            Self::Denied => "always denied, Redis with the deny cache against memory",
            Self::MemoryOpen => "memory, open loop at half of its saturation",
            Self::RedisOpen => "Redis, open loop at half of its saturation",
        }
    }

    /// The index of the contender to which the ratios refer.
    pub(super) const fn base(self) -> usize {
        1
    }

    pub(super) fn claims(self) -> &'static [Claim] {
        use {
            Bound::{self, AtLeast, AtMost},
            Figure::{P99, Rate},
        };
        const RATE: &str = "rate, of bare tonic";
        const LATENCY: &str = "p99, times that of bare tonic at the same rate";
        match self {
            Self::Memory => const { &[claim(RATE, Rate, 1, AtLeast(0.92))] },
            Self::MemoryFive => const { &[claim(RATE, Rate, 1, AtLeast(0.8))] },
            Self::Redis => const { &[claim(RATE, Rate, 1, AtLeast(0.6))] },
            Self::RedisHot => const { &[claim(RATE, Rate, 1, AtLeast(0.75))] },
            Self::MemoryUniform
            | Self::SlidingWindow
            | Self::SlidingWindowHot
            | Self::TokenBucket
            | Self::TokenBucketHot => const { &[claim(RATE, Rate, 1, Bound::None)] },
            Self::Denied => const { &[claim("rate, of the memory store", Rate, 1, AtLeast(0.95))] },
            Self::MemoryOpen => const { &[claim(LATENCY, P99, 1, AtMost(3.0))] },
            Self::RedisOpen => const { &[claim(LATENCY, P99, 1, AtMost(4.0))] },
        }
    }

    /// The key and value of the only entry of each descriptor.
    fn descriptors(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Memory | Self::MemoryUniform | Self::Redis | Self::RedisHot | Self::MemoryOpen | Self::RedisOpen => {
                &[("fixed", USER)]
            }
            Self::MemoryFive => &[("one", USER), ("two", USER), ("three", USER), ("four", USER), ("five", USER)],
            Self::SlidingWindow | Self::SlidingWindowHot => &[("sliding", USER)],
            Self::TokenBucket | Self::TokenBucketHot => &[("bucket", USER)],
            Self::Denied => &[("denied", USER)],
        }
    }

    const fn keys(self) -> Keys {
        match self {
            Self::Memory
            | Self::MemoryFive
            | Self::MemoryOpen
            | Self::RedisHot
            | Self::SlidingWindowHot
            | Self::TokenBucketHot => Keys::Hot,
            Self::MemoryUniform
            | Self::Redis
            | Self::SlidingWindow
            | Self::TokenBucket
            | Self::Denied
            | Self::RedisOpen => UNIFORM,
        }
    }

    /// The contenders; the promise is about the first one.
    pub(super) fn contenders(self, servers: &Servers, config: Config, rates: &Rates) -> Result<Vec<Contender>, Error> {
        let keys = self.keys();
        let descriptors: Vec<Descriptor> =
            self.descriptors().iter().map(|entry| [*entry].into_iter().collect()).collect();
        let count = NonZeroUsize::new(descriptors.len()).expect("there are some");
        let requests = Requests::new("bench", &descriptors, count, keys, None)?;
        let config = match self {
            Self::MemoryOpen => Config { pace: half(rates.memory), ..config },
            Self::RedisOpen => Config { pace: half(rates.redis), ..config },
            _ => config,
        };
        let server = |name: &str, server: &Server, over_redis: bool| {
            let scenario = Scenario { target: server.address.into(), requests: requests.clone(), config };
            let redis = over_redis.then(|| servers.redis.clone());
            Contender { name: name.to_owned(), scenario: Box::new(scenario), pid: Some(server.pid()), redis }
        };
        let memory = || server("Tollgate, memory", &servers.memory, false);
        let over_redis = || server("Tollgate, Redis", &servers.over_redis, true);
        let bare = || server("bare tonic", &servers.bare, false);
        Ok(match self {
            Self::Memory | Self::MemoryUniform | Self::MemoryFive | Self::MemoryOpen => vec![memory(), bare()],
            Self::Redis
            | Self::RedisHot
            | Self::SlidingWindow
            | Self::SlidingWindowHot
            | Self::TokenBucket
            | Self::TokenBucketHot
            | Self::RedisOpen => vec![over_redis(), bare()],
            Self::Denied => vec![over_redis(), memory()],
        })
    }
}
