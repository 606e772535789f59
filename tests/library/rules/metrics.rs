//! The names of statistics, composed as in the reference.

use super::{entries, find, good};

/// Returns (static name, name for this request if it differs) of the rule that a descriptor matches.
fn names(descriptors: &str, pairs: &[(&str, &str)]) -> (String, Option<String>) {
    let rules = good(&format!("domain: d\ndescriptors: [{descriptors}]\n")).rules;
    let found = find(&rules, "d", pairs).expect("a rule");
    let join = |levels: Vec<String>| levels.join(".");
    let fixed = join(found.static_levels().map(|level| level.to_string()).collect());
    let varying = found.metric_levels(&entries(pairs));
    (fixed, varying.map(|levels| join(levels.iter().map(ToString::to_string).collect())))
}

#[track_caller]
fn check(descriptors: &str, pairs: &[(&str, &str)], fixed: &str, varying: Option<&str>) {
    let limited = descriptors.replace("LIMIT", "rate_limit: {unit: day, requests_per_unit: 1}");
    assert_eq!(names(&limited, pairs), (fixed.to_owned(), varying.map(ToOwned::to_owned)));
}

#[test]
fn without_options_the_texts_of_the_rule() {
    check("{key: a, value: x, LIMIT}", &[("a", "x")], "a_x", None);
    check("{key: a, LIMIT}", &[("a", "x")], "a", None);
    check("{key: a, value: 'x*', LIMIT}", &[("a", "xy")], "a_x*", None);
    check("{key: a, value: 'x*', share_threshold: true, LIMIT}", &[("a", "xy")], "a_x*", None);
}

#[test]
fn detailed_metric_includes_every_value() {
    let nested = "{key: a, value: 'x*', descriptors: [{key: b, detailed_metric: true, LIMIT}]}";
    check(nested, &[("a", "xy"), ("b", "z")], "a_x*.b", Some("a_xy.b_z"));
    check(nested, &[("a", "xy"), ("b", "")], "a_x*.b", Some("a_xy.b_"));
    check("{key: a, value: x, detailed_metric: true, LIMIT}", &[("a", "x")], "a_x", None);
    check("{key: a, detailed_metric: true, descriptors: [{key: b, LIMIT}]}", &[("a", "x"), ("b", "z")], "a.b", None);
    let shared = "{key: a, value: 'x*', share_threshold: true, descriptors: [{key: b, detailed_metric: true, LIMIT}]}";
    check(shared, &[("a", "xy"), ("b", "z")], "a_x*.b", Some("a_x*.b_z"));
    check(shared, &[("a", "xy"), ("b", "")], "a_x*.b", None);
}

#[test]
fn value_to_metric_includes_the_value_of_its_level() {
    let nested = "{key: a, value_to_metric: true, descriptors: [{key: b, LIMIT}]}";
    check(nested, &[("a", "x"), ("b", "z")], "a.b", Some("a_x.b"));
    check(nested, &[("a", ""), ("b", "z")], "a.b", None);
    check("{key: a, value: 'x*', value_to_metric: true, LIMIT}", &[("a", "xy")], "a_x*", Some("a_xy"));
    check("{key: a, value: '*', value_to_metric: true, LIMIT}", &[("a", "")], "a_*", Some("a"));
    check("{key: a, value: 'x*', value_to_metric: true, share_threshold: true, LIMIT}", &[("a", "xy")], "a_x*", None);
    check("{key: a, value: x, value_to_metric: true, LIMIT}", &[("a", "x")], "a_x", None);
}
