//! Input that the reference accepts, and so do we: scalars, nulls, duplicate and misplaced keys, anchors, unusual
//! files.

use limiter::domain::{Metadata, MetadataValue};
use rules::Policy;

use super::{find, good, line, load, warnings};

fn with(descriptor: &str) -> String {
    let indented: Vec<_> = descriptor.lines().map(|line| format!("    {line}")).collect();
    format!("domain: d\ndescriptors:\n{}\n", indented.join("\n").replacen("   ", "  -", 1))
}

fn requests(content: &str, pairs: &[(&str, &str)]) -> u64 {
    let loaded = good(content);
    match find(&loaded.rules, "d", pairs).expect("a rule").rule.policy() {
        Policy::Limited(limits) => limits[0].requests(),
        Policy::Unlimited => panic!("unlimited"),
    }
}

#[test]
fn text_keeps_its_spelling() {
    for text in ["404", "true", "yes", "010", "0x10", "1_000", "2024-01-01", "12:30", "1.0", "1e3", "-5", ".inf"] {
        let content = format!(
            "domain: {text}\ndescriptors:\n  - key: {text}\n    value: {text}\n    rate_limit: {{unit: day, requests_per_unit: 1, name: {text}}}\n"
        );
        let loaded = good(&content);
        let found = find(&loaded.rules, text, &[(text, text)]).expect("a rule");
        assert_eq!(found.rule.name().map(|name| &**name), Some(text));
        assert_eq!(found.path[0].value(), Some(text));
    }
}

#[test]
fn numbers_of_yaml_1_1() {
    for (text, number) in [
        ("10", 10),
        ("+5", 5),
        ("0x10", 16),
        ("010", 8),
        ("1_000", 1000),
        ("4294967295", u64::from(u32::MAX)),
        ("!!int \"7\"", 7),
    ] {
        let content = with(&format!("key: k\nrate_limit:\n  unit: day\n  requests_per_unit: {text}"));
        assert_eq!(requests(&content, &[("k", "")]), number, "{text}");
    }
}

#[test]
fn booleans_of_yaml_1_1() {
    for (text, wanted) in [
        ("y", true),
        ("Yes", true),
        ("ON", true),
        ("True", true),
        ("n", false),
        ("No", false),
        ("off", false),
        ("FALSE", false),
        ("~", false),
    ] {
        let loaded =
            good(&with(&format!("key: k\nshadow_mode: {text}\nrate_limit: {{unit: day, requests_per_unit: 1}}")));
        assert_eq!(find(&loaded.rules, "d", &[("k", "v")]).expect("a rule").rule.shadow(), wanted, "{text}");
    }
}

#[test]
fn units_in_any_case() {
    for unit in ["second", "Minute", "HOUR", "dAy", "week", "month", "year"] {
        good(&with(&format!("key: k\nrate_limit: {{unit: {unit}, requests_per_unit: 1}}")));
    }
}

#[test]
fn null_is_absent() {
    let content =
        with("key: k\nvalue:\nrate_limit: null\nshadow_mode: ~\ndescriptors: Null\nmetadata:\nshare_threshold: NULL");
    assert_eq!(good(&content).rules.rule_count(), 0);
    good("domain: d\ndescriptors:\non_unknown: ~\natomic:\ndefaults:\n");
    good(&with(
        "key: k\nrate_limit: {unit: day, requests_per_unit: 1, replaces: ~, name: ~, unlimited: ~, algorithm: ~}",
    ));
}

#[test]
fn no_requests_is_zero_and_a_warning() {
    for (limit, mark) in [("{unit: day}", "4:5"), ("{unit: day, requests_per_unit: ~}", "4:29")] {
        let content = with(&format!("key: k\nrate_limit: {limit}"));
        assert_eq!(requests(&content, &[("k", "v")]), 0);
        let reported = warnings(&content);
        assert_eq!(reported.len(), 1);
        assert!(
            reported[0].starts_with(&format!("{mark}: descriptors[0].rate_limit.requests_per_unit: ")),
            "{reported:?}"
        );
    }
}

#[test]
fn a_file_without_descriptors() {
    let loaded = good("domain: d\n");
    assert_eq!(loaded.rules.domains().len(), 1);
    assert!(find(&loaded.rules, "d", &[("k", "v")]).is_none());
    assert!(loaded.rules.domain("e").is_none());
}

#[test]
fn a_key_written_twice() {
    let content = with("key: k\nkey: l\nrate_limit: {unit: day, requests_per_unit: 1}");
    assert_eq!(line(&good(&content).rules, &[("l", "")]), Some(3));
    assert!(line(&good(&content).rules, &[("k", "")]).is_none());
    let reported = warnings(&content);
    assert_eq!(
        reported,
        ["4:5: descriptors[0].key: `key` is written twice, in line 3 and in line 4: the last one counts"]
    );
}

