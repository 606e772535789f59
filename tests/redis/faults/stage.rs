//! The servers of one run: a Redis, the way to reach it, Tollgate, Envoy and an upstream, all private.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use serde_json::json;
use tempfile::TempDir;

use crate::faults::{cable::Cable, load::Mode, proxy::Proxy};
use testkit::{
    envoy::{Config, Envoy},
    process::{Builder, Tollgate},
    redis::Redis,
    upstream::Upstream,
};

/// The limit of a tight counter per year. [`REPLICAS`] processes share it.
pub const LIMIT: u64 = 10;
pub const REPLICAS: u64 = 2;
/// The user and the first password, if one is required.
pub const PASSWORD: &str = "before-the-rotation";
/// The address of Redis, if it has a name.
pub const NAME: &str = "redis.faults.test";

/// How Tollgate reaches Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Road {
    Straight,
    Proxied,
    /// Over a network of its own.
    Cabled,
    /// By [`NAME`], which is in the stage's own hosts file.
    Named,
    /// With the password in the stage's own file.
    WithPassword,
}

pub struct Stage {
    pub redis: Redis,
    pub proxy: Option<Proxy>,
    pub cable: Option<Cable>,
    pub tollgate: Tollgate,
    pub envoy: Envoy,
    /// When the fault ends, if it ends by itself.
    pub until: Option<Instant>,
    files: TempDir,
    _upstream: Upstream,
}

/// The settings that differ between runs.
pub struct Setting<'a> {
    pub redis: &'a [&'a str],
    pub road: Road,
    pub env: &'a [(&'a str, &'a str)],
    /// Envoy's timeout for calls to Tollgate.
    pub timeout: &'static str,
    pub failure_mode_deny: bool,
}

impl Setting<'_> {
    /// Whether Envoy answers 500 after a failed call.
    pub const USUAL: Self = Self { redis: &[], road: Road::Straight, env: &[], timeout: "2s", failure_mode_deny: true };
}

impl Stage {
    /// Starts all servers, and waits until Tollgate is connected.
    pub async fn set(setting: &Setting<'_>) -> Self {
        let Setting { redis, road, env, timeout, failure_mode_deny } = *setting;
        let cable = (road == Road::Cabled).then(Cable::lay);
        let redis = match &cable {
            None => Redis::start(redis),
            Some(cable) => {
                let open = ["--bind", &cable.theirs, "--protected-mode", "no"];
                Redis::start_in(&cable.namespace, 6379, &[&open, redis].concat())
            }
        };
        let proxy = (road == Road::Proxied).then(|| Proxy::to(redis.port));
        let files = tempfile::tempdir().expect("a directory");
        let mut builder = testkit::tollgate!().rules(&rules()).env("REDIS_TIMEOUT", deadline());
        for (name, value) in env {
            builder = builder.env(name, value);
        }
        let port = proxy.as_ref().map_or(redis.port, |proxy| proxy.port);
        let host = match (road, &cable) {
            (Road::Named, _) => NAME,
            (_, Some(cable)) => &cable.theirs,
            _ => "127.0.0.1",
        };
        let mut builder = builder
            .env("REDIS_URL", format!("redis://{host}:{port}"))
            .env("REPLICAS", REPLICAS.to_string())
            .env("LIMIT_RESPONSE_HEADERS_ENABLED", "true");
        match road {
            Road::Straight | Road::Proxied | Road::Cabled => {}
            Road::Named => {
                fs::write(files.path().join("hosts"), known()).expect("a file");
                builder = with_hosts(builder, &files);
            }
            Road::WithPassword => {
                redis.cli(&["CONFIG", "SET", "requirepass", PASSWORD]);
                fs::write(files.path().join("password"), PASSWORD).expect("a file");
                builder = builder.env("REDIS_AUTH_FILE", files.path().join("password"));
            }
        }
        let tollgate = builder.start();
        tollgate.connected_to_redis().await;
        let upstream = Upstream::start().await;
        let header = |name: &str, key: &str| json!({"request_headers": {"header_name": name, "descriptor_key": key}});
        let envoy = Envoy::start(&Config {
            tollgate: tollgate.address("grpc"),
            upstream: upstream.address,
            domain: "faults",
            failure_mode_deny,
            rate_limits: json!([
                {"actions": [header("x-mode", "mode"), header("x-wide", "wide")]},
                {"actions": [header("x-mode", "mode"), header("x-tight", "tight")]},
            ]),
            timeout,
        })
        .await;
        Self { redis, proxy, cable, tollgate, envoy, until: None, files, _upstream: upstream }
    }

    pub fn proxy(&mut self) -> &mut Proxy {
        self.proxy.as_mut().expect("the row's road is proxied")
    }

    pub fn cable(&self) -> &Cable {
        self.cable.as_ref().expect("the row's road is cabled")
    }

    /// Sets whether the name of Redis can be resolved.
    pub fn name_is_known(&self, is_known: bool) {
        // in place, because this very file is mounted
        fs::write(self.hosts(), if is_known { known() } else { String::new() }).expect("a file");
    }

    fn hosts(&self) -> PathBuf {
        self.files.path().join("hosts")
    }

    /// Writes the password file.
    pub fn set_password(&self, password: &str) {
        fs::write(self.files.path().join("password"), password).expect("a file");
    }
}

fn known() -> String {
    format!("127.0.0.1 {NAME}\n")
}

/// Runs Tollgate in a mount namespace in which `/etc/hosts` is our file, and names are resolved from it only.
fn with_hosts(builder: Builder, files: &TempDir) -> Builder {
    const SCRIPT: &str = r#"
        mount --bind "$1/hosts" /etc/hosts && mount --bind "$1/nsswitch.conf" /etc/nsswitch.conf && exec "$2""#;
    fs::write(files.path().join("nsswitch.conf"), "hosts: files\n").expect("a file");
    builder
        .program(Path::new("/usr/bin/unshare"))
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .arg("--map-root-user")
        .arg("--mount")
        .args(["/bin/sh", "-c", SCRIPT, "sh"])
        .arg(files.path())
        .arg(env!("CARGO_BIN_EXE_tollgate"))
}

/// The default `REDIS_TIMEOUT` of a run, longer than the program's because the machine may be busy.
fn deadline() -> String {
    std::env::var("FAULTS_REDIS_TIMEOUT").unwrap_or_else(|_| "1s".to_owned())
}

/// A wide and a tight limit for each failure mode.
fn rules() -> String {
    let mut yaml = "domain: faults\ndescriptors:\n".to_owned();
    for mode in Mode::ALL {
        let mode = mode.name();
        yaml += &format!(
            "  - key: mode
    value: {mode}
    descriptors:
      - {{key: wide, rate_limit: {{unit: year, requests_per_unit: 4000000000, on_store_failure: {mode}}}}}
      - {{key: tight, rate_limit: {{unit: year, requests_per_unit: {LIMIT}, on_store_failure: {mode}}}}}
"
        );
    }
    yaml
}
