use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant, UNIX_EPOCH},
};

use super::*;
use crate::{
    domain::{Algorithm, Charge, Latencies, LatencyTotals, RetryAfter, Source, Verdict},
    engine::stats::{Answered, ErrorKind, Observation, SeriesName, Stats, StatsTable},
    rejections::Reason,
    rules::RuleId,
};

struct Fixed(Arc<StatsTable>);

impl Readings for Fixed {
    fn stats(&self) -> Arc<StatsTable> {
        self.0.clone()
    }
    fn active_rules(&self) -> Option<ActiveRules> {
        Some(ActiveRules { hash: "abc".into(), count: 3, age: Duration::from_secs(5) })
    }
    fn log_lines_dropped(&self) -> u64 {
        71
    }
    fn memory_store(&self) -> MemoryStore {
        MemoryStore { counters: 7, evictions: 8 }
    }
    fn redis_store(&self) -> Option<RedisStore> {
        Some(RedisStore {
            main: RedisPool { open: 21, made: 122 },
            per_second: Some(RedisPool { open: 11, made: 12 }),
            failed_connections: vec![("main", 65)],
            calls: 23,
            groups: 24,
            merged: 25,
            resent: vec![("noscript", 26)],
            errors: vec![("unanswered", 27)],
            abandoned: 29,
            pending: 30,
            in_flight: 31,
            // two databases of one server
            breakers: vec![
                RedisBreaker { redis: "main", address: "h:1".to_owned(), state: BreakerState::Open, opened: 32 },
                RedisBreaker { redis: "per_second", address: "h:1".to_owned(), ..RedisBreaker::default() },
            ],
            call_times: took(Duration::from_millis(3)),
            operation_times: vec![("check", took(Duration::from_secs(1)))],
        })
    }
    fn degraded(&self) -> Vec<(&'static str, u64)> {
        vec![("allow", 51), ("local", 52)]
    }
    fn rejected(&self) -> Vec<(&'static str, &'static str, u64)> {
        vec![("rls", "malformed", 53)]
    }

    fn deny_cache(&self) -> Option<DenyCache> {
        Some(DenyCache { hits: 41, misses: 45, entries: 42, bytes: 43, evictions: 44, expired: 46, overwritten: 47 })
    }
    fn xds(&self) -> Option<Xds> {
        let version = Some("v\"7".to_owned());
        Some(Xds { connected: true, behind: true, acks: 61, nacks: 62, streams: 63, failed_connections: 64, version })
    }
    fn connections(&self) -> Connections {
        Connections { open: 9, accepted: 12, refused: 2, aged_out: 1 }
    }
    fn tls(&self) -> Vec<TlsListener> {
        let expires = UNIX_EPOCH + Duration::from_secs(61);
        let failures = vec![("timeout", 63), ("closed", 64)];
        vec![TlsListener { listener: "grpc", expires, handshakes: 62, failures, reloads: 65, refused_reloads: 66 }]
    }
    fn tls_clients(&self) -> Vec<TlsClient> {
        vec![TlsClient { server: "redis", handshakes: 67, failures: vec![("certificate_name", 68)] }]
    }
    fn tasks(&self) -> Tasks {
        Tasks { workers: 61, background: 62 }
    }
}

fn took(elapsed: Duration) -> LatencyTotals {
    let latencies = Latencies::default();
    latencies.record(elapsed);
    latencies.totals()
}

const HOSTILE: &str = "a\"b\\c\nd{}=,\r é漢\u{0}";

/// Rules of one, two and four levels and one of hostile text, each hit 12 times at once against a limit of 10.
fn metrics() -> Metrics {
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
    stats.domain_not_found(HOSTILE.as_bytes(), 2);
    Metrics::new(Arc::new(Fixed(Arc::new(table)))).expect("families do not clash")
}

fn text(metrics: &Metrics) -> String {
    metrics.scrape().expect("every family has a name").collect::<Vec<_>>().concat()
}

/// What one line of the text format says: name, labels, number.
type Sample = (String, BTreeMap<String, String>, f64);

/// Reads one sample as strictly as the format is defined.
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

