//! The forms of `REDIS_URL`.
//!
//! ```text
//! host:port                    redis://[user:password@]host[:port][/db]                       one server
//! /path/of/the/socket          unix://[user:password@]/path[?db=1]                            one server
//! master,host:port,host:port   redis-sentinel://[user:password@]host[:port],…/master[/db]     with REDIS_TYPE=SENTINEL
//! host:port,host:port          redis-cluster://[user:password@]host[:port],…                  with REDIS_TYPE=CLUSTER
//! ```
//!
//! `rediss://`, `rediss-sentinel://` and `rediss-cluster://` are over TLS. User, password and master are percent-decoded.

use std::net::IpAddr;
use std::path::PathBuf;

use super::types::{RedisCredentials, RedisServer};
use super::values::{RedisType, SocketType};
use crate::domain::Secret;
use crate::settings::address::{Host, HostPort};
use crate::settings::parse::HIDDEN;

const REDIS_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

/// What a URL with a scheme says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parsed {
    pub(super) target: Target,
    pub(super) credentials: RedisCredentials,
    pub(super) tls: bool,
    pub(super) database: u8,
}

/// Where a Redis is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Tcp(RedisServer),
    Unix(PathBuf),
    Sentinel { master: String, sentinels: Vec<RedisServer> },
    Cluster(Vec<RedisServer>),
}

impl Target {
    /// The type that this is.
    pub(super) fn kind(&self) -> RedisType {
        match self {
            Self::Tcp(_) | Self::Unix(_) => RedisType::Single,
            Self::Sentinel { .. } => RedisType::Sentinel,
            Self::Cluster(_) => RedisType::Cluster,
        }
    }

    /// How this is reached.
    pub(super) fn socket(&self) -> SocketType {
        match self {
            Self::Unix(_) => SocketType::Unix,
            Self::Tcp(_) | Self::Sentinel { .. } | Self::Cluster(_) => SocketType::Tcp,
        }
    }
}

/// What is accepted, to follow "is not".
type Accepted = &'static str;

