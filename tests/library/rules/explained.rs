//! How a match is explained.

use limiter::domain::Entry;
use rules::explain::{Explanation, Outcome, explain};

use super::{entries, good};

fn explained(pairs: &[(&str, &str)]) -> Explanation {
    let content = "\
domain: d
descriptors:
  - {key: path, value: '/a*', rate_limit: {unit: minute, requests_per_unit: 7}}
  - key: path
    descriptors:
      - {key: user, rate_limit: {unit: day, requests_per_unit: 1}}
";
    explain(&good(content).rules, "d", &entries(pairs))
}

#[test]
fn a_match_names_its_rule_and_position() {
    let explained = explained(&[("path", "/abc")]);
    assert!(matches!(&explained.outcome, Outcome::Rule { place, .. } if (&*place.file, place.line) == ("f.yaml", 3)));
    let text = explained.to_string();
    assert!(text.contains("✗ path=/abc: no rule for this value"), "{text}");
    assert!(text.contains("✓ path=/a*: the pattern matches (f.yaml:3)"), "{text}");
    let rule = "rule at f.yaml:3: 7 per minute (fixed_window)\nlate costs hold until the window ends";
    assert!(text.ends_with(rule), "{text}");
    assert_eq!(explained.to_json()["outcome"]["late_costs"][0]["hold"], true);
    assert_eq!(explained.to_json()["outcome"]["place"]["line"], 3);
    assert_eq!(explained.to_json()["levels"][0]["tried"][1]["matched"], true);
}

#[test]
fn the_fate_of_late_costs_is_explained() {
    let explained = |limit: &str| {
        let rules = good(&format!("domain: d\ndescriptors: [{{key: k, {limit}}}]")).rules;
        explain(&rules, "d", &entries(&[("k", "v")]))
    };
    let limit = |more: &str| explained(&format!("rate_limit: {{unit: day, requests_per_unit: 7, {more}}}"));
    let lost = "late costs are lost if they do not fit, because denied hits are not counted: set count_denied: true";
    for (more, expected, hold) in [
        ("count_denied: true", "late costs hold until the window ends", true),
        ("count_denied: false", lost, false),
        ("algorithm: sliding_window", lost, false),
        ("algorithm: token_bucket, burst: 3", lost, false),
        ("algorithm: sliding_window, count_denied: true", "late costs hold, fading, until the next window ends", true),
        (
            "algorithm: token_bucket, burst: 3, count_denied: true",
            "late costs hold as debt until it is paid, up to 30 (10 × burst)",
            true,
        ),
    ] {
        let explained = limit(more);
        assert_eq!(explained.to_string().lines().last(), Some(expected));
        assert_eq!(explained.to_json()["outcome"]["late_costs"][0]["hold"], hold);
    }
    let two =
        "rate_limits: [{unit: second, requests_per_unit: 1, count_denied: no}, {unit: day, requests_per_unit: 5}]";
    let explained = explained(two).to_string();
    assert!(explained.contains("\nlate costs of limit 1 are lost"), "{explained}");
    assert!(explained.ends_with("\nlate costs of limit 2 hold until the window ends"), "{explained}");
    assert!(!self::explained(&[("path", "/x")]).to_string().contains("late costs"));
}

#[test]
fn bytes_that_are_not_utf8_are_escaped() {
    let rules = good("domain: d\ndescriptors: [{key: ua, regex: 'x.*'}, {key: ua, value: 'y*'}, {key: ua}]").rules;
    let explained = explain(&rules, "d", &[Entry::new("ua", b"caf\xe9"), Entry::new(b"k\xff", b"")]);
    let text = explained.to_string();
    for line in [
        r"entry 1: ua=caf\xe9",
        r"✗ ua=caf\xe9: no rule for this value",
        r"✗ ua matching x.*: the regex does not match the whole of `caf\xe9`",
        r"✗ ua=y*: `caf\xe9` does not match the pattern",
        r"✗ k\xff=: the entry's value is empty",
        r"✗ k\xff: no rule without a value",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert_eq!(explained.to_json()["levels"][0]["value"], r"caf\xe9");
}

#[test]
fn a_missing_match_is_explained() {
    let why = |pairs: &[(&str, &str)]| match explained(pairs).outcome {
        Outcome::NoRule(why) => why,
        Outcome::Rule { .. } => panic!("a rule"),
    };
    assert!(why(&[("path", "/x")]).contains("the limits are deeper"));
    assert!(why(&[("path", "/abc"), ("user", "u")]).contains("its limit does not apply to more than 1 entry"));
    assert_eq!(why(&[("path", "/x"), ("other", "u")]), "nothing below path matches entry 2");
    assert_eq!(why(&[("other", "u")]), "nothing in the domain matches entry 1");
    assert_eq!(why(&[]), "the descriptor has no entries");
    let elsewhere = explain(&good("domain: d").rules, "e", &[]);
    assert_eq!(elsewhere.outcome, Outcome::NoRule("domain `e` is unknown (known: d)".to_owned()));
}
