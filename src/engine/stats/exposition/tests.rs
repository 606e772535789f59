use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use metrics::{Collect as _, Families};

use super::*;
use limiter::domain::{Charge, RetryAfter, Source, Verdict};
use rules::RuleId;

use crate::engine::stats::{Observation, SeriesName, Stats, StatsPage};

const HOSTILE: &str = "a\"b\\c\nd{}=,\r é漢\u{0}";

/// Rules with one, two and four levels and one with hostile text, each with 12 hits at once and a limit of 10.
fn table() -> StatsTable {
    let stats = Stats::new(100);
    let names = [
        SeriesName::of("d", ["one"]),
        SeriesName::of("d", ["one", "two"]),
        SeriesName::of("d", ["one", "two", "three", "four"]),
        SeriesName::of(HOSTILE, [HOSTILE, HOSTILE, HOSTILE]),
    ];
    let table = StatsTable::build(&stats, (0..).map(RuleId).zip(names), None);
    let (reset_after, retry_after) = (Duration::ZERO, RetryAfter::Never);
    let (source, remaining, granted) = (Source::Store, 0, 0);
    let verdict = Verdict {
        allowed: false,
        remaining,
        reset_after,
        retry_after,
        before: 0,
        after: 12,
        asked: 12,
        granted,
        source,
    };
    for id in 0..4 {
        let charge = Charge::Take(12);
        table.row(RuleId(id)).record(&Observation { verdict: &verdict, charge, limit: 10, shadow: true }, 0.8);
    }
    table
}

fn text(table: &StatsTable) -> String {
    RuleFamilies::new(table).collect()
}

/// A line of the text format: name, labels, number.
type Sample = (String, BTreeMap<String, String>, f64);

/// Parses a sample as strictly as the format is defined.
fn sample(line: &str) -> Sample {
    let name_end = line.find(['{', ' ']).expect("a sample has a value");
    let (name, rest) = line.split_at(name_end);
    assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "{line}");
    let mut labels = BTreeMap::new();
    let mut rest = rest;
    if let Some(mut inside) = rest.strip_prefix('{') {
        loop {
            let (label, value) = inside.split_once("=\"").expect("a label has a value");
            let (value, after) = quoted(value);
            assert!(labels.insert(label.to_owned(), value).is_none(), "label twice: {line}");
            inside = after.strip_prefix(',').unwrap_or(after);
            if let Some(end) = inside.strip_prefix('}') {
                rest = end;
                break;
            }
            assert!(after.starts_with(','), "{line}");
        }
    }
    let value = rest.strip_prefix(' ').expect("one space before the value").parse().expect("a number");
    (name.to_owned(), labels, value)
}

fn quoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, &text[at + 1..]),
            '\\' => match characters.next().map(|(_, escaped)| escaped) {
                Some('n') => value.push('\n'),
                Some(escaped @ ('"' | '\\')) => value.push(escaped),
                other => unreachable!("bad escape {other:?}"),
            },
            other => value.push(other),
        }
    }
    unreachable!("a label value does not end: {text}")
}

/// The types of the families, and every sample. Panics on anything that Prometheus would reject.
fn parsed(text: &str) -> (BTreeMap<String, String>, Vec<Sample>) {
    let (mut types, mut samples) = (BTreeMap::new(), Vec::new());
    let (mut helps, mut seen) = (BTreeSet::new(), BTreeSet::new());
    let mut family = String::new();
    assert!(text.ends_with('\n'));
    for line in text.split('\n').filter(|line| !line.is_empty()) {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').expect("a help has a text");
            assert!(helps.insert(name.to_owned()) && !help.is_empty(), "{line}");
        } else if let Some(of_type) = line.strip_prefix("# TYPE ") {
            let (name, of_type) = of_type.split_once(' ').expect("a type has a name");
            assert!(["counter", "gauge", "histogram"].contains(&of_type), "{line}");
            assert!(helps.contains(name) && types.insert(name.to_owned(), of_type.to_owned()).is_none(), "{line}");
            name.clone_into(&mut family);
        } else {
            let (name, labels, value) = sample(line);
            let of_family = match types[&family].as_str() {
                "histogram" => ["_bucket", "_sum", "_count"].iter().any(|end| name == format!("{family}{end}")),
                _ => name == family,
            };
            assert!(of_family, "{line} is in the wrong family");
            assert!(seen.insert(format!("{name}{labels:?}")), "twice: {line}");
            samples.push((name, labels, value));
        }
    }
    (types, samples)
}

fn value(samples: &[Sample], name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let labels: BTreeMap<_, _> = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    samples.iter().find(|sample| sample.0 == name && sample.1 == labels).map(|sample| sample.2)
}

