//! Follows the steps of docs/drop-in.md for Envoy Gateway literally, on the configuration that its Helm chart
//! generates. There is neither a cluster nor Envoy Gateway: this simulates what the steps need of both, and runs the
//! Deployment while its image is ours.

use std::{
    collections::BTreeMap,
    env, fs,
    net::SocketAddr,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::drop_in::{
    envoy_gateway::{self, Certificates, serves},
    guide::{steps, succeeded, words},
    isolation::{Isolation, run, within},
    istio::{answers, redis_at},
    manifest::{amend, documents},
    pod::Pod,
    running::Running,
};
use testkit::xds::server::{Ads, AdsStream};

const MANIFEST: &str = "envoy-gateway-config";
const FILE: &str = "envoy-gateway.yaml";

/// Additional content of a user, which must stay.
const THEIRS: &str = "
config:
  envoyGateway:
    extensionApis: {enableBackend: true}
    rateLimit:
      backend: {type: Redis, redis: {url: 'redis.redis.svc:6379'}}
";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The ConfigMap of Envoy Gateway's configuration, as its Helm chart generates it with these values files.
fn chart(values: &[PathBuf]) -> String {
    let mut python = Command::new(root().join("target/parts/venv/bin/python"));
    python.arg(root().join("tests/chart.py")).args(values);
    succeeded(python.output().expect("python, which tests/run.sh installs"))
}

/// Envoy Gateway's configuration in its ConfigMap.
fn config(manifest: &str) -> Value {
    let map = &documents(manifest)[0];
    yaml_serde::from_str(map["data"][FILE].as_str().expect("a text")).expect("YAML")
}

/// Generates the Deployment from `rateLimitDeployment`, as Envoy Gateway does. An unknown key is a panic.
fn generated(config: &Value) -> Value {
    let wanted = &config["provider"]["kubernetes"]["rateLimitDeployment"];
    let only = |map: &Value, known: &[&str]| {
        let unknown: Vec<_> = map.as_object().into_iter().flat_map(|map| map.keys()).collect();
        assert!(unknown.iter().all(|key| known.contains(&key.as_str())), "of {unknown:?} this knows {known:?}");
    };
    only(wanted, &["container", "patch", "pod"]);
    only(&wanted["container"], &["env", "image", "volumeMounts"]);
    only(&wanted["pod"], &["volumes"]);
    let mut deployment = envoy_gateway::deployment(envoy_gateway::DEFAULT);
    let pod = &mut deployment["spec"]["template"]["spec"];
    amend(&mut pod["volumes"], &wanted["pod"]["volumes"]);
    let container = &mut pod["containers"][0];
    container["image"] = wanted["container"]["image"].clone();
    for list in ["env", "volumeMounts"] {
        amend(&mut container[list], &wanted["container"][list]);
    }
    // those of the chart
    let patch = json!([{"name": container["name"], "imagePullPolicy": container["imagePullPolicy"]}]);
    assert_eq!(wanted["patch"]["value"]["spec"]["template"]["spec"]["containers"], patch);
    deployment
}

/// The state of the simulated cluster.
struct Cluster {
    isolation: Isolation,
    certificates: Certificates,
    /// By name.
    config_maps: BTreeMap<String, String>,
    ads: Ads,
    redis: SocketAddr,
    running: Option<(Running, Pod, AdsStream)>,
    /// The working directory of the reader, with the repository's files.
    desk: TempDir,
}

impl Cluster {
    fn running(&self) -> &Running {
        &self.running.as_ref().expect("ours runs").0
    }

    fn config(&self) -> Value {
        config(&self.config_maps[MANIFEST])
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.desk.path().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
    }

    async fn kubectl(&mut self, command: &[&str]) -> String {
        match command {
            ["get", "configmap", name, "--output", "yaml"] => return self.config_maps[*name].clone(),
            ["apply", "--filename", file] => self.put(&self.read(file)),
            ["replace", "--filename", file] => {
                let new = self.read(file);
                let versions = [&new, &self.config_maps[MANIFEST]].map(|text| version(text));
                assert_eq!(versions[0], versions[1], "it was changed meanwhile");
                let (old, next) = (format!("\"{}\"", versions[0]), format!("\"{}\"", versions[0] + 1));
                self.put(&new.replacen(&old, &next, 1));
            }
            ["rollout", _, "deployment/envoy-gateway"] => {}
            ["rollout", "status", "deployment/envoy-ratelimit"] => self.roll_out().await,
            ["exec", "deployment/envoy-ratelimit", "--", program @ ..] => {
                let program: Vec<_> = program.iter().map(|&word| word.to_owned()).collect();
                return succeeded(self.running().execute(&program));
            }
            ["logs", "deployment/envoy-ratelimit"] => return self.running().tollgate.log().join("\n"),
            other => panic!("kubectl {other:?} is not supported by this simulation"),
        }
        String::new()
    }

    fn put(&mut self, manifest: &str) {
        let found = &documents(manifest)[0];
        assert_eq!(
            (&found["kind"], &found["metadata"]["namespace"]),
            (&json!("ConfigMap"), &json!("envoy-gateway-system"))
        );
        self.config_maps.insert(found["metadata"]["name"].as_str().expect("a name").to_owned(), manifest.to_owned());
    }

    async fn roll_out(&mut self) {
        if let Some((old, ..)) = self.running.take() {
            assert_eq!(old.stop().await, Some(0));
        }
        let deployment = generated(&self.config());
        let pod = envoy_gateway::pod_of(self.isolation, deployment, &self.certificates);
        if !pod.deployment().image().contains("tollgate") {
            return;
        }
        let mut pod = pod;
        pod.knows("redis.redis.svc", 6379, self.redis);
        pod.knows("envoy-gateway", 18001, self.ads.address);
        for mount in pod.deployment().mounts() {
            if let Some(map) = self.config_maps.get(&mount.filled_by) {
                let map = &documents(map)[0];
                let files = map["data"].as_object().expect("files").iter();
                let files: Vec<_> = files.map(|(name, text)| (name.as_str(), text.as_str().expect("a text"))).collect();
                pod.fill(&mount.filled_by, &files);
            }
        }
        let running = pod.start();
        let stream = serves(&running, &pod, &mut self.ads, &self.certificates).await;
        self.running = Some((running, pod, stream));
    }
}

/// `resourceVersion`, which a cluster increments.
fn version(manifest: &str) -> u32 {
    let version = &documents(manifest)[0]["metadata"]["resourceVersion"];
    version.as_str().and_then(|version| version.parse().ok()).unwrap_or_else(|| panic!("{version}"))
}

/// Runs a line in a shell in the working directory. Returns its exit code and output.
fn shell(desk: &Path, line: &str) -> (i32, String) {
    let path = format!("{}:{}", root().join("target/parts/bin").display(), env::var("PATH").expect("a PATH"));
    let mut shell = Command::new("sh");
    let output = shell.args(["-c", line]).current_dir(desk).env("PATH", path).output().expect("a shell");
    assert!(output.stderr.is_empty(), "{line}: {output:?}");
    (output.status.code().expect("a code"), String::from_utf8(output.stdout).expect("text"))
}

/// A working directory with the chart's configuration, and with typical additions of users.
fn desk(values: &[PathBuf]) -> (TempDir, String) {
    let desk = tempfile::tempdir().expect("a directory");
    symlink(root().join("deploy"), desk.path().join("deploy")).expect("a link");
    let theirs = desk.path().join("theirs.yaml");
    fs::write(&theirs, THEIRS).expect("written");
    let manifest = chart(&[&[theirs], values].concat());
    (desk, manifest)
}

/// The lines that are in only one of two texts.
fn difference<'a>(one: &'a str, other: &'a str) -> (Vec<&'a str>, Vec<&'a str>) {
    let only =
        |one: &'a str, other: &'a str| one.lines().filter(|line| !other.lines().any(|its| its == *line)).collect();
    (only(one, other), only(other, one))
}

