//! Who is served over TLS, and who is not.

use std::{fs, net::SocketAddr, process::Command};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, UnixStream},
};
use tonic::transport::Endpoint;

use crate::tls::service::{RULES, builder, failures};
use testkit::{
    certificates::{Authority, Pem},
    eventually,
    http::Client,
    rls::Rls,
    scrape::count,
    tls::{
        client::{SERVER, call, call_once, client, config, handshake},
        secret::Secret,
    },
};

fn server() -> (Authority, Pem, Secret) {
    let ca = Authority::new("ca");
    let pem = ca.certificate(&format!("DNS:{SERVER},IP:127.0.0.1"));
    let secret = Secret::of(&pem, &ca.pem.certificate);
    (ca, pem, secret)
}

#[tokio::test]
async fn grpc_over_tls_and_clients_that_trust_another() {
    let (ca, _, secret) = server();
    let tollgate = builder(&secret).start();
    let address = tollgate.address("grpc");
    let trusting = config(&ca.pem.certificate, None);
    let mut one = client(address, &trusting);
    for _ in 0..3 {
        call(&mut one).await.expect("an answer");
    }
    let stream = handshake(TcpStream::connect(address).await.expect("connected"), &trusting).await.expect("secured");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let handshakes = "tollgate_tls_handshakes_total{listener=\"grpc\"}";
    eventually("both handshakes", async || (count(&tollgate, handshakes).await == 2).then_some(())).await;

    let other = config(&Authority::new("other").pem.certificate, None);
    call_once(address, &other).await.expect_err("a certificate of somebody else");
    eventually("its alert", async || (failures(&tollgate, "refused_by_client").await == 1).then_some(())).await;
}

#[tokio::test]
async fn connections_without_tls_or_h2_are_rejected_and_counted() {
    let (ca, _, secret) = server();
    let tollgate = builder(&secret).start();
    let address = tollgate.address("grpc");
    let mut plain = Rls::new(Endpoint::from_shared(format!("http://{address}")).expect("an address").connect_lazy());
    call(&mut plain).await.expect_err("no TLS");
    eventually("it is counted", async || (failures(&tollgate, "not_tls").await == 1).then_some(())).await;

    let mut http1 = (*config(&ca.pem.certificate, None)).clone();
    http1.alpn_protocols = vec![b"http/1.1".to_vec()];
    let stream = TcpStream::connect(address).await.expect("connected");
    handshake(stream, &http1.into()).await.expect_err("no common protocol");
    eventually("it is counted", async || (failures(&tollgate, "protocol").await == 1).then_some(())).await;

    // Without ALPN the preface decides, as in grpc-go for old clients.
    let mut silent = (*config(&ca.pem.certificate, None)).clone();
    silent.alpn_protocols = Vec::new();
    call_once(address, &silent.into()).await.expect("an answer");

    drop(TcpStream::connect(address).await.expect("connected"));
    eventually("it is counted", async || (failures(&tollgate, "closed").await == 1).then_some(())).await;
    call(&mut plain).await.expect_err("still no TLS");
    eventually("it is counted", async || (failures(&tollgate, "not_tls").await >= 2).then_some(())).await;
    let logged = tollgate.wait_for_lines("handshake failed", 2);
    let [not_tls, protocol] = &logged[..] else { panic!("not each cause once a minute: {logged:?}") };
    assert!(not_tls.contains("\"not_tls\"") && protocol.contains("\"protocol\""), "{logged:?}");
    assert!(logged.iter().all(|line| line.contains("\"peer\":\"127.0.0.1:")), "{logged:?}");
}

/// Whether openssl's client can connect with this version of TLS.
fn openssl(address: SocketAddr, version: &str, ca: &str) -> Result<String, String> {
    let to = address.to_string();
    let arguments = ["s_client", "-connect", &to, version, "-CAfile", ca, "-verify_return_error", "-alpn", "h2"];
    let output = Command::new("openssl").args(arguments).args(["-cipher", "DEFAULT:@SECLEVEL=0"]).output();
    let output = output.expect("openssl runs");
    let printed = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() { Ok(printed) } else { Err(printed) }
}

