//! The step before the store is called: finds the limits that apply to a request, and the hits to charge.

use std::{collections::HashSet, sync::Arc, time::Instant};

use smallvec::SmallVec;

use super::{
    ActiveRules, DecideError, Options, late_costs,
    stats::{Series, SeriesName},
    unknown_domain,
};
use limiter::domain::{
    Charge, Descriptor, DomainKeys, FailureMode, Group, Hit, KeyBase, KeyBuilder, KeyValue, Limit, LimitOverride,
    Request, Unit, UnknownUnit,
};
use rules::{Domain, DomainIndex, Match, OnUnknown, Policy, Rule, RuleId};

/// The hits of a request, and what is needed to interpret their verdicts. Borrows nothing, so that it can be kept while
/// the store works.
#[derive(Debug)]
pub(super) struct Plan {
    /// The hits to charge.
    pub(super) group: Group,
    /// What applies to the request's descriptors.
    pub(super) applied: Applied,
}

/// What applies to the descriptors of a request. The indices and numbers are those of the rules that the request was
/// planned with.
#[derive(Debug)]
pub(super) struct Applied {
    /// `None` if the domain has no rules; then no descriptor is counted.
    pub(super) domain: Option<DomainIndex>,
    /// One for each descriptor of the request, in their order.
    pub(super) descriptors: SmallVec<[Planned; 1]>,
}

/// What applies to one descriptor.
#[derive(Debug)]
pub(super) enum Planned {
    /// No limit, or one that another limit replaces: the descriptor passes uncounted.
    Uncounted,
    /// No rule, and the domain denies unknown descriptors.
    Unknown,
    /// A rule without a limit.
    Unlimited,
    /// One or more limits: the group has a hit for each of them.
    Counted(Counted),
}

/// A descriptor that is charged.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) by: LimitSource,
    pub(super) charge: Charge,
}

/// Where the limits of a descriptor are from.
#[derive(Debug)]
pub(super) enum LimitSource {
    /// A rule of the request's domain that has limits. `series`: the statistics to count in, if they contain values of
    /// the request; else those of the rule.
    Rule { id: RuleId, series: Option<Arc<Series>> },
    /// The limit that the request carries.
    Override { limit: Limit, series: Arc<Series> },
}

/// A descriptor's match, before `replaces` is applied.
enum Matched<'a> {
    Nothing,
    Rule(Match<'a>),
    Override { requests: u32, unit: Unit },
}

impl Plan {
    /// Matches every descriptor and plans the hits.
    ///
    /// # Errors
    /// If the domain has rules and a descriptor carries a limit with an unknown unit.
    pub(super) fn new(
        active: &ActiveRules,
        request: &Request<'_>,
        keys: &KeyBuilder,
        options: &Options,
        deadline: Option<Instant>,
    ) -> Result<Self, DecideError> {
        let Some(index) = active.rules.domain_index(request.domain) else {
            unknown_domain::record(active, request);
            let descriptors = request.descriptors.iter().map(|_| Planned::Uncounted).collect();
            return Ok(Self { group: Group::new([]), applied: Applied { domain: None, descriptors } });
        };
        let domain = active.rules.domain_at(index);
        let count = request.descriptors.len();
        let mut matches: SmallVec<[Matched<'_>; 1]> = SmallVec::with_capacity(count);
        for (index, descriptor) in request.descriptors.iter().enumerate() {
            matches.push(find(domain, index, descriptor)?);
        }
        let replaced_names = replaced_names(&matches);
        let replaced =
            |rule: &Rule| rule.name().zip(replaced_names.as_ref()).is_some_and(|(name, names)| names.contains(&**name));

        let mut group = Group::new([]);
        group.hits.reserve(count);
        group.atomic = options.modes.atomic || domain.atomic();
        group.deadline = deadline;
        let mut draft = Draft { active, domain, keys: keys.domain(domain.name()), options, group };
        let mut descriptors: SmallVec<[Planned; 1]> = SmallVec::with_capacity(count);
        for (index, (descriptor, matched)) in request.descriptors.iter().zip(&matches).enumerate() {
            let charge = descriptor.charge(request.amount);
            descriptors.push(match matched {
                Matched::Rule(found) if *found.rule.policy() == Policy::Unlimited => Planned::Unlimited,
                Matched::Rule(found) if replaced(found.rule) => draft.pass_uncounted(),
                Matched::Rule(found) => draft.charge_rule(index, descriptor, charge, found),
                Matched::Override { requests, unit } => {
                    let limit = Limit::fixed_window(u64::from(*requests), *unit);
                    draft.charge_override(index, descriptor, charge, limit)
                }
                Matched::Nothing if domain.on_unknown() == OnUnknown::Deny => Planned::Unknown,
                Matched::Nothing => draft.pass_uncounted(),
            });
        }
        // under the global quota mode an unknown descriptor is a quota like the others, and does not deny on its own
        draft.group.refused = !options.modes.quota && descriptors.iter().any(|d| matches!(d, Planned::Unknown));
        Ok(Self { group: draft.group, applied: Applied { domain: Some(index), descriptors } })
    }
}

/// The group of hits while it is built.
struct Draft<'a, 'k> {
    active: &'a ActiveRules,
    domain: &'a Domain,
    keys: DomainKeys<'k>,
    options: &'k Options,
    group: Group,
}

impl<'a> Draft<'a, '_> {
    /// Plans no hit. Under the global quota mode the descriptor counts as a quota that passed.
    fn pass_uncounted(&mut self) -> Planned {
        self.group.quota_passed |= self.options.modes.quota;
        Planned::Uncounted
    }

