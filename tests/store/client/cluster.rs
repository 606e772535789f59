//! The client on a Redis Cluster of three primaries.

use redis::{Call, CallError, Caller as _, Client, Connector, Credentials, Script, Topology};

use crate::client::calls::{self, endpoint, local, look};
use testkit::{eventually, ports::free_port, redis::cluster::Cluster, until};

async fn connected(cluster: &Cluster) -> Client {
    let client = Connector::new(&calls::cluster(cluster)).expect("a connector").connect();
    until("connected", || client.open_connections() == 3).await;
    client
}

/// A call without keys to the node of a slot.
async fn call(client: &Client, slot: u16) -> Result<Vec<u8>, CallError> {
    let call = Call::of_nothing();
    client.call(Some(slot), Script::Text, &call).await.map(|reply| reply.to_vec())
}

/// The key `{x}` of slot 16287, and the slot.
const KEY: &[u8] = b"x";
const SLOT: u16 = 16287;

async fn delete(client: &Client) -> Result<bool, CallError> {
    client.delete(Some(SLOT), &[KEY.to_vec()]).await
}

#[tokio::test]
async fn each_slot_is_called_on_its_node() {
    let cluster = Cluster::start().await;
    let client = connected(&cluster).await;
    assert!(client.has_slots());
    let before: Vec<_> = cluster.nodes.iter().map(|node| node.calls("eval")).collect();
    for slot in [0, 5460, 5461, 10922, 10923, 16383] {
        call(&client, slot).await.expect("a reply");
    }
    for (node, before) in cluster.nodes.iter().zip(before) {
        assert_eq!(node.calls("eval"), before + 2);
    }
    look(&client, Script::Text).await.expect("a reply of any node");
    assert_eq!(cluster.nodes[2].cli(&["CLUSTER", "KEYSLOT", "x"]), SLOT.to_string());
    cluster.nodes[2].cli(&["SET", "x", "1"]);
    assert_eq!(delete(&client).await, Ok(true));
}

#[tokio::test]
async fn a_call_before_the_slot_map_is_known_waits_for_it() {
    let cluster = Cluster::start().await;
    for slot in [0, SLOT, 16_383] {
        let client = Connector::new(&calls::cluster(&cluster)).expect("a connector").connect();
        call(&client, slot).await.expect("a reply");
    }
}

#[tokio::test]
async fn a_slot_that_moves_is_followed() {
    let cluster = Cluster::start().await;
    let client = connected(&cluster).await;
    let (from, to) = (&cluster.nodes[2], &cluster.nodes[0]);
    let slot = SLOT.to_string();
    from.cli(&["SET", "x", "1"]);
    to.cli(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &cluster.id(2)]);
    from.cli(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &cluster.id(0)]);
    // the slot is moving, but this key is still there; then it is not (ASK)
    assert_eq!(delete(&client).await, Ok(true));
    assert_eq!(delete(&client).await, Ok(false));
    assert_eq!((from.calls("del"), to.calls("del")), (1, 1));
    assert_eq!(to.calls("asking"), 1);
    // the slot has moved (MOVED)
    for node in [to, from, &cluster.nodes[1]] {
        node.cli(&["CLUSTER", "SETSLOT", &slot, "NODE", &cluster.id(0)]);
    }
    to.cli(&["SET", "x", "1"]);
    assert_eq!(delete(&client).await, Ok(true));
    assert_eq!(delete(&client).await, Ok(false));
    assert_eq!((from.calls("del"), to.calls("del"), to.calls("asking")), (1, 3, 1));
}

#[tokio::test]
async fn a_node_that_is_down_affects_no_other() {
    let mut cluster = Cluster::start().await;
    for node in &cluster.nodes {
        node.cli(&["CONFIG", "SET", "cluster-require-full-coverage", "no"]);
    }
    let client = connected(&cluster).await;
    cluster.nodes[0].kill();
    until("lost", || client.open_connections() == 2).await;
    for _ in 0..100 {
        assert_eq!(call(&client, 0).await, Err(CallError::Unreachable));
        call(&client, 5461).await.expect("a reply");
        look(&client, Script::Text).await.expect("a reply");
        tokio::task::yield_now().await;
    }
    cluster.nodes[0].start_again();
    eventually("a reply of the restarted node", async || call(&client, 0).await.ok()).await;
}

#[tokio::test]
async fn a_cluster_that_is_down_answers_with_errors() {
    let cluster = Cluster::start().await;
    let client = connected(&cluster).await;
    cluster.nodes[2].cli(&["CLUSTER", "DELSLOTS", &SLOT.to_string()]);
    eventually("CLUSTERDOWN", async || match delete(&client).await {
        Err(CallError::Refused(text)) => text.starts_with("CLUSTERDOWN ").then_some(()),
        _ => None,
    })
    .await;
}

#[tokio::test]
async fn a_closed_client_leaves_no_connection() {
    let cluster = Cluster::start().await;
    let connector = Connector::new(&calls::cluster(&cluster)).expect("a connector");
    for drops in [false, true] {
        let client = connector.connect();
        until("connected", || client.open_connections() == 3).await;
        if drops {
            drop(client);
        } else {
            client.close().await;
            assert_eq!(call(&client, 0).await, Err(CallError::Unreachable));
        }
        until("closed", || connector.open_connections() == 0).await;
    }
}

#[tokio::test]
async fn without_any_node_calls_fail_at_once() {
    let mut endpoint = endpoint(Topology::Cluster(vec![local(free_port())]));
    endpoint.credentials = Credentials::None;
    let client = Connector::new(&endpoint).expect("a connector").connect();
    assert_eq!(call(&client, 0).await, Err(CallError::Unreachable));
    assert_eq!(look(&client, Script::Text).await, Err(CallError::Unreachable));
}
