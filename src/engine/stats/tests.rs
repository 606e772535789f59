use std::{sync::Arc, time::Duration};

use proptest::prelude::*;

use super::*;
use limiter::domain::{Charge, RetryAfter, Source, Verdict};
use rules::RuleId;

/// `[total, within, near, over, over with cache, shadow]`
fn figures(row: &Row) -> [u64; 6] {
    Figure::ALL.map(|figure| row.get(figure))
}

fn verdict(allowed: bool, before: u64, after: u64, asked: u64, source: Source) -> Verdict {
    let (reset_after, retry_after) = (Duration::ZERO, RetryAfter::Now);
    Verdict { allowed, remaining: 0, reset_after, retry_after, before, after, asked, granted: 0, source }
}

fn recorded(verdict: &Verdict, limit: u64, shadow: bool) -> [u64; 6] {
    let row = Row::default();
    row.record(&Observation { verdict, charge: Charge::Take(verdict.asked), limit, shadow }, 0.8);
    figures(&row)
}

fn fixed(before: u64, asked: u64, limit: u64, shadow: bool) -> [u64; 6] {
    recorded(&verdict(before + asked <= limit, before, before + asked, asked, Source::Store), limit, shadow)
}

#[test]
fn a_request_is_split_at_the_thresholds() {
    assert_eq!(fixed(0, 8, 10, false), [8, 8, 0, 0, 0, 0]);
    assert_eq!(fixed(7, 2, 10, false), [2, 2, 1, 0, 0, 0]);
    assert_eq!(fixed(8, 2, 10, false), [2, 2, 2, 0, 0, 0]);
    assert_eq!(fixed(5, 8, 10, true), [8, 0, 2, 3, 0, 3]);
    assert_eq!(fixed(10, 8, 10, true), [8, 0, 0, 8, 0, 8]);
    assert_eq!(fixed(0, 1, 0, false), [1, 0, 0, 1, 0, 0]);
}

#[test]
fn a_denial_that_charged_nothing_is_over_as_a_whole() {
    assert_eq!(recorded(&verdict(false, 9, 9, 4, Source::Store), 10, true), [4, 0, 0, 4, 0, 4]);
    assert_eq!(recorded(&verdict(false, 0, 0, 4, Source::Degraded), 10, false), [4, 0, 0, 4, 0, 0]);
    assert_eq!(recorded(&verdict(false, 0, 0, 4, Source::DenyCache), 10, true), [4, 0, 0, 4, 4, 4]);
}

/// Two hits of one request that are over their limit only together, charged after a refund of both, stay below it.
#[test]
fn a_denial_that_was_charged_below_the_limit_is_over_as_a_whole() {
    assert_eq!(recorded(&verdict(false, 0, 2, 2, Source::Store), 3, false), [2, 0, 0, 2, 0, 0]);
}

#[test]
fn a_denial_by_a_fraction_counts_as_one() {
    // a sliding window at 9.5 of 10, with count_denied: 10.5 is over, although both counts are rounded down
    assert_eq!(recorded(&verdict(false, 9, 10, 1, Source::Store), 10, false), [1, 0, 0, 1, 0, 0]);
}

#[test]
fn looks_refunds_and_failures() {
    let row = Row::default();
    let verdict = verdict(false, 20, 20, 0, Source::Store);
    row.record(&Observation { verdict: &verdict, charge: Charge::LOOK, limit: 10, shadow: true }, 0.8);
    row.record(&Observation { verdict: &verdict, charge: Charge::Give(5), limit: 10, shadow: true }, 0.8);
    row.record_failed(Charge::Give(5));
    assert_eq!(figures(&row), [0; 6]);
    row.record_failed(Charge::Take(5));
    assert_eq!(figures(&row), [5, 0, 0, 0, 0, 0]);
}

#[test]
fn the_near_threshold_is_computed_in_single_precision() {
    assert_eq!(near_threshold(10, 0.8), 8);
    // in double precision the product would be 8388608.5, because 16777217 is exact there
    assert_eq!(near_threshold(16_777_217, 0.5), 8_388_608);
    assert_eq!(near_threshold(100, 0.29), 29);
    assert_eq!(near_threshold(u64::MAX, 1.0), u64::MAX);
    assert_eq!(near_threshold(10, f32::NAN), 0);
}

/// The reference's arithmetic, statement by statement: GetResponseDescriptorStatus and its helpers.
fn reference(before: u64, hits: u64, limit: u64, near: u64, shadow: bool) -> [u64; 6] {
    let (mut within, mut near_limit, mut over, mut shadow_mode) = (0, 0, 0, 0);
    let after = before + hits;
    if after > limit {
        let over_part = if before >= limit { hits } else { after - limit };
        over += over_part;
        if before < limit {
            near_limit += limit - near.max(before);
        }
        if shadow {
            shadow_mode += over_part;
        }
    } else {
        if after > near {
            near_limit += if before >= near { hits } else { after - near };
        }
        within += hits;
    }
    [hits, within, near_limit, over, 0, shadow_mode]
}

proptest! {
    #[test]
    fn fixed_windows_count_as_the_reference_does(
        before in 0_u64..60, hits in 0_u64..40, limit in 0_u64..50, shadow: bool
    ) {
        let expected = reference(before, hits, limit, near_threshold(limit, 0.8), shadow);
        prop_assert_eq!(fixed(before, hits, limit, shadow), expected);
    }

    #[test]
    fn no_verdict_counts_more_than_was_asked(
        allowed: bool, before: u64, after: u64, asked in 0..=limiter::domain::MAX_COUNT, limit: u64, shadow: bool
    ) {
        let [total, within, near, over, cached, shadowed] =
            recorded(&verdict(allowed, before, after, asked, Source::Store), limit, shadow);
        prop_assert_eq!((total, within + over, cached), (asked, asked.min(within + over), 0));
        prop_assert!(near + over <= asked && shadowed <= over);
        prop_assert!(asked == 0 || (within > 0) == allowed && (over > 0) != allowed);
    }
}

