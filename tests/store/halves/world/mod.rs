//! Random rules, requests and outcomes, with which engines are compared.

mod rules;

use std::time::Duration;

use limiter::domain::{Descriptor, Entry, LimitOverride, Request, Unit};
use proptest::{collection::vec, prelude::*, sample::select};
use tollgate::engine::Modes;

/// The limits of a request, which some random ones exceed.
pub const MAX_DESCRIPTORS: usize = 4;
pub const MAX_ENTRIES: usize = 3;

/// One run.
#[derive(Clone, Debug)]
pub struct World {
    /// Two versions of the rules, each with a file per domain. The first is loaded at the start.
    pub rules: [Vec<String>; 2],
    pub modes: Modes,
    /// Whether counter keys contain hashes instead of values.
    pub hashing: bool,
    pub steps: Vec<Step>,
}

#[derive(Clone, Debug)]
pub enum Step {
    Ask(Ask, Fate),
    /// One of the waiting requests ends.
    End(usize),
    /// All waiting requests end, and time advances.
    Wait(Duration),
    Load(usize),
}

/// What happens to a request that has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Answered,
    /// Its caller cancels after the store has charged it.
    LeftCharged,
    /// Its caller cancels before that.
    LeftUncharged,
}

/// A request that owns its parts.
#[derive(Clone, Debug)]
pub struct Ask {
    domain: &'static [u8],
    descriptors: Vec<Asked>,
    amount: u64,
}

#[derive(Clone, Debug)]
struct Asked {
    entries: Vec<(&'static [u8], &'static [u8])>,
    limit: Option<LimitOverride>,
    amount: Option<u64>,
    gives_back: bool,
}

impl Ask {
    pub fn request(&self) -> Request<'_> {
        let descriptor = |asked: &Asked| Descriptor {
            entries: asked.entries.iter().map(|&(key, value)| Entry { key, value }).collect(),
            limit: asked.limit,
            amount: asked.amount,
            gives_back: asked.gives_back,
        };
        let descriptors = self.descriptors.iter().map(descriptor).collect();
        Request { domain: self.domain, descriptors, amount: self.amount }
    }

    /// The same request without refunds.
    pub fn without_refunds(mut self) -> Self {
        for asked in &mut self.descriptors {
            asked.gives_back = false;
        }
        self
    }

    /// The same request without limits of its own.
    pub fn without_overrides(mut self) -> Self {
        for asked in &mut self.descriptors {
            asked.limit = None;
        }
        self
    }
}

/// The lengths of windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Windows {
    /// From seconds to years.
    Any,
    /// Days and longer, so that no counter expires during a test.
    Long,
}

/// Domains; the last one has no rules.
const STRANGE: [&[u8]; 3] = [b"none", b"\xff", b""];

const KEYS: [&[u8]; 2] = [b"a", b"b"];

const VALUES: [&[u8]; 9] = [b"", b"x", b"x1", b"x\xff", b"y", b"z\xe9", b"\xe9", b"\xe9\x01", b"10.0.0.1"];

pub fn worlds(windows: Windows, steps: std::ops::Range<usize>) -> impl Strategy<Value = World> {
    let modes = prop_oneof![
        4 => Just(Modes::default()),
        1 => (any::<bool>(), any::<bool>(), any::<bool>())
            .prop_map(|(shadow, quota, atomic)| Modes { shadow, quota, atomic }),
    ];
    let rules = || (rules::file("d", windows), rules::file("e", windows)).prop_map(|(one, other)| vec![one, other]);
    (rules(), rules(), modes, proptest::bool::weighted(0.1), vec(step(windows), steps))
        .prop_map(|(before, after, modes, hashing, steps)| World { rules: [before, after], modes, hashing, steps })
}

fn step(windows: Windows) -> impl Strategy<Value = Step> {
    let fate = prop_oneof![8 => Just(Fate::Answered), 1 => Just(Fate::LeftCharged), 1 => Just(Fate::LeftUncharged)];
    let longest = match windows {
        Windows::Any => 100_000_000_u64,
        Windows::Long => 86_400_000_000 * 40,
    };
    prop_oneof![
        20 => (ask(), fate).prop_map(|(ask, fate)| Step::Ask(ask, fate)),
        8 => any::<usize>().prop_map(Step::End),
        2 => prop_oneof![0..2_000_000_u64, 0..longest].prop_map(Duration::from_micros).prop_map(Step::Wait),
        1 => (0..2_usize).prop_map(Step::Load),
    ]
}

fn ask() -> impl Strategy<Value = Ask> {
    let domain = prop_oneof![30 => Just(&b"d"[..]), 6 => Just(&b"e"[..]), 1 => select(&STRANGE[..])];
    let unit = select(&[Unit::Day, Unit::Week, Unit::Year][..]);
    let limit = (0..5_u32, unit).prop_map(|(requests, unit)| LimitOverride { requests, unit: Ok(unit) });
    let key = prop_oneof![30 => select(&KEYS[..]), 1 => Just(&b"c"[..])];
    // most rules have one or two levels
    let depth = prop_oneof![60 => Just(1), 25 => Just(2), 8 => Just(3), 1 => Just(MAX_ENTRIES + 1)];
    let asked = (
        depth.prop_flat_map(move |depth| vec((key.clone(), select(&VALUES[..])), depth)),
        proptest::option::weighted(0.1, limit),
        prop_oneof![8 => Just(None), 1 => Just(Some(0)), 1 => (1..4_u64).prop_map(Some)],
        proptest::bool::weighted(0.1),
    )
        .prop_map(|(entries, limit, amount, gives_back)| Asked { entries, limit, amount, gives_back });
    let count = prop_oneof![1 => Just(0), 30 => 1..=MAX_DESCRIPTORS, 1 => Just(MAX_DESCRIPTORS + 1)];
    let descriptors = count.prop_flat_map(move |count| vec(asked.clone(), count));
    (domain, descriptors, prop_oneof![4 => Just(0), 1 => 1..4_u64]).prop_map(|(domain, descriptors, amount)| Ask {
        domain,
        descriptors,
        amount,
    })
}
