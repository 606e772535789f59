//! Scalars, tags and white space as the YAML library of the reference reads them. Each input was loaded by the
//! reference too: what it loads is accepted, and where it rejects a file without a position, we report one.

use super::{bad, find, good};

fn with_requests(requests: &str) -> String {
    let limit = format!("    rate_limit:\n      unit: day\n      requests_per_unit: {requests}\n");
    format!("domain: d\ndescriptors:\n  - key: k\n{limit}")
}

fn with_value(value: &str) -> String {
    format!(
        "domain: d\ndescriptors:\n  - key: k\n    value: {value}\n    rate_limit: {{unit: day, requests_per_unit: 1}}\n"
    )
}

#[test]
fn tagged_scalars_load_as_in_the_reference() {
    for (written, value) in [
        ("!!binary aGVsbG8=", "hello"),
        ("!!binary \"aGVsbG8=\"", "hello"),
        ("!<tag:yaml.org,2002:binary> aGVsbG8=", "hello"),
        ("!!binary |\n      aGVs\n      bG8=", "hello"),
        ("!!str 5", "5"),
        ("!!int 5", "5"),
        ("!!bool yes", "yes"),
        ("!!timestamp 2024-01-01", "2024-01-01"),
        ("!own bar", "bar"),
        ("!!own bar", "bar"),
        ("!!set bar", "bar"),
        ("!!merge bar", "bar"),
        ("!!seq bar", "bar"),
        ("!<!x> bar", "bar"),
        ("!<tag:example.com,2000:x> bar", "bar"),
        ("! 5", "5"),
        ("!own ~", "~"),
    ] {
        let rules = good(&with_value(written)).rules;
        assert!(find(&rules, "d", &[("k", value)]).is_some(), "{written}");
        assert!(find(&rules, "d", &[("k", "other")]).is_none(), "{written}: a value, not any");
    }
    let any = good(&with_value("!!binary \"\"")).rules;
    assert!(find(&any, "d", &[("k", "other")]).is_some(), "an empty value means none");
}

#[test]
fn names_and_keys_may_be_tagged_and_anchored() {
    let file = [
        "!!binary ZG9tYWlu: !!binary ZA==",
        "descriptors: !own",
        "  - !own {key: !!binary &x aGk=, rate_limit: {unit: day, requests_per_unit: 1}}",
        "  - key: *x",
        "    value: &y !!binary cQ==",
        "    rate_limit: {unit: day, requests_per_unit: 1}",
        "  - {key: *y, rate_limit: {unit: day, requests_per_unit: 1}}",
    ];
    let rules = good(&file.join("\n")).rules;
    for pair in [("hi", "any"), ("hi", "q"), ("q", "any")] {
        assert!(find(&rules, "d", &[pair]).is_some(), "{pair:?}");
    }
}

#[test]
fn invalid_base64_is_reported_with_its_position() {
    for (value, wanted) in [
        ("!!binary a$b", "4:12: bad YAML: the !!binary value is not base64"),
        ("!!binary aGk", "4:12: bad YAML: the !!binary value is not base64"),
        ("!!binary \"aGVs bG8=\"", "4:12: bad YAML: the !!binary value is not base64"),
        ("!!binary /w==", "4:12: bad YAML: the !!binary value is not UTF-8"),
    ] {
        let errors = bad(&with_value(value));
        assert!(errors.len() == 1 && errors[0].starts_with(wanted), "{value}: {errors:#?}");
    }
}

#[test]
fn numbers_of_yaml_1_1() {
    for (written, requests) in [
        ("0o17", 15),
        ("017", 15),
        ("0x1F", 31),
        ("0b11", 3),
        ("1_000", 1000),
        ("1__0_", 10),
        ("+5", 5),
        ("!!int 5", 5),
        ("!!int \"5\"", 5),
        ("!!int 1_0", 10),
        ("~", 0),
        ("!!null \"\"", 0),
    ] {
        let rules = good(&with_requests(written)).rules;
        let found = find(&rules, "d", &[("k", "v")]).expect("a rule");
        assert_eq!(found.rule.limits()[0].requests(), requests, "{written}");
    }
}

#[test]
fn an_invalid_number_is_reported_in_its_line() {
    for (written, found) in [
        ("1e+06", "such as 1000000; found `1e+06`"),
        ("1e6", "such as 1000000; found `1e6`"),
        ("1.5e3", "such as 1500; found `1.5e3`"),
        ("5.0", "such as 5; found `5.0`"),
        ("5.", "such as 5; found `5.`"),
        ("08", "such as 8; found `08`"),
        ("5.5", "from 0 to 4294967295; found `5.5`"),
        ("1e10", "from 0 to 4294967295; found `1e10`"),
        ("-1e3", "from 0 to 4294967295; found `-1e3`"),
        ("1e400", "from 0 to 4294967295; found `1e400`"),
        (".inf", "from 0 to 4294967295; found `.inf`"),
        (".nan", "from 0 to 4294967295; found `.nan`"),
        ("4294967296", "from 0 to 4294967295; found `4294967296`"),
        ("-5", "from 0 to 4294967295; found `-5`"),
        ("1,000", "from 0 to 4294967295; found `1,000`"),
        ("!!str 5", "found the text \"5\""),
        ("!!binary NQ==", "found the text \"5\""),
        ("!own 5", "found the text \"5\""),
    ] {
        for file in [with_requests(written), with_requests(written).replace('\n', "\r\n")] {
            let errors = bad(&file);
            let place = "6:26: descriptors[0].rate_limit.requests_per_unit: expected a whole number without quotes, ";
            assert!(errors.len() == 1 && errors[0].starts_with(place) && errors[0].ends_with(found), "{errors:#?}");
        }
    }
}

