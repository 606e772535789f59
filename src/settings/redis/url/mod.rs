//! The forms of `REDIS_URL`.
//!
//! ```text
//! host:port                    redis://[user:password@]host[:port][/db]                       one server
//! /path/of/the/socket          unix://[user:password@]/path[?db=1]                            one server
//! master,host:port,host:port   redis-sentinel://[user:password@]host[:port],…/master[/db]     with REDIS_TYPE=SENTINEL
//! host:port,host:port          redis-cluster://[user:password@]host[:port],…                  with REDIS_TYPE=CLUSTER
//! ```
//!
//! `rediss://`, `rediss-sentinel://` and `rediss-cluster://` mean TLS. In the lists of the last two lines, an address
//! may be a `redis://` URL, as in the reference. `parts` splits URLs.

mod list;
mod parts;
mod redact;
pub(in crate::settings) mod target;

use self::parts::{UrlParts, database, decoded, is_path, server, servers};
use self::target::{Accepted, REDIS_PORT, SENTINEL_LIST, SENTINEL_PORT};
use super::kind::{RedisType, SocketType};
pub(in crate::settings) use redact::redacted;
pub(in crate::settings) use target::{Parsed, Target};

const CONNECTION_STRING: Accepted = "host:port alone, without the options of other clients: \
                                     the password goes to REDIS_AUTH, ssl=True is REDIS_TLS=true";
const PLACEHOLDER: Accepted = "an address, but contains the name of a variable, which was not replaced: Kubernetes \
                               replaces $(NAME) only if NAME is defined before it";
const PLAIN_PATH: Accepted = "the path of a socket alone: a database or a login needs unix:///path?db=1, where a ?, # \
                              or @ in the path is percent-encoded";

/// Parses an address. Without a scheme, it is of type `kind` and, if that is single, reached by `socket`.
pub(in crate::settings) fn parse(text: &str, kind: RedisType, socket: Option<SocketType>) -> Result<Parsed, Accepted> {
    let trimmed = text.trim();
    let parsed = match (scheme(trimmed), kind) {
        (Some(("redis" | "rediss", _, _)), RedisType::Sentinel) => Err(SENTINEL_LIST),
        (Some(("redis" | "rediss", _, _)) | None, RedisType::Cluster) => list::cluster(trimmed),
        (None, RedisType::Sentinel) => list::sentinel(trimmed),
        (None, RedisType::Single) => single(trimmed, socket).map(Parsed::plain),
        (Some((form, tls, rest)), _) => url(form, tls, rest),
    };
    let parsed = parsed.map_err(|accepted| {
        if has_placeholder(text) {
            PLACEHOLDER
        } else if is_connection_string(text) {
            CONNECTION_STRING
        } else {
            accepted
        }
    });
    parsed.map(|mut parsed| {
        if trimmed != text {
            parsed.notes.push("has white space around it, which is ignored");
        }
        parsed
    })
}

/// Whether a text is a connection string for another client, with a part such as `password=…`.
fn is_connection_string(text: &str) -> bool {
    let is_password =
        |item: &str| item.trim().split_once('=').is_some_and(|(name, _)| name.trim().eq_ignore_ascii_case("password"));
    text.split(',').any(is_password)
}

/// Whether a text contains `$(NAME)` or `${NAME}`, which a template should have replaced.
pub(in crate::settings) fn has_placeholder(text: &str) -> bool {
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
    };
    let has = |open: &str, close: char| {
        text.match_indices(open)
            .any(|(at, _)| text[at + open.len()..].split_once(close).is_some_and(|(name, _)| is_name(name)))
    };
    has("$(", ')') || has("${", '}')
}

/// The type that the scheme of an address implies, if any.
pub(in crate::settings) fn kind(text: &str) -> Option<RedisType> {
    match scheme(text.trim())?.0 {
        "redis-sentinel" | "rediss-sentinel" => Some(RedisType::Sentinel),
        "redis-cluster" | "rediss-cluster" => Some(RedisType::Cluster),
        _ => None,
    }
}

/// Whether an address, or a member of a list of addresses, asks for TLS.
pub(in crate::settings) fn asks_for_tls(text: &str) -> bool {
    let begins = |item: &str| item.trim().get(..6).is_some_and(|word| word.eq_ignore_ascii_case("rediss"));
    text.split(',').any(|item| begins(item) && item.contains("://"))
}

