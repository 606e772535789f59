//! `validate` and `explain` on what `kubectl` and Helm print, from files and from standard input.
#![allow(clippy::panic, missing_docs)]

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

/// The exit code, and standard output and standard error together.
fn run(args: &[&str], input: &str) -> (Option<i32>, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tollgate"))
        .args(args)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    // it may end before it has read all
    let _ = child.stdin.take().expect("piped").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("it ends");
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8(said).expect("UTF-8")).concat();
    (output.status.code(), said)
}

fn validate(input: &str) -> (Option<i32>, String) {
    run(&["validate", "-"], input)
}

/// As `helm template` prints a chart.
const CHART: &str = "---
# Source: ratelimit/templates/service.yaml
apiVersion: v1
kind: Service
metadata: {name: ratelimit}
---
# Source: ratelimit/templates/configmap.yaml
apiVersion: v1
kind: ConfigMap
metadata:
  name: ratelimit
data:
  notes: for people
  config.yaml: |
    domain: shop
    descriptors:
      - key: user
        rate_limit:
          unit: minute
          requests_per_unit: 10
";

#[test]
fn rules_are_read_from_standard_input() {
    let (code, said) = validate("domain: d\ndescriptors: [{key: k, rate_limit: {unit: day, requests_per_unit: 1}}]\n");
    assert_eq!((code, said.as_str()), (Some(0), "ok: 1 file, 1 domain, 1 rule\n"));
    let (code, said) = validate("domain: d\ndescriptors: [{kye: k}]\n");
    assert!(code == Some(1) && said.contains("<stdin>:2:16: descriptors[0].kye"), "{said}");
    let (code, said) = validate("");
    assert!(code == Some(1) && said.contains("the file is empty"), "{said}");
}

#[test]
fn rules_are_read_from_manifests() {
    let (code, said) = validate(CHART);
    assert!(code == Some(0) && said.ends_with("ok: 1 file, 1 domain, 1 rule\n"), "{said}");
    assert!(said.contains("note: skipped <stdin>: ConfigMap ratelimit, notes: "), "{said}");
    let (code, said) = run(&["explain", "--rules", "-", "shop", "user=u"], CHART);
    assert!(code == Some(0) && said.contains("rule at <stdin>:17: 10 per minute"), "{said}");
    for folder in ["deploy/kubernetes", "deploy/istio"] {
        let (code, said) = run(&["validate", folder], "");
        assert!(code == Some(0) && !said.contains("warning"), "{folder}: {said}");
    }
}

#[test]
fn a_fault_is_shown_where_it_stands_in_the_manifest() {
    let faulty = CHART.replace("unit: minute", "unit: minuet");
    let (code, said) = validate(&faulty);
    assert_eq!(code, Some(1));
    assert!(said.contains("<stdin>:19:17: descriptors[0].rate_limit.unit: invalid unit `minuet`"), "{said}");
    assert!(said.contains("19 |           unit: minuet"), "{said}");
    // kubectl prints in quotes what has a tab, or a blank before the end of a line: then the line is that of the value
    let quoted = "apiVersion: v1\nitems:\n- apiVersion: v1\n  data:\n    a.yaml: \"domain: a \\ndescriptors: [{key: 1\\n\"\n  kind: \
                  ConfigMap\n  metadata:\n    name: rules\nkind: List\n";
    let (code, said) = validate(quoted);
    assert!(code == Some(1) && said.contains("<stdin> (ConfigMap rules, a.yaml):3:1: bad YAML"), "{said}");
}

#[test]
fn what_holds_no_rules_says_what_to_give() {
    let (code, said) = validate("apiVersion: v1\nkind: Service\nmetadata: {name: s}\n");
    assert!(code == Some(1) && said.contains("rules are in the `data` of a ConfigMap"), "{said}");
    let (code, said) =
        validate("domain: d\ndescriptors:\n{{- range .Values.rules }}\n  - key: {{ .key }}\n{{- end }}\n");
    assert!(code == Some(1) && said.contains("`helm template CHART | tollgate validate -`"), "{said}");
}

#[test]
fn patterns_on_paths_are_warned_of_and_other_patterns_noted() {
    let rules = "domain: d
descriptors:
  - {key: path, value: /a*, rate_limit: {unit: day, requests_per_unit: 1}}
  - {key: path, value: /b*, share_threshold: true, rate_limit: {unit: day, requests_per_unit: 1}}
  - {key: path, regex: /c.*, descriptors: [{key: user, rate_limit: {unit: day, requests_per_unit: 1}}]}
  - {key: path, values: [/d, /e*], rate_limit: {unit: day, requests_per_unit: 1}}
  - {key: path, value: /free*, rate_limit: {unlimited: true}}
  - {key: request_uri, value: '*.php', rate_limit: {unit: day, requests_per_unit: 1}}
  - {key: route, value: /f*, rate_limit: {unit: day, requests_per_unit: 1}}
  - {key: remote_address, cidr: 10.0.0.0/8, rate_limit: {unit: day, requests_per_unit: 1}}
  - {key: user, value: guest*, rate_limit: {unit: day, requests_per_unit: 1}}
  - {key: method, values: [GET, PUT], rate_limit: {unit: day, requests_per_unit: 1}}
";
    let (code, said) = validate(rules);
    assert_eq!(code, Some(0), "{said}");
    let lines = |start: &str| -> Vec<u32> {
        let places = said.lines().filter_map(|line| line.strip_prefix(start)?.split(':').next()?.parse().ok());
        places.collect()
    };
    assert_eq!(lines("warning: <stdin>:"), [3, 5, 6, 8, 9], "{said}");
    assert_eq!(lines("note: <stdin>:"), [10, 11], "{said}");
    let own = said.lines().filter(|line| line.contains("each matching value has its own counter")).count();
    assert_eq!(own, 7, "{said}");
    let (_, said) = run(&["explain", "--rules", "-", "d", "path=/c1,user=u"], rules);
    assert!(said.contains("path matching /c.*: each matching value has its own counter"), "{said}");
    let (_, said) = run(&["explain", "--rules", "-", "--json", "d", "path=/b1"], rules);
    assert!(said.contains("path=/b*: all matching values share one counter"), "{said}");
}

#[test]
fn many_regexes_of_one_level_are_warned_about() {
    let rules = |regexes: usize| {
        let rule =
            |number| format!("- {{key: k, regex: '.*a{number}.*', rate_limit: {{unit: day, requests_per_unit: 1}}}}\n");
        format!("domain: d\ndescriptors:\n{}", (0..regexes).map(rule).collect::<String>())
    };
    let (code, said) = validate(&rules(65));
    let warning = "warning: <stdin>:3: domain `d`: a value of `k` is read once for each of 65 regexes";
    assert!(code == Some(0) && said.contains(warning), "{said}");
    let (code, said) = validate(&rules(64));
    assert!(code == Some(0) && !said.contains("is read once"), "{said}");
}
