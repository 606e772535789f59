//! The keys of counters, byte for byte: the next release must use the same keys, or every count starts again.

use limiter::domain::{Algorithm, KeyBuilder, KeyValue, Unit};
use rules::{Policy, RuleSet};

use super::{entries, find, good};

const RULES: &str = r"
domain: 'd|ö'
descriptors:
  - {key: any, rate_limit: {unit: minute, requests_per_unit: 1}}
  - {key: one, value: /x, rate_limit: {algorithm: sliding_window, unit: hour, requests_per_unit: 1}}
  - key: one
    value: a
    descriptors:
      - key: two
        rate_limit: {algorithm: token_bucket, unit: second, unit_multiplier: 30, requests_per_unit: 1}
  - {key: glob, value: 'a*b', rate_limit: {unit: day, requests_per_unit: 1}}
  - {key: list, values: [x, 'y*'], rate_limit: {unit: day, requests_per_unit: 1}}
  - {key: ip, cidr: [10.0.0.0/8, '2001:db8::/32'], rate_limit: {unit: day, requests_per_unit: 1}}
  - {key: re, regex: '[^/]*', rate_limit: {unit: day, requests_per_unit: 1}}
  - {key: sglob, value: 'a*b', share_threshold: true, rate_limit: {unit: day, requests_per_unit: 1}}
  - {key: slist, values: ['y*', x], share_threshold: true, rate_limit: {unit: day, requests_per_unit: 1}}
  - key: sip
    cidr: [10.0.0.0/8, '2001:db8::/32']
    share_threshold: true
    rate_limit: {unit: day, requests_per_unit: 1}
  - {key: sre, regex: 'é\d|#.*', share_threshold: true, rate_limit: {unit: day, requests_per_unit: 1}}
  - {key: cal, rate_limit: {unit: month, requests_per_unit: 1, calendar: true, time_zone: Europe/Berlin}}
  - key: several
    rate_limits: [{unit: second, requests_per_unit: 1}, {algorithm: token_bucket, unit: week, requests_per_unit: 1}]
";

/// The keys that a descriptor charges, with the options of its rule.
fn keys(builder: &KeyBuilder, rules: &RuleSet, pairs: &[(&str, &str)]) -> Vec<String> {
    let found = find(rules, "d|ö", pairs).expect("a rule");
    let Policy::Limited(limits) = found.rule.policy() else { panic!("no limit") };
    let entries = entries(pairs);
    let mut domain = builder.domain("d|ö");
    let mut base = domain.base(found.key_entries(&entries));
    let mut key = |limit: &limiter::domain::Limit| base.counter(limit.algorithm(), limit.window());
    limits.iter().map(|limit| String::from_utf8(key(limit).as_bytes().to_vec()).expect("UTF-8")).collect()
}