#[test]
fn known_keys_in_a_wrong_place() {
    let content =
        with("key: k\nunit: day\nname: x\nrate_limit:\n  shadow_mode: true\n  unit: day\n  requests_per_unit: 1");
    let reported = warnings(&content);
    assert_eq!(reported.len(), 3, "{reported:#?}");
    assert!(
        reported[0]
            .starts_with("4:5: descriptors[0].unit: `unit` has no meaning in a descriptor; it belongs in rate_limit")
    );
    assert!(reported[1].starts_with("5:5: descriptors[0].name: `name` belongs in rate_limit"));
    assert!(
        reported[2]
            .starts_with("7:7: descriptors[0].rate_limit.shadow_mode: `shadow_mode` has no meaning in rate_limit")
    );
    let loaded = good(&content);
    let found = find(&loaded.rules, "d", &[("k", "v")]).expect("a rule");
    assert!(!found.rule.shadow() && found.rule.name().is_none());
}

#[test]
fn anchors_aliases_and_merge_keys() {
    let content = "\
domain: d
descriptors:
  - key: a
    rate_limit: &limit {unit: minute, requests_per_unit: 5}
  - &base
    key: b
    shadow_mode: true
    rate_limit: *limit
  - <<: *base
    key: c
    quota_mode: true
  - key: e
    rate_limit:
      <<: [{requests_per_unit: 6}, *limit]
  - key: f
    rate_limit: {requests_per_unit: 7, <<: *limit}
";
    let loaded = good(content);
    assert_eq!(requests(content, &[("b", "")]), 5);
    let c = find(&loaded.rules, "d", &[("c", "")]).expect("a rule");
    assert!(c.rule.shadow() && c.rule.quota());
    assert_eq!(requests(content, &[("e", "")]), 6, "the first of several merged maps wins");
    assert_eq!(requests(content, &[("f", "")]), 5, "as in the reference, the later one wins");
    let reported = warnings(content);
    assert_eq!(reported.len(), 1, "{reported:?}");
    assert!(
        reported[0].starts_with("16:40: descriptors[4].rate_limit.requests_per_unit: `<<` replaces"),
        "{reported:?}"
    );
}

#[test]
fn a_second_document() {
    let reported = warnings("domain: d\n---\ndomain: e\nbogus: [\n");
    assert_eq!(reported, ["2:1: a second YAML document begins here: ignored"]);
    assert!(warnings("---\ndomain: d\n...\n").is_empty());
}

#[test]
fn a_byte_order_mark_and_crlf() {
    let content = "\u{feff}domain: d\r\ndescriptors:\r\n  - key: k\r\n    rate_limit:\r\n      unit: day\r\n      requests_per_unit: 1\r\n";
    assert_eq!(line(&good(content).rules, &[("k", "x")]), Some(3));
}

#[test]
fn an_asterisk_in_a_key() {
    let content = with("key: a*\nrate_limit: {unit: day, requests_per_unit: 1}");
    assert_eq!(warnings(&content).len(), 1);
    let loaded = good(&content);
    assert!(find(&loaded.rules, "d", &[("a*", "x")]).is_some());
    assert!(find(&loaded.rules, "d", &[("ab", "x")]).is_none());
}

#[test]
fn unlimited_does_not_affect_other_rules() {
    let content = with("key: k\nrate_limit: {unlimited: yes, requests_per_unit: 5, unit: bogus}");
    assert_eq!(warnings(&content).len(), 2);
    let loaded = good(&content);
    assert_eq!(find(&loaded.rules, "d", &[("k", "x")]).expect("a rule").rule.policy(), &Policy::Unlimited);
}

#[test]
fn metadata_is_any_map() {
    let content = with(
        "key: k\nrate_limit: {unit: day, requests_per_unit: 1}\nmetadata:\n  a: yes\n  b: [1, 010, 1.5, \"1\", ~, 2024-01-01]\n  404: {bogus: 0x10}",
    );
    let loaded = good(&content);
    assert!(loaded.warnings.is_empty());
    let found = find(&loaded.rules, "d", &[("k", "x")]).expect("a rule");
    let text = |text: &str| MetadataValue::String(text.into());
    let number = MetadataValue::Number;
    let list = vec![number(1.0), number(8.0), number(1.5), text("1"), MetadataValue::Null, text("2024-01-01")];
    let map: Metadata = [
        ("a", MetadataValue::Bool(true)),
        ("b", MetadataValue::List(list)),
        ("404", MetadataValue::Map([("bogus", number(16.0))].into_iter().collect())),
    ]
    .into_iter()
    .collect();
    assert_eq!(found.rule.metadata().map(|metadata| &**metadata), Some(&map));
}

