//! Values are bytes: every kind of rule limits one that is not UTF-8 like any other.

use std::{
    num::NonZeroUsize,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use limiter::{
    domain::{
        Capabilities, Clock, Code, Descriptor, Entry, KeyBuilder, LimitOverride, ManualClock, Request, Timestamp, Unit,
    },
    memory::{MemoryConfig, MemoryStore},
};
use rules::{CompileOptions, RuleFile, RuleSet, compile};
use tollgate::engine::{
    ActiveRules, ActiveRulesHandle, Engine, Options,
    stats::{Figure, Stats},
};

const RULES: &str = r"
domain: d
descriptors:
  - {key: any, rate_limit: {unit: day, requests_per_unit: 1}}
  - {key: exact, value: café, rate_limit: {unit: day, requests_per_unit: 1}}
  - {key: exact, rate_limit: {unit: day, requests_per_unit: 1}}
  - {key: glob, value: 'caf*x', rate_limit: {unit: day, requests_per_unit: 1}}
  - {key: middle, value: '*f*x*', rate_limit: {unit: day, requests_per_unit: 1}}
  - {key: list, values: [café, 'caf*'], rate_limit: {unit: day, requests_per_unit: 1}}
  - {key: ip, cidr: 10.0.0.0/8, rate_limit: {unlimited: true}}
  - {key: ip, rate_limit: {unit: day, requests_per_unit: 1}}
  - {key: regex, regex: 'caf.+', rate_limit: {unit: day, requests_per_unit: 1}}
  - {key: shared, value: 'caf*', share_threshold: true, rate_limit: {unit: day, requests_per_unit: 1}}
  - {key: detailed, detailed_metric: true, rate_limit: {unit: day, requests_per_unit: 1}}
  - key: tagged
    value_to_metric: true
    descriptors: [{key: any, rate_limit: {unit: day, requests_per_unit: 1}}]
";

struct Service {
    engine: Engine,
    live: Arc<ActiveRules>,
}

fn rules(text: &str) -> RuleSet {
    let file = RuleFile::new("rules.yaml", text);
    compile(&[file], &CompileOptions::new(Capabilities::ALL)).unwrap_or_else(|errors| panic!("{errors:#}")).rules
}

impl Service {
    fn new(text: &str) -> Self {
        Self::with_keys(text, KeyBuilder::default())
    }

    fn with_keys(text: &str, keys: KeyBuilder) -> Self {
        let live = Arc::new(ActiveRules::new(rules(text), String::new(), &Stats::new(1000), None));
        let handle = ActiveRulesHandle::default();
        handle.store(Some(live.clone()));
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(Timestamp::from_micros(1_700_000_000_000_000)));
        let max_counters = NonZeroUsize::new(1_000).expect("not zero");
        let store = Arc::new(MemoryStore::new(MemoryConfig { max_counters }, clock));
        let engine = Engine::new(handle, store, Arc::new(keys), Arc::new(Options::embedded()), Arc::default());
        Self { engine, live }
    }

    fn ask<'a>(&self, domain: &'a [u8], descriptor: Descriptor<'a>) -> Code {
        let request = Request::new(domain, [descriptor]);
        // the memory store never waits
        match pin!(self.engine.decide(&request, None)).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(decision) => decision.expect("a decision").code,
            Poll::Pending => panic!("it waits"),
        }
    }

    fn decide(&self, pairs: &[(&str, &[u8])]) -> Code {
        self.ask(b"d", descriptor(pairs))
    }

    /// The names of the series that were hit.
    fn series(&self) -> Vec<(String, u64)> {
        let series = self.live.stats.series();
        let mut all: Vec<_> =
            series.iter().map(|series| (series.labels().levels.to_owned(), series.get(Figure::TotalHits))).collect();
        all.sort();
        all
    }
}

fn descriptor<'a>(pairs: &[(&'a str, &'a [u8])]) -> Descriptor<'a> {
    Descriptor::new(pairs.iter().map(|(key, value)| Entry::new(*key, *value)))
}

