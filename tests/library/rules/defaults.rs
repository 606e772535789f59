//! Files of defaults: their effect on rules, precedence, and errors.

use limiter::domain::{Algorithm, AtomicGroups, Capabilities, FailureMode, Limit};
use rules::{CompileOptions, CompiledDefaults, OnUnknown, Policy, RuleDefaults, RuleFile, RuleSet, compile};

use super::{MERGE, OPTIONS, bad, file, find};

const DEFAULTS: &str = "\
defaults:
  - domain: '*'
    algorithm: sliding_window
    count_denied: true
    on_store_failure: allow
    on_unknown: deny
  - domain: d
    algorithm: token_bucket
    burst: 20
    atomic: true
";

fn read(content: &str) -> CompiledDefaults {
    RuleDefaults::compile(&[file("x.yaml", content)], Capabilities::ALL).unwrap_or_else(|errors| panic!("{errors:#}"))
}

fn faults_of(files: &[RuleFile], capabilities: Capabilities) -> Vec<String> {
    let errors = RuleDefaults::compile(files, capabilities).expect_err("a fault");
    errors.errors.iter().map(ToString::to_string).collect()
}

/// The errors of one file, as `line:column: path: message`.
fn faults(content: &str) -> Vec<String> {
    let reported = faults_of(&[file("x.yaml", content)], Capabilities::ALL);
    reported.iter().map(|fault| fault.replacen("x.yaml:", "", 1)).collect()
}

fn one(content: &str, wanted: &str) {
    let faults = faults(content);
    assert!(faults.len() == 1 && faults[0].starts_with(wanted), "wanted {wanted}, reported {faults:#?}");
}

fn with(defaults: &str, content: &str) -> RuleSet {
    let CompiledDefaults { defaults, warnings } = read(defaults);
    assert!(warnings.is_empty(), "{warnings:?}");
    let options = CompileOptions { defaults: Some(&defaults), ..OPTIONS };
    compile(&[file("f.yaml", content)], &options).unwrap_or_else(|errors| panic!("{errors:#}")).rules
}

fn limits(rules: &RuleSet, domain: &str, key: &str) -> Vec<Limit> {
    match find(rules, domain, &[(key, "x")]).expect("a rule").rule.policy() {
        Policy::Limited(limits) => limits.to_vec(),
        Policy::Unlimited => panic!("unlimited"),
    }
}

#[test]
fn defaults_of_a_domain_precede_those_of_all_key_by_key() {
    let rules = "descriptors: [{key: k, rate_limit: {unit: minute, requests_per_unit: 5}}]\n";
    let own = with(DEFAULTS, &format!("domain: d\n{rules}"));
    let limit = limits(&own, "d", "k")[0];
    assert_eq!((limit.algorithm(), limit.burst(), limit.count_denied()), (Algorithm::TokenBucket, 20, true));
    let domain = own.domain("d").expect("the domain");
    assert_eq!((domain.atomic(), domain.on_unknown()), (true, OnUnknown::Deny));
    assert_eq!(domain.on_store_failure(), Some(FailureMode::Allow));

    let other = with(DEFAULTS, &format!("domain: e\n{rules}"));
    let limit = limits(&other, "e", "k")[0];
    assert_eq!((limit.algorithm(), limit.burst(), limit.count_denied()), (Algorithm::SlidingWindow, 5, true));
    assert!(!other.domain("e").expect("the domain").atomic());
    assert_eq!(find(&other, "e", &[("k", "x")]).expect("a rule").rule.on_store_failure(), Some(FailureMode::Allow));
}

