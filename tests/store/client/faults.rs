//! Servers that do not answer, or answer late: which connections are dropped, and when a breaker opens and closes.

use std::{
    num::NonZeroUsize,
    sync::Arc,
    time::{Duration, Instant},
};

use redis::{Address, BreakerState, CallError, Caller as _, Client, Connector, Endpoint, Script, Topology};

use crate::client::{
    calls::{endpoint, heals, local, look, with_breaker},
    fake::Fake,
};
use testkit::{PATIENCE, until};

/// Longer than a busy machine delays this process, so a reply in time is also seen in time.
const DEADLINE: Duration = Duration::from_secs(1);

fn to(fake: &Fake, connections: usize) -> Endpoint {
    let endpoint = endpoint(Topology::Single(Address::Tcp(local(fake.port))));
    let connections = NonZeroUsize::new(connections).expect("not 0");
    Endpoint { connections, timeout: DEADLINE, ..endpoint }
}

fn state(connector: &Connector) -> Option<BreakerState> {
    connector.breakers().first().map(|breaker| breaker.state)
}

/// Clients with all their connections.
async fn clients<const N: usize>(connector: &Connector, connections: usize) -> [Client; N] {
    let clients = [(); N].map(|()| connector.connect());
    until("connected", || clients.iter().all(|client| client.open_connections() == connections)).await;
    clients
}

async fn call(client: &Client) -> Result<(), CallError> {
    look(client, Script::Sha1).await.map(|_| ())
}

#[tokio::test]
async fn a_breaker_opens_although_calls_are_rare_and_another_client_is_idle() {
    for connections in [1, 2] {
        let fake = Fake::start().await;
        let connector = Connector::new(&with_breaker(to(&fake, connections))).expect("a connector");
        let [mine, _other] = clients(&connector, connections).await;
        fake.mute();
        let since = Instant::now();
        while state(&connector) == Some(BreakerState::Closed) {
            assert!(since.elapsed() < PATIENCE, "{connections}: every call fails, and no breaker opens");
            call(&mine).await.expect_err("nobody answers");
            tokio::time::sleep(DEADLINE).await;
        }
        fake.unmute();
        until("it closes again", || state(&connector) == Some(BreakerState::Closed)).await;
        heals(&mine).await;
    }
}

#[tokio::test]
async fn a_server_that_answers_late_loses_no_connection() {
    let fake = Fake::start().await;
    let connector = Connector::new(&to(&fake, 3)).expect("a connector");
    let clients: [_; 2] = clients(&connector, 3).await;
    fake.delay(DEADLINE * 3 / 2);
    let since = Instant::now();
    // each connection gets more calls than it would take to drop one that does not answer
    while fake.seen("PING") < 24 {
        assert!(since.elapsed() < PATIENCE, "no connection is asked whether it answers");
        let [one, other] = &clients;
        let _late = tokio::join!(call(one), call(other));
    }
    assert_eq!((fake.made(), connector.open_connections()), (6, 6));
}

#[tokio::test]
async fn the_error_of_a_call_alone_on_a_connection_is_its_own_although_another_was_late() {
    let fake = Fake::start().await;
    let connector = Connector::new(&Endpoint { timeout: 2 * DEADLINE, ..to(&fake, 1) }).expect("a connector");
    let [client] = clients(&connector, 1).await;
    fake.delay(3 * DEADLINE);
    while call(&client).await.is_ok() {}
    fake.delay(Duration::ZERO);
    until("it is known that the late reply has come", || fake.seen("PING") > 0).await;
    // its reply is in flight, and precedes the next one
    call(&client).await.expect("a reply");
    fake.says("EVALSHA", "-CLUSTERDOWN The cluster is down");
    assert_eq!(call(&client).await, Err(CallError::Refused("CLUSTERDOWN The cluster is down".into())));
}

#[tokio::test]
async fn calls_in_flight_are_answered_while_the_connection_is_being_replaced() {
    let fake = Fake::start().await;
    let connector = Connector::new(&Endpoint { timeout: 30 * DEADLINE, ..to(&fake, 1) }).expect("a connector");
    let [client] = clients(&connector, 1).await;
    fake.delay(3 * DEADLINE);
    let client = Arc::new(client);
    let late = tokio::spawn({
        let client = Arc::clone(&client);
        async move { call(&client).await }
    });
    until("it is in flight", || fake.seen("EVALSHA") == 1).await;
    fake.delay(Duration::ZERO);
    client.reconnect();
    until("there is another connection", || connector.opened_connections() == 2).await;
    call(&client).await.expect("a reply over the new one");
    late.await.expect("no panic").expect("a reply over the old one");
    until("the old one is closed", || connector.open_connections() == 1).await;
    call(&client).await.expect("a reply");
}

#[tokio::test]
async fn a_connection_established_during_a_probe_triggers_the_next_one() {
    let fake = Fake::start().await;
    let mut endpoint = with_breaker(Endpoint { timeout: 2 * DEADLINE, ..to(&fake, 1) });
    let breaker = endpoint.breaker.as_mut().expect("a breaker");
    // only new connections trigger a probe here
    (breaker.cooldown, breaker.max_cooldown) = (60 * PATIENCE, 60 * PATIENCE);
    let connector = Connector::new(&endpoint).expect("a connector");
    let [client] = clients(&connector, 1).await;
    fake.delay_of("EVALSHA", 4 * DEADLINE);
    let _ = tokio::join!(call(&client), call(&client), call(&client), call(&client), call(&client));
    assert_eq!(state(&connector), Some(BreakerState::Open));
    let calls = fake.seen("EVALSHA");
    let _second = connector.connect();
    until("there is a probe", || fake.seen("EVALSHA") > calls).await;
    fake.delay(Duration::ZERO);
    let third = connector.connect();
    until("it is connected", || third.open_connections() == 1).await;
    until("the next probe is answered", || state(&connector) == Some(BreakerState::Closed)).await;
}