/// Types of families, and every sample; fails on whatever Prometheus would refuse.
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
            assert!(of_family, "{line} stands in the wrong family");
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
    let (types, samples) = parsed(&text(&metrics()));
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
        // As the reference would show it: the first two levels.
        let two_levels =
            samples.iter().filter(|(n, labels, _)| *n == name && labels.get("key2").is_some_and(|k| k == "two"));
        assert_eq!(two_levels.map(|sample| sample.2).sum::<f64>(), expected * 2.0);
    }
}

#[test]
fn hostile_label_values_come_back_whole() {
    let (_, samples) = parsed(&text(&metrics()));
    let labels = [("domain", HOSTILE), ("key1", HOSTILE), ("key2", HOSTILE), ("key3", HOSTILE)];
    assert_eq!(value(&samples, "ratelimit_service_rate_limit_total_hits", &labels), Some(12.0));
    assert_eq!(value(&samples, "ratelimit_service_rate_limit_domain_not_found", &[("domain", HOSTILE)]), Some(2.0));
}

#[test]
fn workers_are_summed() {
    let metrics = metrics();
    let workers = [metrics.worker(), metrics.worker()];
    drop(workers[0].start(Instant::now()));
    let under_way = workers[1].start(Instant::now());
    let json = metrics.json();
    drop(json.start(Instant::now()));
    json.decided(Algorithm::TokenBucket, Answered::OverLimit);
    assert!(!text(&metrics).contains("Check"));
    metrics.health_checks().record(Duration::from_micros(1));
    workers[0].failed(ErrorKind::Store);
    workers[0].decided(Algorithm::TokenBucket, Answered::OverLimit);
    workers[1].decided(Algorithm::TokenBucket, Answered::OverLimit);
    workers[1].global_shadow_mode();
    let (types, samples) = parsed(&text(&metrics));
    let method = ("grpc_method", "ShouldRateLimit");
    let expect =
        |name: &str, labels: &[_], expected: f64| assert_eq!(value(&samples, name, labels), Some(expected), "{name}");
    expect("ratelimit_service_total_requests", &[method], 2.0);
    expect("tollgate_requests_in_flight", &[], 1.0);
    expect("ratelimit_service_response_time_seconds_count", &[method], 1.0);
    expect("ratelimit_service_response_time_seconds_bucket", &[method, ("le", "+Inf")], 1.0);
    assert_eq!(types["ratelimit_service_response_time_seconds"], "histogram");
    expect("ratelimit_service_should_rate_limit_error", &[("err_type", "redis_error")], 1.0);
    expect("ratelimit_service_should_rate_limit_error", &[("err_type", "service_error")], 0.0);
    expect("tollgate_decisions_total", &[("algorithm", "token_bucket"), ("result", "over_limit")], 3.0);
    let check = ("grpc_method", "Check");
    expect("ratelimit_service_total_requests", &[check], 1.0);
    expect("ratelimit_service_response_time_seconds_count", &[check], 1.0);
    expect("ratelimit_service_global_shadow_mode", &[], 1.0);
    let bounds: Vec<f64> = samples
        .iter()
        .filter(|sample| sample.0.ends_with("_time_seconds_bucket") && sample.1["grpc_method"] == method.1)
        .map(|sample| sample.1["le"].parse().expect("a number"))
        .collect();
    assert!(
        bounds.is_sorted()
            && [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0].iter().all(|b| bounds.contains(b))
    );
    drop(under_way);
}

#[test]
fn loads_are_counted_by_result() {
    let metrics = metrics();
    for result in [LoadResult::Applied, LoadResult::Applied, LoadResult::Refused, LoadResult::Unchanged] {
        metrics.config_load(result);
    }
    let (_, samples) = parsed(&text(&metrics));
    assert_eq!(value(&samples, "ratelimit_service_config_load_success", &[]), Some(2.0));
    assert_eq!(value(&samples, "ratelimit_service_config_load_error", &[]), Some(1.0));
    assert_eq!(value(&samples, "tollgate_config_reloads_total", &[("result", "unchanged")]), Some(1.0));
}

