//! Before the store is asked: which limits apply to a request, and which hits that makes.

use std::{collections::HashSet, sync::Arc, time::Instant};

use smallvec::SmallVec;

use super::{
    Live, Options,
    stats::{Row, Series, SeriesName},
};
use crate::{
    domain::{
        Charge, Descriptor, DomainKeys, FailureMode, Group, Hit, KeyBase, KeyBuilder, KeyValue, Limit, LimitOverride,
        Request,
    },
    rules::{Domain, Match, OnUnknown, Policy, Rule},
};

/// What is to be done about a request.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    /// What to ask the store.
    pub(super) group: Group,
    /// What applies to each descriptor, in order.
    pub(super) descriptors: SmallVec<[Planned<'a>; 1]>,
}

/// What applies to one descriptor.
#[derive(Debug)]
pub(super) enum Planned<'a> {
    /// No limit: it passes uncounted.
    Free,
    /// No rule, and its domain refuses what it does not know.
    Unknown,
    /// A rule without a limit, or a limit that another one replaces.
    Unlimited,
    /// As many hits of the group as it has limits.
    Counted(Counted<'a>),
}

/// A descriptor that is charged.
#[derive(Debug)]
pub(super) struct Counted<'a> {
    pub(super) limits: Limits<'a>,
    /// None for an override.
    pub(super) rule: Option<&'a Rule>,
    pub(super) stats: RowRef<'a>,
    pub(super) shadow: bool,
    pub(super) charge: Charge,
}

/// The limits of one descriptor; never empty.
#[derive(Debug)]
pub(super) enum Limits<'a> {
    Rule(&'a [Limit]),
    Override(Limit),
}

impl Limits<'_> {
    pub(super) fn as_slice(&self) -> &[Limit] {
        match self {
            Self::Rule(limits) => limits,
            Self::Override(limit) => std::slice::from_ref(limit),
        }
    }
}

/// Where a descriptor's hits are counted.
#[derive(Debug)]
pub(super) enum RowRef<'a> {
    /// The rule's own row.
    Static(&'a Series),
    /// A row for values of the request.
    Dynamic(Arc<Series>),
}

impl RowRef<'_> {
    pub(super) fn row(&self) -> &Row {
        match self {
            Self::Static(row) => row,
            Self::Dynamic(row) => row,
        }
    }
}

/// A descriptor's match, while `replaces` is still to be looked at.
enum Matched<'a> {
    Nothing,
    Rule(Match<'a>),
    Override(LimitOverride),
}

impl<'a> Plan<'a> {
    /// Matches every descriptor and lays out the hits.
    pub(super) fn new(
        live: &'a Live,
        request: &Request<'_>,
        keys: &KeyBuilder,
        options: &Options,
        deadline: Option<Instant>,
    ) -> Self {
        let Some(domain) = live.rules.domain(request.domain) else {
            live.stats.stats().domain_not_found(request.domain, request.descriptors.len() as u64);
            let descriptors = request.descriptors.iter().map(|_| Planned::Free).collect();
            return Self { group: Group::new(Vec::new()), descriptors };
        };
        let count = request.descriptors.len();
        let mut matches: SmallVec<[Matched<'a>; 1]> = SmallVec::with_capacity(count);
        for descriptor in &request.descriptors {
            matches.push(find(domain, descriptor));
        }
        let replaced_names = replaced_names(&matches);
        let replaced = |rule: &Rule| rule.name().is_some_and(|name| replaced_names.contains(&**name));

        let mut group = Group::new(Vec::with_capacity(count));
        group.atomic = options.modes.atomic || domain.atomic();
        group.deadline = deadline;
        let mut draft = Draft { live, domain, keys: keys.domain(domain.name()), options, group };
        let mut descriptors: SmallVec<[Planned<'a>; 1]> = SmallVec::with_capacity(count);
        for (index, (descriptor, matched)) in request.descriptors.iter().zip(&matches).enumerate() {
            let charge = charge(descriptor, request.hits_addend);
            descriptors.push(match matched {
                Matched::Rule(found) if *found.rule.policy() == Policy::Unlimited => Planned::Unlimited,
                Matched::Rule(found) if replaced(found.rule) => draft.free(),
                Matched::Rule(found) => draft.count(index, descriptor, charge, found),
                Matched::Override(limit) => draft.count_override(index, descriptor, charge, *limit),
                Matched::Nothing if domain.on_unknown() == OnUnknown::Deny => Planned::Unknown,
                Matched::Nothing => draft.free(),
            });
        }
        // under the global quota mode an unknown descriptor is a quota like the others, and may not refuse alone
        draft.group.refused = !options.modes.quota && descriptors.iter().any(|d| matches!(d, Planned::Unknown));
        Self { group: draft.group, descriptors }
    }
}

/// The hits as they are laid out.
struct Draft<'a, 'k> {
    live: &'a Live,
    domain: &'a Domain,
    keys: DomainKeys<'k>,
    options: &'k Options,
    group: Group,
}

impl<'a> Draft<'a, '_> {
    /// A descriptor that passes uncounted. Under the global quota mode it is a quota that passed.
    fn free(&mut self) -> Planned<'a> {
        self.group.quota_passed |= self.options.modes.quota;
        Planned::Free
    }