#[test]
fn a_rule_overrides_its_file_and_the_file_the_defaults() {
    let rules = with(
        DEFAULTS,
        "domain: d\non_unknown: allow\natomic: false\non_store_failure: deny\n\
         defaults: {algorithm: fixed_window, count_denied: false}\ndescriptors:\n\
         - {key: plain, rate_limit: {unit: minute, requests_per_unit: 5}}\n\
         - {key: own, rate_limit: {unit: minute, requests_per_unit: 5, algorithm: sliding_window, count_denied: true, on_store_failure: local}}\n\
         - {key: bucket, rate_limit: {unit: minute, requests_per_unit: 5, algorithm: token_bucket}}\n\
         - {key: small, rate_limit: {unit: minute, requests_per_unit: 5, algorithm: token_bucket, burst: 2}}\n",
    );
    let domain = rules.domain("d").expect("the domain");
    assert_eq!((domain.atomic(), domain.on_unknown()), (false, OnUnknown::Allow));
    assert_eq!(domain.on_store_failure(), Some(FailureMode::Deny));
    let settings = |key: &str| {
        let limit = limits(&rules, "d", key)[0];
        let rule = find(&rules, "d", &[(key, "x")]).expect("a rule").rule;
        (limit.algorithm(), limit.burst(), limit.count_denied(), rule.on_store_failure())
    };
    assert_eq!(settings("plain"), (Algorithm::FixedWindow, 5, false, Some(FailureMode::Deny)));
    assert_eq!(settings("own"), (Algorithm::SlidingWindow, 5, true, Some(FailureMode::Local)));
    assert_eq!(settings("bucket"), (Algorithm::TokenBucket, 20, false, Some(FailureMode::Deny)));
    assert_eq!(settings("small"), (Algorithm::TokenBucket, 2, false, Some(FailureMode::Deny)));
}

#[test]
fn defaults_are_applied_only_where_they_fit() {
    let rules = with(
        DEFAULTS,
        "domain: d\ndescriptors:\n\
         - {key: none, rate_limit: {unlimited: true}}\n\
         - {key: zero, rate_limit: {unit: day, requests_per_unit: 0}}\n\
         - {key: month, rate_limit: {unit: month, requests_per_unit: 5, calendar: true}}\n\
         - {key: long, rate_limit: {unit: year, unit_multiplier: 100, requests_per_unit: 5}}\n",
    );
    assert!(matches!(find(&rules, "d", &[("none", "x")]).expect("a rule").rule.policy(), Policy::Unlimited));
    assert_eq!(limits(&rules, "d", "zero")[0].burst(), 0);
    assert_eq!(limits(&rules, "d", "month")[0].algorithm(), Algorithm::FixedWindow);
    assert_eq!(limits(&rules, "d", "long")[0].algorithm(), Algorithm::TokenBucket);
}

#[test]
fn files_of_one_domain_may_differ_from_the_defaults() {
    let CompiledDefaults { defaults, .. } = read(DEFAULTS);
    let options = CompileOptions { defaults: Some(&defaults), ..MERGE };
    let files = [
        file("a.yaml", "domain: d\ndefaults: {algorithm: sliding_window}\n"),
        file("b.yaml", "domain: d\ndescriptors: [{key: k, rate_limit: {unit: minute, requests_per_unit: 5}}]\n"),
    ];
    let rules = compile(&files, &options).unwrap_or_else(|errors| panic!("{errors:#}")).rules;
    assert_eq!(limits(&rules, "d", "k")[0].algorithm(), Algorithm::SlidingWindow);
}

#[test]
fn an_empty_set_of_defaults_is_valid() {
    for content in ["defaults:\n", "defaults: []\n"] {
        assert_eq!(read(content).defaults.domains().count(), 0);
    }
    assert_eq!(read(DEFAULTS).defaults.domains().collect::<Vec<_>>(), ["d"]);
}

