//! The HTTP listeners against slow and hostile clients and under scarcity: the whole program.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use testkit::{PATIENCE, eventually};

const RULES: &str = "domain: d\ndescriptors:\n  - {key: k, rate_limit: {unit: year, requests_per_unit: 1000}}\n";

#[tokio::test]
async fn a_json_call_in_flight_at_the_signal_is_answered() {
    let mut tollgate = testkit::tollgate!(RULES);
    let address = tollgate.address("http");
    let body = r#"{"domain":"d","descriptors":[{"entries":[{"key":"k","value":"v"}]}]}"#;
    let (now, later) = body.split_at(20);
    let mut call = TcpStream::connect(address).expect("connected");
    write!(call, "POST /json HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n", body.len())
        .expect("sent");
    let mut answer = [0; 25];
    call.read_exact(&mut answer).expect("a 100 response: the handler waits for the body");
    call.write_all(now.as_bytes()).expect("sent");
    tollgate.signal("TERM");
    eventually("the listener closes", async || TcpStream::connect(address).is_err().then_some(())).await;
    call.write_all(later.as_bytes()).expect("sent");
    let mut answer = String::new();
    call.read_to_string(&mut answer).expect("answered");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(tollgate.exit().success());
}

#[tokio::test]
async fn a_probe_is_answered_among_any_number_of_connections() {
    let tollgate = testkit::tollgate!(RULES);
    for listener in ["http", "debug", "metrics"] {
        let address = tollgate.address(listener);
        let crowd: Vec<_> = (0..1_200).map(|_| TcpStream::connect(address).expect("queued")).collect();
        let path = match listener {
            "http" => "/livez",
            "debug" => "/stats",
            _ => "/metrics",
        };
        let answer = tokio::task::spawn_blocking(move || {
            let mut probe = TcpStream::connect(address).expect("queued");
            // that none has to wait until others are closed is shown in `tests/library/pages.rs`, where they never are
            probe.set_read_timeout(Some(PATIENCE)).expect("not zero");
            write!(probe, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").expect("sent");
            let mut answer = [0; 12];
            probe.read_exact(&mut answer).map(|()| String::from_utf8_lossy(&answer).into_owned())
        });
        assert_eq!(answer.await.expect("no panic").expect("in time"), "HTTP/1.1 200", "{listener}");
        drop(crowd);
    }
}

#[tokio::test]
async fn running_out_of_files_is_logged_at_its_beginning_and_end() {
    let tollgate = testkit::tollgate!()
        .rules(RULES)
        .program("/bin/sh".as_ref())
        .arg("-c")
        .arg("ulimit -n 64; exec \"$0\"")
        .arg(env!("CARGO_BIN_EXE_tollgate"))
        .start();
    let address = tollgate.address("http");
    let crowd: Vec<_> = (0..80).map(|_| TcpStream::connect(address).expect("queued")).collect();
    eventually("trouble", async || tollgate.logged("cannot accept").pop()).await;
    drop(crowd);
    eventually("relief", async || {
        TcpStream::connect(address).expect("queued");
        tollgate.logged("accept").pop().filter(|line| line.contains("again"))
    })
    .await;
    // the shortage may end and return several times while the crowd leaves, but no line comes twice in a row
    let lines = tollgate.logged("accept");
    let begins = |line: &String| line.contains("cannot accept");
    assert!(lines.iter().enumerate().all(|(index, line)| begins(line) == (index % 2 == 0)), "{lines:#?}");
}
