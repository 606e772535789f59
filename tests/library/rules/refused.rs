//! One test for each reason to reject rules, with line, column and path.

use rules::compile;

use super::{MERGE, OPTIONS, bad, file, load};

/// A file with `descriptor` (the lines of an element of `descriptors`, which starts at line 3, column 5).
fn with(descriptor: &str) -> String {
    let indented: Vec<_> = descriptor.lines().map(|line| format!("    {line}")).collect();
    format!("domain: d\ndescriptors:\n{}\n", indented.join("\n").replacen("   ", "  -", 1))
}

#[track_caller]
fn one(content: &str, wanted: &str) {
    let errors = bad(content);
    assert_eq!(errors.len(), 1, "{errors:#?}");
    assert!(errors[0].starts_with(wanted), "{}\n{wanted}", errors[0]);
}

#[test]
fn invalid_yaml_is_one_error_and_the_other_files_are_read() {
    let files = [file("a.yaml", "domain: [\n"), file("b.yaml", "domain: b\nbogus: 1\n")];
    let errors = compile(&files, &OPTIONS).expect_err("two faults").errors;
    assert_eq!(errors.len(), 2, "{errors:#?}");
    assert!(errors[0].message.starts_with("bad YAML: "));
    assert_eq!((&*errors[0].file, errors[0].line), ("a.yaml", 2));
    assert_eq!((&*errors[1].file, errors[1].line, errors[1].column), ("b.yaml", 2, 1));
}

#[test]
fn unknown_keys_at_every_level() {
    one("domain: d\ndescriptor: []\n", "2:1: descriptor: unknown key `descriptor`; did you mean `descriptors`?");
    one(&with("key: k\nvlaue: v"), "4:5: descriptors[0].vlaue: unknown key `vlaue`; did you mean `value`?");
    one(
        &with("key: k\nrate_limit:\n  unit: day\n  requests_per_units: 1\n  requests_per_unit: 1"),
        "6:7: descriptors[0].rate_limit.requests_per_units: unknown key `requests_per_units`; did you mean `requests_per_unit`?",
    );
    one(
        &with("key: k\ndescriptors:\n  - key: l\n    descriptors:\n      - key: m\n        bogus_thing: 1"),
        "8:13: descriptors[0].descriptors[0].descriptors[0].bogus_thing: unknown key `bogus_thing`; accepted in a descriptor: ",
    );
    one(
        &with("key: k\nrate_limit: {unit: day, requests_per_unit: 1, replaces: [{nmae: x, name: y}]}"),
        "4:63: descriptors[0].rate_limit.replaces[0].nmae: unknown key `nmae`; did you mean `name`?",
    );
    one("domain: d\ndefaults: {brust: 1}\n", "2:12: defaults.brust: unknown key `brust`; did you mean `burst`?");
}

#[test]
fn unknown_keys_in_an_ignored_part() {
    one(&with("key: k\nunit: {foo: 1}"), "4:12: descriptors[0].unit.foo: unknown key `foo`");
    one(&with("key: k\nunit: [1]"), "4:12: descriptors[0].unit[0]: expected a map; found `1`");
}

#[test]
fn lists_of_other_values_than_maps() {
    one("domain: d\ndescriptors: [a]\n", "2:15: descriptors[0]: expected a map; found `a`");
    one("domain: d\ndescriptors:\n  -\n", "3:");
    one("domain: d\ndescriptors: {}\n", "2:14: descriptors: expected a list; found a map");
    one(
        &with("key: k\nrate_limit: {unit: day, requests_per_unit: 1, replaces: [x]}"),
        "4:62: descriptors[0].rate_limit.replaces[0]: expected a map; found `x`",
    );
}

#[test]
fn keys_that_are_not_text() {
    one("domain: d\n1: x\n", "2:1: 1: the key `1` is not text");
    one("domain: d\nyes: x\n", "2:1: yes: the key `yes` is not text");
    one("domain: d\n? [a]\n: x\n", "2:3: a key must be text");
}

#[test]
fn an_empty_domain() {
    one("", "1:1: the file is empty");
    one("# nothing\n", "1:1: the file is empty");
    one("descriptors: []\n", "1:1: domain: the domain is missing");
    one("domain: \"\"\n", "1:9: domain: the domain is missing or empty");
    one("descriptors: []\ndomain:\n", "2:1: domain: the domain is missing or empty");
    one("- domain: d\n", "1:1: the file is not a map");
}

