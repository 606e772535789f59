//! Malicious files are rejected in bounded time, memory and stack depth.

use super::{bad, good, load};

#[test]
fn a_million_open_brackets() {
    for open in ["[", "{a: ", "- ", "? "] {
        let deep = open.repeat(1_000_000);
        let errors = load(format!("domain: d\ndescriptors: {deep}")).expect_err("refused").errors;
        assert_eq!(errors.len(), 1, "{open}");
        let errors = load(deep).expect_err("refused").errors;
        assert_eq!(errors.len(), 1, "{open}");
    }
}

#[test]
fn deep_blocks() {
    let mut deep = "domain: d\n".to_owned();
    for level in 0..2_000 {
        deep += &format!("{}descriptors:\n{}- key: k\n", " ".repeat(2 * level), " ".repeat(2 * level));
    }
    let errors = bad(&deep);
    assert_eq!(errors.len(), 1);
    assert!(errors[0].contains("nested more than"), "{errors:?}");
}

#[test]
fn an_alias_bomb() {
    let mut bomb = "domain: d\ndescriptors:\n  - key: k\n    metadata:\n      a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..30 {
        let alias = format!("*a{}", level - 1);
        bomb += &format!("      a{level}: &a{level} [{}]\n", [alias.as_str(); 9].join(","));
    }
    let errors = bad(&bomb);
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].contains("the aliases of this file expand to far more than it holds"), "{errors:?}");
}

#[test]
fn a_bomb_of_merge_keys() {
    let mut bomb = "domain: d\ndescriptors:\n  - key: k\n    metadata:\n      a0: &a0 {x: 1}\n".to_owned();
    for level in 1..60 {
        let alias = format!("*a{}", level - 1);
        bomb += &format!("      a{level}: &a{level} {{<<: [{alias}, {alias}, {alias}]}}\n");
    }
    assert_eq!(bad(&bomb).len(), 1);
}

#[test]
fn many_aliases_of_a_long_text() {
    let text = "x".repeat(1_000_000);
    let aliases = "*t, ".repeat(50_000);
    let errors = bad(&format!("domain: d\ndescriptors:\n  - key: k\n    metadata: {{t: &t {text}, l: [{aliases}]}}\n"));
    assert_eq!(errors.len(), 1, "{errors:?}");
}

#[test]
fn aliases_that_nest_deeper_than_the_text() {
    let mut deep = "domain: d\ndescriptors:\n  - key: k\n    metadata:\n      a0: &a0 [x]\n".to_owned();
    for level in 1..5_000 {
        deep += &format!("      a{level}: &a{level} [*a{}]\n", level - 1);
    }
    let errors = bad(&deep);
    assert!(errors[0].contains("nested more than") || errors[0].contains("expand to"), "{errors:?}");

    let mut merges = "domain: d\ndescriptors:\n  - key: k\n    metadata:\n      a0: &a0 {x: 1}\n".to_owned();
    for level in 1..5_000 {
        merges += &format!("      a{level}: &a{level} {{<<: *a{}}}\n", level - 1);
    }
    let errors = bad(&merges);
    assert!(errors[0].contains("too deeply") || errors[0].contains("expand to"), "{errors:?}");
}

#[test]
fn an_alias_inside_its_own_anchor() {
    let errors = bad("domain: d\ndescriptors: &a\n  - key: k\n    descriptors: *a\n");
    assert_eq!(errors, ["4:18: bad YAML: the alias stands inside its own anchor"]);
}

#[test]
fn an_anchor_that_does_not_exist() {
    assert_eq!(bad("domain: *nowhere\n").len(), 1);
}

#[test]
fn a_hundred_thousand_rules_from_one_anchor_are_no_bomb() {
    let mut content =
        "domain: d\ndescriptors:\n  - key: k\n    rate_limit: &l {unit: day, requests_per_unit: 1}\n".to_owned();
    for at in 0..100_000 {
        content += &format!("  - {{key: k, value: v{at}, rate_limit: *l}}\n");
    }
    assert_eq!(good(&content).rules.rule_count(), 100_001);
}

#[test]
fn many_keys_in_one_map() {
    let keys: Vec<_> = (0..200_000).map(|at| format!("k{at}: 1")).collect();
    let content = format!("domain: d\ndescriptors: [{{key: k, metadata: {{{}, k7: 2}}}}]\n", keys.join(", "));
    assert_eq!(good(&content).warnings.len(), 1);
}

#[test]
fn long_names_are_shortened_in_messages() {
    let long = "x".repeat(1_000_000);
    for content in [format!("domain: d\n{long}: 1\n"), format!("domain: d\non_unknown: {long}\n")] {
        let errors = load(content).expect_err("a fault");
        assert!(format!("{errors:#}").len() < 2_000);
    }
}
