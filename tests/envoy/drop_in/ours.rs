//! Our own manifests in deploy/, run and checked like the others.

use std::{fs, path::Path, process::Command};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::drop_in::{
    envoy_filter::Proxy,
    isolation::{Isolation, run, within},
    istio::{answers, redis_at},
    manifest::{Deployment, documents, find},
    pod::Pod,
    running::Running,
};
use testkit::{envoy::Envoy, eventually, http::Client, redis::Redis, upstream::Upstream};

/// All documents of a folder of deploy/.
fn folder(name: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name);
    let mut files: Vec<_> =
        fs::read_dir(path).expect("the folder").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files.iter().flat_map(|file| documents(&fs::read_to_string(file).expect("a manifest"))).collect()
}

/// The files of a ConfigMap.
fn files(map: &Value) -> Vec<(&str, &str)> {
    let files = map["data"].as_object().expect("files");
    files.iter().map(|(name, content)| (name.as_str(), content.as_str().expect("a text"))).collect()
}

/// The Tollgate and the Redis of a folder.
fn started(isolation: Isolation, name: &str) -> (Running, Pod, Redis) {
    let all = folder(name);
    let deployment = Deployment::new(find(&all, "Deployment", "tollgate"));
    assert!(deployment.is_read_only());
    let mut pod = Pod::new(isolation, deployment);
    pod.fill("tollgate-rules", &files(&find(&all, "ConfigMap", "tollgate-rules")));
    let redis = redis_at(pod.neighbour("redis", 6379), &[]);
    (pod.start(), pod, redis)
}

/// Checks that it serves, is contained, and ends within its time.
async fn lives(isolation: Isolation, name: &'static str) {
    let (running, pod, _redis) = started(isolation, name);
    for probe in pod.deployment().probes() {
        answers(&running, probe.port, &probe.path).await;
    }
    let scrape = pod.deployment().scrape().expect("it is scraped");
    let metrics = answers(&running, scrape.port, &scrape.path).await;
    assert!(metrics.contains("tollgate_active_rules "), "{metrics}");
    if let (Some(root), Some(status)) = (running.root_mount(), running.status()) {
        assert!(root.starts_with("ro,"), "{root}");
        assert!(status["Uid"].starts_with("65534\t65534"), "{status:?}");
    }
    let address = running.at(8080);
    let ended = tokio::spawn(running.stop());
    // not ready immediately, but still serving clients that have not noticed
    let http = Client::new();
    eventually("unready", async || {
        let answer = http.send(hyper::Method::GET, address, "/readyz", &[], "").await.ok()?;
        (answer.status == 503).then_some(())
    })
    .await;
    assert_eq!(ended.await.expect("it ends"), Some(0));
}

#[test]
fn the_plain_manifests_run() {
    within(|isolation| lives(isolation, "kubernetes"));
}

/// Without namespaces; this form must work everywhere.
#[test]
fn the_plain_manifests_run_without_namespaces() {
    run(Isolation::Rewritten, |isolation| lives(isolation, "kubernetes"));
}

#[test]
fn the_sample_for_istio_runs() {
    within(|isolation| lives(isolation, "istio"));
}

/// One request passes, and then a burst until one is denied.
async fn denies_a_burst(envoy: &Envoy, path: &'static str) {
    let (http, address) = (Client::new(), envoy.address);
    eventually("a 200", async || (http.get(address, path).await.status == 200).then_some(())).await;
    eventually("a 429", async || {
        let mut burst = JoinSet::new();
        for _ in 0..100 {
            let http = http.clone();
            burst.spawn(async move { http.get(address, path).await.status.as_u16() });
        }
        burst.join_all().await.contains(&429).then_some(())
    })
    .await;
}

const CLUSTER: &str = "outbound|8081||tollgate.default.svc.cluster.local";

/// Each EnvoyFilter of the sample, in a real Envoy in front of the sample's Tollgate with the sample's rules.
async fn limits(isolation: Isolation) {
    let (running, _pod, _redis) = started(isolation, "istio");
    answers(&running, 8080, "/readyz").await;
    let all = folder("istio");
    let upstream = Upstream::start().await;
    let proxy = async |name, context, host| {
        let mut proxy = Proxy::new(context, host, upstream.address);
        proxy.knows(CLUSTER, running.at(8081));
        proxy.apply(&find(&all, "EnvoyFilter", name));
        Envoy::run("envoy.json", &proxy.bootstrap()).await
    };
    let gateway = proxy("tollgate-gateway", "GATEWAY", "shop.example.com:80").await;
    // the path's hundred per minute and the client's five per second; on a busy machine an answer may be too late
    let http = Client::new();
    let shown = eventually("headers", async || {
        let answer = http.get(gateway.address, "/productpage?u=test").await;
        assert!(matches!(answer.status.as_u16(), 200 | 429), "{answer:?}");
        answer.header("x-ratelimit-limit").map(str::to_owned)
    })
    .await;
    assert_eq!(shown, "5, 100;w=60, 5;w=1");
    denies_a_burst(&gateway, "/productpage").await;

    let sidecar = proxy("tollgate-productpage", "SIDECAR_INBOUND", "inbound|http|9080").await;
    denies_a_burst(&sidecar, "/").await;
}

#[test]
fn the_envoy_filters_of_the_sample_limit() {
    within(limits);
}

/// A port name that no container has would lock out the clients that the policy should admit.
#[test]
fn the_network_policy_opens_only_the_port_for_envoy_to_all() {
    let all = folder("kubernetes");
    let deployment = find(&all, "Deployment", "tollgate");
    let ports = deployment["spec"]["template"]["spec"]["containers"][0]["ports"].as_array().expect("ports");
    let policy = find(&all, "NetworkPolicy", "tollgate");
    let (mut to_all, mut to_some) = (Vec::new(), Vec::new());
    for rule in policy["spec"]["ingress"].as_array().expect("rules") {
        let from = rule["from"].as_array().expect("from whom");
        let into = if from.contains(&json!({"namespaceSelector": {}})) { &mut to_all } else { &mut to_some };
        into.extend(rule["ports"].as_array().expect("ports").iter().map(|port| port["port"].as_str().expect("a name")));
    }
    assert_eq!((to_all, to_some), (vec!["grpc"], vec!["metrics"]));
    for name in ["grpc", "metrics"] {
        assert!(ports.iter().any(|port| port["name"] == name), "the container has no port {name}");
    }
}

#[test]
fn the_rules_in_every_config_map_are_valid() {
    let mut checked = 0;
    for name in ["kubernetes", "istio"] {
        for map in folder(name).iter().filter(|one| one["kind"] == "ConfigMap") {
            let directory = tempfile::tempdir().expect("a directory");
            for (name, content) in files(map) {
                fs::write(directory.path().join(name), content).expect("written");
                checked += 1;
            }
            let output = Command::new(env!("CARGO_BIN_EXE_tollgate")).arg("validate").arg(directory.path()).output();
            let output = output.expect("it runs");
            let printed =
                String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && !printed.contains("warning"), "{printed}");
        }
    }
    assert_eq!(checked, 3);
}