#[test]
fn many_rules_come_in_pieces_and_rules_never_hit_do_not_come() {
    let stats = Stats::new(0);
    let names: Vec<String> = (0..3_000).map(|n| format!("rule_{n}")).collect();
    let rules = (0..).map(RuleId).zip(names.iter().map(|name| SeriesName::of("d", [name])));
    let table = Arc::new(StatsTable::build(&stats, rules, None));
    let metrics = Metrics::new(Arc::new(Fixed(table.clone()))).expect("families do not clash");
    assert!(!text(&metrics).contains("ratelimit_service_rate_limit_total_hits"));
    (0..2_999).for_each(|id| table.row(RuleId(id)).record_failed(Charge::Take(1)));
    let pieces: Vec<String> = metrics.scrape().expect("every family has a name").collect();
    assert!(pieces.len() > 10 && pieces.iter().all(|piece| piece.len() < 70_000));
    let (_, samples) = parsed(&pieces.concat());
    assert_eq!(
        samples.iter().filter(|sample| sample.0.starts_with("ratelimit_service_rate_limit_")).count(),
        2_999 * 6
    );
}

#[test]
fn the_stats_page_names_figures_as_the_reference_does() {
    let page: String = metrics().stats_page().collect();
    assert!(page.contains("ratelimit.service.rate_limit.d.one.two.three.four.total_hits: 12\n"), "{page}");
    let d: Vec<&str> = page.lines().filter(|line| line.contains(".d.one.")).collect();
    assert_eq!(d.len(), 18);
    let shape = |line: &str| line.split_once(": ").is_some_and(|(_, number)| number.parse::<u64>().is_ok());
    assert!(page.split_terminator('\n').all(shape), "{page}");
    let breakers = "tollgate.redis.breaker.main.h:1.opened: 32
tollgate.redis.breaker.main.h:1.state.open: 1
tollgate.redis.breaker.per_second.h:1.opened: 0
tollgate.redis.breaker.per_second.h:1.state.closed: 1
";
    assert!(page.ends_with(breakers), "{page}");
}

#[test]
fn lines_of_equal_names_are_one() {
    let stats = Stats::new(0);
    let names = [SeriesName::of("d.a", ["b"]), SeriesName::of("d", ["a", "b"]), SeriesName::of("d", ["a.b"])];
    let table = StatsTable::build(&stats, (0..).map(RuleId).zip(names), None);
    (0..3).for_each(|id| table.row(RuleId(id)).record_failed(Charge::Take(1)));
    let page: String = StatsPage::new(&table, Vec::new()).collect();
    assert_eq!(page.lines().count(), 6);
    assert!(page.contains("ratelimit.service.rate_limit.d.a.b.total_hits: 3\n"), "{page}");
}

