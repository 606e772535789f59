//! `validate` and `explain` on what `kubectl` and Helm print, from files and from standard input.

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
    // it may end before it has read everything
    let _ = child.stdin.take().expect("piped").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("it ends");
    let printed = [output.stdout, output.stderr].map(|printed| String::from_utf8(printed).expect("UTF-8")).concat();
    (output.status.code(), printed)
}

fn validate(input: &str) -> (Option<i32>, String) {
    run(&["validate", "-"], input)
}

/// In the form in which `helm template` prints a chart.
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
    let (code, printed) =
        validate("domain: d\ndescriptors: [{key: k, rate_limit: {unit: day, requests_per_unit: 1}}]\n");
    assert_eq!((code, printed.as_str()), (Some(0), "ok: 1 file, 1 domain, 1 rule\n"));
    let (code, printed) = validate("domain: d\ndescriptors: [{kye: k}]\n");
    assert!(code == Some(1) && printed.contains("<stdin>:2:16: descriptors[0].kye"), "{printed}");
    let (code, printed) = validate("");
    assert!(code == Some(1) && printed.contains("the file is empty"), "{printed}");
}

#[test]
fn rules_are_read_from_manifests() {
    let (code, printed) = validate(CHART);
    assert!(code == Some(0) && printed.ends_with("ok: 1 file, 1 domain, 1 rule\n"), "{printed}");
    assert!(printed.contains("note: skipped <stdin>: ConfigMap ratelimit, notes: "), "{printed}");
    let (code, printed) = run(&["explain", "--rules", "-", "shop", "user=u"], CHART);
    assert!(code == Some(0) && printed.contains("rule at <stdin>:17: 10 per minute"), "{printed}");
    for folder in ["deploy/kubernetes", "deploy/istio"] {
        let (code, printed) = run(&["validate", folder], "");
        assert!(code == Some(0) && !printed.contains("warning"), "{folder}: {printed}");
    }
}

/// A ConfigMap with these keys and values.
fn map(name: &str, data: &[(&str, &str)]) -> String {
    let values: String = data
        .iter()
        .map(|(key, value)| {
            format!("  {key}: |\n{}", value.lines().map(|line| format!("    {line}\n")).collect::<String>())
        })
        .collect();
    format!("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata:\n{values}")
}

const GOOD: &str = "domain: d\ndescriptors: [{key: k, rate_limit: {unit: day, requests_per_unit: 1}}]\n";

/// One such file makes the service reject all rules.
#[test]
fn a_file_that_the_service_would_reject_is_not_skipped() {
    for (bad, fault) in [
        ("Domain: d\nDescriptors: []\n", "unknown key `Domain`"),
        ("domains: d\n", "unknown key `domains`"),
        ("descriptor: []\n", "unknown key `descriptor`"),
        ("domain : [\ndescripters:\n", "bad YAML"),
    ] {
        for key in ["b.yaml", "b.yml", "b.json", "B.YAML", "b"] {
            let (code, printed) = validate(&(map("a", &[("a.yaml", GOOD)]) + &map("b", &[(key, bad)])));
            assert!(code == Some(1) && printed.contains(fault), "{key}: {bad}: {printed}");
        }
    }
    for (bad, fault) in [("other: 1\n", "unknown key `other`"), ("# nothing\n", "the file is empty"), ("[]\n", "a map")]
    {
        for key in ["b.yaml", "b.yml", "b.json"] {
            let (code, printed) = validate(&map("rules", &[("a.yaml", GOOD), (key, bad)]));
            assert!(code == Some(1) && printed.contains(fault), "{key}: {bad}: {printed}");
        }
    }
    // a chart has other ConfigMaps too
    let (code, printed) =
        validate(&(map("rules", &[("a.yaml", GOOD)]) + &map("other", &[("prometheus.yml", "global: {}\n")])));
    assert_eq!(code, Some(0), "{printed}");
    let note = "note: skipped <stdin>: ConfigMap other, prometheus.yml: no `domain` and no `descriptors`\n";
    assert!(printed.contains(note), "{printed}");
    let (code, printed) = validate(&map("rules", &[("a.yaml", GOOD), ("notes", "hello\n")]));
    assert!(
        code == Some(0) && printed.contains("notes: no `domain` and no `descriptors`; RUNTIME_ROOT reads it"),
        "{printed}"
    );
}