    /// Plans a hit for each limit of the rule.
    fn charge_rule(&mut self, index: usize, descriptor: &Descriptor<'_>, charge: Charge, found: &Match<'a>) -> Planned {
        let rule = found.rule;
        let Policy::Limited(limits) = rule.policy() else { return Planned::Unlimited };
        let base = self.keys.base(found.key_entries(&descriptor.entries));
        let template = HitTemplate {
            charge,
            shadow: rule.shadow(),
            quota: rule.quota() || self.options.modes.quota,
            descriptor: number(index),
            on_store_failure: rule.on_store_failure().unwrap_or(self.options.on_store_failure),
        };
        template.push(&mut self.group, base, limits);
        late_costs::check(self.active, self.domain, found, charge);
        let series = found.metric_levels(&descriptor.entries).map(|levels| {
            let name = levels.iter().fold(SeriesName::new(self.domain.name()), |name, level| {
                name.level(level.key.as_bytes(), level.value.as_deref())
            });
            self.active.stats.dynamic(name)
        });
        Planned::Counted(Counted { by: LimitSource::Rule { id: rule.id(), series }, charge })
    }

    /// Plans a hit for the limit that the request carries.
    fn charge_override(&mut self, index: usize, descriptor: &Descriptor<'_>, charge: Charge, limit: Limit) -> Planned {
        let entries = descriptor.entries.iter().map(|entry| (entry.key, KeyValue::Exact(entry.value)));
        let base = self.keys.base(entries);
        let template = HitTemplate {
            charge,
            shadow: false,
            quota: self.options.modes.quota,
            descriptor: number(index),
            on_store_failure: self.domain.on_store_failure().unwrap_or(self.options.on_store_failure),
        };
        template.push(&mut self.group, base, &[limit]);
        let name = SeriesName::new(self.domain.name());
        let name = descriptor
            .entries
            .iter()
            .fold(name, |name, entry| name.level(entry.key, Some(entry.value).filter(|value| !value.is_empty())));
        let series = self.active.stats.dynamic(name);
        Planned::Counted(Counted { by: LimitSource::Override { limit, series }, charge })
    }
}

/// The fields that all hits of one descriptor have in common.
struct HitTemplate {
    charge: Charge,
    shadow: bool,
    quota: bool,
    descriptor: u32,
    on_store_failure: FailureMode,
}

impl HitTemplate {
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

fn find<'a>(domain: &'a Domain, index: usize, descriptor: &Descriptor<'_>) -> Result<Matched<'a>, DecideError> {
    Ok(match descriptor.limit {
        Some(LimitOverride { requests, unit: Ok(unit) }) => Matched::Override { requests, unit },
        Some(LimitOverride { unit: Err(UnknownUnit(unit)), .. }) => {
            return Err(DecideError::OverrideUnit { descriptor: index, unit });
        }
        None => domain.find(&descriptor.entries).map_or(Matched::Nothing, Matched::Rule),
    })
}

/// The names of the limits that matched rules replace; `None` if there are none, as for most requests, which need no
/// set. A rule that is replaced or unlimited still replaces others.
fn replaced_names<'a>(matches: &[Matched<'a>]) -> Option<HashSet<&'a str, foldhash::quality::RandomState>> {
    let names_of = |matched: &Matched<'a>| match matched {
        Matched::Rule(found) => found.rule.replaces(),
        Matched::Nothing | Matched::Override { .. } => &[],
    };
    if matches.iter().all(|matched| names_of(matched).is_empty()) {
        return None;
    }
    Some(matches.iter().flat_map(names_of).map(|name| &**name).collect())
}