async fn is_followed(isolation: Isolation) {
    let certificates = Certificates::new();
    let (desk, manifest) = desk(&[]);
    let manifest = manifest.replacen("metadata:\n", "metadata:\n  resourceVersion: \"41\"\n", 1);
    let mut around = envoy_gateway::pod_of(isolation, generated(&config(&manifest)), &certificates);
    let ads = Ads::at(around.neighbour("envoy-gateway", 18001), Some(certificates.acceptor())).await;
    let redis = around.neighbour("redis.redis.svc", 6379);
    let _server = redis_at(redis, &[]);
    let mut cluster = Cluster {
        isolation,
        certificates,
        config_maps: BTreeMap::from([(MANIFEST.to_owned(), manifest.clone())]),
        ads,
        redis,
        running: None,
        desk,
    };

    let (mut roll_outs, mut differences) = (Vec::new(), Vec::new());
    for line in steps("Envoy Gateway") {
        println!("$ {line}");
        if line.starts_with("kubectl ") {
            let (words, file) = words(&line.replace(" --namespace envoy-gateway-system", ""));
            let words: Vec<&str> = words[1..].iter().map(String::as_str).collect();
            let said = cluster.kubectl(&words).await;
            match words.as_slice() {
                ["rollout", "status", "deployment/envoy-ratelimit"] => {
                    let rules = answers(cluster.running(), 6070, "/rlconfig").await;
                    roll_outs.push(rules.contains("algorithm: sliding_window"));
                }
                ["exec", ..] => assert_eq!(said, "OK\n"),
                ["logs", ..] => assert!(said.contains("PROMETHEUS_MAPPER_YAML"), "{said}"),
                _ => {}
            }
            if let Some(file) = file {
                fs::write(cluster.desk.path().join(file), said).expect("written");
            }
        } else {
            let (code, said) = shell(cluster.desk.path(), line);
            let differs = line.starts_with("diff ");
            assert_eq!(code, i32::from(differs), "{line}");
            if differs {
                differences.push(said);
            }
        }
    }
    assert_eq!(roll_outs, [false, true], "with the image, and with what is new");

    let former = "docker.io/envoyproxy/ratelimit:8fe6ea42";
    let [there, back] = differences.try_into().expect("one forward, one back");
    let changes = |text: &str, sign| {
        text.lines().filter_map(|line| line.strip_prefix(sign)?.trim().to_owned().into()).collect::<Vec<String>>()
    };
    assert_eq!(changes(&there, "<"), [format!("image: {former}")]);
    assert_eq!(changes(&there, ">"), ["image: registry.example.com/tollgate:0.1.0"]);
    assert_eq!(changes(&back, "<"), ["resourceVersion: \"41\""]);
    assert_eq!(changes(&back, ">"), ["resourceVersion: \"43\"", "env: []", "volumeMounts: []", "pod:", "volumes: []"]);
    assert_eq!(generated(&cluster.config()), generated(&config(&manifest)));
    cluster.roll_out().await;
    assert!(cluster.running.is_none(), "ours has ended, and the reference's image does not run here");
}