#[test]
fn errors_have_a_position_and_a_remedy() {
    one("", "1:1: the file is empty: it needs at least `defaults:`");
    one("- domain: d\n", "1:1: the file is not a map: begin with `defaults:`");
    one("defaults: {domain: d}\n", "1:11: defaults: expected a list; found a map");
    one("defaults: [d]\n", "1:12: defaults[0]: expected a map; found `d`");
    one(
        "defaults:\n  - algorithm: token_bucket\n",
        "2:5: defaults[0].domain: the domain is missing or empty: write `domain: NAME`, or `domain: \"*\"` for all",
    );
    one(
        "defaults:\n  - domain: shop-*\n",
        "2:13: defaults[0].domain: `shop-*` is not a domain: patterns are not supported; write a domain in full",
    );
    one(
        "defaults: [{domain: d}, {domain: '*'}, {domain: d}]\n",
        "1:49: defaults[2].domain: the domain `d` is already in line 1: put all its defaults there",
    );
    one(
        "defaults: [{domain: d, algorithm: sliding}]\n",
        "1:35: defaults[0].algorithm: invalid algorithm `sliding`; did you mean `sliding_window`?",
    );
    one("defaults: [{domain: d, burst: 0}]\n", "1:31: defaults[0].burst: burst must be at least 1");
    one("defaults: [{domain: d, count_denied: 1}]\n", "1:38: defaults[0].count_denied: expected a boolean");
    one("defaults: [{domain: d, atomic: maybe}]\n", "1:32: defaults[0].atomic: expected a boolean");
    one("defaults: [{domain: d, on_unknown: drop}]\n", "1:36: defaults[0].on_unknown: invalid on_unknown `drop`");
    one("defaults: [{domain: d, on_store_failure: x}]\n", "1:42: defaults[0].on_store_failure: invalid");
    one("defaults: [{domain: d, algoritm: x}]\n", "1:24: defaults[0].algoritm: unknown key `algoritm`; did you mean");
    one(
        "defaults: [{domain: d, unit_multiplier: 2}]\n",
        "1:24: defaults[0].unit_multiplier: `unit_multiplier` has no meaning in an element of defaults; it belongs in \
         a file of rules",
    );
    let reported = faults("domain: d\ndescriptors: []\n");
    assert!(reported.len() == 2 && reported[1].contains("it belongs in a file of rules"), "{reported:?}");
    assert!(
        reported[0].contains("`domain` has no meaning in the top of a file of defaults; it belongs in an element of")
    );
    one("defaults: [{domain: d}\n", "2:1: bad YAML");
}

#[test]
fn an_asterisk_without_quotes_is_reported_with_the_remedy() {
    let cure = ": put a text that begins with `*` in quotes";
    for content in ["defaults:\n  - domain: *\n", "defaults:\n  - domain: *\n    burst: 3\n"] {
        let reported = faults(content);
        assert!(
            reported.len() == 1 && reported[0].starts_with("2:13: bad YAML") && reported[0].ends_with(cure),
            "{reported:?}"
        );
    }
    for value in ["*", "*.html", "*x"] {
        let reported = bad(&format!("domain: d\ndescriptors:\n  - key: k\n    value: {value}\n"));
        assert!(
            reported.len() == 1 && reported[0].starts_with("4:12: bad YAML") && reported[0].ends_with(cure),
            "{reported:?}"
        );
    }
    assert!(!faults("defaults: [{domain: d}\n")[0].contains("quotes"));
}

#[test]
fn several_files_form_one_set() {
    let (a, b) = (file("a.yaml", "defaults: [{domain: d}]\n"), file("b.yaml", "defaults:\n- domain: d\n  burst: x\n"));
    let reported = faults_of(&[a, b], Capabilities::ALL);
    assert!(
        reported[0].starts_with("b.yaml:2:11: defaults[0].domain: the domain `d` is already in a.yaml:1"),
        "{reported:?}"
    );
    assert!(reported[1].starts_with("b.yaml:3:10: defaults[0].burst: expected a whole number"), "{reported:?}");
}

#[test]
fn what_the_store_does_not_support_is_rejected() {
    let capabilities =
        Capabilities { algorithms: &[Algorithm::FixedWindow], atomic_groups: AtomicGroups::Unsupported("SETTING=x") };
    let reported = faults_of(&[file("x.yaml", DEFAULTS)], capabilities);
    assert!(
        reported[0].starts_with("x.yaml:3:16: defaults[0].algorithm: the counter store cannot count sliding"),
        "{reported:?}"
    );
    assert!(
        reported[1].starts_with("x.yaml:8:16: defaults[1].algorithm: the counter store cannot count token"),
        "{reported:?}"
    );
    assert!(
        reported[2].starts_with("x.yaml:10:13: defaults[1].atomic: the counter store cannot charge"),
        "{reported:?}"
    );
}

#[test]
fn a_file_of_defaults_among_rules_is_reported_as_such() {
    let errors = compile(&[file("x.yaml", "defaults: [{domain: d}]\n")], &OPTIONS).expect_err("no rules").errors;
    let cure = "x.yaml:1:11: defaults: expected a map; found a list: a file of defaults for domains is not a rule file; name it in RULE_DEFAULTS, and keep it elsewhere";
    assert!(errors.iter().any(|error| error.to_string() == cure), "{errors:?}");
}
