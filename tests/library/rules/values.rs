//! `values`, `cidr` and `regex`: which sibling a value matches, what is rejected, and what represents the value in
//! counters and statistics.

use std::net::{IpAddr, Ipv4Addr};

use limiter::domain::{KeyBuilder, Unit};
use proptest::prelude::*;
use rules::{RuleSet, compile, explain::explain};

use super::{MERGE, bad, entries, file, find, good, line, properties::glob};

const LIMIT: &str = "rate_limit: {unit: day, requests_per_unit: 1}";

/// A file with these descriptors, one per line from line 3 on. `LIMIT` is replaced by a limit.
fn with(descriptors: &[&str]) -> String {
    let lines: String = descriptors.iter().map(|one| format!("  - {{{}}}\n", one.replace("LIMIT", LIMIT))).collect();
    format!("domain: d\ndescriptors:\n{lines}")
}

#[test]
fn the_order_is_exact_then_network_then_pattern_or_regex_then_any_value() {
    let rules = good(&with(&[
        "key: ip, LIMIT",
        "key: ip, value: '10.*', LIMIT",
        "key: ip, regex: '10\\.1\\..*', LIMIT",
        "key: ip, cidr: 10.0.0.0/8, LIMIT",
        "key: ip, cidr: [10.1.0.0/16, 192.168.0.0/16, '2001:db8::/32'], LIMIT",
        "key: ip, values: [10.1.0.1, 10.1.0.2, localhost], LIMIT",
        "key: ip, value: 10.1.0.3, LIMIT",
        "key: host, regex: '[a-z]+', LIMIT",
        "key: host, value: 'a*', LIMIT",
        "key: host, regex: 'b.*', LIMIT",
        "key: host, values: [c1, 'c*', b9], LIMIT",
        "key: host, regex: '.*', LIMIT",
    ]))
    .rules;
    for (value, wanted) in [
        ("10.1.0.1", 8),
        ("localhost", 8),
        ("10.1.0.3", 9),
        ("10.1.0.4", 7),
        ("::ffff:10.1.0.4", 7),
        ("10.2.0.4", 6),
        ("2001:DB8:0::7", 7),
        ("10.1.0.4/32", 7),
        ("10.1.0.0/24", 7),
        ("10.2.0.4/32", 6),
        ("10.0.0.0/9", 6),
        ("::ffff:10.2.0.4/128", 6),
        ("2001:DB8:1:2::/64", 7),
        ("10.1.0.4/24", 4),
        ("2001:db8::/31", 3),
        ("10.1.x", 4),
        ("10.1.0.4:80", 4),
        ("x10.1.", 3),
        ("2001:db9::", 3),
        ("", 3),
    ] {
        assert_eq!(line(&rules, &[("ip", value)]), Some(wanted), "ip={value}");
    }
    for (value, wanted) in
        [("ab", 10), ("a1", 11), ("b1", 12), ("b9", 13), ("c*", 13), ("c7", 13), ("d7", 14), ("", 14)]
    {
        assert_eq!(line(&rules, &[("host", value)]), Some(wanted), "host={value}");
    }
}

#[test]
fn the_text_of_a_pattern_or_network_matches_itself_and_that_of_a_list_or_regex_does_not() {
    let rules = good(&with(&[
        "key: k, values: [a, b], LIMIT",
        "key: k, regex: '[x]', LIMIT",
        "key: k, cidr: 10.0.0.0/8, LIMIT",
        "key: k, value: 'p*q', LIMIT",
    ]))
    .rules;
    assert_eq!(line(&rules, &[("k", "p*q")]), Some(6));
    assert_eq!(line(&rules, &[("k", "10.0.0.0/8")]), Some(5));
    for text in ["a|b", "[x]"] {
        assert_eq!(line(&rules, &[("k", text)]), None, "{text}");
    }
}

