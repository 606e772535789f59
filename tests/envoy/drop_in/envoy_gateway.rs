//! The Deployments that Envoy Gateway generates: rules over xDS with mTLS, gRPC over TLS, Redis by name, and the
//! metrics of its dashboard.

use std::sync::Arc;

use envoy_types::pb::{
    google::protobuf::Any,
    ratelimit::config::ratelimit::v3::{RateLimitDescriptor, RateLimitPolicy, RateLimitUnit},
};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};
use serde_json::Value;
use tokio_rustls::TlsAcceptor;
use tonic::Code;

use crate::drop_in::{
    grafana::{self, Prometheus},
    isolation::{Isolation, run, within},
    istio::{answers, redis_at},
    manifest::{Deployment, documents, find},
    pod::Pod,
    running::Running,
};
use testkit::{
    certificates::{Authority, Pem},
    eventually,
    redis::Redis,
    rls::{Rls, request},
    tls::client::{self, config},
    xds::{
        configs::of_domain,
        server::{Ads, AdsStream, ack},
    },
};

pub const DEFAULT: &str = include_str!("../../compat/envoy-gateway/deployment-default.yaml");
const TRACING: &str = include_str!("../../compat/envoy-gateway/deployment-enable-tracing-custom.yaml");
const REDIS_TLS: &str = include_str!("../../compat/envoy-gateway/deployment-redis-tls-settings.yaml");

/// The limit of the dashboard's rule.
const LIMIT: u32 = 5;

/// The two levels of the dashboard's rule, whose values are their keys.
const LEVELS: [&str; 2] = ["httproute/default/http-ratelimit/rule/0/match/0/ratelimit_example", "rule-0-match-0"];

/// The authority of all certificates.
pub struct Certificates {
    authority: Authority,
    ours: Pem,
}

impl Certificates {
    pub fn new() -> Self {
        let authority = Authority::new("envoy-gateway");
        let ours = authority.certificate(&format!("DNS:envoy-ratelimit,DNS:{}", client::SERVER));
        Self { authority, ours }
    }

    /// Envoy Gateway's own server: it accepts only clients with a certificate of the authority.
    pub fn acceptor(&self) -> TlsAcceptor {
        let server = self.authority.certificate("DNS:envoy-gateway,IP:127.0.0.1");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let certificate = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).expect("PEM");
        let mut roots = RootCertStore::empty();
        roots.add(certificate(&self.authority.pem.certificate)).expect("an authority");
        let clients = WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(&provider)).build();
        let key = PrivateKeyDer::from_pem_slice(server.key.as_bytes()).expect("a key");
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_client_cert_verifier(clients.expect("an authority"))
            .with_single_cert(vec![certificate(&server.certificate)], key)
            .expect("a pair");
        config.alpn_protocols.push(b"h2".to_vec());
        TlsAcceptor::from(Arc::new(config))
    }

    /// A client that trusts the authority, and may present a certificate of it.
    fn client(&self, running: &Running, identity: Option<&Pem>) -> Rls {
        client::client(running.at(8081), &config(&self.authority.pem.certificate, identity))
    }
}

/// The Deployment in a file.
pub fn deployment(yaml: &str) -> Value {
    find(&documents(yaml), "Deployment", "envoy-ratelimit")
}

/// The pod of a Deployment with its Secret.
pub fn pod_of(isolation: Isolation, deployment: Value, certificates: &Certificates) -> Pod {
    let deployment = Deployment::new(deployment);
    assert_eq!(deployment.command("none"), ["/bin/ratelimit"]);
    let mut pod = Pod::new(isolation, deployment);
    let Certificates { authority, ours } = certificates;
    let secret = [("tls.crt", &ours.certificate), ("tls.key", &ours.key), ("ca.crt", &authority.pem.certificate)];
    pod.fill("envoy-rate-limit", &secret.map(|(name, pem)| (name, pem.as_str())));
    pod
}

/// The pod, with Envoy Gateway next to it.
async fn pod(isolation: Isolation, yaml: &str, certificates: &Certificates) -> (Pod, Ads) {
    let mut pod = pod_of(isolation, deployment(yaml), certificates);
    let ads = Ads::at(pod.neighbour("envoy-gateway", 18001), Some(certificates.acceptor())).await;
    (pod, ads)
}

