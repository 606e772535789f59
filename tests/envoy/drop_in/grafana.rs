//! Envoy Gateway's rate limit dashboard: a real Prometheus evaluates its expressions over what it has scraped.

use std::{
    fs,
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

use testkit::{eventually, http::Client, ports::free_port};

const DASHBOARD: &str = include_str!("../../compat/envoy-gateway/grafana-global-ratelimit.json");

/// The dashboard's domain variable.
pub fn domain() -> String {
    let dashboard: Value = serde_json::from_str(DASHBOARD).expect("JSON");
    let variables = dashboard["templating"]["list"].as_array().expect("variables");
    let variable = variables.iter().find(|one| one["name"] == "DefaultDomain").expect("the variable");
    variable["query"].as_str().expect("its value").to_owned()
}

/// The dashboard's expressions, with their variables replaced.
pub fn expressions() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(DASHBOARD).expect("JSON");
    let targets = dashboard["panels"].as_array().expect("panels").iter();
    targets
        .flat_map(|panel| panel["targets"].as_array().into_iter().flatten())
        .map(|target| target["expr"].as_str().expect("an expression").replace("$DefaultDomain", &domain()))
        .collect()
}

/// A Prometheus that scrapes one target every second, and adds the label to its series that a cluster would add.
pub struct Prometheus {
    child: Child,
    address: SocketAddr,
    http: Client,
    _directory: TempDir,
}

impl Prometheus {
    pub fn scraping(target: SocketAddr, path: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let config = directory.path().join("prometheus.yml");
        let text = format!(
            "global: {{scrape_interval: 1s}}\nscrape_configs:\n  - job_name: ratelimit\n    metrics_path: {path}\n    \
             static_configs:\n      - targets: ['{target}']\n        \
             labels: {{app_kubernetes_io_component: ratelimit}}\n"
        );
        fs::write(&config, text).expect("written");
        let address: SocketAddr = ([127, 0, 0, 1], free_port()).into();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", directory.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("prometheus, which tests/run.sh installs");
        Self { child, address, http: Client::new(), _directory: directory }
    }

    /// Waits until an expression yields a number above zero.
    pub async fn finds(&self, expression: &str) {
        let path = format!("/api/v1/query?query={}", escaped(expression));
        eventually(&format!("data for {expression}"), async || {
            let answer = self.http.send(hyper::Method::GET, self.address, &path, &[], "").await.ok()?;
            let answer: Value = serde_json::from_str(&answer.body).ok()?;
            assert_eq!(answer["status"], "success", "{expression}: {answer}");
            let series = answer["data"]["result"].as_array()?;
            series.iter().any(|one| is_data(&one["value"][1])).then_some(())
        })
        .await;
    }

    /// Waits until Prometheus knows a metric with this type.
    pub async fn knows_as(&self, metric: &str, kind: &str) {
        let path = format!("/api/v1/metadata?metric={metric}");
        let found = eventually(&format!("the type of {metric}"), async || {
            let answer = self.http.send(hyper::Method::GET, self.address, &path, &[], "").await.ok()?;
            let answer: Value = serde_json::from_str(&answer.body).ok()?;
            answer["data"][metric][0]["type"].as_str().map(str::to_owned)
        })
        .await;
        assert_eq!(found, kind, "{metric}");
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Prometheus sends numbers as text. The quotient of two empty series is `NaN`, for which a dashboard shows nothing.
fn is_data(sample: &Value) -> bool {
    let number: f64 = sample.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{sample}"));
    number.is_finite() && number > 0.0
}

#[test]
fn only_a_finite_number_above_zero_is_data() {
    assert!(["5", "0.25", "1e+09"].into_iter().all(|sample| is_data(&sample.into())));
    assert!(!["0", "-1", "NaN", "+Inf", "-Inf"].into_iter().any(|sample| is_data(&sample.into())));
}

fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