#[test]
fn numbers_in_metadata_are_those_of_json() {
    let content =
        with("key: k\nrate_limit: {unit: day, requests_per_unit: 1}\nmetadata: {l: [.inf, -.INF, .nan, 1e999]}");
    let loaded = good(&content);
    let found = find(&loaded.rules, "d", &[("k", "x")]).expect("a rule");
    let list = [".inf", "-.INF", ".nan", "1e999"].map(|text| MetadataValue::String(text.into()));
    let map: Metadata = [("l", MetadataValue::List(list.into()))].into_iter().collect();
    assert_eq!(found.rule.metadata().map(|metadata| &**metadata), Some(&map), "else no JSON can carry the answer");
}

#[test]
fn rules_that_collide_in_the_reference_are_two() {
    let content = "domain: d\ndescriptors:\n  - {key: a_b, rate_limit: {unit: day, requests_per_unit: 1}}\n  - {key: a, value: b, rate_limit: {unit: day, requests_per_unit: 2}}\n";
    assert_eq!(line(&good(content).rules, &[("a_b", "x")]), Some(3));
    assert_eq!(line(&good(content).rules, &[("a", "b")]), Some(4));
}

#[test]
fn no_files_mean_no_rules() {
    let loaded = rules::compile(&[], &super::OPTIONS).expect("a good load");
    assert_eq!((loaded.rules.rule_count(), loaded.rules.domains().len()), (0, 0));
    assert!(load("domain: d").is_ok());
}

#[test]
fn an_empty_value_where_limits_belong_means_none_with_a_warning() {
    for null in ["", " null", " ~", " # lost"] {
        let content = format!("domain: d\ndescriptors:\n  - key: k\n    rate_limit:{null}\n");
        let message = "4:5: descriptors[0].rate_limit: rate_limit is empty: nothing is limited here; write unit and \
                       requests_per_unit, or leave it out";
        assert_eq!(warnings(&content), [message], "{null}");
    }
    let several = "domain: d\ndescriptors:\n  - key: k\n    rate_limits:\n";
    assert_eq!(
        warnings(several),
        [
            "4:5: descriptors[0].rate_limits: rate_limits is empty: nothing is limited here; write at least one limit, or \
          leave it out"
        ]
    );
    let below = "domain: d\ndescriptors:\n  - key: k\n    descriptors:\n  - key: l\n    rate_limit: {unit: day, requests_per_unit: 1}\n";
    assert_eq!(
        warnings(below),
        [
            "4:5: descriptors[0].descriptors: descriptors is empty: nothing is limited here; write at least one, or leave \
          it out"
        ]
    );
    assert_eq!(warnings("domain: d\ndescriptors:\n").len(), 1);
    assert_eq!(warnings("domain: d\ndescriptors: []\n").len(), 0);
}

#[test]
fn files_in_utf_16_with_a_byte_order_mark_load() {
    let content = "domain: d\ndescriptors:\n  - key: grüße\n    value: \u{1f6a6}\n    rate_limit: {unit: day, requests_per_unit: 7}\n";
    let (little, big) = (utf_16(content, u16::to_le_bytes), utf_16(content, u16::to_be_bytes));
    for bytes in [little.clone(), big] {
        let loaded = load(bytes).expect("UTF-16");
        assert!(find(&loaded.rules, "d", &[("grüße", "\u{1f6a6}")]).is_some());
    }
    // errors have positions
    let faulty = content.replace("unit: day", "unit: dya");
    let errors = load(utf_16(&faulty, u16::to_le_bytes)).expect_err("a fault");
    let reported = format!("{errors:#}");
    assert!(reported.contains("f.yaml:5:24: descriptors[0].rate_limit.unit: invalid unit `dya`"), "{reported}");
    assert!(reported.contains("rate_limit: {unit: dya"), "{reported}");
    // invalid in UTF-16: half a unit, half a surrogate pair
    let mut odd = little.clone();
    odd.pop();
    let mut half = little;
    half.extend(0xd83d_u16.to_le_bytes());
    for bytes in [odd, half] {
        let reported = load(bytes).expect_err("no text").to_string();
        assert!(reported.contains("the file is not UTF-16, as its first bytes say: save it as UTF-8"), "{reported}");
    }
    let reported = load(b"domain: d\n# \xe4\n".to_vec()).expect_err("no text").to_string();
    assert!(reported.contains("the first wrong byte is in line 2: save it as UTF-8"), "{reported}");
}

fn utf_16(content: &str, order: fn(u16) -> [u8; 2]) -> Vec<u8> {
    std::iter::once(0xfeff).chain(content.encode_utf16()).flat_map(order).collect()
}