    fn count(&mut self, index: usize, descriptor: &Descriptor<'_>, charge: Charge, found: &Match<'a>) -> Planned<'a> {
        let rule = found.rule;
        let Policy::Limited(limits) = rule.policy() else { return Planned::Unlimited };
        let base = self.keys.base(found.key_entries(&descriptor.entries));
        let like = Like {
            charge,
            shadow: rule.shadow(),
            quota: rule.quota() || self.options.modes.quota,
            descriptor: number(index),
            on_store_failure: rule.on_store_failure().unwrap_or(self.options.on_store_failure),
        };
        like.push(&mut self.group, base, limits);
        let stats = match found.metric_levels(&descriptor.entries) {
            None => RowRef::Static(self.live.stats.row(rule.id())),
            Some(levels) => {
                let name = levels.iter().fold(SeriesName::new(self.domain.name()), |name, level| {
                    name.level(level.key.as_bytes(), level.value.as_deref())
                });
                RowRef::Dynamic(self.live.stats.dynamic(name))
            }
        };
        Planned::Counted(Counted {
            limits: Limits::Rule(limits),
            rule: Some(rule),
            stats,
            shadow: rule.shadow(),
            charge,
        })
    }

    fn count_override(
        &mut self,
        index: usize,
        descriptor: &Descriptor<'_>,
        charge: Charge,
        limit: LimitOverride,
    ) -> Planned<'a> {
        let limit = Limit::fixed_window(u64::from(limit.requests), limit.unit);
        let entries = descriptor.entries.iter().map(|entry| (entry.key, KeyValue::Exact(entry.value)));
        let base = self.keys.base(entries);
        let like = Like {
            charge,
            shadow: false,
            quota: self.options.modes.quota,
            descriptor: number(index),
            on_store_failure: self.domain.on_store_failure().unwrap_or(self.options.on_store_failure),
        };
        like.push(&mut self.group, base, &[limit]);
        let name = SeriesName::new(self.domain.name());
        let name = descriptor
            .entries
            .iter()
            .fold(name, |name, entry| name.level(entry.key, Some(entry.value).filter(|value| !value.is_empty())));
        let stats = RowRef::Dynamic(self.live.stats.dynamic(name));
        Planned::Counted(Counted { limits: Limits::Override(limit), rule: None, stats, shadow: false, charge })
    }
}

/// What all hits of one descriptor have in common.
struct Like {
    charge: Charge,
    shadow: bool,
    quota: bool,
    descriptor: u32,
    on_store_failure: FailureMode,
}

impl Like {
    /// Adds a hit for each limit.
    fn push(self, group: &mut Group, mut base: KeyBase<'_>, limits: &[Limit]) {
        let Self { charge, shadow, quota, descriptor, on_store_failure } = self;
        for limit in limits {
            let key = base.counter(limit.algorithm(), limit.window());
            group.hits.push(Hit { key, limit: *limit, charge, shadow, quota, descriptor, on_store_failure });
        }
    }
}

fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

fn find<'a>(domain: &'a Domain, descriptor: &Descriptor<'_>) -> Matched<'a> {
    match descriptor.limit {
        Some(limit) => Matched::Override(limit),
        None => domain.find(&descriptor.entries).map_or(Matched::Nothing, Matched::Rule),
    }
}

/// The names of limits that matched rules replace. A replaced rule still replaces others, as does an unlimited one.
fn replaced_names<'a>(matches: &[Matched<'a>]) -> HashSet<&'a str, foldhash::quality::RandomState> {
    let rules = matches.iter().filter_map(|matched| match matched {
        Matched::Rule(found) => Some(found.rule),
        Matched::Nothing | Matched::Override(_) => None,
    });
    rules.flat_map(|rule| rule.replaces().iter().map(|name| &**name)).collect()
}

fn charge(descriptor: &Descriptor<'_>, request_hits: u64) -> Charge {
    let hits = descriptor.hits(request_hits);
    if descriptor.is_negative_hits { Charge::Give(hits) } else { Charge::Take(hits) }
}