/// The scheme of the whole address ("" if it is unknown), whether it asks for TLS, and the rest of the address.
fn scheme(text: &str) -> Option<(&'static str, bool, &str)> {
    const KNOWN: [&str; 7] =
        ["redis", "rediss", "redis-sentinel", "rediss-sentinel", "redis-cluster", "rediss-cluster", "unix"];
    let (word, rest) = text.split_once("://").filter(|(word, _)| !word.contains(','))?;
    let known = KNOWN.into_iter().find(|known| known.eq_ignore_ascii_case(word)).unwrap_or("");
    Some((known, known.starts_with("rediss"), rest))
}

fn url(scheme: &str, tls: bool, rest: &str) -> Result<Parsed, Accepted> {
    let accepted = match scheme {
        "redis" => "redis://[user:password@]host[:port][/database], with the / ? # @ of a password percent-encoded",
        "rediss" => "rediss://[user:password@]host[:port][/database], with the / ? # @ of a password percent-encoded",
        "redis-sentinel" => {
            "redis-sentinel://[user:password@]host[:port],…/master[/database], with the / ? # @ of a password \
             percent-encoded"
        }
        "rediss-sentinel" => {
            "rediss-sentinel://[user:password@]host[:port],…/master[/database], with the / ? # @ of a password \
             percent-encoded"
        }
        "redis-cluster" => "redis-cluster://[user:password@]host[:port],…",
        "rediss-cluster" => "rediss-cluster://[user:password@]host[:port],…",
        "unix" => "unix://[user:password@]/path/of/the/socket[?db=1], with an @ of the path written as %40",
        _ => {
            return Err("host:port, the path of a socket, or a URL that begins with redis, rediss, redis-sentinel, \
                        rediss-sentinel, redis-cluster, rediss-cluster or unix");
        }
    };
    let parse = || {
        let UrlParts { login, servers: addresses, path, database: parameter, notes } = UrlParts::of(rest)?;
        let (target, database) = match scheme.trim_start_matches("rediss").trim_start_matches("redis") {
            "unix" => {
                let path = path.filter(|path| addresses.is_empty() && !path.contains('@'))?;
                (Target::Unix(format!("/{}", decoded(path)?).into()), database("", parameter.as_deref())?)
            }
            "-sentinel" => {
                let path = path.unwrap_or_default();
                let (master, path) = path.split_once('/').unwrap_or((path, ""));
                // the name is logged; with an @ it may be the end of an unencoded password
                let master = Some(master).filter(|master| !master.is_empty() && !master.contains('@'))?;
                let master = decoded(master)?;
                let sentinels = servers(addresses, Some(SENTINEL_PORT))?;
                (Target::Sentinel { master, sentinels }, database(path, parameter.as_deref())?)
            }
            "-cluster" => {
                let nodes = servers(addresses, Some(REDIS_PORT))?;
                let database = database(path.unwrap_or_default(), parameter.as_deref())?;
                (Target::Cluster(nodes), Some(database).filter(|&database| database == 0)?)
            }
            _ => {
                let server = server(addresses, Some(REDIS_PORT))?;
                (Target::Tcp(server), database(path.unwrap_or_default(), parameter.as_deref())?)
            }
        };
        Some(Parsed { target, logins: vec![login], sentinel_logins: vec![], tls, database, notes })
    };
    parse().ok_or(accepted)
}

/// Parses the address of one server without a scheme, as the reference does.
fn single(text: &str, socket: Option<SocketType>) -> Result<Target, Accepted> {
    // what may contain a user and a password is not a path
    let may_be_path = socket == Some(SocketType::Unix) && !text.contains([':', '@', ',']);
    match server(text, None) {
        Some(server) => Ok(Target::Tcp(server)),
        // the path is dialled and logged as a whole, so it must not contain a login
        None if (is_path(text) || may_be_path) && text.contains(['?', '#', '@']) => Err(PLAIN_PATH),
        None if is_path(text) || may_be_path => Ok(Target::Unix(text.into())),
        None if text.contains(',') => Err("one server: a list needs REDIS_TYPE=SENTINEL (master,host:port,…) or \
                                           REDIS_TYPE=CLUSTER (host:port,…)"),
        None => Err("host:port, the path of a socket, or a URL such as redis://host:port"),
    }
}
