//! The JSON Schemas in `config/`: they equal what the code generates, an independent validator accepts every valid file
//! and rejects every invalid one with them, and for any document they agree with the parser. `BLESS=1` writes them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use limiter::domain::Capabilities;
use rules::{
    CompileErrors, CompileOptions, Diagnostic, RuleDefaults, RuleFile, compile, defaults_schema, rules_schema,
};
use serde_json::{Map, Value, json};

const RULES: &str = "config/rules.schema.json";
const DEFAULTS: &str = "config/defaults.schema.json";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The validator's verdict on each document: `None` if it is valid, else a message.
fn judge(schema: &str, documents: &[Value]) -> Vec<Option<String>> {
    let python = root().join("target/parts/venv/bin/python");
    assert!(python.exists(), "{} is missing: run tests/run.sh once, which installs it", python.display());
    let mut validator = Command::new(python)
        .arg(root().join("tests/independent/schema.py"))
        .arg(root().join(schema))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python runs");
    let documents = serde_json::to_vec(documents).expect("JSON");
    validator.stdin.take().expect("a pipe").write_all(&documents).expect("it reads all");
    let output = validator.wait_with_output().expect("it ends");
    assert!(output.status.success(), "the validator failed: its message is above");
    serde_json::from_slice(&output.stdout).expect("verdicts")
}

/// Judges YAML documents, given by name and text.
fn judge_texts(schema: &str, texts: &[(String, String)]) -> Vec<(String, Option<String>)> {
    let documents: Vec<Value> = texts.iter().map(|(_, text)| json!({"yaml": text})).collect();
    texts.iter().map(|(name, _)| name.clone()).zip(judge(schema, &documents)).collect()
}

#[test]
fn the_files_are_generated_from_the_code() {
    for (path, schema) in [(RULES, rules_schema()), (DEFAULTS, defaults_schema())] {
        let generated = format!("{schema:#}\n");
        if std::env::var_os("BLESS").is_some() {
            fs::write(root().join(path), &generated).expect("it can be written");
        }
        let committed = fs::read_to_string(root().join(path)).unwrap_or_default();
        assert!(committed == generated, "{path} is stale: run `BLESS=1 cargo test --test library schema::the_files`");
    }
}

/// The files below a directory.
fn files(directory: &str, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(root().join(directory)).expect("a directory").flatten() {
        let path = entry.path();
        let name = path.strip_prefix(root()).expect("below the root").to_owned();
        if path.is_dir() {
            files(name.to_str().expect("a name"), into);
        } else if path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
            into.push(name);
        }
    }
}