#[test]
fn a_key_that_is_no_rule_file_name_gets_a_warning() {
    let warning =
        "of a directory, RULES reads .yaml, .yml and .json alone, so not this key (RUNTIME_ROOT reads every key)";
    for key in ["a", "a.txt", "a.yaml.bak", "yaml", "a.conf"] {
        let (code, printed) = validate(&map("rules", &[(key, GOOD)]));
        let call = format!("ConfigMap rules, {key}: {warning}: call it {key}.yaml");
        assert!(code == Some(0) && printed.contains(&call), "{key}: {printed}");
    }
    for key in ["a.yaml", "a.yml", "a.json", "a.b.YAML"] {
        let (code, printed) = validate(&map("rules", &[(key, GOOD)]));
        assert!(code == Some(0) && !printed.contains("warning"), "{key}: {printed}");
    }
}

#[test]
fn a_fault_is_shown_at_its_line_of_the_manifest() {
    let faulty = CHART.replace("unit: minute", "unit: minuet");
    let (code, printed) = validate(&faulty);
    assert_eq!(code, Some(1));
    assert!(printed.contains("<stdin>:19:17: descriptors[0].rate_limit.unit: invalid unit `minuet`"), "{printed}");
    assert!(printed.contains("19 |           unit: minuet"), "{printed}");
    // kubectl quotes a text with a tab, or with a blank before the end of a line: then the line is that of the value
    let quoted = "apiVersion: v1\nitems:\n- apiVersion: v1\n  data:\n    a.yaml: \"domain: a \\ndescriptors: [{key: 1\\n\"\n  kind: \
                  ConfigMap\n  metadata:\n    name: rules\nkind: List\n";
    let (code, printed) = validate(quoted);
    assert!(code == Some(1) && printed.contains("<stdin> (ConfigMap rules, a.yaml):3:1: bad YAML"), "{printed}");
}

#[test]
fn input_without_rules_is_rejected_with_advice() {
    let (code, printed) = validate("apiVersion: v1\nkind: Service\nmetadata: {name: s}\n");
    assert!(code == Some(1) && printed.contains("rules are in the `data` of a ConfigMap"), "{printed}");
    let (code, printed) =
        validate("domain: d\ndescriptors:\n{{- range .Values.rules }}\n  - key: {{ .key }}\n{{- end }}\n");
    assert!(code == Some(1) && printed.contains("`helm template CHART | tollgate validate -`"), "{printed}");
}

#[test]
fn patterns_on_paths_get_a_warning_and_other_patterns_a_note() {
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
    let (code, printed) = validate(rules);
    assert_eq!(code, Some(0), "{printed}");
    let lines = |start: &str| -> Vec<u32> {
        let places = printed.lines().filter_map(|line| line.strip_prefix(start)?.split(':').next()?.parse().ok());
        places.collect()
    };
    assert_eq!(lines("warning: <stdin>:"), [3, 5, 6, 8, 9], "{printed}");
    assert_eq!(lines("note: <stdin>:"), [10, 11], "{printed}");
    let own = printed.lines().filter(|line| line.contains("each matching value has its own counter")).count();
    assert_eq!(own, 7, "{printed}");
    let (_, printed) = run(&["explain", "--rules", "-", "d", "path=/c1,user=u"], rules);
    assert!(printed.contains("path matching /c.*: each matching value has its own counter"), "{printed}");
    let (_, printed) = run(&["explain", "--rules", "-", "--json", "d", "path=/b1"], rules);
    assert!(printed.contains("path=/b*: all matching values share one counter"), "{printed}");
}

