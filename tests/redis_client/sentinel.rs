//! A primary and a replica that sentinels watch over.

use std::fs;

use tollgate::{
    domain::Secret,
    store::redis::{CallError, Caller as _, Connector, Credentials, Script, Topology},
};

use crate::{
    calls::{connected, endpoint, heals, local, look},
    server::{Redis, free_port, until},
};

/// A sentinel of the group `gate`, with a password of its own.
fn sentinel(primary: u16) -> Redis {
    loop {
        let directory = tempfile::tempdir().expect("a directory");
        let text = format!(
            "sentinel monitor gate 127.0.0.1 {primary} 2\nsentinel auth-pass gate geheim\n\
             sentinel down-after-milliseconds gate 500\nsentinel failover-timeout gate 5000\nrequirepass watcher\n\
             sentinel sentinel-pass watcher\n"
        );
        fs::write(directory.path().join("sentinel.conf"), text).expect("a file");
        if let Some(sentinel) = Redis::try_start(directory, free_port(), &["--sentinel"]) {
            return sentinel;
        }
    }
}

#[tokio::test]
async fn after_a_failover_the_new_primary_is_found() {
    let secret = ["--requirepass", "geheim", "--masterauth", "geheim"];
    let mut primary = Redis::start(&secret);
    let replica = {
        let port = primary.port.to_string();
        let mut arguments = secret.to_vec();
        arguments.extend(["--replicaof", "127.0.0.1", &port, "--repl-diskless-sync-delay", "0"]);
        Redis::start(&arguments)
    };
    let sentinels: Vec<_> = (0..3).map(|_| sentinel(primary.port)).collect();
    let ask = |at: usize, words: &[&str]| {
        let mut command = vec!["-a", "watcher", "SENTINEL"];
        command.extend(words);
        sentinels[at].cli(&command)
    };
    until("the sentinels know each other and the replica", || {
        (0..3).all(|at| {
            let master = ask(at, &["MASTER", "gate"]);
            let value = |name: &str| master.lines().skip_while(|line| *line != name).nth(1).map(str::to_owned);
            value("num-other-sentinels").as_deref() == Some("2") && value("num-slaves").as_deref() == Some("1")
        }) && replica.cli(&["-a", "geheim", "INFO", "replication"]).contains("master_link_status:up")
    })
    .await;

    let file = primary.directory.path().join("password");
    fs::write(&file, "geheim\n").expect("a file");
    let mut endpoint = endpoint(Topology::Sentinel {
        master: "gate".to_owned(),
        sentinels: sentinels.iter().map(|sentinel| local(sentinel.port)).collect(),
        credentials: Credentials::Fixed { user: None, password: Secret::new("watcher".to_owned()) },
    });
    endpoint.credentials = Credentials::File(file.clone());
    let client = connected(&endpoint).await;
    heals(&client).await;
    let text = |redis: &Redis, command: &[&str]| redis.cli(&[&["-a", "geheim"], command].concat());
    assert!(text(&primary, &["INFO", "commandstats"]).contains("cmdstat_eval:"));
    assert!(!text(&replica, &["INFO", "commandstats"]).contains("cmdstat_eval:"));

    // The file goes with the primary's directory only when the test ends.
    primary.kill();
    until("lost", || client.open_connections() == 0).await;
    assert_eq!(look(&client, Script::Text).await, Err(CallError::Unreachable));
    until("failed over", || text(&replica, &["ROLE"]).starts_with("master")).await;
    heals(&client).await;
    assert!(text(&replica, &["INFO", "commandstats"]).contains("cmdstat_eval:"));
}

#[tokio::test]
async fn with_no_sentinel_to_ask_calls_fail_at_once() {
    let endpoint = endpoint(Topology::Sentinel {
        master: "gate".to_owned(),
        sentinels: vec![local(free_port())],
        credentials: Credentials::None,
    });
    let client = Connector::new(&endpoint).expect("a connector").connect();
    assert_eq!(look(&client, Script::Text).await, Err(CallError::Unreachable));
    client.close().await;
}