#[test]
fn rules_are_exported_with_the_labels_of_the_reference() {
    let (types, samples) = parsed(&text(&table()));
    let over = "ratelimit_service_rate_limit_over_limit";
    assert_eq!(types[over], "counter");
    assert_eq!(value(&samples, over, &[("domain", "d"), ("key1", "one")]), Some(2.0));
    assert_eq!(value(&samples, over, &[("domain", "d"), ("key1", "one"), ("key2", "two")]), Some(2.0));
    let deep = [("domain", "d"), ("key1", "one"), ("key2", "two"), ("key3", "three.four")];
    for (figure, expected) in [
        ("total_hits", 12.0),
        ("within_limit", 0.0),
        ("near_limit", 2.0),
        ("over_limit", 2.0),
        ("over_limit_with_local_cache", 0.0),
        ("shadow_mode", 2.0),
    ] {
        let name = format!("ratelimit_service_rate_limit_{figure}");
        assert_eq!(value(&samples, &name, &deep), Some(expected), "{figure}");
        // the reference's series, which have the first two levels only
        let two_levels =
            samples.iter().filter(|(n, labels, _)| *n == name && labels.get("key2").is_some_and(|k| k == "two"));
        assert_eq!(two_levels.map(|sample| sample.2).sum::<f64>(), expected * 2.0);
    }
}

#[test]
fn hostile_label_values_are_escaped_losslessly() {
    let (_, samples) = parsed(&text(&table()));
    let labels = [("domain", HOSTILE), ("key1", HOSTILE), ("key2", HOSTILE), ("key3", HOSTILE)];
    assert_eq!(value(&samples, "ratelimit_service_rate_limit_total_hits", &labels), Some(12.0));
}

#[test]
fn many_rules_are_streamed_in_pieces_and_rules_without_hits_are_omitted() {
    let stats = Stats::new(0);
    let names: Vec<String> = (0..3_000).map(|n| format!("rule_{n}")).collect();
    let rules = (0..).map(RuleId).zip(names.iter().map(|name| SeriesName::of("d", [name])));
    let table = StatsTable::build(&stats, rules, None);
    assert_eq!(text(&table), "");
    (0..2_999).for_each(|id| table.row(RuleId(id)).record_failed(Charge::Take(1)));
    let pieces: Vec<String> = RuleFamilies::new(&table).collect();
    assert!(pieces.len() > 10 && pieces.iter().all(|piece| piece.len() < 70_000));
    let (_, samples) = parsed(&pieces.concat());
    assert_eq!(
        samples.iter().filter(|sample| sample.0.starts_with("ratelimit_service_rate_limit_")).count(),
        2_999 * 6
    );
}

#[test]
fn the_stats_page_names_figures_as_the_reference_does() {
    let page: String = StatsPage::new(&table()).collect();
    assert!(page.contains("ratelimit.service.rate_limit.d.one.two.three.four.total_hits: 12\n"), "{page}");
    let d: Vec<&str> = page.lines().filter(|line| line.contains(".d.one.")).collect();
    assert_eq!(d.len(), 18);
    let shape = |line: &str| line.split_once(": ").is_some_and(|(_, number)| number.parse::<u64>().is_ok());
    assert!(page.split_terminator('\n').all(shape), "{page}");
}

#[test]
fn lines_of_equal_names_are_merged() {
    let stats = Stats::new(0);
    let names = [SeriesName::of("d.a", ["b"]), SeriesName::of("d", ["a", "b"]), SeriesName::of("d", ["a.b"])];
    let table = StatsTable::build(&stats, (0..).map(RuleId).zip(names), None);
    (0..3).for_each(|id| table.row(RuleId(id)).record_failed(Charge::Take(1)));
    let page: String = StatsPage::new(&table).collect();
    assert_eq!(page.lines().count(), 6);
    assert!(page.contains("ratelimit.service.rate_limit.d.a.b.total_hits: 3\n"), "{page}");
}

#[test]
fn families_are_in_the_order_of_the_figures() {
    for (family, figure) in FAMILIES.iter().zip(Figure::ALL) {
        assert_eq!(family.name().strip_prefix("ratelimit_service_rate_limit_"), Some(figure.name()));
    }
}

#[test]
fn domains_without_rules_are_exported() {
    let stats = Stats::new(1);
    for domain in [HOSTILE, "second", "third"] {
        stats.domain_not_found(domain.as_bytes(), 2);
    }
    let mut families = Families::default();
    stats.collect(&mut families);
    let (_, samples) = parsed(&families.text());
    for (domain, count) in [(HOSTILE, 2.0), ("other", 4.0)] {
        let found = value(&samples, "ratelimit_service_rate_limit_domain_not_found", &[("domain", domain)]);
        assert_eq!(found, Some(count), "{domain:?}");
    }
    assert_eq!(value(&samples, "tollgate_metric_series_overflow_total", &[]), Some(2.0));
}
