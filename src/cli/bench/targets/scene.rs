//! All servers of the table, and what the idle ones weigh.

use std::{env, ffi::OsString, fs, io, path::PathBuf, process, time::Duration};

use tokio::time::{Instant, sleep};

use super::{
    super::{
        Reason,
        ceiling::{
            child::{self, Server},
            redis::Redis,
        },
        cost::resident,
    },
    claim::{Bound, Row},
};

/// Rules for every case: limits that are never reached, and one that always is.
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

/// The most that an idle process may weigh.
const MOST_AT_REST: f64 = 15.0;

/// Whoever weighs the same for so long is at rest; whoever never does is weighed after a while.
const AT_REST: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(10);

/// The servers. They end with it.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) memory: Server,
    pub(super) over_redis: Server,
    pub(super) bare: Server,
    pub(super) redis: Redis,
    pub(super) redis_version: String,
    _redis: Option<Server>,
    _rules: Rules,
}

impl Scene {
    /// Starts all, with a Redis of its own unless one is named.
    pub(super) async fn set(redis_url: Option<&str>) -> Result<Self, Reason> {
        let own = if redis_url.is_none() { Some(child::redis()?) } else { None };
        let url = match (&own, redis_url) {
            (Some(own), _) => format!("redis://{}", own.address),
            (None, url) => url.unwrap_or_default().to_owned(),
        };
        let redis = Redis::new(&url)?;
        // whoever cannot be reached, or lets nobody in, is told now
        let redis_version = redis.connect().await?.version().await?;
        let rules = Rules::write().map_err(Reason::Rules)?;
        let path = OsString::from(&rules.0);
        let memory = child::tollgate(&[("RULES", path.clone()), ("BACKEND_TYPE", "memory".into())])?;
        let prefix = OsString::from("tollgate-bench:");
        let over_redis = child::tollgate(&[("RULES", path), ("REDIS_URL", url.into()), ("CACHE_KEY_PREFIX", prefix)])?;
        Ok(Self { memory, over_redis, bare: child::bare()?, redis, redis_version, _redis: own, _rules: rules })
    }

    /// What the idle processes weigh. To be asked before any load.
    pub(super) async fn at_rest(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for (case, server) in [("at rest, memory", &self.memory), ("at rest, Redis", &self.over_redis)] {
            let bytes = settled(server.pid()).await;
            rows.push(Row {
                case,
                what: "resident memory",
                bound: Bound::AtMost(MOST_AT_REST),
                value: bytes.map(|bytes| bytes as f64 / f64::from(1 << 20)),
                unit: "MiB",
                server_cpu: None,
                failed: 0,
            });
        }
        rows
    }
}

/// The memory of a process that does nothing any more.
async fn settled(pid: u32) -> Option<u64> {
    let start = Instant::now();
    let (mut bytes, mut since) = (resident(pid), start);
    while since.elapsed() < AT_REST && start.elapsed() < PATIENCE {
        sleep(Duration::from_millis(50)).await;
        let now = resident(pid);
        if now != bytes {
            (bytes, since) = (now, Instant::now());
        }
    }
    bytes
}

/// A directory with the rules, removed in the end.
#[derive(Debug)]
struct Rules(PathBuf);

impl Rules {
    fn write() -> io::Result<Self> {
        let directory = env::temp_dir().join(format!("tollgate-bench-{}", process::id()));
        fs::create_dir_all(&directory)?;
        let rules = Self(directory);
        fs::write(rules.0.join("rules.yaml"), RULES)?;
        Ok(rules)
    }
}

impl Drop for Rules {
    fn drop(&mut self) {
        // what is left behind in the directory of temporary files harms nobody
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_are_valid_and_go_with_their_owner() {
        let rules = Rules::write().expect("written");
        let compiled = crate::cli::load::load_paths(std::slice::from_ref(&rules.0), None, false).expect("valid rules");
        assert_eq!(compiled.compiled.rules.rule_count(), 9);
        let path = rules.0.clone();
        drop(rules);
        assert!(!path.exists());
    }
}