/// Reads a URL; one without a scheme is of type `kind`.
pub(super) fn parse(text: &str, kind: RedisType) -> Result<Parsed, Accepted> {
    let Some((scheme, rest)) = text.split_once("://") else {
        let plain = |target| Parsed { target, credentials: RedisCredentials::None, tls: false, database: 0 };
        return bare(text, kind).map(plain);
    };
    let scheme = scheme.to_ascii_lowercase();
    let (tls, accepted) = match scheme.as_str() {
        "redis" => (false, "redis://[user:password@]host[:port][/database]"),
        "rediss" => (true, "rediss://[user:password@]host[:port][/database]"),
        "redis-sentinel" => (false, "redis-sentinel://[user:password@]host[:port],…/master[/database]"),
        "rediss-sentinel" => (true, "rediss-sentinel://[user:password@]host[:port],…/master[/database]"),
        "redis-cluster" => (false, "redis-cluster://[user:password@]host[:port],…"),
        "rediss-cluster" => (true, "rediss-cluster://[user:password@]host[:port],…"),
        "unix" => (false, "unix://[user:password@]/path/of/the/socket[?db=1]"),
        _ => {
            return Err("host:port, the path of a socket, or a URL that begins with redis, rediss, redis-sentinel, \
                        rediss-sentinel, redis-cluster, rediss-cluster or unix");
        }
    };
    let read = || {
        let (credentials, rest) = credentials(rest)?;
        if scheme == "unix" {
            let (path, query) = rest.split_once('?').unwrap_or((rest, "db=0"));
            let database = query.strip_prefix("db=")?.parse().ok()?;
            let target = Target::Unix(path.starts_with('/').then(|| decoded(path))??.into());
            return Some(Parsed { target, credentials, tls, database });
        }
        let (servers, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (target, database) = match scheme.strip_prefix("rediss").or_else(|| scheme.strip_prefix("redis"))? {
            "-sentinel" => {
                let (master, database) = path.split_once('/').unwrap_or((path, ""));
                let master = decoded(master).filter(|master| !master.is_empty())?;
                (Target::Sentinel { master, sentinels: list(servers, Some(SENTINEL_PORT))? }, database)
            }
            "-cluster" => (Target::Cluster(list(servers, Some(REDIS_PORT))?), path),
            _ => (Target::Tcp(server(servers, Some(REDIS_PORT))?), path),
        };
        let database = if database.is_empty() { 0 } else { database.parse().ok()? };
        let has_databases = !matches!(target, Target::Cluster(_));
        (has_databases || database == 0).then_some(Parsed { target, credentials, tls, database })
    };
    read().ok_or(accepted)
}

/// What the reference writes.
fn bare(text: &str, kind: RedisType) -> Result<Target, Accepted> {
    match kind {
        RedisType::Single => match server(text, None) {
            Some(server) => Ok(Target::Tcp(server)),
            None if is_path(text) => Ok(Target::Unix(text.into())),
            None => Err("host:port, the path of a socket, or a URL such as redis://host:port"),
        },
        RedisType::Sentinel => text
            .split_once(',')
            .filter(|(master, _)| !master.is_empty())
            .and_then(|(master, servers)| {
                Some(Target::Sentinel { master: master.to_owned(), sentinels: list(servers, None)? })
            })
            .ok_or("master,host:port,host:port…, which REDIS_TYPE=SENTINEL asks for"),
        RedisType::Cluster => {
            list(text, None).map(Target::Cluster).ok_or("host:port,host:port…, which REDIS_TYPE=CLUSTER asks for")
        }
    }
}

/// Whether a text is the path of a socket, and not a URL whose scheme was forgotten or misspelt.
fn is_path(text: &str) -> bool {
    text.starts_with(['/', '.']) || (text.contains('/') && !text.contains([':', '@']))
}

fn list(text: &str, port: Option<u16>) -> Option<Vec<RedisServer>> {
    text.split(',').map(|item| server(item, port)).collect()
}

/// `host:port`; the port may be missing if there is a usual one.
fn server(text: &str, usual: Option<u16>) -> Option<RedisServer> {
    let text = text.trim();
    let HostPort { host, port } = match HostPort::parse(text) {
        Some(address) => address,
        // an IPv6 address needs its brackets
        None if text.starts_with('[') || !text.contains(':') => HostPort { host: Host::parse(text)?, port: usual? },
        None => return None,
    };
    let host = match host {
        Host::Any => return None,
        Host::Ip(IpAddr::V4(address)) => address.to_string(),
        Host::Ip(IpAddr::V6(address)) => address.to_string(),
        Host::Name(name) => name,
    };
    (port != 0).then_some(RedisServer { host, port })
}

/// The credentials before the last `@`, and what follows it.
fn credentials(rest: &str) -> Option<(RedisCredentials, &str)> {
    let Some((who, rest)) = rest.rsplit_once('@') else { return Some((RedisCredentials::None, rest)) };
    let (user, password) = who.split_once(':')?;
    let (user, password) = (decoded(user)?, decoded(password)?);
    let user = (!user.is_empty()).then_some(user);
    (!password.is_empty()).then(|| (RedisCredentials::Fixed { user, password: Secret::new(password) }, rest))
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                let (high, low) = (digit()?, digit()?);
                u8::try_from(high * 16 + low).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

/// The URL as it may be printed. What is before an `@` may be a password, what is after a `?` or a `#` too, and so may
/// anything in the place of the servers that cannot be read as servers.
pub(super) fn redacted(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").map_or(("", text), |(_, rest)| text.split_at(text.len() - rest.len()));
    let (before, rest) = match rest.rsplit_once('@') {
        Some((_, rest)) => (format!("{HIDDEN}@"), rest),
        None => (String::new(), rest),
    };
    let (rest, after) = match rest.find(['?', '#']).map(|at| rest.split_at(at)) {
        Some((rest, after)) if !is_database(after) => (rest, format!("{}{HIDDEN}", &after[..1])),
        _ => (rest, String::new()),
    };
    let (servers, path) = rest.split_once('/').unwrap_or((rest, ""));
    let readable = match scheme {
        "" => is_path(rest) || (servers.split(',').all(may_be_server) && !path.contains(':')),
        _ => servers.is_empty() || list(servers, Some(REDIS_PORT)).is_some(),
    };
    if readable { format!("{scheme}{before}{rest}{after}") } else { format!("{scheme}{HIDDEN}") }
}

fn is_database(query: &str) -> bool {
    query.strip_prefix("?db=").is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether a text may be a host, alone or with a port, or an IPv6 address without its brackets; not `user:password`.
fn may_be_server(text: &str) -> bool {
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_v6 = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit() || b"[]:.".contains(&byte));
    text.rsplit_once(':').is_none_or(|(host, port)| is_digits(port) && (!host.contains(':') || is_v6(host)))
}
