//! Istio's sample: the Deployment with its ConfigMap, next to a Redis with the name that it uses.

use std::{net::SocketAddr, time::Instant};

use envoy_types::pb::envoy::service::ratelimit::v3::{RateLimitResponse, rate_limit_response::Code};
use serde_json::Value;

use crate::drop_in::{
    envoy_filter::Proxy,
    isolation::{Isolation, run, within},
    manifest::{self, Deployment, documents, find},
    pod::Pod,
    running::Running,
};
use testkit::{
    envoy::Envoy,
    eventually,
    http::Client,
    redis::Redis,
    rls::{Rls, client, request},
    upstream::Upstream,
};

const SERVICE: &str = include_str!("../../compat/istio/rate-limit-service.yaml");
const CONFIG_MAP: &str = include_str!("../../compat/istio/rate-limit-configmap.yaml");
/// The policy for sidecars, a template with a namespace.
const SIDECAR: &str = include_str!("../../compat/istio/enable_envoy_ratelimit.yaml");
/// The policy for the ingress gateway.
const GATEWAY: &str = include_str!("../../compat/istio/productpage_envoy_ratelimit.yaml");

pub fn config_map() -> Value {
    find(&documents(CONFIG_MAP), "ConfigMap", "ratelimit-config")
}

pub fn deployment() -> Value {
    find(&documents(SERVICE), "Deployment", "ratelimit")
}

/// The one file of the ConfigMap.
fn rules() -> String {
    let map = config_map();
    let files = map["data"].as_object().expect("files");
    assert_eq!(files.keys().collect::<Vec<_>>(), ["config.yaml"]);
    files["config.yaml"].as_str().expect("rules").to_owned()
}

/// A pod of the sample's Deployment, or of a changed one, with the sample's ConfigMap.
pub fn pod(isolation: Isolation, deployment: Deployment) -> Pod {
    let mut pod = Pod::new(isolation, deployment);
    pod.add(manifest::service_links(&documents(SERVICE)));
    pod.fill("ratelimit-config", &[("config.yaml", &rules())]);
    pod
}

/// The pod of the sample, and its Redis.
fn sample(isolation: Isolation) -> (Pod, Redis) {
    let deployment = Deployment::new(deployment());
    assert_eq!(deployment.command("none"), ["/bin/ratelimit"]);
    assert_eq!(deployment.ports(), [8080, 8081, 6070]);
    let mut pod = pod(isolation, deployment);
    let redis = redis_at(pod.neighbour("redis", 6379), &[]);
    (pod, redis)
}

pub fn redis_at(address: SocketAddr, arguments: &[&str]) -> Redis {
    let directory = tempfile::tempdir().expect("a directory");
    Redis::try_start(directory, address.port(), arguments).expect("redis-server, which tests/run.sh installs")
}

/// Waits for an answer; on a machine busy with other tests it may take longer than `REDIS_TIMEOUT`.
async fn asked(client: &mut Rls, path: &str) -> RateLimitResponse {
    eventually("an answer", async || {
        let asked = client.should_rate_limit(request("echo-ratelimit", &[&[("PATH", path)]])).await;
        asked.inspect_err(|error| assert_eq!(error.code(), tonic::Code::Unavailable, "{error}")).ok()
    })
    .await
    .into_inner()
}

/// The limit is 1 per minute, and a minute may end meanwhile.
pub async fn denies_the_second(client: &mut Rls) {
    let began = Instant::now();
    let mut codes = Vec::new();
    while codes.last() != Some(&Code::OverLimit) && (codes.len() as u64) < 3 + began.elapsed().as_secs() / 60 {
        let answer = asked(client, "/").await;
        let limit = answer.statuses[0].current_limit.as_ref().expect("a limit");
        assert_eq!((limit.requests_per_unit, limit.unit().as_str_name()), (1, "MINUTE"));
        codes.push(answer.overall_code());
    }
    assert_eq!(codes.last(), Some(&Code::OverLimit), "{codes:?}");
}

/// The limit that applies to a path.
async fn limit_of(client: &mut Rls, path: &str) -> Option<u32> {
    let answer = asked(client, path).await;
    answer.statuses[0].current_limit.as_ref().map(|limit| limit.requests_per_unit)
}

pub async fn answers(running: &Running, port: u16, path: &str) -> String {
    let http = Client::new();
    let mut last = String::new();
    eventually(&format!("{path} at {port}"), async || {
        let answer = http.send(hyper::Method::GET, running.at(port), path, &[], "").await;
        let now = format!("{answer:?}");
        if now != last {
            println!("{path} at {port}: {now}; log: {:#?}", running.tollgate.log());
            last = now;
        }
        answer.ok().filter(|answer| answer.status == 200).map(|answer| answer.body)
    })
    .await
}

