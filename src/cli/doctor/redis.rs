//! Each Redis: whether the service can count there, tested with the service's own call; and, if Redis permits the
//! query, whether its clock agrees with that of this machine, and whether it may evict counters.

use std::{
    num::NonZeroUsize,
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{Check, RESERVE, finding::Finding};
use crate::app::{self, Config, StoreConfig};
use redis::{Address, Client, Connector, Contact, Endpoint, HostPort, KeysPerCall, Topology};

/// The least difference of clocks that is reported. A call may take nearly as long on a busy machine.
const SKEW: Duration = Duration::from_secs(2);

/// The name of a Redis in the report, and the names of its settings.
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
        let checks = [(MAIN, Some(redis.main)), (PER_SECOND, redis.per_second)].map(|(named, endpoint)| {
            // the service's endpoint, but with one connection to each node
            let endpoint = endpoint.map(|endpoint| Endpoint { connections: NonZeroUsize::MIN, ..endpoint });
            async move {
                match endpoint {
                    Some(endpoint) => inspect(named, endpoint, patience).await,
                    None => (Vec::new(), None),
                }
            }
        });
        let [main, per_second] = checks;
        let ((mut findings, main), (more, per_second)) = tokio::join!(main, per_second);
        findings.extend(more);
        let groups = app::atomic_groups(main, per_second);
        if groups.unsupported().is_some() {
            findings.extend(super::blocking("rules", move || super::rules::unsupported(&config, groups)).await);
        }
        findings
    }))
}

/// The findings about a Redis, and how many keys a call to it may carry, if that is known.
async fn inspect(named: Named, endpoint: Endpoint, patience: Duration) -> (Vec<Finding>, Option<KeysPerCall>) {
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

/// Waits until the client has counted on each node, or returns why it cannot. The client reports a connection as open
/// only after Redis has counted over it.
async fn counts(connector: &Connector, topology: &Topology, patience: Duration) -> Result<String, String> {
    let is_cluster = matches!(topology, Topology::Cluster(_));
    // unlike the service, which does not wait for all nodes, this reports a node that cannot be reached
    let counts =
        |contact: &Contact| contact.clients > 0 && contact.counting >= contact.clients && contact.trouble.is_empty();
    // in a cluster another node may still answer
    let gave_up = |contact: &Contact| !is_cluster && contact.open == 0 && !contact.trouble.is_empty();
    let mut contacts = connector.follow();
    let decided = contacts.wait_for(|contact| counts(contact) || gave_up(contact));
    let in_time = tokio::time::timeout(patience, decided).await.is_ok();
    let contact = connector.contact();
    if counts(&contact) {
        let nodes = if is_cluster { format!(" on its {} nodes", contact.used.len()) } else { String::new() };
        return Ok(format!("{} accepts the login and counts{nodes}", shown(topology)));
    }
    if !in_time && contact.trouble.is_empty() {
        return Err(format!("{} did not answer within {patience:?}", shown(topology)));
    }
    let some = if contact.made > 0 { "not all nodes count: " } else { "" };
    Err(format!("{some}{contact}"))
}

/// The cure for an error whose text does not include it.
fn cure(reason: &str, Named { url, auth, tls, .. }: Named) -> Option<String> {
    let says = |words: &[&str]| words.iter().any(|word| reason.contains(word));
    if says(&["WRONGPASS", "NOAUTH"]) {
        return Some(format!("correct {auth}: user:password, or the password of the default user alone"));
    }
    if says(&["TLS", "certificate"]) {
        return Some(format!(
            "does this port speak TLS, and which certificates does it have? See {tls} and REDIS_TLS_CACERT"
        ));
    }
    let unreachable = ["refused", "No such file", "lookup", "unreachable", "did not answer", "no answer", "timed out"];
    if says(&unreachable) && !says(&["NOPERM"]) {
        return Some(format!("start it, allow this machine to reach it, or correct {url}"));
    }
    says(&["no sentinel"]).then(|| format!("correct the addresses of the sentinels, or the master's name, in {url}"))
}

/// The address of a Redis, without credentials.
fn shown(topology: &Topology) -> String {
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

/// Compares the clocks. Counters use the clock of Redis, everything else that of this machine: certificates, the log,
/// limits that are counted locally while Redis is unavailable.
async fn clock(name: &'static str, client: &Client) -> Option<Finding> {
    let before = SystemTime::now();
    let theirs = client.time().await.ok()?;
    let (after, half) = (SystemTime::now(), Duration::from_millis(1));
    let ours = before + after.duration_since(before).unwrap_or(half) / 2;
    let skew = theirs.duration_since(ours).unwrap_or_else(|error| error.duration());
    let side = if theirs > ours { "ahead of" } else { "behind" };
    (skew > SKEW).then(|| {
        Finding::warn(name, format!("its clock is {} s {side} this machine's", skew.as_secs())).cure(
            "synchronise both with one time server: counters use the clock of Redis, failure modes this machine's",
        )
    })
}

/// Warns if Redis may evict counters. `None` if it does not permit the query.
async fn eviction(name: &'static str, client: &Client) -> Option<Finding> {
    let info = client.info("memory").await.ok()?;
    let field = |field: &str| info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).map(str::trim);
    let (policy, most) = (field("maxmemory_policy")?, field("maxmemory")?);
    (policy != "noeviction" && most != "0").then(|| {
        Finding::warn(name, format!("maxmemory-policy is {policy}: when memory is full, counters are evicted early"))
            .cure("their limits then start over: use a separate Redis with noeviction, and enough memory")
    })
}