#[test]
fn values_of_a_list_share_the_levels_below() {
    let rules = good(&with(&["key: k, values: [a, b], descriptors: [{key: l, cidr: '::/0', LIMIT}]"])).rules;
    for first in ["a", "b"] {
        assert_eq!(line(&rules, &[("k", first), ("l", "::1")]), Some(3));
        assert_eq!(line(&rules, &[("k", first), ("l", "127.0.0.1")]), None, "no IPv6 network contains it");
    }
}

#[track_caller]
fn one(descriptors: &[&str], wanted: &str) {
    let errors = bad(&with(descriptors));
    assert!(errors.len() == 1 && errors[0].starts_with(wanted), "{errors:#?}\n{wanted}");
}

#[test]
fn errors_have_positions() {
    one(
        &["key: k, cidr: 10.0.0.0/33"],
        "3:20: descriptors[0].cidr: invalid cidr `10.0.0.0/33`: its prefix length must",
    );
    one(
        &["key: k, cidr: [::1, 10.0.0.1/8]"],
        "3:26: descriptors[0].cidr[1]: invalid cidr `10.0.0.1/8`: it has bits behind its prefix: write 10.0.0.0/8",
    );
    one(&["key: k, cidr: office"], "3:20: descriptors[0].cidr: invalid cidr `office`: it is not an IP address");
    one(&["key: k, cidr: [::1, '::1/128']"], "3:26: descriptors[0].cidr[1]: `::1/128` is listed twice");
    one(&["key: k, cidr: []"], "3:20: descriptors[0].cidr: cidr is empty");
    one(&["key: k, cidr: {}"], "3:20: descriptors[0].cidr: expected text; found a map");
    one(&["key: k, regex: 'a(b'"], "3:21: descriptors[0].regex: the regex is wrong at character 2: unclosed group");
    one(&["key: k, regex: '(a|b)*a(a|b){20}'"], "3:21: descriptors[0].regex: the regex needs an automaton of more");
    one(&["key: k, regex: [a]"], "3:21: descriptors[0].regex: expected text; found a list");
    one(&["key: k, values: a"], "3:22: descriptors[0].values: expected a list of texts; found `a`");
    one(&["key: k, values: [a, ~]"], "3:26: descriptors[0].values[1]: expected text; found null");
    one(&["key: k, values: [a, '']"], "3:26: descriptors[0].values[1]: an empty value: leave it out");
    one(&["key: k, values: [a, b, a]"], "3:29: descriptors[0].values[2]: `a` is listed twice");
    one(&["key: k, values: []"], "3:22: descriptors[0].values: values is empty");
    one(
        &["key: k, value: a, regex: b"],
        "3:24: descriptors[0].regex: value and regex together: a descriptor takes one",
    );
    one(&["key: k, vaules: [a]"], "3:14: descriptors[0].vaules: unknown key `vaules`; did you mean `values`?");
    one(&["key: k, value: [a]"], "3:21: descriptors[0].value: expected text; found a list: several values go into");
}

#[test]
fn descriptors_below_an_error_are_read_too() {
    let errors = bad(&with(&["key: k, regex: '(', descriptors: [{key: ''}]", "key: k", "key: k, regex: '('"]));
    assert_eq!(errors.len(), 3, "{errors:#?}");
    assert!(errors[1].starts_with("3:46: descriptors[0].descriptors[0].key"), "{errors:#?}");
}