/// A descriptor with its keys, plain and with hashed values. Recorded with the release before values were bytes.
type Pinned = (&'static [(&'static str, &'static str)], &'static [&'static str], &'static [&'static str]);

#[rustfmt::skip]
const PINNED: &[Pinned] = &[
    (&[("any", "")], &[r"p:{d\|ö|any=}f60"], &[r"{d\|ö|any#7119880eb6dd208194ac6dbfa6e42f2b}f60"]),
    (&[("any", "café")], &[r"p:{d\|ö|any=café}f60"], &[r"{d\|ö|any#653a9b81545f7787e8751d85e4481a22}f60"]),
    (
        &[("any", "\u{1F980}\u{0}\n")],
        &["p:{d\\|ö|any=\u{1F980}\u{0}\n}f60"],
        &[r"{d\|ö|any#e5aaebbae1860666b1c804a50e6453b5}f60"],
    ),
    (
        &[("any", r"\|=~#{}")],
        &[r"p:{d\|ö|any=\\\|\=\~\#\{\}}f60"],
        &[r"{d\|ö|any#5a55190786a3358cb4f5ee16b90ee7fe}f60"],
    ),
    (&[("one", "/x")], &[r"p:{d\|ö|one=/x}s3600"], &[r"{d\|ö|one#f61fd6748a1e3f947b7d3e8fdd6dd9bc}s3600"]),
    (
        &[("one", "a"), ("two", "ß=1")],
        &[r"p:{d\|ö|one=a|two=ß\=1}b30"],
        &[r"{d\|ö|one#aa8bdade646044b00cce8cd9c8e2a5bf|two#994d80fa0340c364dc5680cbb5c17787}b30"],
    ),
    (&[("glob", "aéb")], &[r"p:{d\|ö|glob=aéb}f86400"], &[r"{d\|ö|glob#b16beecd32367eb5ec833f7645044bcb}f86400"]),
    (&[("list", "x")], &[r"p:{d\|ö|list=x}f86400"], &[r"{d\|ö|list#a7b26705300f882e6085ac4458b9a8da}f86400"]),
    (&[("list", "yé")], &[r"p:{d\|ö|list=yé}f86400"], &[r"{d\|ö|list#10b6eaeb1575d93c4d70fed56204fe70}f86400"]),
    (
        &[("ip", "::ffff:10.0.0.1")],
        &[r"p:{d\|ö|ip=10.0.0.1}f86400"],
        &[r"{d\|ö|ip#0fad1e8ae3d41f6bc904476ab7e9e236}f86400"],
    ),
    (
        &[("ip", "2001:DB8::0:1")],
        &[r"p:{d\|ö|ip=2001:db8::1}f86400"],
        &[r"{d\|ö|ip#fb7dfc75bf718345b760182b0b249d02}f86400"],
    ),
    (&[("re", "naïve")], &[r"p:{d\|ö|re=naïve}f86400"], &[r"{d\|ö|re#6a8a90825843fe1b65058bb51cb50f58}f86400"]),
    (&[("sglob", "aéb")], &[r"p:{d\|ö|sglob~a*b}f86400"], &[r"{d\|ö|sglob~a*b}f86400"]),
    (&[("slist", "yé")], &[r"p:{d\|ö|slist~=x\|y*}f86400"], &[r"{d\|ö|slist~=x\|y*}f86400"]),
    (
        &[("sip", "10.1.2.3")],
        &[r"p:{d\|ö|sip~#10.0.0.0/8\|2001:db8::/32}f86400"],
        &[r"{d\|ö|sip~#10.0.0.0/8\|2001:db8::/32}f86400"],
    ),
    (&[("sre", "é1")], &[r"p:{d\|ö|sre~~é\\d\|\#.*}f86400"], &[r"{d\|ö|sre~~é\\d\|\#.*}f86400"]),
    (
        &[("cal", "ü")],
        &[r"p:{d\|ö|cal=ü}f1month@Europe/Berlin"],
        &[r"{d\|ö|cal#b48cad4f4c90181aa1aad961bd61c336}f1month@Europe/Berlin"],
    ),
    (
        &[("several", "ü")],
        &[r"p:{d\|ö|several=ü}f1", r"p:{d\|ö|several=ü}b604800"],
        &[
            r"{d\|ö|several#b48cad4f4c90181aa1aad961bd61c336}f1",
            r"{d\|ö|several#b48cad4f4c90181aa1aad961bd61c336}b604800",
        ],
    ),
];

#[test]
fn keys_of_text_values_are_unchanged() {
    let rules = good(RULES).rules;
    let (plain, hashing) = (KeyBuilder::new("p:"), KeyBuilder::new("").hashing_values("secret"));
    for (pairs, as_they_are, hashed) in PINNED {
        assert_eq!(keys(&plain, &rules, pairs), *as_they_are, "{pairs:?}");
        assert_eq!(keys(&hashing, &rules, pairs), *hashed, "{pairs:?}");
    }
    let long = "é".repeat(200);
    assert_eq!(keys(&plain, &rules, &[("any", &long)]), ["p:{#448d85b495cecbe1bd68ad6c1ce5f3a9}f60"]);
    assert_eq!(keys(&hashing, &rules, &[("any", &long)]), [r"{d\|ö|any#46ea2641b499043bfd144f08efe1d156}f60"]);
}

#[test]
fn keys_of_overrides_are_unchanged() {
    let builder = KeyBuilder::new("p:");
    let mut domain = builder.domain("d");
    let pair = entries(&[("k|ö", "v=é")]);
    let window = Unit::Hour.into();
    let key = domain
        .base(pair.iter().map(|entry| (entry.key, KeyValue::Exact(entry.value))))
        .counter(Algorithm::FixedWindow, window);
    assert_eq!(key.as_bytes(), r"p:{d|k\|ö=v\=é}f3600".as_bytes());
}
