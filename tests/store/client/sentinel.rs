//! The client of a primary and a replica that sentinels monitor.

use std::fs;

use redis::{CallError, Caller as _, Connector, Credentials, Endpoint, Script, Topology};

use crate::client::calls::{self, connected, endpoint, heals, local, look};
use testkit::{
    ports::free_port,
    redis::sentinel::{SentinelGroup, is_primary, text},
    until,
};

#[tokio::test]
async fn after_a_failover_the_new_primary_is_found() {
    let group = SentinelGroup::start().await;
    let endpoint = calls::sentinels(&group);
    let SentinelGroup { mut primary, replica, sentinels: _sentinels } = group;
    let file = primary.directory.path().join("password");
    fs::write(&file, "geheim\n").expect("a file");
    let endpoint = Endpoint { credentials: Credentials::File(file.clone()), ..endpoint };
    let client = connected(&endpoint).await;
    heals(&client).await;
    assert!(text(&primary, &["INFO", "commandstats"]).contains("cmdstat_eval:"));
    assert!(!text(&replica, &["INFO", "commandstats"]).contains("cmdstat_eval:"));

    // the file is removed with the primary's directory only at the end of the test
    primary.kill();
    until("lost", || client.open_connections() == 0).await;
    assert_eq!(look(&client, Script::Text).await, Err(CallError::Unreachable));
    until("failed over", || is_primary(&replica)).await;
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