async fn is_served_unchanged(isolation: Isolation) {
    let (mut pod, redis) = sample(isolation);
    let running = pod.start();
    assert_eq!(answers(&running, 8080, "/healthcheck").await, "OK");
    let mut calls = client(running.at(8081));
    denies_the_second(&mut calls).await;
    assert_eq!(limit_of(&mut calls, "/other").await, Some(100));
    assert!(redis.calls("evalsha") > 0, "it counts in the Redis of the manifest");

    let in_force = answers(&running, 6070, "/rlconfig").await;
    assert!(in_force.contains("echo-ratelimit.PATH_/: unit=MINUTE requests_per_unit=1"), "{in_force}");
    let metrics = answers(&running, 9090, "/metrics").await;
    assert!(
        metrics.contains(r#"ratelimit_service_rate_limit_over_limit{domain="echo-ratelimit",key1="PATH_/""#),
        "{metrics}"
    );

    // the sample's HOST is ::, which accepts both families
    let port = running.at(8081).port();
    let mut over_ipv6 = client(format!("[::1]:{port}").parse().expect("an address"));
    assert_eq!(limit_of(&mut over_ipv6, "/").await, Some(1));

    // updates the volume as the kubelet does
    let raised = rules().replace("requests_per_unit: 100", "requests_per_unit: 200");
    pod.fill("ratelimit-config", &[("config.yaml", &raised)]);
    eventually("the new limit", async || (limit_of(&mut calls, "/other").await == Some(200)).then_some(())).await;

    if let Some(status) = running.status() {
        let ids = |name: &str| status[name].split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!((ids("Uid"), ids("Gid")), (vec!["65534".to_owned(); 4], vec!["65534".to_owned(); 4]));
        assert_eq!((status["CapEff"].as_str(), status["CapPrm"].as_str()), ("0000000000000000", "0000000000000000"));
        assert_eq!(status["NoNewPrivs"], "1");
        assert!(status["NSpid"].ends_with("\t1"), "it is the first process: {}", status["NSpid"]);
    }
    let unknown = running.tollgate.logged("no effect");
    assert!(unknown.is_empty(), "nothing of the sample is without effect: {unknown:?}");
    assert_eq!(running.stop().await, Some(0));
}

#[test]
fn the_sample_is_served_unchanged() {
    within(is_served_unchanged);
}

/// Without namespaces; this form must work everywhere.
#[test]
fn the_sample_is_served_unchanged_without_namespaces() {
    run(Isolation::Rewritten, is_served_unchanged);
}

/// One of Istio's own policies for the sample, in a real Envoy, which has no DNS here. The policy contains the domain,
/// which "can be anything! Match it to the ratelimter service config".
async fn is_asked(isolation: Isolation, policy: String, (context, host): (&'static str, &str), domain: &str) {
    assert!(policy.contains(&format!("domain: {domain}\n")), "{policy}");
    let (mut pod, _redis) = sample(isolation);
    pod.fill(
        "ratelimit-config",
        &[("config.yaml", &rules().replace("domain: echo-ratelimit", &format!("domain: {domain}")))],
    );
    let running = pod.start();
    answers(&running, 8080, "/healthcheck").await;
    let service = running.at(8081);
    let policy = policy
        .replace("address: ratelimit.default.svc.cluster.local", &format!("address: {}", service.ip()))
        .replace("port_value: 8081", &format!("port_value: {}", service.port()));
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::new(context, host, upstream.address);
    documents(&policy).iter().for_each(|filter| proxy.apply(filter));
    let envoy = Envoy::run("envoy.json", &proxy.bootstrap()).await;

    let http = Client::new();
    let mut answered = Vec::new();
    eventually("a second request is denied", async || {
        let status = http.get(envoy.address, "/").await.status.as_u16();
        answered.push(status);
        (status == 429).then_some(())
    })
    .await;
    assert!(answered.contains(&200), "1 a minute is let through: {answered:?}");
    eventually("another page", async || (http.get(envoy.address, "/other").await.status == 200).then_some(())).await;
}

#[test]
fn the_policy_for_sidecars_limits_in_a_real_envoy() {
    let policy = SIDECAR
        .replace("{{ .EchoNamespace }}", "echo")
        .replace("{{ .RateLimitNamespace }}", "default")
        // Istio parses durations like Go, Envoy like proto3 JSON
        .replace("dns_refresh_rate: 500ms", "dns_refresh_rate: 0.5s");
    let at = ("SIDECAR_OUTBOUND", "srv.echo.svc.cluster.local:80");
    within(move |isolation| is_asked(isolation, policy, at, "echo-ratelimit"));
}

#[test]
fn the_policy_for_the_ingress_gateway_limits_in_a_real_envoy() {
    within(|isolation| is_asked(isolation, GATEWAY.to_owned(), ("GATEWAY", "*:80"), "productpage-ratelimit"));
}