#[test]
fn every_kind_of_rule_limits_it_and_each_value_separately() {
    for keys in [KeyBuilder::default(), KeyBuilder::default().hashing_values("secret")] {
        let service = Service::with_keys(RULES, keys);
        for key in ["any", "exact", "glob", "middle", "list", "ip", "regex", "detailed"] {
            for value in [&b"caf\xe9x"[..], b"caf\xe8x", b"caf\xc3\xa9x", br"caf\xe9x", "caf\u{fffd}x".as_bytes()] {
                assert_eq!(service.decide(&[(key, value)]), Code::Ok, "{key}={value:?}");
                assert_eq!(service.decide(&[(key, value)]), Code::OverLimit, "{key}={value:?}");
            }
        }
        assert_eq!(service.decide(&[("tagged", b"\xe9"), ("any", b"\xff")]), Code::Ok);
        assert_eq!(service.decide(&[("tagged", b"\xe9"), ("any", b"\xff")]), Code::OverLimit);
        assert_eq!(service.decide(&[("tagged", b"\xe8"), ("any", b"\xff")]), Code::Ok);
    }
}

#[test]
fn a_shared_limit_is_shared_by_it() {
    let service = Service::new(RULES);
    assert_eq!(service.decide(&[("shared", "café".as_bytes())]), Code::Ok);
    assert_eq!(service.decide(&[("shared", b"caf\xe9")]), Code::OverLimit);
}

#[test]
fn an_address_with_one_more_byte_is_no_address() {
    let service = Service::new(RULES);
    assert_eq!(service.decide(&[("ip", b"10.0.0.1")]), Code::Ok);
    assert_eq!(service.decide(&[("ip", b"10.0.0.1")]), Code::Ok, "unlimited");
    assert_eq!(service.decide(&[("ip", b"10.0.0.1\xff")]), Code::Ok);
    assert_eq!(service.decide(&[("ip", b"10.0.0.1\xff")]), Code::OverLimit);
}

#[test]
fn a_limit_in_the_request_applies_to_it() {
    let service = Service::new(RULES);
    let limit = Some(LimitOverride { requests: 1, unit: Ok(Unit::Day) });
    let ask =
        |key: &[u8], value: &[u8]| service.ask(b"d", Descriptor { limit, ..Descriptor::new([Entry::new(key, value)]) });
    for (key, value) in [(&b"k"[..], &b"\xff"[..]), (b"k", b"\xfe"), (b"k\xff", b"v"), (b"k\xfe", b"v")] {
        assert_eq!(ask(key, value), Code::Ok, "{key:?}={value:?}");
        assert_eq!(ask(key, value), Code::OverLimit, "{key:?}={value:?}");
    }
    let names: Vec<_> = service.series().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, [r"k\xfe_v", r"k\xff_v", r"k_\xfe", r"k_\xff"]);
}

#[test]
fn unmatched_values_are_denied_where_the_domain_says_so() {
    let service = Service::new("{domain: d, on_unknown: deny, descriptors: [{key: k, value: é}]}");
    assert_eq!(service.decide(&[("k", b"\xe9")]), Code::OverLimit);
    assert_eq!(service.ask(b"d", Descriptor::new([Entry::new(b"\xff", b"")])), Code::OverLimit);
}

#[test]
fn a_domain_that_is_not_utf_8_is_unknown() {
    let service = Service::new(RULES);
    for domain in [&b"d\xff"[..], b"\xff"] {
        assert_eq!(service.ask(domain, descriptor(&[("any", b"x")])), Code::Ok);
        assert_eq!(service.ask(domain, descriptor(&[("any", b"x")])), Code::Ok);
    }
    let mut unknown = service.live.stats.stats().domains_not_found();
    unknown.sort();
    assert_eq!(unknown, [(r"\xff".into(), 2), (r"d\xff".into(), 2)]);
}

#[test]
fn series_have_its_escaped_form() {
    let service = Service::new(RULES);
    service.decide(&[("detailed", b"caf\xe9")]);
    service.decide(&[("detailed", "café".as_bytes())]);
    service.decide(&[("detailed", &[0xff; 300])]);
    service.decide(&[("tagged", b"\xe9"), ("any", b"\xff")]);
    service.decide(&[("any", b"\xff")]);
    let named = [("any", 1), ("detailed_café", 1), (r"detailed_caf\xe9", 1), ("other", 1), (r"tagged_\xe9.any", 1)];
    let mut named = named.map(|(name, hits)| (name.to_owned(), hits));
    named.sort();
    assert_eq!(service.series(), named, "300 bytes are 1 200 when they are escaped, and more than 1024 get no series");
}