#[test]
fn siblings_that_match_the_same() {
    let one = |descriptors: [&str; 2], wanted: &str| {
        let errors = bad(&with(&descriptors));
        let whole = format!("4:5: descriptors[1]: a sibling with key `k` and {wanted} is already in line 3");
        assert!(errors.len() == 1 && errors[0].starts_with(&whole), "{errors:#?}");
    };
    one(["key: k, value: b", "key: k, values: [a, b]"], "value `b`");
    one(["key: k, values: [a, 'b*']", "key: k, value: 'b*'"], "value `b*`");
    one(["key: k, values: [a, b]", "key: k, values: [c, b]"], "value `b`");
    one(["key: k, cidr: 10.0.0.0/8", "key: k, cidr: ['::1', '::ffff:10.0.0.0/104']"], "cidr `10.0.0.0/8`");
    one(["key: k, regex: a+", "key: k, regex: 'a+'"], "regex `a+`");
    good(&with(&["key: k, values: [a, b]", "key: l, values: [a, b]", "key: k, descriptors: [{key: k, value: a}]"]));
    good(&with(&["key: k, value: '10.*'", "key: k, regex: '10.*'"]));
    let files = [
        file("a", "domain: d\ndescriptors: [{key: k, cidr: '::1'}]\n"),
        file("b", "domain: d\ndescriptors: [{key: k, cidr: '::1/128'}]\n"),
    ];
    let errors = compile(&files, &MERGE).expect_err("a fault").errors;
    assert!(errors[0].to_string().contains("cidr `::1/128` is already in a:2"), "{errors:?}");
}

/// The key of the counter that a descriptor charges.
fn counter(rules: &RuleSet, pairs: &[(&str, &str)]) -> String {
    let found = find(rules, "d", pairs).expect("a rule");
    let (builder, entries) = (KeyBuilder::default(), entries(pairs));
    let mut keys = builder.domain("d");
    keys.base(found.key_entries(&entries))
        .counter(limiter::domain::Algorithm::FixedWindow, Unit::Day.into())
        .to_string()
}

#[test]
fn each_value_has_its_own_counter_unless_they_share_one() {
    let rules = good(&with(&[
        "key: each, values: [a, b], LIMIT",
        "key: ip, cidr: [10.0.0.0/8, '2001:db8::/32'], LIMIT",
        "key: path, regex: '/v\\d+', LIMIT",
        "key: all, values: [b, a], share_threshold: true, LIMIT",
        "key: net, cidr: ['::/0', 10.0.0.0/8], share_threshold: true, LIMIT",
        "key: any, regex: '/v\\d*', share_threshold: true, LIMIT",
    ]))
    .rules;
    for (pair, name) in [
        (("each", "a"), "{d|each=a}f86400"),
        (("ip", "10.0.0.1"), "{d|ip=10.0.0.1}f86400"),
        (("ip", "::ffff:10.0.0.1"), "{d|ip=10.0.0.1}f86400"),
        (("ip", "::FFFF:a00:1"), "{d|ip=10.0.0.1}f86400"),
        (("ip", "0:0:0:0:0:ffff:0a00:0001"), "{d|ip=10.0.0.1}f86400"),
        (("ip", "10.0.0.1/32"), "{d|ip=10.0.0.1}f86400"),
        (("ip", "10.0.0.0/24"), "{d|ip=10.0.0.0/24}f86400"),
        (("ip", "::ffff:10.0.0.0/120"), "{d|ip=10.0.0.0/24}f86400"),
        (("ip", "2001:db8::1"), "{d|ip=2001:db8::1}f86400"),
        (("ip", "2001:db8::1/128"), "{d|ip=2001:db8::1}f86400"),
        (("ip", "2001:DB8:1:2:0::/64"), "{d|ip=2001:db8:1:2::/64}f86400"),
        (("ip", "2001:DB8:0:0::0001"), "{d|ip=2001:db8::1}f86400"),
        (("path", "/v1"), "{d|path=/v1}f86400"),
        (("all", "a"), r"{d|all~=a\|b}f86400"),
        (("all", "b"), r"{d|all~=a\|b}f86400"),
        (("net", "::1"), r"{d|net~#10.0.0.0/8\|::/0}f86400"),
        (("net", "10.9.9.9"), r"{d|net~#10.0.0.0/8\|::/0}f86400"),
        (("net", "10.9.9.9/32"), r"{d|net~#10.0.0.0/8\|::/0}f86400"),
        (("net", "2001:db8::/64"), r"{d|net~#10.0.0.0/8\|::/0}f86400"),
        (("any", "/v"), r"{d|any~~/v\\d*}f86400"),
    ] {
        assert_eq!(counter(&rules, &[pair]), name);
    }
}

