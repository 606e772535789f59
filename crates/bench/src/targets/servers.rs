//! All servers of the table, and the memory of the idle ones.

use std::{ffi::OsString, fs, io, path::Path, time::Duration};

use tokio::time::{Instant, sleep};

use super::row::{Bound, Row};
use crate::{
    error::Error,
    folder::Folder,
    memory::resident,
    process::{self, Server},
    redis::Redis,
};

/// The rules of every case: limits that are never reached, and one that always is.
const RULES: &str = "\
domain: bench
descriptors:
  - {key: fixed, rate_limit: {unit: hour, requests_per_unit: 4000000000}}
  - {key: sliding, rate_limit: {algorithm: sliding_window, unit: hour, requests_per_unit: 4000000000}}
  - {key: bucket, rate_limit: {algorithm: token_bucket, unit: hour, requests_per_unit: 4000000000}}
  - {key: denied, rate_limit: {unit: hour, requests_per_unit: 1}}
  - {key: one, rate_limit: {unit: hour, requests_per_unit: 4000000000}}
  - {key: two, rate_limit: {unit: hour, requests_per_unit: 4000000000}}
  - {key: three, rate_limit: {unit: hour, requests_per_unit: 4000000000}}
  - {key: four, rate_limit: {unit: hour, requests_per_unit: 4000000000}}
  - {key: five, rate_limit: {unit: hour, requests_per_unit: 4000000000}}
";

/// The largest resident memory of an idle process, in MiB.
const MAX_IDLE_MIB: f64 = 15.0;

/// A process is idle if its memory has not changed for this time.
const IDLE: Duration = Duration::from_secs(1);
/// A process that never becomes idle is measured after this time.
const PATIENCE: Duration = Duration::from_secs(10);

/// The servers. They are stopped when this is dropped.
#[derive(Debug)]
pub(super) struct Servers {
    pub(super) memory: Server,
    pub(super) over_redis: Server,
    pub(super) bare: Server,
    pub(super) redis: Redis,
    pub(super) redis_version: String,
    _redis: Option<Server>,
    _rules: Folder,
}

impl Servers {
    /// Starts all servers, including a Redis unless a URL is given.
    pub(super) async fn start(program: &Path, redis_url: Option<&str>) -> Result<Self, Error> {
        let own = if redis_url.is_none() { Some(process::redis(&[])?) } else { None };
        let url = match (&own, redis_url) {
            (Some(own), _) => format!("redis://{}", own.address),
            (None, url) => url.unwrap_or_default().to_owned(),
        };
        let redis = Redis::new(&url)?;
        // an unreachable Redis, or a rejected login, is reported here
        let redis_version = redis.connect().await?.version().await?;
        let rules = rules().map_err(Error::Rules)?;
        let path = OsString::from(rules.path());
        let memory = process::tollgate(program, &[("RULES", path.clone()), ("BACKEND_TYPE", "memory".into())])?;
        let prefix = OsString::from("tollgate-bench:");
        let over_redis =
            process::tollgate(program, &[("RULES", path), ("REDIS_URL", url.into()), ("CACHE_KEY_PREFIX", prefix)])?;
        Ok(Self { memory, over_redis, bare: process::bare(&[])?, redis, redis_version, _redis: own, _rules: rules })
    }

    /// The memory of the idle processes. Must be called before any load.
    pub(super) async fn idle(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for (case, server) in [("at rest, memory", &self.memory), ("at rest, Redis", &self.over_redis)] {
            let bytes = settled(server.pid()).await;
            rows.push(Row {
                case,
                what: "resident memory",
                bound: Bound::AtMost(MAX_IDLE_MIB),
                value: bytes.map(|bytes| bytes as f64 / f64::from(1 << 20)),
                unit: "MiB",
                server_cpu: None,
                failed: 0,
            });
        }
        rows
    }
}

/// The memory of a process once it is idle.
async fn settled(pid: u32) -> Option<u64> {
    let process = pid.to_string();
    let start = Instant::now();
    let (mut bytes, mut since) = (resident(&process), start);
    while since.elapsed() < IDLE && start.elapsed() < PATIENCE {
        sleep(Duration::from_millis(50)).await;
        let now = resident(&process);
        if now != bytes {
            (bytes, since) = (now, Instant::now());
        }
    }
    bytes
}

/// A directory with the rules, which is removed when this is dropped.
fn rules() -> io::Result<Folder> {
    let folder = Folder::create()?;
    fs::write(folder.path().join("rules.yaml"), RULES)?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_are_valid() {
        let folder = rules().expect("written");
        let content = fs::read_to_string(folder.path().join("rules.yaml")).expect("written");
        assert_eq!(crate::hot_path::compile(content).rule_count(), 9);
    }
}