#[test]
fn a_domain_in_two_files() {
    let files = [file("a", "domain: d\n"), file("b", "# \ndomain: d\ndescriptors: [{}]\n")];
    let errors = compile(&files, &OPTIONS).expect_err("faults").errors;
    let reported: Vec<_> = errors.iter().map(ToString::to_string).collect();
    assert!(
        reported[0].starts_with("b:2:9: domain: the domain `d` is already in a:1; MERGE_DOMAIN_CONFIG"),
        "{reported:?}"
    );
    assert!(reported[1].starts_with("b:3:15: descriptors[0].key: the key is missing"), "{reported:?}");
}

#[test]
fn an_empty_descriptor_key() {
    one(&with("value: v"), "3:5: descriptors[0].key: the key is missing or empty");
    one(&with("value: v\nkey: ''"), "4:10: descriptors[0].key: the key is missing or empty");
    one(&with("value: v\nkey: ~"), "4:5: descriptors[0].key: the key is missing or empty");
}

#[test]
fn equal_siblings() {
    let twins = "domain: d\ndescriptors:\n  - {key: k, value: v}\n  - {key: k}\n  - {key: k, value: \"v\"}\n  - {key: k, value: ''}\n";
    let errors = bad(twins);
    assert_eq!(errors.len(), 2, "{errors:#?}");
    assert!(errors[0].starts_with("5:5: descriptors[2]: a sibling with key `k` and value `v` is already in line 3"));
    assert!(errors[1].starts_with("6:5: descriptors[3]: a sibling with key `k` and no value is already in line 4"));
}

#[test]
fn equal_siblings_in_two_files_of_one_domain() {
    let files = [file("a", "domain: d\ndescriptors: [{key: k}]\n"), file("b", "domain: d\ndescriptors: [{key: k}]\n")];
    let errors = compile(&files, &MERGE).expect_err("a fault").errors;
    assert_eq!(errors.len(), 1);
    assert!(
        errors[0].to_string().contains("b:2:15: descriptors[0]: a sibling with key `k` and no value is already in a:2")
    );
}

#[test]
fn invalid_units() {
    let limit = |unit: &str| with(&format!("key: k\nrate_limit:\n  requests_per_unit: 1\n{unit}"));
    one(
        &limit("  unit: minuet"),
        "6:13: descriptors[0].rate_limit.unit: invalid unit `minuet`; did you mean `minute`? accepted: second, minute",
    );
    one(&limit(""), "4:5: descriptors[0].rate_limit.unit: the unit is missing; accepted: second");
    one(&limit("  unit: ~"), "6:7: descriptors[0].rate_limit.unit: the unit is missing");
    one(&limit("  unit: unknown"), "6:13: descriptors[0].rate_limit.unit: invalid unit `unknown`; accepted");
    one(&limit("  unit: [day]"), "6:13: descriptors[0].rate_limit.unit: expected text; found a list");
}

#[test]
fn unlimited_with_a_unit() {
    one(
        &with("key: k\nrate_limit: {unlimited: true, unit: day}"),
        "4:35: descriptors[0].rate_limit.unit: an unlimited rule has no unit",
    );
    one(
        &with("key: k\nrate_limit: {unlimited: true, algorithm: token_bucket}"),
        "4:35: descriptors[0].rate_limit.algorithm: an unlimited rule has no algorithm",
    );
}

#[test]
fn replaces_nothing_or_itself() {
    let rule = |replaces: &str| {
        with(&format!("key: k\nrate_limit:\n  unit: day\n  requests_per_unit: 1\n  name: me\n  replaces: {replaces}"))
    };
    one(
        &rule("[{name: ''}]"),
        "8:25: descriptors[0].rate_limit.replaces[0].name: the name of a rule to replace is missing or empty",
    );
    one(&rule("[{name: x}, {}]"), "8:29: descriptors[0].rate_limit.replaces[1].name: the name");
    one(&rule("[{name: me}]"), "8:25: descriptors[0].rate_limit.replaces[0].name: the rule `me` cannot replace itself");
}

#[test]
fn share_threshold_without_a_pattern() {
    one(
        &with("key: k\nvalue: v\nshare_threshold: true"),
        "5:5: descriptors[0].share_threshold: share_threshold is for a value with a `*`",
    );
    one(&with("key: k*\nshare_threshold: true"), "4:5: descriptors[0].share_threshold");
    one(&with("key: k\nvalue: [v]\nshare_threshold: true"), "4:12: descriptors[0].value: expected text; found a list");
}

#[test]
fn booleans_in_quotes_or_as_numbers() {
    for wrong in ["\"true\"", "1", "'yes'", "tRue", "enabled", "[true]"] {
        let content = with(&format!("key: k\nshadow_mode: {wrong}"));
        one(&content, "4:18: descriptors[0].shadow_mode: expected a boolean without quotes");
    }
}

