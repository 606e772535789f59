//! Which client probes an address. Time is paused, and the tests set the connections of the links.

use std::num::NonZeroU32;

use tokio::{
    runtime::Handle,
    sync::watch,
    time::{sleep, timeout},
};

use super::*;
use crate::{
    Credentials, HostPort, Startup,
    breaker::{BreakerConfig, BreakerState},
    client::{
        contact::Contacts,
        health::{Health, Healths},
        key_limit::KeyLimit,
        plan::{Plan, Target},
    },
};

const COOLDOWN: Duration = Duration::from_millis(200);

fn healths() -> Arc<Healths> {
    let breaker = BreakerConfig {
        consecutive: NonZeroU32::new(5).expect("not zero"),
        ratio: 0.5,
        window: Duration::from_secs(10),
        min_calls: NonZeroU32::new(20).expect("not zero"),
        cooldown: COOLDOWN,
        max_cooldown: Duration::from_secs(2),
    };
    Healths::new(Arc::new(Contacts::new()), Some(breaker))
}

/// A node with one link, which is not connected.
fn node(health: &Arc<Health>) -> (watch::Sender<Option<Arc<Wire>>>, Arc<Node>) {
    let (connection, link) = Link::by_hand();
    let (timeout, startup) = (Duration::from_millis(100), Startup { initial: COOLDOWN, longest: COOLDOWN });
    let (credentials, contacts) = (Credentials::None, Arc::new(Contacts::new()));
    let keys = Arc::new(KeyLimit::new(None));
    let (key_prefix, database, connections) = ("".into(), 0, 1);
    let plan = Plan {
        credentials,
        key_prefix,
        tls: None,
        database,
        connections,
        timeout,
        startup,
        contacts,
        keys,
        plain_commands: true,
    };
    let proof = Proof::of_one("", &Credentials::None);
    let member = plan.contacts.joins();
    let target = Target::Tcp(HostPort { host: "redis".to_owned(), port: 6379 });
    (connection, Node::with(vec![link], Peer::new(&Arc::new(plan), &target, health, proof, &member)))
}

fn trip(health: &Health) -> &Breaker {
    let breaker = health.breaker.as_ref().expect("a breaker");
    while breaker.admit().is_some_and(|call| !breaker.observe(call, Outcome::Silent, Instant::now())) {}
    health.tripped(None);
    breaker
}

/// Waits until probes were made. They find no server, so the cooldown has grown.
async fn is_probed(breaker: &Breaker) -> bool {
    for _ in 0..100 {
        if breaker.pause() > COOLDOWN {
            return true;
        }
        sleep(COOLDOWN).await;
    }
    false
}

#[tokio::test(start_paused = true)]
async fn a_client_that_cannot_probe_when_the_breaker_opens_does_as_soon_as_it_can() {
    for i_connect in [true, false] {
        let health = healths().of(&"redis:6379");
        // another client is connected, and idle
        let other = health.opened();
        let (connection, node) = node(&health);
        let breaker = trip(&health);
        let tasks = Handle::current().metrics().num_alive_tasks();
        assert!((0..100).all(|_| !node.admits()));
        assert_eq!(Handle::current().metrics().num_alive_tasks(), tasks + 1, "one task waits until it can probe");
        sleep(10 * COOLDOWN).await;
        assert!(breaker.pause() <= COOLDOWN && breaker.state() == BreakerState::Open, "it cannot probe");
        if i_connect {
            connection.send_replace(Some(Arc::new(Wire::unmade())));
        } else {
            drop(other);
        }
        assert!(is_probed(breaker).await);
    }
}

#[tokio::test(start_paused = true)]
async fn another_client_takes_over_from_one_that_is_dropped() {
    let health = healths().of(&"redis:6379");
    let open = health.opened();
    let [(mine, first), (theirs, second)] = [node(&health), node(&health)];
    mine.send_replace(Some(Arc::new(Wire::unmade())));
    let breaker = trip(&health);
    // the first probes, the second cannot, and there are no further calls
    assert!(!second.admits());
    assert!(!first.admits());
    drop(first);
    theirs.send_replace(Some(Arc::new(Wire::unmade())));
    assert!(is_probed(breaker).await);
    drop(open);
}

#[tokio::test]
async fn a_breaker_is_closed_when_the_last_client_leaves_its_address() {
    let healths = healths();
    let health = healths.of(&"redis:6379");
    let [(_, first), (_, second)] = [node(&health), node(&health)];
    let breaker = trip(&health);
    drop(first);
    assert_eq!(breaker.state(), BreakerState::Open, "the second still uses it");
    drop(second);
    let (_, third) = node(&healths.of(&"redis:6379"));
    assert!(third.admits(), "its state is unknown again");
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_waits_for_a_connection_takes_any() {
    let (_first, mut links) = Link::by_hand();
    let health = healths().of(&"redis:6379");
    let (connection, mut node) = node(&health);
    let two = Arc::get_mut(&mut node).expect("the only one");
    std::mem::swap(&mut two.links[0], &mut links);
    two.links.push(links);
    assert!(timeout(COOLDOWN, node.connected()).await.is_err(), "there is none");
    connection.send_replace(Some(Arc::new(Wire::unmade())));
    timeout(COOLDOWN, node.connected()).await.expect("the second link is connected");
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_waits_for_a_connection_is_woken_by_it() {
    let health = healths().of(&"redis:6379");
    let (connection, node) = node(&health);
    let waits = tokio::spawn(async move { node.connected().await });
    tokio::task::yield_now().await;
    connection.send_replace(Some(Arc::new(Wire::unmade())));
    let _open = health.opened();
    timeout(COOLDOWN, waits).await.expect("woken").expect("no panic");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_by_one_server_behind_a_proxy_says_nothing_about_the_others() {
    let healths = healths();
    let (_connection, node) = node(&healths.of(&"redis:6379"));
    let full = "OOM command not allowed when used memory > 'maxmemory'.";
    assert!(node.is_sticky(full));
    node.peer.plan.keys.found(KeysPerCall::One, &"redis:6379", "it says so");
    assert!(!node.is_sticky(full));
}
