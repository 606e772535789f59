//! Our extensions: algorithms, several limits, options of files and domains, and what the store does not support.

use limiter::domain::{Algorithm, AtomicGroups, Capabilities, FailureMode, Limit, Unit};
use rules::{CompileErrors, CompileOptions, OnUnknown, Policy, RuleSet, compile};

use super::{MERGE, OPTIONS, bad, file, find, good};

fn limits(rules: &RuleSet, key: &str) -> Vec<Limit> {
    match find(rules, "d", &[(key, "x")]).expect("a rule").rule.policy() {
        Policy::Limited(limits) => limits.to_vec(),
        Policy::Unlimited => panic!("unlimited"),
    }
}

#[test]
fn an_algorithm_with_its_options() {
    let content = "\
domain: d
descriptors:
  - key: a
    rate_limit: {unit: second, unit_multiplier: 30, requests_per_unit: 5, algorithm: token_bucket, burst: 9, count_denied: yes}
  - key: b
    rate_limit: {unit: day, requests_per_unit: 5}
";
    let rules = good(content).rules;
    let a = limits(&rules, "a")[0];
    assert_eq!(
        (a.algorithm(), a.burst(), a.count_denied(), a.window().seconds()),
        (Algorithm::TokenBucket, 9, true, 30)
    );
    assert_eq!(limits(&rules, "b"), [Limit::fixed_window(5, Unit::Day)]);
}

#[test]
fn windows_of_a_calendar() {
    let content = "\
domain: d
defaults: {algorithm: sliding_window}
descriptors:
  - key: a
    rate_limit: {unit: month, requests_per_unit: 5, calendar: true, time_zone: America/New_York}
  - key: b
    rate_limits:
      - {unit: day, requests_per_unit: 5, calendar: yes}
      - {unit: day, requests_per_unit: 9, calendar: yes, time_zone: Asia/Tokyo}
      - {unit: day, requests_per_unit: 9, calendar: no, algorithm: fixed_window}
      - {unit: week, unit_multiplier: 2, requests_per_unit: 50, calendar: on, count_denied: no}
";
    let loaded = good(content);
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    let a = limits(&loaded.rules, "a")[0];
    assert_eq!(a.algorithm(), Algorithm::FixedWindow, "a calendar counts in windows, whatever the defaults");
    assert_eq!(a.to_string(), "5 per calendar month in America/New_York (fixed_window)");
    let windows: Vec<_> = limits(&loaded.rules, "b").iter().map(|limit| limit.window().to_string()).collect();
    assert_eq!(
        windows,
        ["calendar day in UTC", "calendar day in Asia/Tokyo", "day", "2 calendar weeks in UTC"],
        "four counters"
    );
    let twice = "domain: d\ndescriptors: [{key: k, rate_limits: [{unit: day, requests_per_unit: 1, calendar: true}, \
                 {unit: day, requests_per_unit: 2, calendar: true, time_zone: UTC}]}]\n";
    assert!(bad(twice)[0].contains("a second fixed_window limit a calendar day in UTC"), "{:?}", bad(twice));
}

#[test]
fn invalid_combinations_of_options() {
    let one = |limit: &str| {
        let errors = bad(&format!(
            "domain: d\ndescriptors:\n  - key: k\n    rate_limit: {{unit: year, requests_per_unit: 5, {limit}}}\n"
        ));
        assert_eq!(errors.len(), 1, "{errors:?}");
        errors[0].clone()
    };
    assert!(one("burst: 3").starts_with("4:52: descriptors[0].rate_limit.burst: burst is for algorithm token_bucket"));
    assert!(one("algorithm: token_bucket, burst: 0").starts_with("4:77: descriptors[0].rate_limit.burst: burst 0"));
    assert!(
        one("unit_multiplier: 101").starts_with("4:69: descriptors[0].rate_limit.unit_multiplier: a window of 101")
    );
    assert!(one("unit_multiplier: 0").contains("must be at least 1"));
    assert!(one("algorithm: token_bukket").contains("did you mean `token_bucket`?"));
    assert!(one("on_store_failure: dney").contains("did you mean `deny`?"));
}

