//! Two Redises behind a proxy that sends each call to the one that has its first key.

use std::{
    net::TcpStream,
    process::{Child, Command, Stdio},
};

use serde_json::json;
use tempfile::TempDir;

use testkit::{
    PATIENCE,
    envoy::Envoy,
    eventually, http,
    ports::free_port,
    process::{Builder, Tollgate},
    redis::Redis,
};

/// The limit of each rule.
pub const LIMIT: usize = 10;

/// The proxies' names for the Redises, which determine where a counter is.
const NAMES: [&str; 2] = ["one", "two"];

const RULES: &str = "
domain: d
descriptors:
  - {key: fixed, rate_limit: {unit: year, requests_per_unit: 10}}
  - {key: sliding, rate_limit: {unit: year, requests_per_unit: 10, algorithm: sliding_window}}
  - {key: bucket, rate_limit: {unit: year, requests_per_unit: 10, algorithm: token_bucket}}
";

#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Envoy's `redis_proxy` with a hash ring.
    Envoy,
    /// twemproxy with ketama.
    Twemproxy,
}

/// The options that differ between tests.
pub struct Options {
    /// The password between clients and proxy, and between proxy and Redises.
    pub password: Option<&'static str>,
    /// The proxy's timeout for a Redis, in milliseconds.
    pub timeout: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { password: None, timeout: 5000 }
    }
}

/// A running proxy.
enum Proxy {
    Envoy { _running: Envoy },
    Twemproxy(Child, #[expect(dead_code, reason = "its files are there as long as it runs")] TempDir),
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Self::Twemproxy(child, _) = self {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A proxy and the Redises behind it.
pub struct Shards {
    pub redises: [Redis; 2],
    pub port: u16,
    _proxy: Proxy,
}

impl Shards {
    pub async fn start(kind: Kind) -> Self {
        Self::with(kind, &Options::default()).await
    }

    pub async fn with(kind: Kind, options: &Options) -> Self {
        let start = || match options.password {
            Some(password) => Redis::start(&["--requirepass", password]),
            None => Redis::start(&[]),
        };
        let redises = [start(), start()];
        let (proxy, port) = match kind {
            Kind::Envoy => envoy(&redises, options).await,
            Kind::Twemproxy => twemproxy(&redises, options).await,
        };
        Self { redises, port, _proxy: proxy }
    }

    /// A service behind the proxy. The test sets the keys per call.
    pub fn service(&self) -> Builder {
        // on a busy machine an answer may take longer than usual
        testkit::tollgate!()
            .rules(RULES)
            .env("REDIS_URL", format!("redis://127.0.0.1:{}", self.port))
            .env("REDIS_TIMEOUT", "10s")
    }

    /// The number of rule counters on each of the Redises.
    pub fn sizes(&self) -> [usize; 2] {
        self.redises.each_ref().map(|redis| redis.cli(&["KEYS", "{d|*"]).lines().count())
    }

    /// Which of the Redises has the counter of this rule and value.
    pub fn owner(&self, rule: &str, value: &str) -> usize {
        let pattern = format!("*{rule}={value}*");
        let has = |redis: &Redis| !redis.cli(&["KEYS", &pattern]).is_empty();
        let owners: Vec<_> = (0..2).filter(|at| has(&self.redises[*at])).collect();
        assert_eq!(owners.len(), 1, "{rule}={value} is in {owners:?}");
        owners[0]
    }
}

/// Waits until the service reports ready.
pub async fn ready(tollgate: &Tollgate) {
    eventually("readiness", async || {
        let answer = http::Client::new().get(tollgate.address("http"), "/readyz").await;
        (answer.status == 200).then_some(())
    })
    .await;
}

async fn envoy(redises: &[Redis; 2], options: &Options) -> (Proxy, u16) {
    let Options { password, timeout } = *options;
    let local = |port: u16| json!({"socket_address": {"address": "127.0.0.1", "port_value": port}});
    let secret = password.map(|password| json!({"inline_string": password}));
    let mut filter = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.redis_proxy.v3.RedisProxy",
        "stat_prefix": "redis",
        "settings": {"op_timeout": {"nanos": timeout % 1000 * 1_000_000, "seconds": timeout / 1000}},
        "prefix_routes": {"catch_all_route": {"cluster": "shards"}},
    });
    let mut options = json!({});
    if let Some(secret) = secret {
        filter["downstream_auth_passwords"] = json!([secret]);
        options = json!({"envoy.filters.network.redis_proxy": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.redis_proxy.v3.RedisProtocolOptions",
            "auth_password": secret,
        }});
    }
    // by name and not by port, so that each has the same counters in every run
    let endpoint = |(redis, name): (&Redis, &str)| {
        let metadata = json!({"filter_metadata": {"envoy.lb": {"hash_key": name}}});
        json!({"endpoint": {"address": local(redis.port)}, "metadata": metadata})
    };
    let endpoints: Vec<_> = redises.iter().zip(NAMES).map(endpoint).collect();
    let bootstrap = json!({
        "admin": {"address": local(0)},
        "static_resources": {
            "clusters": [{
                "name": "shards",
                "type": "STATIC",
                "lb_policy": "RING_HASH",
                "typed_extension_protocol_options": options,
                "load_assignment": {"cluster_name": "shards", "endpoints": [{"lb_endpoints": endpoints}]},
            }],
            "listeners": [{"address": local(0), "filter_chains": [{"filters": [{
                "name": "envoy.filters.network.redis_proxy",
                "typed_config": filter,
            }]}]}],
        },
    });
    let running = Envoy::run("redis.json", &bootstrap.to_string()).await;
    let port = running.address.port();
    (Proxy::Envoy { _running: running }, port)
}

async fn twemproxy(redises: &[Redis; 2], options: &Options) -> (Proxy, u16) {
    let Options { password, timeout } = *options;
    for _ in 0..20 {
        let (port, stats) = (free_port(), free_port());
        let [one, other] = redises.each_ref().map(|redis| redis.port);
        let auth = password.map_or_else(String::new, |password| format!("  redis_auth: {password}\n"));
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("nutcracker.yml");
        let configuration = format!(
            "shards:\n  listen: 127.0.0.1:{port}\n  hash: fnv1a_64\n  distribution: ketama\n  redis: true\n{auth}  \
             timeout: {timeout}\n  servers:\n   - 127.0.0.1:{one}:1 {}\n   - 127.0.0.1:{other}:1 {}\n",
            NAMES[0], NAMES[1]
        );
        std::fs::write(&path, configuration).expect("a configuration");
        let mut child = Command::new(program())
            .arg("--conf-file")
            .arg(&path)
            .args(["--stats-addr", "127.0.0.1", "--stats-port", &stats.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nutcracker: `bash tests/run.sh` installs it");
        // it exits if another process has taken a port meanwhile
        let up = eventually("twemproxy", async || {
            let ended = child.try_wait().expect("a child").is_some();
            (ended || TcpStream::connect(("127.0.0.1", port)).is_ok()).then_some(!ended)
        });
        if up.await {
            return (Proxy::Twemproxy(child, directory), port);
        }
    }
    panic!("twemproxy does not start within {PATIENCE:?}")
}

/// Debian installs it in a directory that is only in root's path.
fn program() -> &'static str {
    if std::path::Path::new("/usr/sbin/nutcracker").exists() { "/usr/sbin/nutcracker" } else { "nutcracker" }
}