/// Forms of the same trap that `share_threshold` does not cure, or in which the slash is not at the beginning.
#[test]
fn paths_without_a_value_in_lists_and_behind_flags_get_a_warning() {
    const LIMIT: &str = "rate_limit: {unit: day, requests_per_unit: 1}";
    for warned in [
        "{key: path, LIMIT}",
        "{key: request_path, descriptors: [{key: user, LIMIT}]}",
        "{key: URL, value: ~, LIMIT}",
        "{key: user, descriptors: [{key: uri, LIMIT}]}",
        "{key: endpoint, regex: '(?i)/login.*', LIMIT}",
        "{key: endpoint, regex: '(?i:/login).*', LIMIT}",
        "{key: endpoint, regex: '^(/login|/signin).*', LIMIT}",
        "{key: endpoint, regex: '(?:/a|/b).*', LIMIT}",
        "{key: endpoint, regex: '\\/login.*', LIMIT}",
        "{key: endpoint, regex: '[/]login.*', LIMIT}",
        "{key: endpoint, regex: '.*/login', LIMIT}",
        "{key: endpoint, value: '*/login*', LIMIT}",
    ] {
        let (code, printed) = validate(&format!("domain: d\ndescriptors:\n  - {}\n", warned.replace("LIMIT", LIMIT)));
        assert!(code == Some(0) && printed.contains("warning: <stdin>:3: "), "{warned}: {printed}");
        let without = !warned.contains("value: '") && !warned.contains("regex");
        assert_eq!(
            printed.contains("without a value: each value has its own counter: a client"),
            without,
            "{warned}: {printed}"
        );
        assert_eq!(printed.contains("share_threshold"), !without, "{warned}: {printed}");
    }
    for silent in [
        "{key: user, LIMIT}",
        "{key: path}",
        "{key: path, rate_limit: {unlimited: true}}",
        "{key: path, value: /a, descriptors: [{key: remote_address, LIMIT}]}",
        "{key: endpoint, regex: '(?i)/login.*', share_threshold: true, LIMIT}",
        "{key: endpoint, regex: '(?i)bot.*', LIMIT}",
    ] {
        let (code, printed) = validate(&format!("domain: d\ndescriptors:\n  - {}\n", silent.replace("LIMIT", LIMIT)));
        assert!(code == Some(0) && !printed.contains("warning"), "{silent}: {printed}");
    }
    for (exact, note) in [
        ("{key: k, values: [/login, /signin], LIMIT}", "k=/login and 1 more match this very text alone: `/login?a=1`"),
        ("{key: k, values: [b, /a], LIMIT}", "k=/a matches this very text alone"),
        ("{key: k, values: [/a, '/b*'], share_threshold: true, LIMIT}", "k=/a matches this very text alone"),
        ("{key: k, value: /a, descriptors: [{key: b, LIMIT}, {key: c, LIMIT}]}", "k=/a matches this very text alone"),
    ] {
        let (code, printed) = validate(&format!("domain: d\ndescriptors:\n  - {}\n", exact.replace("LIMIT", LIMIT)));
        assert!(code == Some(0) && printed.contains(note), "{exact}: {printed}");
    }
    let addresses = format!("domain: d\ndescriptors:\n  - {{key: remote_address, {LIMIT}}}\n");
    let (code, printed) = validate(&addresses);
    let note =
        "note: <stdin>:3: remote_address, without a value: each value has its own counter: an IPv6 client has many";
    assert!(code == Some(0) && printed.contains(note) && !printed.contains("warning"), "{printed}");
    let (_, printed) = validate(&addresses.replace("remote", "masked_remote"));
    assert_eq!(printed, "ok: 1 file, 1 domain, 1 rule\n");
    let rules = format!("domain: d\ndescriptors:\n  - {{key: path, {LIMIT}}}\n");
    let (code, printed) = run(&["explain", "--rules", "-", "d", "path=/c?a=1"], &rules);
    assert!(code == Some(0) && printed.contains("path, without a value: each value has its own counter"), "{printed}");
}

#[test]
fn many_regexes_of_one_level_get_a_warning() {
    let rules = |regexes: usize| {
        let rule =
            |number| format!("- {{key: k, regex: '.*a{number}.*', rate_limit: {{unit: day, requests_per_unit: 1}}}}\n");
        format!("domain: d\ndescriptors:\n{}", (0..regexes).map(rule).collect::<String>())
    };
    let (code, printed) = validate(&rules(65));
    let warning = "warning: <stdin>:3: domain `d`: a value of `k` is read once for each of 65 regexes";
    assert!(code == Some(0) && printed.contains(warning), "{printed}");
    let (code, printed) = validate(&rules(64));
    assert!(code == Some(0) && !printed.contains("is read once"), "{printed}");
}