#[test]
fn the_guide_is_followed_on_the_charts_configuration_and_back() {
    within(is_followed);
}

#[test]
fn the_guide_is_followed_without_namespaces() {
    run(Isolation::Rewritten, is_followed);
}

/// Helm, with values.yaml and with rule-defaults.yaml as its head says, makes the same changes as the steps do without
/// Helm.
#[test]
fn helm_with_the_values_makes_the_same_changes_as_the_guide() {
    let values = root().join("deploy/envoy-gateway/values.yaml");
    let (desk, before) = desk(&[]);
    let theirs = desk.path().join("theirs.yaml");
    let swapped = chart(&[theirs.clone(), values.clone()]);
    let (gone, new) = difference(&before, &swapped);
    assert_eq!(gone, ["            image: docker.io/envoyproxy/ratelimit:8fe6ea42"]);
    assert_eq!(new, ["            image: registry.example.com/tollgate:0.1.0"]);

    let head = fs::read_to_string(&values).expect("a file");
    let line = head.lines().find_map(|line| line.strip_prefix("#   yq ")).expect("the line");
    assert_eq!(shell(desk.path(), &format!("yq {line}")).0, 0);
    let ours = config(&chart(&[theirs, values, desk.path().join("rule-defaults.values.yaml")]));
    let mut merged = config(&swapped);
    let part: Value =
        yaml_serde::from_str(include_str!("../../../deploy/envoy-gateway/rule-defaults.yaml")).expect("YAML");
    let part = &part["provider"]["kubernetes"]["rateLimitDeployment"];
    let whole = &mut merged["provider"]["kubernetes"]["rateLimitDeployment"];
    whole["pod"] = part["pod"].clone();
    for list in ["env", "volumeMounts"] {
        whole["container"][list] = part["container"][list].clone();
    }
    assert_eq!(ours, merged);
}
