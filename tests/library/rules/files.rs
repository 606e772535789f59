//! Files that must load: files that users of the reference deploy, our samples, and the examples in the manual.

use std::{fs, path::Path};

use limiter::domain::Capabilities;
use rules::{Compiled, RuleDefaults, compile};

use super::{OPTIONS, file, find};

fn load(path: &str) -> Compiled {
    let content = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("the file");
    compile(&[file(path, content)], &OPTIONS).unwrap_or_else(|errors| panic!("{errors:#}"))
}

#[test]
fn the_rules_of_the_reference_and_of_istio() {
    for (name, rules) in [("config", 2), ("example", 17), ("istio-config", 2)] {
        let loaded = load(&format!("tests/fixtures/rules/compat/{name}.yaml"));
        assert_eq!(loaded.rules.rule_count(), rules, "{name}");
        assert!(loaded.warnings.is_empty(), "{name}: {:?}", loaded.warnings);
    }
}

#[test]
fn the_sample_rules() {
    let loaded = load("config/rules/example.yaml");
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    assert!(find(&loaded.rules, "demo", &[("path", "/hello")]).is_some());
}

#[test]
fn every_example_of_the_manual() {
    let manual = include_str!("../../../docs/rules.md");
    let mut examples = 0;
    for block in manual.split("```yaml\n").skip(1) {
        let example = block.split("```").next().expect("a fence");
        let warnings = if example.starts_with("defaults:") {
            RuleDefaults::compile(&[file("manual", example)], Capabilities::ALL).expect("defaults").warnings
        } else {
            super::good(example).warnings
        };
        assert!(warnings.is_empty(), "{warnings:?}\n{example}");
        examples += 1;
    }
    assert!(examples >= 5, "only {examples} examples");
    assert_eq!(examples * 2, manual.matches("```").count(), "only yaml blocks are tested");
}
