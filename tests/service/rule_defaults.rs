//! RULE_DEFAULTS in the whole program: at start, after a change, with faults, in `validate` and in `explain`.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_response::Code;
use serde_json::Value;
use testkit::{
    eventually,
    pages::page,
    process::Tollgate,
    rls::{ask, client, request},
    scrape::metric,
};

const RULES: &str = "\
domain: shop
descriptors:
  - key: user
    rate_limit: {unit: year, requests_per_unit: 3}
  - key: own
    rate_limit: {unit: year, requests_per_unit: 3, algorithm: fixed_window}
";

const BUCKETS: &str = "defaults: [{domain: shop, algorithm: token_bucket, burst: 5, on_unknown: deny}]\n";
const SLIDING: &str = "defaults: [{domain: '*', algorithm: sliding_window}]\n";

/// A directory for the file of defaults, which is replaced by a rename.
struct Defaults(tempfile::TempDir);

impl Defaults {
    fn new(content: &str) -> Self {
        let new = Self(tempfile::tempdir().expect("a directory"));
        new.write(content);
        new
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("defaults.yaml")
    }

    fn write(&self, content: &str) {
        let staged = self.0.path().join("staged");
        fs::write(&staged, content).expect("written");
        fs::rename(staged, self.path()).expect("renamed");
    }
}

/// Waits until `/rlconfig` shows a rule like this.
async fn until_rule(tollgate: &Tollgate, rule: &str) {
    eventually(rule, async || {
        page(tollgate, "debug", "/rlconfig").await.lines().any(|line| line == rule).then_some(())
    })
    .await;
}

fn rule(key: &str, more: &str) -> String {
    format!("shop.{key}: unit=YEAR requests_per_unit=3, shadow_mode: false, quota_mode: false{more}")
}

#[tokio::test]
async fn rules_inherit_the_defaults_and_follow_their_changes() {
    let defaults = Defaults::new(BUCKETS);
    let tollgate = testkit::tollgate!().rules(RULES).env("RULE_DEFAULTS", defaults.path()).start();
    until_rule(&tollgate, &rule("user", ", algorithm: token_bucket, burst: 5")).await;
    until_rule(&tollgate, &rule("own", "")).await;
    let mut rls = client(tollgate.address("grpc"));
    let mut take = async |key: &str, hits: u32| {
        let mut request = request("shop", &[&[(key, "a")]]);
        request.hits_addend = hits;
        ask(&mut rls, request).await.overall_code()
    };
    assert_eq!(take("user", 5).await, Code::Ok, "a burst of five, of three a year");
    assert_eq!(take("user", 1).await, Code::OverLimit);
    assert_eq!(take("own", 4).await, Code::OverLimit);
    assert_eq!(take("nothing", 1).await, Code::OverLimit, "on_unknown");

    defaults.write(SLIDING);
    until_rule(&tollgate, &rule("user", ", algorithm: sliding_window")).await;
    assert_eq!(take("nothing", 1).await, Code::Ok);
    assert_eq!(take("user", 3).await, Code::Ok, "another algorithm, another counter");
    assert_eq!(take("user", 1).await, Code::OverLimit);
    assert_eq!(metric(&tollgate, "tollgate_config_reloads_total{result=\"applied\"}").await, Some(2.0));

    // new rules have them too
    tollgate.write_rules(&RULES.replace("key: user", "key: guest"));
    until_rule(&tollgate, &rule("guest", ", algorithm: sliding_window")).await;
}

/// The hash by which replicas are compared covers both.
#[tokio::test]
async fn the_hash_of_the_rules_covers_their_defaults_too() {
    let defaults = Defaults::new(BUCKETS);
    let tollgate = testkit::tollgate!().rules(RULES).env("RULE_DEFAULTS", defaults.path()).start();
    let hash = async || {
        let metrics = page(&tollgate, "metrics", "/metrics").await;
        let line = metrics.lines().find(|line| line.starts_with("tollgate_active_rules_info{")).map(str::to_owned);
        line.expect("a hash")
    };
    let first = hash().await;
    defaults.write(SLIDING);
    until_rule(&tollgate, &rule("user", ", algorithm: sliding_window")).await;
    assert_ne!(hash().await, first);
    defaults.write(BUCKETS);
    until_rule(&tollgate, &rule("user", ", algorithm: token_bucket, burst: 5")).await;
    assert_eq!(hash().await, first);
}

#[tokio::test]
async fn faulty_defaults_change_nothing_and_are_logged_once() {
    let defaults = Defaults::new(BUCKETS);
    let tollgate = testkit::tollgate!().rules(RULES).env("RULE_DEFAULTS", defaults.path()).start();
    let refused = async |times: f64| {
        eventually(&format!("{times} refused loads"), async || {
            (metric(&tollgate, "ratelimit_service_config_load_error").await == Some(times)).then_some(())
        })
        .await;
    };
    defaults.write("defaults:\n  - domain: shop\n    algorithm: token_bukket\n");
    refused(1.0).await;
    // rules loaded meanwhile use the former ones
    tollgate.write_rules(&RULES.replace("key: user", "key: guest"));
    until_rule(&tollgate, &rule("guest", ", algorithm: token_bucket, burst: 5")).await;
    let logged = tollgate.wait_for_lines("new defaults of the rules are refused", 1);
    let [line] = logged.as_slice() else { panic!("logged once: {logged:#?}") };
    let event: Value = serde_json::from_str(line).expect("JSON");
    assert_eq!(event["level"], "error");
    let message = event["@message"].as_str().expect("a message");
    for part in ["the former ones stay", "defaults.yaml:3:16: defaults[0].algorithm: ", "did you mean `token_bucket`?"]
    {
        assert!(message.contains(part), "no '{part}' in {message}");
    }

    fs::remove_file(defaults.path()).expect("removed");
    refused(2.0).await;
    defaults.write(BUCKETS);
    tollgate.wait_for_log("the defaults of the rules are again those in force");
    until_rule(&tollgate, &rule("guest", ", algorithm: token_bucket, burst: 5")).await;
    defaults.write(SLIDING);
    until_rule(&tollgate, &rule("guest", ", algorithm: sliding_window")).await;
}