/// Only a rule with networks treats values as addresses: other rules count each notation separately, as in the
/// reference.
#[test]
fn without_a_network_a_value_is_counted_as_written() {
    let rules = good(&with(&[
        "key: any, LIMIT",
        "key: one, value: '::FFFF:a00:1', LIMIT",
        "key: one, cidr: 10.0.0.0/8, LIMIT",
        "key: glob, value: '::*', LIMIT",
        "key: net, cidr: 10.0.0.0/8, LIMIT",
        "key: net, LIMIT",
    ]))
    .rules;
    for (key, value) in [
        ("any", "::ffff:10.0.0.1"),
        ("one", "::FFFF:a00:1"),
        ("glob", "::FFFF:a00:1"),
        ("net", "::FFFF:b00:1"),
        ("net", "2001:DB8::1"),
    ] {
        assert_eq!(counter(&rules, &[(key, value)]), format!("{{d|{key}={value}}}f86400"));
    }
    assert_eq!(counter(&rules, &[("one", "::ffff:a00:1")]), "{d|one=10.0.0.1}f86400");
}

#[test]
fn statistics_are_named_by_the_rule() {
    let many: Vec<String> = (0..1_000).map(|at| format!("value{at}")).collect();
    let rules = good(&with(&[
        "key: path, regex: '/v\\d+', LIMIT",
        "key: ip, cidr: [192.168.0.0/16, 10.0.0.0/8], LIMIT",
        "key: ip, cidr: 172.16.0.0/12, value_to_metric: true, LIMIT",
        "key: ip, regex: '1.*', share_threshold: true, detailed_metric: true, LIMIT",
        &format!("key: many, values: [{}], LIMIT", many.join(",")),
    ]))
    .rules;
    let names = |pair: (&str, &str)| {
        let found = find(&rules, "d", &[pair]).expect("a rule");
        let own: Vec<_> = found.static_levels().map(|level| level.to_string()).collect();
        let varying = found.metric_levels(&entries(&[pair])).map(|levels| levels[0].to_string());
        (own.join("."), varying)
    };
    assert_eq!(names(("path", "/v17")), (r"path_/v\d+".to_owned(), None));
    assert_eq!(names(("ip", "10.0.0.1")), ("ip_10.0.0.0/8|192.168.0.0/16".to_owned(), None));
    assert_eq!(names(("ip", "172.16.0.1")), ("ip_172.16.0.0/12".to_owned(), Some("ip_172.16.0.1".to_owned())));
    assert_eq!(names(("ip", "172.16.0.1/32")), ("ip_172.16.0.0/12".to_owned(), Some("ip_172.16.0.1".to_owned())));
    assert_eq!(names(("ip", "172.16.0.0/24")).1, Some("ip_172.16.0.0/24".to_owned()));
    assert_eq!(names(("ip", "::FFFF:ac10:1")), ("ip_172.16.0.0/12".to_owned(), Some("ip_172.16.0.1".to_owned())));
    assert_eq!(names(("ip", "1")), ("ip_1.*".to_owned(), None), "a shared pattern stays, as with `*`");
    let (long, varying) = names(("many", "value7"));
    assert!(long.starts_with("many_value0|value1|value10|") && long.len() < 170, "{long}");
    assert_eq!(varying, None);
}

