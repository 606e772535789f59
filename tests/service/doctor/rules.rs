//! Rules that are missing, wrong, empty or odd.

use crate::doctor::run::{Doctor, Ran, rules_file};

pub fn missing() -> Ran {
    Doctor::new().env("RULES", "/nowhere/rules").run()
}

pub fn faulty() -> Ran {
    let rules =
        rules_file("domain: d\ndescriptors:\n  - {key: k, rate_limit: {unit: dya, requests_per_unit: 1e+06}}\n");
    Doctor::new().env("RULES", rules.path()).run()
}

pub fn none() -> Ran {
    let folder = tempfile::tempdir().expect("a folder");
    Doctor::new().env("RULES", folder.path()).run()
}

pub fn odd() -> Ran {
    let rules = rules_file("domain: d\ndescriptors:\n  - {key: 'k*', rate_limit: {unit: day, requests_per_unit: 1}}\n");
    Doctor::new().env("RULES", rules.path()).run()
}

pub fn many_faults() -> Ran {
    let many = "  - {key: k, rate_limit: {unit: dya, requests_per_unit: 1}}\n".repeat(40);
    let rules = rules_file(&format!("domain: d\ndescriptors:\n{many}"));
    Doctor::new().env("RULES", rules.path()).run()
}

#[test]
fn rules_are_validated_as_by_the_service() {
    missing().says(1, "rules", "fail", &["/nowhere/rules does not exist; create it"]);
    let faulty = faulty();
    faulty.says(1, "rules", "fail", &["rules.yaml:3:33", "invalid unit `dya`; did you mean `day`?"]);
    faulty.says(1, "rules", "fail", &["rules.yaml:3:57", "such as 1000000; found `1e+06`"]);
    none().says(0, "rules", "warn", &["no rule files in /", "without rules every request is allowed"]);
    odd().says(0, "rules", "warn", &["the `*` of `k*` is taken literally"]);
    let many = many_faults();
    assert_eq!(many.lines("rules").len(), 21, "{}", many.stdout);
    many.says(1, "rules", "fail", &["and ", " more: `tollgate validate PATH` shows all of them"]);
}

#[test]
fn the_reference_s_layout_and_defaults_are_checked() {
    let root = tempfile::tempdir().expect("a folder");
    std::fs::create_dir_all(root.path().join("config")).expect("folders");
    std::fs::write(root.path().join("config/any.name"), crate::doctor::run::RULES).expect("rules");
    let ran = Doctor::new().without("RULES").env("RUNTIME_ROOT", root.path()).run();
    ran.says(0, "rules", "ok", &["1 file, 1 domain, 1 rule"]);
    let defaults = rules_file("d:\n  algorithm: leaky\n");
    let ran = Doctor::new().env("RULE_DEFAULTS", defaults.path()).run();
    ran.says(1, "rules", "fail", &["rules.yaml:"]);
}
