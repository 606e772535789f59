//! A primary and a replica, monitored by three sentinels.

use std::fs;

use super::Redis;
use crate::{ports::free_port, until};

/// The group `gate`: its servers have the password `geheim`, its sentinels another one.
pub struct SentinelGroup {
    pub primary: Redis,
    pub replica: Redis,
    pub sentinels: Vec<Redis>,
}

/// A sentinel of the group `gate`, with a password of its own. Its timeout is too long for a server to count as down
/// only because the machine is busy.
fn sentinel(primary: u16) -> Redis {
    loop {
        let directory = tempfile::tempdir().expect("a directory");
        let text = format!(
            "sentinel monitor gate 127.0.0.1 {primary} 2\nsentinel auth-pass gate geheim\n\
             sentinel down-after-milliseconds gate 3000\nsentinel failover-timeout gate 10000\nrequirepass watcher\n\
             sentinel sentinel-pass watcher\n"
        );
        fs::write(directory.path().join("sentinel.conf"), text).expect("a file");
        if let Some(sentinel) = Redis::try_start(directory, free_port(), &["--sentinel"]) {
            return sentinel;
        }
    }
}

impl SentinelGroup {
    /// Waits until the sentinels know each other and the replica.
    pub async fn start() -> Self {
        let secret = ["--requirepass", "geheim", "--masterauth", "geheim", "--repl-diskless-sync-delay", "0"];
        let primary = Redis::start(&secret);
        let port = primary.port.to_string();
        let replica = Redis::start(&[&secret[..], &["--replicaof", "127.0.0.1", &port]].concat());
        let sentinels: Vec<_> = (0..3).map(|_| sentinel(primary.port)).collect();
        until("the sentinels know each other and the replica", || {
            sentinels.iter().all(|sentinel| {
                let master = sentinel.cli(&["-a", "watcher", "SENTINEL", "MASTER", "gate"]);
                let value = |name: &str| master.lines().skip_while(|line| *line != name).nth(1).map(str::to_owned);
                value("num-other-sentinels").as_deref() == Some("2") && value("num-slaves").as_deref() == Some("1")
            }) && primary.feeds_a_replica(&["-a", "geheim"])
        })
        .await;
        Self { primary, replica, sentinels }
    }
}

/// Whether the sentinels have promoted a server. Promotion closes all its connections, including ours.
pub fn is_primary(redis: &Redis) -> bool {
    redis.try_cli(&["-a", "geheim", "ROLE"]).is_some_and(|role| role.starts_with("master"))
}

/// The reply of a server of the group, as text.
pub fn text(redis: &Redis, command: &[&str]) -> String {
    redis.cli(&[&["-a", "geheim"], command].concat())
}