fn rules() -> [Any; 1] {
    let [outer, inner] = LEVELS.map(|name| RateLimitDescriptor {
        key: name.to_owned(),
        value: name.to_owned(),
        ..RateLimitDescriptor::default()
    });
    let limit = RateLimitPolicy { unit: RateLimitUnit::Year.into(), requests_per_unit: LIMIT, ..Default::default() };
    let inner = RateLimitDescriptor { rate_limit: Some(limit), ..inner };
    let outer = RateLimitDescriptor { descriptors: vec![inner], ..outer };
    [of_domain(&grafana::domain(), &grafana::domain(), [outer])]
}

/// Checks everything that the Deployment requires of the program; `ads` has not sent rules yet.
pub async fn serves(running: &Running, pod: &Pod, ads: &mut Ads, certificates: &Certificates) -> AdsStream {
    let mut client = certificates.client(running, None);
    let mut stream = ads.accept().await;
    let first = stream.request().await;
    assert_eq!(first.node.expect("a node").id, "envoy-ratelimit");
    // FORCE_START_WITHOUT_INITIAL_CONFIG: it listens before there are rules
    let call = || request(&grafana::domain(), &[&LEVELS.map(|level| (level, level))]);
    eventually("an answer without rules", async || {
        let status = client.should_rate_limit(call()).await.expect_err("there are no rules");
        status.message().contains("configuration").then(|| assert_eq!(status.code(), Code::Unavailable))
    })
    .await;
    stream.send("1", "n1", rules()).await;
    assert_eq!(stream.reply().await, ack("1", "n1"));

    let probes = pod.deployment().probes();
    assert_eq!(probes.len(), 3);
    for probe in probes {
        assert_eq!(answers(running, probe.port, &probe.path).await, "OK");
    }
    // on a busy machine an answer may be late but already counted
    eventually("a refusal", async || {
        let answer = client.should_rate_limit(call()).await.ok()?.into_inner();
        let limit = answer.statuses[0].current_limit.as_ref().expect("a limit");
        assert_eq!((limit.requests_per_unit, limit.unit().as_str_name()), (LIMIT, "YEAR"));
        (answer.overall_code().as_str_name() == "OVER_LIMIT").then_some(())
    })
    .await;
    let healthy = running.execute(&["/bin/tollgate".to_owned(), "health".to_owned()]);
    assert!(healthy.status.success(), "{healthy:?}");
    stream
}

/// The warnings about settings without effect; nothing else may be above info.
fn warnings(running: &Running) -> Vec<String> {
    running.tollgate.logged("no effect")
}

fn redis(pod: &mut Pod) -> Redis {
    redis_at(pod.neighbour("redis.redis.svc", 6379), &[])
}

async fn default_is_served(isolation: Isolation) {
    let certificates = Certificates::new();
    let (mut pod, mut ads) = pod(isolation, DEFAULT, &certificates).await;
    let redis = redis(&mut pod);
    let running = pod.start();
    let _stream = serves(&running, &pod, &mut ads, &certificates).await;
    assert!(redis.calls("evalsha") > 0, "it counts in the Redis of the manifest");
    let warnings = warnings(&running);
    let [mapper, files] = &warnings[..] else { panic!("{warnings:?}") };
    assert!(mapper.contains("PROMETHEUS_MAPPER_YAML") && files.contains("RUNTIME_ROOT"), "{warnings:?}");
    if let (Some(root), Some(status)) = (running.root_mount(), running.status()) {
        assert!(pod.deployment().is_read_only() && root.starts_with("ro,"), "{root}");
        assert!(status["Uid"].starts_with("65534\t65534"), "{status:?}");
        assert_eq!((status["CapEff"].as_str(), status["NoNewPrivs"].as_str()), ("0000000000000000", "1"));
    }

    let scrape = pod.deployment().scrape().expect("it is scraped");
    assert_eq!((scrape.port, scrape.path.as_str()), (19001, "/metrics"));
    let prometheus = Prometheus::scraping(running.at(scrape.port), &scrape.path);
    let (go, ours): (Vec<_>, Vec<_>) = grafana::expressions().into_iter().partition(|one| one.contains("go_"));
    assert_eq!((go.len(), ours.len()), (1, 5), "{go:?} {ours:?}");
    for expression in &ours {
        prometheus.finds(expression).await;
    }
    for (metric, kind) in [
        ("ratelimit_service_rate_limit_total_hits", "counter"),
        ("ratelimit_service_rate_limit_near_limit", "counter"),
        ("ratelimit_service_rate_limit_over_limit", "counter"),
        ("process_resident_memory_bytes", "gauge"),
        ("process_virtual_memory_bytes", "gauge"),
    ] {
        assert!(ours.iter().any(|expression| expression.contains(metric)), "{metric}");
        prometheus.knows_as(metric, kind).await;
    }
    assert_eq!(running.stop().await, Some(0));
}