#[tokio::test]
async fn tls_is_1_2_or_1_3_to_another_implementation_too() {
    let (ca, _, secret) = server();
    let tollgate = builder(&secret).start();
    let address = tollgate.address("grpc");
    let file = secret.path("the-servers");
    fs::write(&file, &ca.pem.certificate).expect("a file");
    let file = file.to_str().expect("UTF-8");
    for (version, named) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let printed = openssl(address, version, file).expect(version);
        assert!(printed.contains(named) && printed.contains("ALPN protocol: h2"), "{printed}");
    }
    for version in ["-tls1_1", "-tls1"] {
        let printed = openssl(address, version, file).expect_err(version);
        assert!(printed.contains("SSL alert number"), "it was asked, and refused: {printed}");
    }
    eventually("they are counted", async || (failures(&tollgate, "protocol").await == 2).then_some(())).await;
}

#[tokio::test]
async fn a_unix_socket_has_tls_too() {
    let (ca, _, secret) = server();
    let path = secret.path("grpc.sock");
    let tollgate = builder(&secret).env("GRPC_UDS", &path).spawn();
    tollgate.wait_for_log("\"listener\":\"grpc\"");
    let trusting = config(&ca.pem.certificate, None);
    let connector = tower::service_fn(move |_| {
        let (path, trusting) = (path.clone(), trusting.clone());
        async move { handshake(UnixStream::connect(path).await?, &trusting).await.map(hyper_util::rt::TokioIo::new) }
    });
    let channel = Endpoint::from_static("http://unix").connect_with_connector(connector).await.expect("connected");
    call(&mut Rls::new(channel)).await.expect("an answer");
}

#[tokio::test]
async fn the_http_and_metrics_listeners_have_tls_of_their_own() {
    let (ca, _, secret) = server();
    let (http, metrics) = (secret.path("tls.crt"), secret.path("tls.key"));
    let tollgate = testkit::tollgate!()
        .rules(RULES)
        .env("HTTP_TLS_CERT", &http)
        .env("HTTP_TLS_KEY", &metrics)
        .env("PROMETHEUS_TLS_CERT", &http)
        .env("PROMETHEUS_TLS_KEY", &metrics)
        .start();
    let file = secret.path("the-servers");
    fs::write(&file, &ca.pem.certificate).expect("a file");
    let curl = |listener: &str, path: &str| {
        let url = format!("https://{}{path}", tollgate.address(listener));
        let output = Command::new("curl").args(["-sS", "--fail", "--cacert"]).arg(&file).arg(url).output();
        let output = output.expect("curl runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    assert_eq!(curl("http", "/healthcheck"), "OK");
    let page = curl("metrics", "/metrics");
    for listener in ["http", "metrics"] {
        let series = format!("tollgate_tls_certificate_expiry_timestamp_seconds{{listener=\"{listener}\"}}");
        assert!(page.contains(&series), "{page}");
    }
    assert!(!page.contains("listener=\"grpc\""), "gRPC has none: {page}");
    // The debug listener has no TLS at all.
    assert_eq!(Client::new().get(tollgate.address("debug"), "/rlconfig").await.status, 200);
    // Plain HTTP is rejected, and affects no other connection.
    let mut plain = TcpStream::connect(tollgate.address("http")).await.expect("connected");
    plain.write_all(b"GET /healthcheck HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("sent");
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    assert!(
        curl("metrics", "/metrics")
            .contains("tollgate_tls_handshake_failures_total{listener=\"http\",reason=\"not_tls\"} 1")
    );
    let line = tollgate.wait_for_log("the TLS handshake failed");
    for part in ["\"listener\":\"http\"", "\"peer\":\"127.0.0.1:", "\"reason\":\"not_tls\"", "\"level\":\"warning\""] {
        assert!(line.contains(part), "{part}: {line}");
    }
}

/// The loopback addresses of the families that this machine has.
fn loopbacks() -> Vec<std::net::IpAddr> {
    let all = ["127.0.0.1", "::1"].map(|address| address.parse().expect("an address"));
    all.into_iter().filter(|address: &std::net::IpAddr| std::net::TcpListener::bind((*address, 0)).is_ok()).collect()
}

#[tokio::test]
async fn the_ipv6_wildcard_serves_both_families() {
    let tollgate = testkit::tollgate!().rules(RULES).env("HOST", "::").env("GRPC_HOST", "::").start();
    let families = loopbacks();
    for family in &families {
        let at = |listener: &str| SocketAddr::new(*family, tollgate.address(listener).port());
        assert_eq!(Client::new().get(at("http"), "/healthcheck").await.body, "OK", "{family}");
        let endpoint = Endpoint::from_shared(format!("http://{}", at("grpc"))).expect("an address");
        call(&mut Rls::new(endpoint.connect_lazy())).await.expect("an answer");
    }
    assert!(!families.is_empty());
}