#[test]
fn each_step_is_explained() {
    let rules = good(&with(&[
        "key: ip, cidr: 10.0.0.0/8, LIMIT",
        "key: ip, cidr: 10.1.0.0/16, LIMIT",
        "key: ip, values: [a, b], LIMIT",
        "key: ip, value: '10.*', LIMIT",
        "key: ip, regex: 'x+', LIMIT",
    ]))
    .rules;
    let explained = |value| explain(&rules, "d", &entries(&[("ip", value)])).to_string();
    let small = explained("10.1.0.1");
    for part in [
        "✗ ip=10.1.0.1: no rule for this value",
        "✗ ip in 10.0.0.0/8: the address is in it, and in a smaller network of another sibling (f.yaml:3)",
        "✓ ip in 10.1.0.0/16: the address is in the network (f.yaml:4)",
        "rule at f.yaml:4: 1 per day",
    ] {
        assert!(small.contains(part), "{part}\n{small}");
    }
    assert!(explained("b").contains("✓ ip=a|b: one of its values (f.yaml:5)"), "{}", explained("b"));
    let regex = explained("xx");
    for part in [
        "✗ ip in 10.1.0.0/16: `xx` is no address or network in it (f.yaml:4)",
        "✗ ip=10.*: `xx` does not match the pattern (f.yaml:6)",
        "✓ ip matching x+: the regex matches the whole value (f.yaml:7)",
    ] {
        assert!(regex.contains(part), "{part}\n{regex}");
    }
    assert!(
        explained("xy").contains("✗ ip matching x+: the regex does not match the whole of `xy`"),
        "{}",
        explained("xy")
    );
}

/// What a sibling matches, in a form that can be written and evaluated naively.
#[derive(Clone, Debug)]
enum Match {
    Value(String),
    Values(Vec<String>),
    Glob(String),
    Cidr(Vec<(Ipv4Addr, u8)>),
    /// One of these letters, any number of times.
    Letters(String),
    Any,
}

fn asks() -> impl Strategy<Value = Match> {
    let values = proptest::collection::btree_set("[ab1]{1,2}|10\\.0\\.0\\.[0-3]", 1..4);
    let network = ((0..4u8, 0..4u8), 6..=32u8).prop_map(|((third, fourth), length)| {
        let bits = Ipv4Addr::new(10, 0, third, fourth).to_bits() & (u32::MAX << (32 - length));
        (Ipv4Addr::from_bits(bits), length)
    });
    prop_oneof![
        1 => "[ab1]{1,2}|10\\.0\\.0\\.[0-3]".prop_map(Match::Value),
        1 => values.prop_map(|values| Match::Values(values.into_iter().collect())),
        3 => "[ab1]?(\\*[ab0-3]{0,2}){1,3}".prop_map(Match::Glob),
        1 => proptest::collection::btree_set(network, 1..3).prop_map(|networks| Match::Cidr(networks.into_iter().collect())),
        1 => "[ab][ab1.0]{0,2}".prop_map(Match::Letters),
        1 => Just(Match::Any),
    ]
}

impl Match {
    fn yaml(&self) -> String {
        match self {
            Self::Value(value) | Self::Glob(value) => format!("value: '{value}'"),
            Self::Values(values) => format!("values: ['{}']", values.join("', '")),
            Self::Cidr(networks) => {
                let networks: Vec<_> = networks.iter().map(|(first, length)| format!("{first}/{length}")).collect();
                format!("cidr: [{}]", networks.join(", "))
            }
            Self::Letters(letters) => format!("regex: '[{letters}]+'"),
            Self::Any => "value: ~".to_owned(),
        }
    }

    /// What no two siblings may have in common.
    fn claims(&self) -> Vec<String> {
        match self {
            Self::Values(values) => values.iter().map(|value| format!("value: '{value}'")).collect(),
            Self::Cidr(networks) => networks.iter().map(|network| format!("{network:?}")).collect(),
            other => vec![other.yaml()],
        }
    }

    fn is_value(&self, value: &str) -> bool {
        match self {
            Self::Value(own) => own == value,
            Self::Values(values) => values.iter().any(|own| own == value),
            _ => false,
        }
    }

    /// The length of the longest prefix that contains the value.
    fn prefix(&self, value: &str) -> Option<u8> {
        let (Self::Cidr(networks), Ok(IpAddr::V4(address))) = (self, value.parse()) else { return None };
        let holds =
            |(first, length): &&(Ipv4Addr, u8)| first.to_bits() >> (32 - length) == address.to_bits() >> (32 - length);
        networks.iter().filter(holds).map(|(_, length)| *length).max()
    }

    fn is_pattern_of(&self, value: &str) -> bool {
        match self {
            Self::Glob(pattern) => glob(pattern, value),
            Self::Letters(letters) => !value.is_empty() && value.chars().all(|c| letters.contains(c)),
            _ => false,
        }
    }
}

