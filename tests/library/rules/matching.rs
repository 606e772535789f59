//! Which rule a descriptor matches.

use rules::ValueKind;

use super::{entries, find, good, line};

const TREE: &str = "\
domain: d
descriptors:
  - {key: path, value: /a, rate_limit: {unit: day, requests_per_unit: 1}}
  - {key: path, value: '/a*', rate_limit: {unit: day, requests_per_unit: 1}}
  - {key: path, value: '/*/c', rate_limit: {unit: day, requests_per_unit: 1}}
  - {key: path, rate_limit: {unit: day, requests_per_unit: 1}}
  - key: user
    rate_limit: {unit: day, requests_per_unit: 1}
    descriptors:
      - {key: path, value: /x, rate_limit: {unit: day, requests_per_unit: 1}}
  - key: user
    value: bob
    descriptors:
      - {key: path, rate_limit: {unit: day, requests_per_unit: 1}}
  - {key: any, value: '*', rate_limit: {unit: day, requests_per_unit: 1}}
";

#[test]
fn exact_then_patterns_in_file_order_then_without_value() {
    let rules = good(TREE).rules;
    let path = |value| line(&rules, &[("path", value)]);
    assert_eq!(path("/a"), Some(3));
    assert_eq!(path("/ab/c"), Some(4));
    assert_eq!(path("/b/c"), Some(5));
    assert_eq!(path("/b"), Some(6));
    assert_eq!(path(""), Some(6));
    assert_eq!(line(&rules, &[("any", "")]), Some(15));
    assert_eq!(line(&rules, &[("nothing", "x")]), None);
    assert_eq!(line(&rules, &[("", "")]), None);
    assert_eq!(line(&rules, &[]), None);
}

#[test]
fn a_limit_applies_only_at_its_own_depth() {
    let rules = good(TREE).rules;
    assert_eq!(line(&rules, &[("user", "al")]), Some(7));
    assert_eq!(line(&rules, &[("user", "al"), ("path", "/x")]), Some(10));
    assert_eq!(line(&rules, &[("user", "al"), ("path", "/y")]), None, "the limit above does not apply");
    assert_eq!(line(&rules, &[("user", "bob")]), None, "the limit below does not apply");
    assert_eq!(line(&rules, &[("path", "/a"), ("path", "/a")]), None);
}

#[test]
fn matching_does_not_backtrack() {
    let rules = good(TREE).rules;
    assert_eq!(line(&rules, &[("user", "bob"), ("path", "/x")]), Some(14));
    let stuck = "\
domain: d
descriptors:
  - {key: a, value: x, descriptors: [{key: b, rate_limit: {unit: day, requests_per_unit: 1}}]}
  - {key: a, descriptors: [{key: c, rate_limit: {unit: day, requests_per_unit: 1}}]}
";
    assert_eq!(line(&good(stuck).rules, &[("a", "x"), ("c", "y")]), None);
}

#[test]
fn the_path_has_each_level() {
    let rules = good("domain: d\ndescriptors: [{key: a, value: 'x*', share_threshold: true, descriptors: [{key: b, rate_limit: {unit: day, requests_per_unit: 1}}]}]").rules;
    let found = find(&rules, "d", &[("a", "xyz"), ("b", "1")]).expect("a rule");
    let path: Vec<_> =
        found.path.iter().map(|node| (node.key(), node.value(), node.value_kind(), node.share_threshold())).collect();
    assert_eq!(path, [("a", Some("x*"), ValueKind::Glob, true), ("b", None, ValueKind::Any, false)]);
}

#[test]
fn ids_are_dense_and_in_order() {
    let files = [
        super::file("z", TREE),
        super::file("a", TREE.replace("domain: d", "domain: a")),
        super::file("e", "domain: c"),
    ];
    let rules = rules::compile(&files, &super::OPTIONS).expect("a good load").rules;
    let names: Vec<_> = rules.domains().map(|domain| &**domain.name()).collect();
    assert_eq!(names, ["a", "c", "d"]);
    let ids: Vec<_> = rules.rules().map(|(_, found)| found.rule.id().0).collect();
    assert_eq!(ids, (0..rules.rule_count()).collect::<Vec<_>>());
    for (domain, found) in rules.rules() {
        let (same, again) = rules.rule(found.rule.id()).expect("it is there");
        assert_eq!((same.name(), again.rule.id()), (domain.name(), found.rule.id()));
    }
    assert!(rules.rule(rules::RuleId(rules.rule_count())).is_none());
}

#[test]
fn many_patterns_keep_their_order() {
    let mut content = "domain: d\ndescriptors:\n".to_owned();
    for at in 0..2_000 {
        content += &format!("  - {{key: k, value: 'p{at}*s', rate_limit: {{unit: day, requests_per_unit: 1}}}}\n");
    }
    let rules = good(&content).rules;
    for at in [0, 1, 17, 205, 1_999] {
        let value = format!("p{at}-s");
        // `p1*s` precedes `p17*s`, and matches too
        let wanted = (0..2_000).find(|first| value.starts_with(&format!("p{first}"))).expect("one") + 3;
        assert_eq!(line(&rules, &[("k", &value)]), Some(wanted));
    }
    let domain = rules.domain("d").expect("the domain");
    assert!(domain.find(&entries(&[("k", "p5-s")])).is_some());
    assert_eq!(line(&rules, &[("k", "p17-")]), None);
}
