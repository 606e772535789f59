//! Each Redis: whether the service could count there, by the call that the service makes; and, if Redis permits the
//! query, whether its clock agrees with that of this machine, and whether it may evict counters.

use std::{
    num::NonZeroUsize,
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{Check, RESERVE, finding::Finding};
use crate::app::{self, Config, StoreConfig};
use redis::{Address, Client, Connector, Contact, Endpoint, HostPort, KeysPerCall, Topology};

/// The least difference of clocks that is reported: a call may take this long on a busy machine.
const SKEW: Duration = Duration::from_secs(2);

/// A Redis, and the names of the settings for it.
#[derive(Clone, Copy)]
struct Named {
    name: &'static str,
    url: &'static str,
    auth: &'static str,
    tls: &'static str,
}

const MAIN: Named = Named { name: "redis", url: "REDIS_URL", auth: "REDIS_AUTH", tls: "REDIS_TLS" };
const PER_SECOND: Named = Named {
    name: "redis per second",
    url: "REDIS_PERSECOND_URL",
    auth: "REDIS_PERSECOND_AUTH",
    tls: "REDIS_PERSECOND_TLS",
};

/// `None` with another store.
pub(super) fn check(config: &Arc<Config>, patience: Duration) -> Option<Check> {
    let StoreConfig::Redis(store) = &config.store else { return None };
    let (redis, config) = (store.redis.clone(), Arc::clone(config));
    let patience = patience - patience / RESERVE;
    Some(Check::new("redis", async move {
        let looks = [(MAIN, Some(redis.main)), (PER_SECOND, redis.per_second)].map(|(named, endpoint)| {
            // as the service has it, with one connection to each node
            let endpoint = endpoint.map(|endpoint| Endpoint { connections: NonZeroUsize::MIN, ..endpoint });
            async move {
                match endpoint {
                    Some(endpoint) => look(named, endpoint, patience).await,
                    None => (Vec::new(), None),
                }
            }
        });
        let [main, per_second] = looks;
        let ((mut findings, main), (more, per_second)) = tokio::join!(main, per_second);
        findings.extend(more);
        let groups = app::atomic_groups(main, per_second);
        if groups.unsupported().is_some() {
            findings.extend(super::blocking("rules", move || super::rules::refused(&config, groups)).await);
        }
        findings
    }))
}

/// What was found, and how many keys a call may carry there, if that is known.
async fn look(named: Named, endpoint: Endpoint, patience: Duration) -> (Vec<Finding>, Option<KeysPerCall>) {
    let name = named.name;
    let connector = match Connector::new(&endpoint) {
        Ok(connector) => connector,
        Err(error) => return (vec![Finding::fail(name, error.to_string())], None),
    };
    let client = connector.connect();
    let findings = match counts(&connector, &endpoint.topology, patience).await {
        Ok(found) => {
            let (clock, eviction) = tokio::join!(clock(name, &client), eviction(name, &client));
            [Finding::ok(name, found)].into_iter().chain(clock).chain(eviction).collect()
        }
        Err(reason) => {
            let finding = Finding::fail(name, format!("{reason} ({})", named.url));
            vec![match cure(&reason, named) {
                Some(cure) => finding.cure(cure),
                None => finding,
            }]
        }
    };
    let keys = *connector.keys_per_call().borrow();
    (findings, keys)
}

/// Waits until the client has counted on each node, or returns why it cannot. A connection is open only once Redis has
/// counted over it.
async fn counts(connector: &Connector, topology: &Topology, patience: Duration) -> Result<String, String> {
    let is_cluster = matches!(topology, Topology::Cluster(_));
    // a service does not wait for a node that it cannot reach, but doctor reports it
    let counts =
        |contact: &Contact| contact.clients > 0 && contact.counting >= contact.clients && contact.trouble.is_empty();
    // of a cluster another node may do what one does not
    let gave_up = |contact: &Contact| !is_cluster && contact.open == 0 && !contact.trouble.is_empty();
    let mut contacts = connector.follow();
    let decided = contacts.wait_for(|contact| counts(contact) || gave_up(contact));
    let in_time = tokio::time::timeout(patience, decided).await.is_ok();
    let contact = connector.contact();
    if counts(&contact) {
        let nodes = if is_cluster { format!(" on its {} nodes", contact.used.len()) } else { String::new() };
        return Ok(format!("{} lets us in and counts{nodes}", place(topology)));
    }
    if !in_time && contact.trouble.is_empty() {
        return Err(format!("{} says nothing within {patience:?}", place(topology)));
    }
    let some = if contact.made > 0 { "not all nodes count: " } else { "" };
    Err(format!("{some}{contact}"))
}

/// What to do about an error whose text does not say so.
fn cure(reason: &str, Named { url, auth, tls, .. }: Named) -> Option<String> {
    let says = |words: &[&str]| words.iter().any(|word| reason.contains(word));
    if says(&["WRONGPASS", "NOAUTH"]) {
        return Some(format!("correct {auth}: user:password, or the password of the default user alone"));
    }
    if says(&["TLS", "certificate"]) {
        return Some(format!(
            "does it speak TLS there, and which certificates does it have? See {tls} and REDIS_TLS_CACERT"
        ));
    }
    let unreachable = ["refused", "No such file", "lookup", "unreachable", "says nothing", "no answer", "timed out"];
    if says(&unreachable) && !says(&["NOPERM"]) {
        return Some(format!("start it, let this machine reach it, or correct {url}"));
    }
    says(&["no sentinel"]).then(|| format!("correct the addresses of the sentinels, or the master's name, in {url}"))
}

/// Its URL, without credentials.
fn place(topology: &Topology) -> String {
    let server = |at: &HostPort| format!("{}:{}", at.host, at.port);
    match topology {
        Topology::Single(Address::Tcp(at)) => server(at),
        Topology::Single(Address::Unix(path)) => path.display().to_string(),
        Topology::Sentinel { master, .. } => format!("the primary of {master}"),
        Topology::Cluster(nodes) => {
            format!("the cluster of {}", nodes.iter().map(server).collect::<Vec<_>>().join(", "))
        }
    }
}

/// Counters use the clock of Redis, everything else that of this machine: certificates, the log, limits that are
/// counted locally while Redis is unavailable.
async fn clock(name: &'static str, client: &Client) -> Option<Finding> {
    let before = SystemTime::now();
    let theirs = client.time().await.ok()?;
    let (after, half) = (SystemTime::now(), Duration::from_millis(1));
    let ours = before + after.duration_since(before).unwrap_or(half) / 2;
    let skew = theirs.duration_since(ours).unwrap_or_else(|error| error.duration());
    let side = if theirs > ours { "ahead of" } else { "behind" };
    (skew > SKEW).then(|| {
        Finding::warn(name, format!("its clock is {} s {side} this machine's", skew.as_secs()))
            .cure("let both follow the same time server: counters go by the clock of Redis, failure modes by ours")
    })
}

/// Redis may refuse the query.
async fn eviction(name: &'static str, client: &Client) -> Option<Finding> {
    let info = client.info("memory").await.ok()?;
    let field = |field: &str| info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).map(str::trim);
    let (policy, most) = (field("maxmemory_policy")?, field("maxmemory")?);
    (policy != "noeviction" && most != "0").then(|| {
        Finding::warn(name, format!("maxmemory-policy is {policy}: when it is full, counters go before their time"))
            .cure("a limit begins anew then: give it a Redis of its own with noeviction, and enough memory")
    })
}
