//! One server: how a client connects, and how it recovers.

use std::{fs, num::NonZeroUsize, time::Duration};

use limiter::domain::Secret;
use redis::{Address, CallError, Caller as _, Connector, Credentials, Script, Topology};

use crate::client::calls::{connected, endpoint, heals, local, look, tcp, unix, with_breaker};
use testkit::{ports::free_port, redis::Redis, until};

#[tokio::test]
async fn by_sha_and_by_text() {
    let redis = Redis::start(&[]);
    for endpoint in [tcp(&redis), unix(&redis)] {
        let client = connected(&endpoint).await;
        redis.cli(&["SCRIPT", "FLUSH"]);
        let error = look(&client, Script::Sha1).await.expect_err("no such script yet");
        assert!(matches!(&error, CallError::Refused(text) if text.starts_with("NOSCRIPT ")), "{error}");
        look(&client, Script::Text).await.expect("a reply");
        look(&client, Script::Sha1).await.expect("a reply");
    }
}

#[tokio::test]
async fn a_call_before_the_connection_waits_for_it() {
    let redis = Redis::start(&[]);
    for endpoint in [tcp(&redis), unix(&redis)] {
        let client = Connector::new(&endpoint).expect("a connector").connect();
        look(&client, Script::Text).await.expect("a reply");
        // and for the next one, if other clients are connected
        redis.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
        heals(&client).await;
    }
}

#[tokio::test]
async fn a_call_before_the_connection_does_not_wait_once_an_attempt_has_failed() {
    let mut endpoint = tcp(&Redis::start(&[]));
    endpoint.timeout = Duration::from_secs(3600);
    let client = Connector::new(&endpoint).expect("a connector").connect();
    assert_eq!(look(&client, Script::Text).await, Err(CallError::Unreachable));
}

#[tokio::test]
async fn a_deleted_counter_is_gone_from_the_database_of_the_endpoint() {
    let redis = Redis::start(&[]);
    let mut endpoint = tcp(&redis);
    endpoint.database = 3;
    let client = connected(&endpoint).await;
    let keys = [b"k".to_vec(), b"other".to_vec()];
    redis.cli(&["SET", "k", "elsewhere"]);
    assert_eq!(client.delete(None, &keys).await, Ok(false));
    redis.cli(&["-n", "3", "SET", "k", "here"]);
    assert_eq!(client.delete(None, &keys).await, Ok(true));
    assert_eq!(redis.cli(&["-n", "3", "EXISTS", "k"]), "0");
    assert_eq!(redis.cli(&["EXISTS", "k"]), "1");
}

#[tokio::test]
async fn a_user_with_a_password() {
    let redis = Redis::start(&[]);
    redis.cli(&["ACL", "SETUSER", "gate", "on", ">geheim", "~*", "+@all"]);
    redis.cli(&["ACL", "SETUSER", "default", "off"]);
    let mut endpoint = tcp(&redis);
    endpoint.credentials =
        Credentials::Fixed { user: Some("gate".to_owned()), password: Secret::new("geheim".to_owned()) };
    let client = connected(&endpoint).await;
    look(&client, Script::Text).await.expect("a reply");
}

#[tokio::test]
async fn the_password_file_is_read_at_each_connect() {
    let redis = Redis::start(&["--requirepass", "first"]);
    let file = redis.directory.path().join("password");
    fs::write(&file, "wrong\n").expect("a file");
    let mut endpoint = tcp(&redis);
    endpoint.credentials = Credentials::File(file.clone());
    let connector = Connector::new(&endpoint).expect("a connector");
    let client = connector.connect();
    assert_eq!(look(&client, Script::Text).await, Err(CallError::Unreachable));
    fs::write(&file, "first\n").expect("a file");
    until("the right password was accepted", || client.open_connections() == 1).await;

    redis.cli(&["-a", "first", "CONFIG", "SET", "requirepass", "second"]);
    fs::write(&file, "default:second").expect("a file");
    redis.cli(&["-a", "second", "CLIENT", "KILL", "TYPE", "normal"]);
    until("connected again", || connector.opened_connections() == 2).await;
    look(&client, Script::Text).await.expect("a reply");
}