#[test]
fn several_limits_on_one_descriptor() {
    let content = "\
domain: d
descriptors:
  - key: k
    name: both
    replaces: [{name: other}]
    on_store_failure: local
    rate_limits:
      - {unit: second, requests_per_unit: 10}
      - {unit: day, requests_per_unit: 1000, algorithm: sliding_window}
";
    let loaded = good(content);
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    assert_eq!(limits(&loaded.rules, "k").len(), 2);
    let rule = find(&loaded.rules, "d", &[("k", "x")]).expect("a rule").rule;
    assert_eq!(rule.name().map(|name| &**name), Some("both"));
    assert_eq!(&*rule.replaces()[0], "other");
    assert_eq!(rule.on_store_failure(), Some(FailureMode::Local));
}

#[test]
fn invalid_lists_of_limits() {
    let one = |limits: &str, wanted: &str| {
        let errors = bad(&format!("domain: d\ndescriptors:\n  - key: k\n    {limits}\n"));
        assert!(errors.len() == 1 && errors[0].starts_with(wanted), "{errors:?}");
    };
    one(
        "rate_limits: [{unit: minute, requests_per_unit: 1}, {unit: second, unit_multiplier: 60, requests_per_unit: 2}]",
        "4:57: descriptors[0].rate_limits[1]: a second fixed_window limit",
    );
    one("rate_limits: []", "4:5: descriptors[0].rate_limits: rate_limits holds no limit");
    one(
        "rate_limit: {unit: day, requests_per_unit: 1}\n    rate_limits: [{unit: day, requests_per_unit: 1}]",
        "5:5: descriptors[0].rate_limits: rate_limit and rate_limits together",
    );
    one(
        "rate_limits: [{unit: day, requests_per_unit: 1, on_store_failure: deny}]",
        "4:53: descriptors[0].rate_limits[0].on_store_failure",
    );
    one(
        "rate_limits: [{unit: dy, requests_per_unit: 1}]",
        "4:26: descriptors[0].rate_limits[0].unit: invalid unit `dy`; did you mean `day`?",
    );
    let reported = super::warnings(
        "domain: d\ndescriptors: [{key: k, rate_limits: [{unit: day, requests_per_unit: 1, name: x}]}]\n",
    );
    assert!(
        reported.len() == 1 && reported[0].contains("`name` has no meaning in an element of rate_limits"),
        "{reported:?}"
    );
}

#[test]
fn options_of_a_domain() {
    let content = "\
domain: d
on_unknown: deny
atomic: true
on_store_failure: allow
defaults: {algorithm: token_bucket, burst: 7, unit_multiplier: 2, count_denied: true}
descriptors:
  - {key: a, rate_limit: {unit: second, requests_per_unit: 5}}
  - {key: b, rate_limit: {unit: second, requests_per_unit: 5, algorithm: fixed_window, unit_multiplier: 1, count_denied: no}}
  - {key: c, rate_limit: {unit: second, requests_per_unit: 5, burst: 2, on_store_failure: deny}}
  - {key: e, rate_limits: [{unit: second, requests_per_unit: 5}]}
";
    let rules = good(content).rules;
    let domain = rules.domain("d").expect("the domain");
    assert!(domain.atomic());
    assert_eq!((domain.on_unknown(), domain.on_store_failure()), (OnUnknown::Deny, Some(FailureMode::Allow)));
    let a = limits(&rules, "a")[0];
    assert_eq!(
        (a.algorithm(), a.burst(), a.window().seconds(), a.count_denied()),
        (Algorithm::TokenBucket, 7, 2, true)
    );
    let b = limits(&rules, "b")[0];
    assert_eq!((b.algorithm(), b.window().seconds(), b.count_denied()), (Algorithm::FixedWindow, 1, false));
    assert_eq!(limits(&rules, "c")[0].burst(), 2);
    assert_eq!(limits(&rules, "e"), [a]);
    let mode = |key| find(&rules, "d", &[(key, "x")]).expect("a rule").rule.on_store_failure();
    assert_eq!((mode("a"), mode("c")), (Some(FailureMode::Allow), Some(FailureMode::Deny)));
}