/// The YAML blocks of every page, separated by whether they are defaults.
fn blocks() -> Vec<(String, String)> {
    let mut pages = vec![PathBuf::from("README.md")];
    let docs = fs::read_dir(root().join("docs")).expect("docs").flatten().map(|entry| entry.path());
    pages.extend(docs.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    let mut blocks = Vec::new();
    for page in pages {
        let name = page.file_name().expect("a name").to_string_lossy().into_owned();
        for (at, rest) in read(page).split("```yaml\n").skip(1).enumerate() {
            let block = rest.split("```").next().expect("a fence").to_owned();
            blocks.push((format!("{name}, block {}", at + 1), block));
        }
    }
    blocks
}

/// The files in every ConfigMap of the manifests, ours and others'.
fn mounted() -> Vec<(String, String)> {
    let mut paths = Vec::new();
    for directory in ["deploy", "tests/compat"] {
        files(directory, &mut paths);
    }
    let mut mounted = Vec::new();
    for path in paths {
        // a manifest of others may be a template, which is not YAML
        for document in read(&path).split("\n---\n").filter(|text| text.lines().any(|line| line == "kind: ConfigMap")) {
            let map: Value =
                yaml_serde::from_str(document).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            for (name, content) in map["data"].as_object().expect("files") {
                mounted.push((format!("{}, {name}", path.display()), content.as_str().expect("a text").to_owned()));
            }
        }
    }
    mounted
}

#[test]
fn every_valid_file_is_accepted() {
    let mut paths = Vec::new();
    for directory in ["config/rules", "tests/fixtures/rules/compat"] {
        files(directory, &mut paths);
    }
    let mut texts: Vec<(String, String)> = paths.iter().map(|path| (path.display().to_string(), read(path))).collect();
    assert!(texts.len() >= 4, "{texts:?}");
    let begins = |block: &str, with: &str| block.lines().any(|line| line.starts_with(with));
    let rules: Vec<_> = blocks().into_iter().filter(|(_, block)| begins(block, "domain:")).collect();
    assert!(rules.len() >= 8, "{} examples", rules.len());
    texts.extend(rules);
    let (defaults, rules): (Vec<_>, Vec<_>) = mounted().into_iter().partition(|(_, text)| begins(text, "defaults:"));
    assert!(rules.len() >= 4 && !defaults.is_empty(), "{rules:?} {defaults:?}");
    texts.extend(rules);
    for (name, fault) in judge_texts(RULES, &texts) {
        assert_eq!(fault, None, "{name}");
    }

    let mut texts = vec![("config/defaults.yaml".to_owned(), read("config/defaults.yaml"))];
    texts.extend(blocks().into_iter().filter(|(_, block)| block.starts_with("defaults:")));
    texts.extend(defaults);
    assert!(texts.len() >= 2, "an example in the manual");
    for (name, fault) in judge_texts(DEFAULTS, &texts) {
        assert_eq!(fault, None, "{name}");
    }
}

/// Notations that YAML 1.1 and 1.2, or JSON and we, read differently are valid in both.
#[test]
fn every_notation_that_the_parser_accepts_is_valid() {
    let rule = |rule: &str| format!("domain: d\ndescriptors: [{{key: k, {rule}}}]\n");
    let limit = |limit: &str| rule(&format!("rate_limit: {{unit: day, {limit}}}"));
    let mut texts = vec![
        rule("values: [1, 1.0, 1.00]"),
        rule("values: [yes, true, on, \"no\", 0]"),
        rule("cidr: 2001:db8::/0032"),
        rule("value: 2024-01-01, metadata: {since: 2024-01-01}"),
        rule("rate_limit: {unlimited: yes, unit: \"\"}"),
        limit("requests_per_unit: +2"),
    ];
    texts.extend(
        ["010", "0x10", "0b11", "0o17", "1_000", "0x1_0", "0b1_1", "1__0_"]
            .map(|number| limit(&format!("requests_per_unit: {number}"))),
    );
    texts.extend(
        ["y", "Yes", "on", "ON", "TRUE", "n", "No", "off", "False", "~"]
            .map(|word| rule(&format!("shadow_mode: {word}"))),
    );
    let options = CompileOptions::new(Capabilities::ALL);
    for text in &texts {
        let file = RuleFile::new("f", text.as_str());
        let compiled = compile(&[file], &options).unwrap_or_else(|errors| panic!("{errors:#}"));
        assert!(compiled.warnings.is_empty(), "{:?}", compiled.warnings);
    }
    let texts: Vec<_> = texts.into_iter().map(|text| (text.clone(), text)).collect();
    for (text, fault) in judge_texts(RULES, &texts) {
        assert_eq!(fault, None, "{text}");
    }
}

#[test]
fn every_invalid_file_is_rejected() {
    let mut paths = Vec::new();
    files("tests/fixtures/rules/faulty", &mut paths);
    let mut texts: Vec<(String, String)> = paths.iter().map(|path| (path.display().to_string(), read(path))).collect();
    assert_eq!(texts.len(), 2);
    // each of the five errors by itself
    let five = read("tests/fixtures/rules/faulty/five.yaml");
    let (head, rules) = five.split_once("descriptors:\n").expect("descriptors");
    let rules: Vec<&str> = rules.split("\n  - ").collect();
    assert_eq!(rules.len(), 5, "{five}");
    for (at, rule) in rules.iter().enumerate() {
        let rule = rule.trim_start_matches(['-', ' ']);
        texts.push((format!("fault {} of five.yaml", at + 1), format!("{head}descriptors:\n  - {rule}\n")));
    }
    texts.push(("defaults".to_owned(), read("config/defaults.yaml")));
    for (name, fault) in judge_texts(RULES, &texts) {
        assert!(fault.is_some(), "{name} is accepted");
    }
    let texts = [("rules".to_owned(), read("config/rules/example.yaml"))];
    assert!(judge_texts(DEFAULTS, &texts)[0].1.is_some(), "rules are not defaults");
}

#[test]
fn the_samples_name_their_schema() {
    for (sample, schema) in [("config/rules/example.yaml", RULES), ("config/defaults.yaml", DEFAULTS)] {
        let text = read(sample);
        let first = text.lines().next().expect("a line");
        let named =
            first.strip_prefix("# yaml-language-server: $schema=").unwrap_or_else(|| panic!("{sample}: {first}"));
        let folder = root().join(sample).parent().expect("a folder").to_owned();
        let named = folder.join(named).canonicalize().expect("a file");
        assert_eq!(named, root().join(schema).canonicalize().expect("a file"));
    }
}

/// Parses a document; the error has all messages, warnings included.
fn parse(kind: Kind, document: &Value) -> Result<(), String> {
    let file = RuleFile::new("f", document.to_string());
    let options = CompileOptions::new(Capabilities::ALL);
    let warnings: Result<Vec<Diagnostic>, CompileErrors> = match kind {
        Kind::Rules => compile(&[file], &options).map(|compiled| compiled.warnings),
        Kind::Defaults => RuleDefaults::compile(&[file], Capabilities::ALL).map(|compiled| compiled.warnings),
    };
    match warnings {
        Ok(warnings) if warnings.is_empty() => Ok(()),
        Ok(warnings) => Err(reported(&warnings)),
        Err(errors) => Err(reported(&errors.errors)),
    }
}

fn reported(diagnostics: &[Diagnostic]) -> String {
    diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Rules,
    Defaults,
}

/// A map of the format inside a document, whose keys are varied.
struct Site {
    kind: Kind,
    /// The definition in the schema; `None` for the top level.
    definition: Option<&'static str>,
    /// The document around the map.
    around: fn(Value) -> Value,
    maps: Vec<Value>,
}

fn descriptor(descriptor: &Value) -> Value {
    json!({"domain": "d", "descriptors": [descriptor]})
}

fn sites() -> Vec<Site> {
    let limit = json!({"unit": "day", "requests_per_unit": 5});
    let site = |kind, definition, around, maps| Site { kind, definition, around, maps };
    vec![
        site(Kind::Rules, None, |map| map, vec![json!({"domain": "d"})]),
        site(
            Kind::Rules,
            Some("descriptor"),
            |map| descriptor(&map),
            vec![
                json!({"key": "k"}),
                json!({"key": "k", "rate_limit": limit}),
                json!({"key": "k", "rate_limits": [limit]}),
                json!({"key": "k", "value": "a*"}),
                json!({"key": "k", "value": "a"}),
                json!({"key": "k", "values": ["a", "b*"]}),
                json!({"key": "k", "cidr": "10.0.0.0/8", "share_threshold": true}),
                json!({"key": "k", "regex": "a+"}),
            ],
        ),
        site(Kind::Rules, Some("rate_limit"), |map| descriptor(&json!({"key": "k", "rate_limit": map})), limits(true)),
        site(
            Kind::Rules,
            Some("rate_limits_element"),
            |map| descriptor(&json!({"key": "k", "rate_limits": [map]})),
            limits(false),
        ),
        site(
            Kind::Rules,
            Some("replaces_element"),
            |map| {
                let limit = json!({"unit": "day", "requests_per_unit": 5, "replaces": [map]});
                descriptor(&json!({"key": "k", "rate_limit": limit}))
            },
            vec![json!({"name": "n"})],
        ),
        site(Kind::Rules, Some("defaults"), |map| json!({"domain": "d", "defaults": map}), vec![json!({})]),
        site(Kind::Defaults, None, |map| map, vec![json!({"defaults": []})]),
        site(Kind::Defaults, Some("defaults_element"), |map| json!({"defaults": [map]}), vec![json!({"domain": "d"})]),
    ]
}

fn limits(alone: bool) -> Vec<Value> {
    let mut limits = vec![
        json!({"unit": "day", "requests_per_unit": 5}),
        json!({"unit": "minute", "requests_per_unit": 5, "algorithm": "token_bucket", "burst": 2}),
        json!({"unit": "month", "requests_per_unit": 5, "calendar": true, "time_zone": "UTC"}),
        json!({"unit": "day", "requests_per_unit": 5, "calendar": false}),
    ];
    if alone {
        limits.extend([json!({}), json!({"unlimited": true}), json!({"unlimited": true, "name": "n"})]);
    }
    limits
}

/// Values of all types, each of them valid for some key.
fn palette() -> Vec<Value> {
    let limit = json!({"unit": "hour", "requests_per_unit": 1});
    vec![
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(1),
        json!(7),
        json!(-1),
        json!(1.5),
        json!(4_294_967_295u64),
        json!(4_294_967_296u64),
        json!(""),
        json!("text"),
        json!("*"),
        json!("a*b"),
        json!("shop-*"),
        json!("second"),
        json!("MINUTE"),
        json!("Week"),
        json!("fortnight"),
        json!("fixed_window"),
        json!("token_bucket"),
        json!("Token_Bucket"),
        json!("allow"),
        json!("local"),
        json!("10.0.0.0/8"),
        json!("2001:db8::/32"),
        json!("Europe/Berlin"),
        json!("x".repeat(1024)),
        json!("x".repeat(1025)),
        json!([]),
        json!({}),
        json!([null]),
        json!(["a"]),
        json!(["a", "b*"]),
        json!(["a", "a"]),
        json!([""]),
        json!([1, true]),
        json!(["10.0.0.0/8", "::1"]),
        json!([["a"]]),
        json!([{}]),
        json!([{"name": "x"}]),
        json!([{"name": ""}]),
        json!([{"key": "z"}]),
        json!([{"domain": "e", "burst": 3}]),
        json!({"a": {"b": [1, null, {"c": 2.5}]}}),
        json!({"algorithm": "sliding_window"}),
        limit.clone(),
        json!([limit]),
        json!([limit, {"unit": "day", "requests_per_unit": 1}]),
    ]
}

/// The properties of a site in the schema.
fn properties(site: &Site) -> BTreeSet<String> {
    let schema = if site.kind == Kind::Rules { rules_schema() } else { defaults_schema() };
    let map = site.definition.map_or(&schema, |name| &schema["definitions"][name]);
    map["properties"].as_object().unwrap_or_else(|| panic!("no {:?}", site.definition)).keys().cloned().collect()
}

/// Compares with the accepted keys that the parser lists in its message about an unknown key.
#[test]
fn every_key_that_the_parser_accepts_is_in_the_schema_and_no_other() {
    for site in sites() {
        let mut map = site.maps[0].clone();
        map["no such key at all"] = Value::Null;
        let reported = parse(site.kind, &(site.around)(map)).expect_err("an unknown key");
        let accepted =
            reported.split_once("; accepted in ").and_then(|(_, rest)| rest.split_once(": ")).expect("a list").1;
        let accepted: BTreeSet<String> = accepted.split(", ").map(str::to_owned).collect();
        assert_eq!(properties(&site), accepted, "{:?}", site.definition);
    }
}

/// Messages of the parser about what a schema cannot know.
const BEYOND_A_SCHEMA: [&str; 6] = [
    // texts that differ may be the same number in two notations
    "is listed twice",
    // if the rule does not set its algorithm, `defaults` decide
    "burst is for algorithm token_bucket; fixed_window has none",
    "invalid cidr",
    "is longer than 100 years",
    "the regex ",
    "unknown time zone",
];

/// For each key of each map with each value, and without it, the schema and the parser agree.
#[test]
fn the_schema_agrees_with_the_parser_on_any_document() {
    let (palette, mut documents) = (palette(), BTreeMap::from([(RULES, Vec::new()), (DEFAULTS, Vec::new())]));
    let keys: BTreeSet<String> = sites().iter().flat_map(properties).chain(["unknown".to_owned()]).collect();
    for site in sites() {
        let belong = properties(&site);
        let into = documents.get_mut(if site.kind == Kind::Rules { RULES } else { DEFAULTS }).expect("a list");
        for map in &site.maps {
            for key in &keys {
                // for a misplaced key the value makes no difference
                let values = if belong.contains(key) { &palette[..] } else { &palette[10..12] };
                let with = values.iter().map(|value| {
                    let mut map: Map<String, Value> = map.as_object().expect("a map").clone();
                    map.insert(key.clone(), value.clone());
                    (site.around)(map.into())
                });
                let without = map.as_object().expect("a map").iter().filter(|(other, _)| *other != key);
                let without: Map<String, Value> = without.map(|(key, value)| (key.clone(), value.clone())).collect();
                into.extend(with.chain([(site.around)(without.into())]).map(|document| (site.kind, document)));
            }
        }
    }
    let (mut good, mut bad, mut beyond) = (0, 0, BTreeSet::new());
    let mut faults = Vec::new();
    for (schema, documents) in documents {
        let values: Vec<Value> = documents.iter().map(|(_, document)| json!({"json": document})).collect();
        for ((kind, document), invalid) in documents.iter().zip(judge(schema, &values)) {
            match (parse(*kind, document), invalid) {
                (Ok(()), None) => good += 1,
                (Err(_), Some(_)) => bad += 1,
                (Err(reported), None) => match BEYOND_A_SCHEMA.iter().find(|known| reported.contains(**known)) {
                    Some(known) => drop(beyond.insert(*known)),
                    None => faults.push(format!("the schema takes {document}; the parser: {reported}")),
                },
                (Ok(()), Some(reported)) => faults.push(format!("the parser takes {document}; the schema: {reported}")),
            }
        }
    }
    assert!(faults.is_empty(), "{} differences, such as\n{}", faults.len(), faults[..faults.len().min(20)].join("\n"));
    assert_eq!(beyond, BEYOND_A_SCHEMA.into(), "each of these occurs");
    assert!(good > 1000 && bad > 1000, "{good} good and {bad} bad documents");
}