/// The index of the sibling that a value matches, according to the manual.
fn naive(siblings: &[Match], value: &str) -> Option<usize> {
    let first = |is_it: &dyn Fn(&Match) -> bool| siblings.iter().position(is_it);
    let smallest = || {
        let prefixes = siblings.iter().enumerate().filter_map(|(at, asks)| Some((asks.prefix(value)?, at)));
        prefixes.max_by_key(|(length, _)| *length).map(|(_, at)| at)
    };
    first(&|asks| asks.is_value(value))
        .or_else(smallest)
        .or_else(|| first(&|asks| asks.is_pattern_of(value)))
        .or_else(|| first(&|asks| matches!(asks, Match::Any)))
}

proptest! {
    #[test]
    fn a_value_matches_the_sibling_that_the_manual_says(
        siblings in proptest::collection::vec(asks(), 0..40),
        values in proptest::collection::vec("[ab1.0]{0,3}|[ab]{4,8}|10\\.0\\.[0-3]\\.[0-3]", 1..20),
    ) {
        let mut claimed: Vec<String> = Vec::new();
        let mut kept: Vec<Match> = Vec::new();
        for asks in siblings {
            let claims = asks.claims();
            if !claims.iter().any(|claim| claimed.contains(claim)) {
                claimed.extend(claims);
                kept.push(asks);
            }
        }
        let descriptors: Vec<_> = kept.iter().map(|asks| format!("key: k, {}, LIMIT", asks.yaml())).collect();
        let descriptors: Vec<_> = descriptors.iter().map(String::as_str).collect();
        let content = with(&descriptors);
        let rules = good(&content).rules;
        for value in values {
            let wanted = naive(&kept, &value).map(|at| at as u32 + 3);
            prop_assert_eq!(line(&rules, &[("k", &value)]), wanted, "{}\n{}", value, content);
        }
    }
}

/// Any regular expression is compiled or rejected quickly, and so is a file full of them.
#[test]
fn a_file_of_hostile_regexes_is_rejected_in_bounded_time_and_memory() {
    let hostile =
        ["(a|b)*a(a|b){20}", "((a{1000}){1000}){1000}", "(.{1,200}){1,200}", "(x+x+)+y{100}", "((((.*)*)*)*)*"];
    let mut content = "domain: d\ndescriptors:\n".to_owned();
    for at in 0..3_000 {
        content += &format!("  - {{key: k{at}, regex: '{}'}}\n", hostile[at % hostile.len()]);
    }
    let errors = bad(&content);
    assert_eq!(errors.len(), 101);
    assert!(errors.last().expect("one").contains("more errors"));
    assert!(errors[1].contains("automaton of more than 256 KiB"), "{}", errors[1]);
}

#[test]
fn many_small_regexes_are_accepted() {
    let descriptors: Vec<String> = (0..10_000).map(|at| format!("key: k, regex: '/v{at}/[a-z0-9]+', LIMIT")).collect();
    let descriptors: Vec<&str> = descriptors.iter().map(String::as_str).collect();
    let rules = good(&with(&descriptors)).rules;
    assert_eq!(line(&rules, &[("k", "/v9999/x7")]), Some(10_002));
    assert_eq!(line(&rules, &[("k", "/v9999/x-7")]), None);
}

/// As many networks as published lists of clouds' and crawlers' addresses have.
#[test]
fn a_list_can_have_a_hundred_thousand_networks() {
    let networks: Vec<String> =
        (0..100_000u32).map(|at| format!("10.{}.{}.{}", at >> 16, at >> 8 & 255, at & 255)).collect();
    let rules = good(&with(&[&format!("key: ip, cidr: [{}], LIMIT", networks.join(", "))])).rules;
    assert_eq!(line(&rules, &[("ip", "10.1.134.159")]), Some(3));
    assert_eq!(line(&rules, &[("ip", "10.1.134.160")]), None);
}