#[tokio::test]
async fn while_the_server_is_down_calls_fail_at_once_and_then_work_again() {
    let mut redis = Redis::start(&[]);
    let mut endpoint = tcp(&redis);
    endpoint.connections = NonZeroUsize::new(3).expect("not 0");
    let connector = Connector::new(&endpoint).expect("a connector");
    let client = connector.connect();
    until("connected", || client.open_connections() == 3).await;
    assert_eq!(connector.open_connections(), 3);
    redis.kill();
    until("lost", || client.open_connections() == 0).await;
    assert_eq!(connector.open_connections(), 0);
    for _ in 0..1000 {
        assert_eq!(look(&client, Script::Text).await, Err(CallError::Unreachable));
    }
    redis.start_again();
    heals(&client).await;
    until("all are back", || client.open_connections() == 3).await;
    assert_eq!(connector.opened_connections(), 6);
}

#[tokio::test]
async fn killed_connections_come_back() {
    let redis = Redis::start(&[]);
    let client = connected(&tcp(&redis)).await;
    for _ in 0..20 {
        redis.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
        heals(&client).await;
    }
}

/// The connections of clients other than `redis-cli`.
fn others(redis: &Redis) -> usize {
    redis.cli(&["CLIENT", "LIST"]).lines().count() - 1
}

#[tokio::test]
async fn a_closed_or_dropped_client_leaves_no_connection() {
    let redis = Redis::start(&[]);
    let connector = Connector::new(&tcp(&redis)).expect("a connector");
    let client = connector.connect();
    until("connected", || client.open_connections() == 1).await;
    client.close().await;
    assert_eq!(client.open_connections(), 0);
    assert_eq!(look(&client, Script::Text).await, Err(CallError::Unreachable));
    until("closed", || others(&redis) == 0).await;

    let client = connector.connect();
    until("connected", || client.open_connections() == 1).await;
    assert_eq!(others(&redis), 1);
    drop(client);
    until("closed", || others(&redis) == 0).await;
    assert_eq!(connector.open_connections(), 0);
}

#[tokio::test]
async fn forced_reconnections_are_at_most_one_a_second() {
    let redis = Redis::start(&[]);
    let connector = Connector::new(&tcp(&redis)).expect("a connector");
    let client = connector.connect();
    until("connected", || client.open_connections() == 1).await;
    for _ in 0..2 {
        let (since, opened) = (std::time::Instant::now(), connector.opened_connections() + 1);
        client.reconnect();
        until("connected again", || client.open_connections() == 1 && connector.opened_connections() >= opened).await;
        for _ in 0..100 {
            client.reconnect();
        }
        look(&client, Script::Text).await.expect("a reply over the same connection");
        // if that took longer than a second, there may have been another one
        if since.elapsed() < Duration::from_secs(1) {
            assert_eq!(connector.opened_connections(), opened);
        }
        tokio::time::sleep(Duration::from_millis(1100)).await;
        until("all requested connections are established", || client.open_connections() == 1).await;
    }
}

#[tokio::test]
async fn one_connection_tries_until_redis_has_answered_and_then_all_connect() {
    let port = free_port();
    let listener = std::net::TcpListener::bind(("127.0.0.1", port)).expect("a port");
    listener.set_nonblocking(true).expect("a socket");
    let mut endpoint = endpoint(Topology::Single(Address::Tcp(local(port))));
    endpoint.connections = NonZeroUsize::new(4).expect("not 0");
    endpoint.startup.initial = Duration::from_secs(3600);
    let connector = Connector::new(&endpoint).expect("a connector");
    let clients = [connector.connect(), connector.connect()];
    let mut accepted = Vec::new();
    until("one tries", || {
        accepted.extend(listener.accept().ok());
        !accepted.is_empty()
    })
    .await;
    drop(accepted);
    until("the error is known", || !connector.contact().trouble.is_empty()).await;
    assert!(listener.accept().is_err(), "all others wait for it, and it backs off");

    drop(listener);
    let redis = Redis::try_start(tempfile::tempdir().expect("a directory"), port, &[]).expect("the port is free");
    let [first, second] = clients;
    drop(first);
    until("the next one has its turn, and all others follow", || second.open_connections() == 4).await;
    drop(redis);
}

#[tokio::test]
async fn a_client_without_a_connection_opens_no_breaker_for_clients_with_one() {
    let redis = Redis::start(&["--maxclients", "1"]);
    let connector = Connector::new(&with_breaker(tcp(&redis))).expect("a connector");
    let one = connector.connect();
    until("connected", || one.open_connections() == 1).await;
    let other = connector.connect();
    for _ in 0..100 {
        assert_eq!(look(&other, Script::Text).await, Err(CallError::Unreachable));
        look(&one, Script::Text).await.expect("a reply");
    }
}