#[test]
fn invalid_numbers() {
    for wrong in ["\"5\"", "1.0", "1e3", "-1", "4294967296", "08", "5 5", "ten", "[5]", "!!str 5"] {
        let content = with(&format!("key: k\nrate_limit:\n  unit: day\n  requests_per_unit: {wrong}"));
        one(&content, "6:26: descriptors[0].rate_limit.requests_per_unit: expected a whole number");
    }
}

#[test]
fn invalid_calendars() {
    let limit = |options: &str| with(&format!("key: k\nrate_limit: {{unit: day, requests_per_unit: 1, {options}}}"));
    one(
        &limit("calendar: true, algorithm: sliding_window"),
        "4:78: descriptors[0].rate_limit.algorithm: calendar is for algorithm fixed_window; sliding_window needs",
    );
    one(
        &limit("algorithm: token_bucket, calendar: yes"),
        "4:62: descriptors[0].rate_limit.algorithm: calendar is for algorithm fixed_window; token_bucket needs",
    );
    one(
        &limit("calendar: true, time_zone: europe/berlin"),
        "4:78: descriptors[0].rate_limit.time_zone: unknown time zone `europe/berlin`; did you mean `Europe/Berlin`?",
    );
    one(
        &limit("calendar: true, time_zone: Middle-earth/Bree"),
        "4:78: descriptors[0].rate_limit.time_zone: unknown time zone `Middle-earth/Bree`; accepted: a name of the IANA",
    );
    one(
        &limit("time_zone: UTC"),
        "4:51: descriptors[0].rate_limit.time_zone: time_zone is for calendar: true; add that, or leave time_zone out",
    );
    one(&limit("calendar: 1"), "4:61: descriptors[0].rate_limit.calendar: expected a boolean");
    one(
        &limit("calendar: true, unit_multiplier: 36501"),
        "4:84: descriptors[0].rate_limit.unit_multiplier: a window of",
    );
    one(
        &with("key: k\nrate_limit: {unit: hour, requests_per_unit: 1, calendar: true}"),
        "4:52: descriptors[0].rate_limit.calendar: calendar is for day, week, month and year; every hour has one length",
    );
    one(
        &with("key: k\nrate_limit: {unlimited: true, calendar: true}"),
        "4:35: descriptors[0].rate_limit.calendar: an unlimited rule has no calendar",
    );
    one(
        "domain: d\ndefaults: {time_zone: UTC}\n",
        "2:12: defaults.time_zone: `time_zone` has no meaning in defaults; it belongs in rate_limit or an element of",
    );
}

#[test]
fn our_own_keys_in_a_wrong_map() {
    one(
        &with("key: k\nalgorithm: token_bucket"),
        "4:5: descriptors[0].algorithm: `algorithm` has no meaning in a descriptor; it belongs in rate_limit",
    );
    one(
        &with("key: k\non_store_failure: deny"),
        "4:5: descriptors[0].on_store_failure: `on_store_failure` belongs in rate_limit",
    );
}

#[test]
fn text_that_is_not_utf_8() {
    let errors = load(b"domain: d\nx: \xff\n".to_vec()).expect_err("a fault").errors;
    assert_eq!(
        errors[0].to_string(),
        "f.yaml: the file is not UTF-8: the first wrong byte is in line 2: save it as UTF-8"
    );
}

#[test]
fn control_characters() {
    one("domain: d\r\n# é\0\ndescriptors: []\n", "2:4: bad YAML: the control character U+0000 is not allowed");
}

#[test]
fn five_mistakes_are_five_errors_in_order() {
    let content = "\
domain: d
on_unknwon: deny
descriptors:
  - key: a
    rate_limit: {unit: fortnight, requests_per_unit: 1}
  - value: b
    descriptors:
      - key: c
        shadow_mode: 1
  - key: a
";
    let lines: Vec<_> = load(content).expect_err("faults").errors.iter().map(|error| error.line).collect();
    assert_eq!(lines, [2, 5, 6, 9, 10]);
}

#[test]
fn the_long_form_shows_the_line() {
    let errors = load("\u{feff}domain: d\r\ndescriptors: [{key: ü, bogus: 1}]\r\n").expect_err("a fault");
    let long = format!("{errors:#}");
    let tail: Vec<_> = long.lines().skip(1).collect();
    assert_eq!(tail, [" 2 | descriptors: [{key: ü, bogus: 1}]", "   |                        ^"], "{long}");
}

#[test]
fn many_errors_are_counted() {
    let content = format!("domain: d\ndescriptors:\n{}", "  - {bogus: 1, key: }\n".repeat(1_000));
    let errors = load(content).expect_err("faults").errors;
    assert_eq!(errors.len(), 101);
    assert_eq!(errors[100].message, "and 1900 more errors");
}