#[test]
fn the_redis_store_and_the_deny_cache_are_exported() {
    let (types, samples) = parsed(&text(&metrics()));
    for (name, number) in [
        ("ratelimit_redis_pool_cx_active", 21.0),
        ("ratelimit_redis_pool_cx_total", 122.0),
        ("ratelimit_redis_pool_cx_local_close", 101.0),
        ("ratelimit_redis_per_second_pool_cx_active", 11.0),
        ("ratelimit_redis_per_second_pool_cx_total", 12.0),
        ("ratelimit_redis_per_second_pool_cx_local_close", 1.0),
        ("ratelimit_localcache_hitCount", 41.0),
        ("ratelimit_localcache_missCount", 45.0),
        ("ratelimit_localcache_lookupCount", 86.0),
        ("ratelimit_localcache_entryCount", 42.0),
        ("ratelimit_localcache_evacuateCount", 44.0),
        ("ratelimit_localcache_expiredCount", 46.0),
        ("ratelimit_localcache_overwriteCount", 47.0),
        ("tollgate_redis_calls_total", 23.0),
        ("tollgate_redis_groups_total", 24.0),
        ("tollgate_redis_merged_total", 25.0),
        ("tollgate_redis_abandoned_total", 29.0),
        ("tollgate_redis_pending", 30.0),
        ("tollgate_redis_calls_in_flight", 31.0),
        ("tollgate_deny_cache_hits_total", 41.0),
        ("tollgate_deny_cache_entries", 42.0),
        ("tollgate_deny_cache_bytes", 43.0),
        ("tollgate_deny_cache_evictions_total", 44.0),
    ] {
        assert_eq!(value(&samples, name, &[]), Some(number), "{name}");
        let counts = name.ends_with("_total") || name.ends_with("_local_close");
        assert_eq!(types[name] == "counter", counts, "{name}");
    }
    assert_eq!(value(&samples, "tollgate_redis_errors_total", &[("kind", "unanswered")]), Some(27.0));
    for (redis, state, opened) in [("main", 2.0, 32.0), ("per_second", 0.0, 0.0)] {
        let of = [("redis", redis), ("address", "h:1")];
        assert_eq!(value(&samples, "tollgate_redis_breaker_state", &of), Some(state));
        assert_eq!(value(&samples, "tollgate_redis_breaker_opened_total", &of), Some(opened));
    }
    assert_eq!(value(&samples, "tollgate_redis_call_seconds_bucket", &[("le", "0.005")]), Some(1.0));
    assert_eq!(value(&samples, "tollgate_redis_call_seconds_sum", &[]), Some(0.003));
    let of = [("operation", "check"), ("le", "0.5")];
    assert_eq!(value(&samples, "tollgate_store_seconds_bucket", &of), Some(0.0));
    assert_eq!(value(&samples, "tollgate_store_seconds_count", &[("operation", "check")]), Some(1.0));
    assert_eq!(value(&samples, "tollgate_degraded_hits_total", &[("mode", "local")]), Some(52.0));
    let grpc = ("listener", "grpc");
    for (name, labels, expected) in [
        ("tollgate_tls_certificate_expiry_timestamp_seconds", &[grpc][..], 61.0),
        ("tollgate_tls_handshakes_total", &[grpc], 62.0),
        ("tollgate_tls_handshake_failures_total", &[grpc, ("reason", "timeout")], 63.0),
        ("tollgate_tls_handshake_failures_total", &[grpc, ("reason", "closed")], 64.0),
        ("tollgate_tls_reloads_total", &[grpc, ("result", "applied")], 65.0),
        ("tollgate_tls_reloads_total", &[grpc, ("result", "refused")], 66.0),
        ("tollgate_tls_client_handshakes_total", &[("server", "redis")], 67.0),
        ("tollgate_tls_client_handshake_failures_total", &[("server", "redis"), ("reason", "certificate_name")], 68.0),
    ] {
        assert_eq!(value(&samples, name, labels), Some(expected), "{name} {labels:?}");
    }
    assert_eq!(value(&samples, "tollgate_redis_resent_total", &[("code", "noscript")]), Some(26.0));
    assert_eq!(value(&samples, "tollgate_tasks", &[("runtime", "background")]), Some(62.0));
}

#[test]
fn the_xds_source_is_exported() {
    let (types, samples) = parsed(&text(&metrics()));
    for (name, number) in [
        ("tollgate_xds_connected", 1.0),
        ("tollgate_xds_behind", 1.0),
        ("tollgate_xds_acks_total", 61.0),
        ("tollgate_xds_nacks_total", 62.0),
        ("tollgate_xds_streams_total", 63.0),
        ("tollgate_xds_failed_connections_total", 64.0),
    ] {
        assert_eq!(value(&samples, name, &[]), Some(number), "{name}");
        assert_eq!(types[name] == "counter", name.ends_with("_total"), "{name}");
    }
    assert_eq!(value(&samples, "tollgate_xds_version_info", &[("version", "v\"7")]), Some(1.0));
}

const PAGE: &str = include_str!("../../docs/metrics.md");

/// Families that the page describes: the first cell of a table's row, in backquotes and not a label's value.
fn documented() -> BTreeSet<String> {
    let rows = PAGE.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let families = ["process_", "ratelimit_", "tollgate_"];
    rows.map(|(name, _)| name.to_owned())
        .filter(|name| families.iter().any(|family| name.starts_with(family)))
        .collect()
}

#[test]
fn every_family_is_documented_and_every_documented_family_exists() {
    let (types, _) = parsed(&text(&metrics()));
    assert_eq!(types.into_keys().collect::<BTreeSet<_>>(), documented());
}

#[test]
fn every_reason_of_a_rejection_is_documented() {
    let rows: String = PAGE.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next()).collect();
    let missing: Vec<_> = Reason::ALL.map(Reason::name).into_iter().filter(|name| !rows.contains(name)).collect();
    assert!(missing.is_empty(), "not in docs/metrics.md: {missing:?}");
}