fn table(stats: &Arc<Stats>, names: &[&[&str]], previous: Option<&StatsTable>) -> StatsTable {
    let rules = (0..).map(RuleId).zip(names).map(|(id, levels)| (id, SeriesName::of("d", *levels)));
    StatsTable::build(stats, rules, previous)
}

fn exported(table: &StatsTable) -> Vec<(String, u64)> {
    let mut all: Vec<_> =
        table.series().iter().map(|s| (s.labels().levels.to_owned(), s.get(Figure::TotalHits))).collect();
    all.sort();
    all
}

#[test]
fn figures_survive_a_reload_and_are_dropped_with_their_rule() {
    let stats = Stats::new(10);
    let old = table(&stats, &[&["a"], &["b"], &["c", "d"]], None);
    for (id, hits) in [(0, 1), (1, 2), (2, 3)] {
        old.row(RuleId(id)).record_failed(Charge::Take(hits));
    }
    let new = table(&stats, &[&["c", "d"], &["a"]], Some(&old));
    // a request that still uses the old rules
    old.row(RuleId(0)).record_failed(Charge::Take(10));
    assert_eq!(new.row(RuleId(1)).get(Figure::TotalHits), 11);
    assert_eq!(exported(&new), [("a".into(), 11), ("c.d".into(), 3)]);
    let back = table(&stats, &[&["b"]], Some(&new));
    assert_eq!(back.row(RuleId(0)).get(Figure::TotalHits), 0);
}

#[test]
fn rules_come_in_any_order_and_equal_names_share() {
    let stats = Stats::new(10);
    let rules = [(2, "a"), (0, "b"), (1, "a")];
    let table = StatsTable::build(&stats, rules.map(|(id, key)| (RuleId(id), SeriesName::of("d", [key]))), None);
    table.row(RuleId(2)).record_failed(Charge::Take(1));
    assert_eq!(table.row(RuleId(1)).get(Figure::TotalHits), 1);
    assert_eq!(table.row(RuleId(0)).get(Figure::TotalHits), 0);
}

fn hit(table: &StatsTable, levels: &[&str]) {
    table.dynamic(SeriesName::of("d", levels)).record_failed(Charge::Take(1));
}

#[test]
fn values_beyond_the_cap_are_counted_in_other() {
    let stats = Stats::new(2);
    let rules = table(&stats, &[&["a"]], None);
    for value in ["a", "x", "y", "z", "x", "zz"] {
        hit(&rules, &[value]);
    }
    assert_eq!(
        exported(&rules),
        [("a".into(), 1), ("other".into(), 2), ("x".into(), 2), ("y".into(), 1)],
        "a rule's own name takes no room"
    );
    assert_eq!(stats.overflow(), 2);
    let long = "v".repeat(2_000);
    hit(&rules, &[&long]);
    assert_eq!(stats.overflow(), 3);
}

#[test]
fn dynamic_series_survive_a_reload_and_a_rule_adopts_the_one_of_its_name() {
    let stats = Stats::new(2);
    let old = table(&stats, &[&["a"]], None);
    hit(&old, &["x"]);
    let new = table(&stats, &[&["a"], &["x"]], Some(&old));
    hit(&new, &["x"]);
    assert_eq!(new.row(RuleId(1)).get(Figure::TotalHits), 2);
    hit(&new, &["y"]);
    // a request that still uses the old rules creates it again; it must not be exported twice
    hit(&old, &["x"]);
    assert_eq!(stats.overflow(), 0, "the rule's series takes no room");
    assert_eq!(exported(&new), [("x".into(), 2), ("y".into(), 1)]);
    assert_eq!(exported(&table(&stats, &[], Some(&new))), [("x".into(), 1), ("y".into(), 1)]);
}

#[test]
fn a_rule_named_other_shares_the_series() {
    let stats = Stats::new(1);
    let rules = StatsTable::build(&stats, [(RuleId(0), SeriesName::of("other", ["other"]))], None);
    hit(&rules, &["x"]);
    hit(&rules, &["y"]);
    assert_eq!(rules.row(RuleId(0)).get(Figure::TotalHits), 1);
    assert_eq!(exported(&rules), [("other".into(), 1), ("x".into(), 1)]);
}

#[test]
fn a_value_named_other_is_exported_once() {
    let stats = Stats::new(0);
    let rules = table(&stats, &[], None);
    rules.dynamic(SeriesName::of("other", ["other"])).record_failed(Charge::Take(1));
    hit(&rules, &["x"]);
    assert_eq!(exported(&rules), [("other".into(), 2)]);
}

#[test]
fn unknown_domains_share_the_cap() {
    let stats = Stats::new(1);
    let rules = table(&stats, &[], None);
    for domain in ["x", "y", "z", "x"] {
        stats.domain_not_found(domain.as_bytes(), 2);
    }
    hit(&rules, &["k"]);
    let mut domains = stats.domains_not_found();
    domains.sort();
    assert_eq!(domains, [("other".into(), 4), ("x".into(), 4)]);
    assert_eq!(stats.overflow(), 3);
}

#[test]
fn threads_that_race_for_room_do_not_exceed_the_cap() {
    let stats = Stats::new(50);
    let rules = table(&stats, &[], None);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..200).for_each(|value| hit(&rules, &[&format!("v{value}")])));
        }
    });
    let all = exported(&rules);
    assert_eq!(all.len(), 51);
    assert_eq!(all.iter().map(|(_, hits)| hits).sum::<u64>(), 800);
}