/// The rules are valid without the defaults, but not with them: the former rules stay, with the former defaults.
#[tokio::test]
async fn defaults_that_do_not_fit_a_rule_are_reported_at_the_rule() {
    let rules = "domain: shop\ndescriptors:\n  - key: user\n    rate_limits:\n      - {unit: year, requests_per_unit: 3}\n      \
                 - {unit: year, requests_per_unit: 4, algorithm: sliding_window}\n";
    let defaults = Defaults::new("defaults: []\n");
    let tollgate = testkit::tollgate!().rules(rules).env("RULE_DEFAULTS", defaults.path()).start();
    until_rule(&tollgate, &rule("user", "")).await;
    defaults.write(SLIDING);
    let logged = tollgate.wait_for_log("rules are refused, the former ones stay in force");
    assert!(
        logged.contains("rules.yaml:6:9: descriptors[0].rate_limits[1]: a second sliding_window limit"),
        "{logged}"
    );
    until_rule(&tollgate, &rule("user", "")).await;
    tollgate.write_rules(RULES);
    until_rule(&tollgate, &rule("user", ", algorithm: sliding_window")).await;
}

#[test]
fn faulty_defaults_at_start_are_reported_with_their_line() {
    let faulty = Defaults::new("defaults:\n  - domain: shop\n    burst: many\n");
    let mut tollgate = testkit::tollgate!().rules(RULES).env("RULE_DEFAULTS", faulty.path()).spawn();
    assert_eq!(tollgate.exit().code(), Some(1));
    let logged = tollgate.wait_for_log("defaults[0].burst");
    assert!(
        logged.contains("defaults.yaml:3:12: defaults[0].burst: expected a whole number without quotes"),
        "{logged}"
    );
    tollgate.wait_for_log("(RULE_DEFAULTS)");

    let mut tollgate = testkit::tollgate!().rules(RULES).arg("--defaults").arg("/no/such/file").spawn();
    assert_eq!(tollgate.exit().code(), Some(1));
    let logged = tollgate.wait_for_log("/no/such/file does not exist");
    assert!(logged.contains("(RULE_DEFAULTS)"), "{logged}");
}

/// Runs a command in a directory that has `rules.yaml` and `defaults.yaml`.
fn run(defaults: &str, args: &[&str]) -> Output {
    let folder = tempfile::tempdir().expect("a directory");
    fs::write(folder.path().join("rules.yaml"), RULES).expect("rules");
    fs::write(folder.path().join("defaults.yaml"), defaults).expect("defaults");
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    command.args(args).current_dir(folder.path()).env_clear().stdin(Stdio::null()).output().expect("it runs")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

#[test]
fn validate_and_explain_use_them() {
    let validate = ["validate", "rules.yaml", "--defaults", "defaults.yaml"];
    let good = run(BUCKETS, &validate);
    assert_eq!(text(&good.stdout), "ok: 1 file, 1 domain, 2 rules\n", "{}", text(&good.stderr));
    let stray = run("defaults: [{domain: shp, burst: 3}]\n", &validate);
    let wanted = "warning: there are defaults for the domain `shp`, but no rules\nok: 1 file, 1 domain, 2 rules\n";
    assert_eq!((stray.status.code(), text(&stray.stdout)), (Some(0), wanted));
    let faulty = run("defaults: [{domain: shop, burst: 0}]\n", &validate);
    assert_eq!(faulty.status.code(), Some(1));
    let fault = "defaults.yaml:1:34: defaults[0].burst: burst must be at least 1\n 1 | ";
    assert!(text(&faulty.stderr).starts_with(fault), "{}", text(&faulty.stderr));

    let explain = ["explain", "--rules", "rules.yaml", "--defaults", "defaults.yaml", "shop", "user=a", "own=a"];
    let explained = run(BUCKETS, &explain);
    let logged = text(&explained.stdout);
    assert!(logged.contains("rule at rules.yaml:3: 3 per year (token_bucket burst 5)"), "{logged}");
    assert!(logged.contains("counter {shop|user=a}b31536000"), "{logged}");
    assert!(logged.contains("rule at rules.yaml:5: 3 per year (fixed_window)"), "{logged}");
}

#[test]
fn the_sample_is_valid() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    let ran = command
        .args(["validate", "config/rules", "--defaults", "config/defaults.yaml"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_clear()
        .output()
        .expect("it runs");
    let logged = text(&ran.stdout);
    assert!(
        logged.ends_with("ok: 1 file, 1 domain, 8 rules\n") && !logged.contains("warning"),
        "{logged}{}",
        text(&ran.stderr)
    );
}