/// A line indented by characters that look like spaces: the error is in that line, and names the character.
#[test]
fn invalid_indentation_is_reported_in_its_line() {
    let head = "domain: d\ndescriptors:\n";
    for (blank, name) in [
        ('\u{a0}', "U+00A0 (a no-break space)"),
        ('\u{2003}', "U+2003"),
        ('\u{200b}', "U+200B"),
        ('\u{202f}', "U+202F"),
        ('\u{3000}', "U+3000"),
    ] {
        let two = format!("{blank}{blank}");
        for (rest, line) in [
            (format!("{two}- key: k\n"), 3),
            (format!("  - key: k\n{two}{two}value: v\n"), 4),
            (format!("  - key: k\n   {blank}value: v\n"), 4),
            (format!("  - key: k\n    rate_limit:\n{two}{two}{two}unit: day\n      requests_per_unit: 1\n"), 5),
            (format!("  - key: k\n    rate_limit:\n      unit: day\n{two}{two}{two}requests_per_unit: 1\n"), 6),
        ] {
            let errors = bad(&format!("{head}{rest}"));
            let named = errors[0].starts_with(&format!("{line}:")) && errors[0].contains(name);
            assert!(named && errors[0].contains("put ordinary spaces in its place"), "{rest:?}: {errors:#?}");
        }
        let errors = bad(&format!("domain:{blank}d\ndescriptors: []\n"));
        assert!(errors[0].starts_with("1:8: ") && errors[0].contains(name), "{errors:#?}");
    }
}

#[test]
fn tabs_as_indentation_are_reported_in_their_line_and_accepted_elsewhere() {
    let head = "domain: d\ndescriptors:\n";
    for (rest, place) in [
        ("  - key: k\n\tvalue: v\n", "4:1"),
        ("\t- key: k\n", "3:1"),
        ("  - key: k\n    rate_limit:\n\t\tunit: day\n\t\trequests_per_unit: 1\n", "5:1"),
        ("  - key: k\n    rate_limit:\n    \tunit: day\n    \trequests_per_unit: 1\n", "5:5"),
    ] {
        let errors = bad(&format!("{head}{rest}"));
        let wanted = format!("{place}: bad YAML: a tab is no indentation to YAML: put spaces in its place (");
        assert!(errors[0].starts_with(&wanted), "{rest:?}: {errors:#?}");
    }
    let file = "domain:\td\t\ndescriptors:\t\n  - key:\tk\n    value:\t\tv\t# a comment\n    \
                rate_limit:\t{unit:\tday, requests_per_unit: 1}\n  - {key: \"l:\tm\"}\n";
    let rules = good(file).rules;
    assert!(find(&rules, "d", &[("k", "v")]).is_some());
}

#[test]
fn a_byte_order_mark_and_carriage_returns_are_accepted() {
    for file in ["\u{feff}domain: d\r\ndescriptors: []\r\n", "domain: d\rdescriptors: []\r", "\u{feff}domain: d\n"] {
        good(file);
    }
    let errors =
        bad("\u{feff}domain: d\ndescriptors:\n  - key: k\n    rate_limit: {unit: day, requests_per_unit: x}\n");
    assert!(errors[0].starts_with("4:48: "), "{errors:#?}");
    let errors = bad("domain: d\n\u{feff}descriptors: []\n");
    assert!(errors[0].starts_with("2:1: "), "{errors:#?}");
}

#[test]
fn unusual_white_space_around_a_value_is_named() {
    let remark = "U+00A0 (a no-break space) is no blank to YAML: put an ordinary space in its place";
    for (requests, found) in [("\u{a0}5", "`\u{a0}5`"), ("5\u{a0}", "`5\u{a0}`"), ("  \u{a0} 5", "`\u{a0} 5`")] {
        let [reported] = &bad(&with_requests(requests))[..] else { unreachable!("{requests:?}") };
        assert!(reported.contains(&format!("found {found}: {remark}")), "{reported}");
    }
    let limit = |unit: &str, algorithm: &str| {
        format!(
            "domain: d\ndescriptors:\n  - key: k\n    rate_limit: {{unit: {unit}, algorithm: {algorithm}, requests_per_unit: 1}}\n"
        )
    };
    for content in [limit("\u{a0}day", "fixed_window"), limit("day", "fixed_window\u{a0}")] {
        let [reported] = &bad(&content)[..] else { unreachable!("{content}") };
        assert!(reported.contains(remark), "{reported}");
    }
    let flag = "domain: d\ndescriptors:\n  - key: k\n    shadow_mode: \u{2003}true\n";
    assert!(bad(flag)[0].contains("U+2003 is no blank to YAML"), "{:?}", bad(flag));
}