#[test]
fn the_default_deployment_is_served_and_its_dashboard_shows_it() {
    within(default_is_served);
}

#[test]
fn the_default_deployment_is_served_without_namespaces() {
    run(Isolation::Rewritten, default_is_served);
}

/// A variant in which clients must present a certificate. The original does not require one (above).
#[test]
fn with_a_client_authority_clients_without_a_certificate_are_rejected() {
    within(async |isolation| {
        let certificates = Certificates::new();
        let (mut pod, mut ads) = pod(isolation, DEFAULT, &certificates).await;
        let _redis = redis(&mut pod);
        pod.add([("GRPC_CLIENT_TLS_CACERT".to_owned(), "/certs/ca.crt".to_owned())]);
        let running = pod.start();
        let stream = ads.accept().await;
        stream.send("1", "n1", rules()).await;
        answers(&running, 8080, "/healthcheck").await;

        let call = || request("other", &[&[("k", "v")]]);
        let other = Authority::new("other").certificate("DNS:envoy");
        for stranger in [None, Some(&other)] {
            let refused = certificates.client(&running, stranger).should_rate_limit(call()).await;
            assert!(refused.is_err(), "{refused:?}");
        }
        let known = certificates.authority.certificate("DNS:envoy");
        let mut client = certificates.client(&running, Some(&known));
        eventually("an answer", async || client.should_rate_limit(call()).await.ok()).await;
    });
}

#[test]
fn the_deployment_with_tracing_is_served_with_a_warning_that_no_spans_are_sent() {
    within(async |isolation| {
        let certificates = Certificates::new();
        let (mut pod, mut ads) = pod(isolation, TRACING, &certificates).await;
        let _redis = redis(&mut pod);
        let running = pod.start();
        let _stream = serves(&running, &pod, &mut ads, &certificates).await;
        let warnings = warnings(&running);
        assert!(warnings.iter().any(|warning| warning.contains("TRACING_ENABLED")), "{warnings:?}");
        assert_eq!(running.stop().await, Some(0));
    });
}

/// Its Redis requires TLS, a certificate and a password; its certificate is of an authority that the image trusts.
#[test]
fn the_deployment_with_redis_over_tls_is_served() {
    within(async |isolation| {
        let certificates = Certificates::new();
        let (mut pod, mut ads) = pod(isolation, REDIS_TLS, &certificates).await;
        let public = Authority::new("public");
        let (server, client) =
            (public.certificate("DNS:redis.redis.svc,IP:127.0.0.1"), public.certificate("DNS:client"));
        pod.fill("ratelimit-cert", &[("tls.crt", &client.certificate), ("tls.key", &client.key)]);
        pod.trust(&public.pem.certificate);
        let files = tempfile::tempdir().expect("a directory");
        let keep = |name: &str, pem: &str| {
            let path = files.path().join(name);
            std::fs::write(&path, pem).expect("written");
            path.display().to_string()
        };
        let (certificate, key) = (keep("tls.crt", &server.certificate), keep("tls.key", &server.key));
        let authority = keep("ca.crt", &public.pem.certificate);
        let address = pod.neighbour("redis.redis.svc", 6379);
        let port = address.port().to_string();
        let redis = redis_at(
            address,
            &[
                &["--port", "0", "--tls-port", &port, "--tls-auth-clients", "yes"][..],
                &["--tls-cert-file", &certificate, "--tls-key-file", &key, "--tls-ca-cert-file", &authority],
                &["--requirepass", "redis_auth_password"],
            ]
            .concat(),
        );
        let running = pod.start();
        let _stream = serves(&running, &pod, &mut ads, &certificates).await;
        let stats = redis.cli(&["-a", "redis_auth_password", "--no-auth-warning", "INFO", "commandstats"]);
        assert!(stats.contains("cmdstat_evalsha"), "{stats}");
        if let Some(status) = running.status() {
            assert!(status["Uid"].starts_with("1000\t1000"), "the manifest's user: {status:?}");
        }
        assert_eq!(running.stop().await, Some(0));
    });
}
