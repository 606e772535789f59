//! Removes from addresses what may be a password.

use super::parts::{is_path, servers};
use super::target::REDIS_PORT;
use crate::settings::parse::HIDDEN;

/// The address without anything that may be a password: the text before an `@`, the text after a `?` or a `#`, and a
/// list of servers that cannot be parsed as one.
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
    // each member of a list may be a URL
    let plain = rest.replace("rediss://", "").replace("redis://", "");
    let (at, path) = plain.split_once('/').unwrap_or((&plain, ""));
    let is_address = match scheme {
        "" => {
            is_path(rest)
                || (at.split(',').all(may_be_server) && path.bytes().all(|byte| byte != b':' && of_server(byte)))
        }
        _ => at.is_empty() || servers(at, Some(REDIS_PORT)).is_some(),
    };
    if is_address { format!("{scheme}{before}{rest}{after}") } else { format!("{scheme}{HIDDEN}") }
}

fn is_database(query: &str) -> bool {
    query.strip_prefix("?db=").is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether a text may be a host with or without a port, or an IPv6 address without brackets; but not `user:password`,
/// nor `password=…`, which connection strings of other clients have.
fn may_be_server(text: &str) -> bool {
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_v6 = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit() || b"[]:.".contains(&byte));
    text.trim().bytes().all(of_server)
        && text.rsplit_once(':').is_none_or(|(host, port)| is_digits(port) && (!host.contains(':') || is_v6(host)))
}

/// Whether a host, a port, or the name of a master may contain this byte.
fn of_server(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._-[]:,/".contains(&byte)
}
