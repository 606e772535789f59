//! Addresses as they may be printed.

use super::pieces::{is_path, servers};
use super::target::REDIS_PORT;
use crate::settings::parse::HIDDEN;

/// The address as it may be printed. What is before an `@` may be a password, what is after a `?` or a `#` too, and so may
/// anything in the place of the servers that cannot be read as servers.
pub(in crate::settings) fn redacted(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").map_or(("", text), |(_, rest)| text.split_at(text.len() - rest.len()));
    if !scheme.split("://").next().is_none_or(|before| before.split(',').all(may_be_server)) {
        return HIDDEN.to_owned();
    }
    let (before, rest) = match rest.rsplit_once('@') {
        Some((_, rest)) => (format!("{HIDDEN}@"), rest),
        None => (String::new(), rest),
    };
    let (rest, after) = match rest.find(['?', '#']).map(|at| rest.split_at(at)) {
        Some((rest, after)) if !is_database(after) => (rest, format!("{}{HIDDEN}", &after[..1])),
        _ => (rest, String::new()),
    };
    // in a list, each may be a URL
    let plain = rest.replace("rediss://", "").replace("redis://", "");
    let (at, path) = plain.split_once('/').unwrap_or((&plain, ""));
    let readable = match scheme {
        "" => {
            is_path(rest)
                || (at.split(',').all(may_be_server) && path.bytes().all(|byte| byte != b':' && of_server(byte)))
        }
        _ => at.is_empty() || servers(at, Some(REDIS_PORT)).is_some(),
    };
    if readable { format!("{scheme}{before}{rest}{after}") } else { format!("{scheme}{HIDDEN}") }
}

fn is_database(query: &str) -> bool {
    query.strip_prefix("?db=").is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether a text may be a host, alone or with a port, or an IPv6 address without its brackets; not `user:password`, nor
/// what other clients have among their servers: `password=…`.
fn may_be_server(text: &str) -> bool {
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_v6 = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit() || b"[]:.".contains(&byte));
    text.trim().bytes().all(of_server)
        && text.rsplit_once(':').is_none_or(|(host, port)| is_digits(port) && (!host.contains(':') || is_v6(host)))
}

/// Whether a host, a port, or the name of a master may have this.
fn of_server(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._-[]:,/".contains(&byte)
}
