//! The cases of the table: who contends under which load, and what is promised of it.

use std::num::{NonZeroU32, NonZeroUsize};

use super::{
    super::{
        Reason,
        ceiling::{
            child::Server,
            redis::{FULL, Way},
        },
        compare::{Figure, Series},
        contest::{Contender, Kind},
        plan::{Pace, Plan},
        request::{Keys, Requests},
    },
    claim::{Bound, Claim},
    scene::Scene,
};

/// A case.
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

/// Rates that later cases need half of.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rates {
    memory: Option<f64>,
    redis: Option<f64>,
}

impl Rates {
    /// What a case has shown.
    pub(super) fn note(&mut self, case: Case, series: &[Series]) {
        let rate = series[0].median(Figure::Rate);
        match case {
            Case::Memory => self.memory = rate,
            Case::Redis => self.redis = rate,
            _ => {}
        }
    }
}

/// The open loop at half of a rate.
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

    /// The contender that the others are a part of.
    pub(super) const fn base(self) -> usize {
        1
    }

    pub(super) fn claims(self) -> &'static [Claim] {
        use {
            Bound::{AtLeast, AtMost, Told},
            Figure::{P99, Rate, RedisCpu},
        };
        const RATE: &str = "rate, of bare tonic";
        const AGAINST_COMMANDS: &str = "Redis CPU a decision, of INCRBY + EXPIRE";
        const AGAINST_SCRIPT: &str = "rate, of the full script calls";
        const LATENCY: &str = "p99, times that of bare tonic at the same rate";
        const ONE_THIRD: f64 = 0.333;
        match self {
            Self::Memory => const { &[claim(RATE, Rate, 1, AtLeast(0.92))] },
            Self::MemoryFive => const { &[claim(RATE, Rate, 1, AtLeast(0.8))] },
            Self::Redis => {
                const {
                    &[
                        claim(RATE, Rate, 1, AtLeast(0.6)),
                        claim(AGAINST_COMMANDS, RedisCpu, 2, AtMost(ONE_THIRD)),
                        claim(AGAINST_SCRIPT, Rate, 3, Told),
                    ]
                }
            }
            Self::RedisHot => {
                const {
                    &[
                        claim(RATE, Rate, 1, AtLeast(0.75)),
                        claim(AGAINST_COMMANDS, RedisCpu, 2, AtMost(ONE_THIRD)),
                        claim(AGAINST_SCRIPT, Rate, 3, Told),
                    ]
                }
            }
            Self::MemoryUniform
            | Self::SlidingWindow
            | Self::SlidingWindowHot
            | Self::TokenBucket
            | Self::TokenBucketHot => const { &[claim(RATE, Rate, 1, Told)] },
            Self::Denied => const { &[claim("rate, of the memory store", Rate, 1, AtLeast(0.95))] },
            Self::MemoryOpen => const { &[claim(LATENCY, P99, 1, AtMost(3.0))] },
            Self::RedisOpen => const { &[claim(LATENCY, P99, 1, AtMost(4.0))] },
        }
    }

    fn descriptors(self) -> &'static [&'static str] {
        match self {
            Self::Memory | Self::MemoryUniform | Self::Redis | Self::RedisHot | Self::MemoryOpen | Self::RedisOpen => {
                &["fixed=user-{}"]
            }
            Self::MemoryFive => &["one=user-{}", "two=user-{}", "three=user-{}", "four=user-{}", "five=user-{}"],
            Self::SlidingWindow | Self::SlidingWindowHot => &["sliding=user-{}"],
            Self::TokenBucket | Self::TokenBucketHot => &["bucket=user-{}"],
            Self::Denied => &["denied=user-{}"],
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

    /// Who takes turns; the first one is whose promise it is.
    pub(super) fn contenders(self, scene: &Scene, plan: Plan, rates: &Rates) -> Result<Vec<Contender>, Reason> {
        let keys = self.keys();
        let descriptors: Vec<_> =
            self.descriptors().iter().map(|text| text.parse().expect("these are descriptors")).collect();
        let count = NonZeroUsize::new(descriptors.len()).expect("there are some");
        let requests = Requests::new("bench", &descriptors, count, keys, None)?;
        let plan = match self {
            Self::MemoryOpen => Plan { pace: half(rates.memory), ..plan },
            Self::RedisOpen => Plan { pace: half(rates.redis), ..plan },
            _ => plan,
        };
        let server = |name: &str, server: &Server, over_redis: bool| Contender {
            name: name.to_owned(),
            plan,
            kind: Kind::Server {
                target: server.address.into(),
                requests: requests.clone(),
                pid: Some(server.pid()),
                redis: over_redis.then(|| scene.redis.clone()),
            },
        };
        let redis = |way: Way| Contender {
            name: way.name(),
            plan,
            kind: Kind::Redis { redis: scene.redis.clone(), way, keys },
        };
        let memory = || server("Tollgate, memory", &scene.memory, false);
        let over_redis = || server("Tollgate, Redis", &scene.over_redis, true);
        let bare = || server("bare tonic", &scene.bare, false);
        Ok(match self {
            Self::Memory | Self::MemoryUniform | Self::MemoryFive | Self::MemoryOpen => vec![memory(), bare()],
            Self::Redis | Self::RedisHot => vec![
                over_redis(),
                bare(),
                redis(Way::Commands),
                redis(Way::Script(FULL)),
                redis(Way::Script(NonZeroUsize::MIN)),
            ],
            Self::SlidingWindow
            | Self::SlidingWindowHot
            | Self::TokenBucket
            | Self::TokenBucketHot
            | Self::RedisOpen => vec![over_redis(), bare()],
            Self::Denied => vec![over_redis(), memory()],
        })
    }
}