#[test]
fn the_default_failure_mode_precedes_that_of_the_domain() {
    let rules = good("domain: d\non_store_failure: allow\ndefaults: {on_store_failure: local}\ndescriptors: [{key: k, rate_limit: {unit: day, requests_per_unit: 1}}]\n").rules;
    assert_eq!(find(&rules, "d", &[("k", "")]).expect("a rule").rule.on_store_failure(), Some(FailureMode::Local));
    assert_eq!(rules.domain("d").expect("the domain").on_store_failure(), Some(FailureMode::Allow));
}

#[test]
fn files_of_one_domain_share_its_options() {
    let rule = "descriptors: [{key: a, rate_limit: {unit: day, requests_per_unit: 1}}]\n";
    let files = [
        file("a", format!("domain: d\n{rule}")),
        file(
            "b",
            format!(
                "domain: d\ndefaults: {{algorithm: sliding_window}}\natomic: true\n{}",
                rule.replace("key: a", "key: b")
            ),
        ),
        file("c", "domain: d\natomic: yes\n"),
    ];
    let rules = compile(&files, &MERGE).expect("a good load").rules;
    assert_eq!(limits(&rules, "a")[0].algorithm(), Algorithm::SlidingWindow);
    assert!(rules.domain("d").expect("the domain").atomic());
    let found = find(&rules, "d", &[("b", "x")]).expect("a rule");
    assert_eq!(rules.location(found.path[0]), ("b", 4));

    let files = [
        file("a", "domain: d\ndefaults: {burst: 1}\non_unknown: deny\n"),
        file("b", "domain: d\non_unknown: allow\ndefaults: {burst: 2}\n"),
    ];
    let CompileErrors { errors, .. } = compile(&files, &MERGE).expect_err("conflicts");
    let reported: Vec<_> = errors.iter().map(ToString::to_string).collect();
    assert!(reported[0].starts_with("b:2:13: on_unknown: differs from a:3"), "{reported:?}");
    assert!(reported[1].starts_with("b:3:19: defaults.burst: differs from a:2"), "{reported:?}");
}

#[test]
fn what_the_store_does_not_support_is_rejected() {
    let capabilities =
        Capabilities { algorithms: &[Algorithm::FixedWindow], atomic_groups: AtomicGroups::Unsupported("SETTING=x") };
    let options = CompileOptions { capabilities, ..OPTIONS };
    let content = "\
domain: d
atomic: true
descriptors:
  - {key: a, rate_limit: {unit: day, requests_per_unit: 1, algorithm: sliding_window}}
  - {key: b, rate_limits: [{unit: day, requests_per_unit: 1}, {unit: hour, requests_per_unit: 1}]}
  - {key: c, rate_limits: [{unit: day, requests_per_unit: 1}]}
";
    let errors = compile(&[file("f", content)], &options).expect_err("faults").errors;
    let reported: Vec<_> = errors.iter().map(|error| (error.line, error.path.as_str())).collect();
    let wanted = [(2, "atomic"), (4, "descriptors[0].rate_limit.algorithm"), (5, "descriptors[1].rate_limits")];
    assert_eq!(reported, wanted, "{errors:#?}");
    let errors =
        compile(&[file("f", "domain: d\ndefaults: {algorithm: token_bucket}\n")], &options).expect_err("a fault");
    assert_eq!(
        errors.errors[0].to_string(),
        "f:2:23: defaults.algorithm: the counter store cannot count token_bucket; it can: fixed_window"
    );
}
