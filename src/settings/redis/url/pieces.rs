//! URLs taken apart, as Go's `net/url` and the Redis client of the reference do it.
//!
//! The path beats the parameter `db`, and what is before the `@` beats the parameters `username` and `password`. Of
//! a parameter that is there twice the first counts; other parameters and the fragment are ignored. What is before the `@`,
//! parameters and paths are percent-decoded; a `+` is a space in parameters.

use std::net::IpAddr;

use super::target::Server;
use crate::server::{Host, HostPort};
use crate::settings::parse::Value as _;
use crate::settings::redis::login::Login;
use limiter::domain::Secret;

const IGNORED: &str = "has parameters other than db, username and password, or a fragment: those are ignored";
const TWO_DATABASES: &str = "has a database in its path and another in ?db: the one in the path is used";
const TWO_LOGINS: &str =
    "has a user or a password before its @ and another among its parameters: what is before the @ is used";

/// The parts of a URL behind its scheme.
pub(super) struct Pieces<'a> {
    pub(super) login: Login,
    /// What is between the `@` and the path.
    pub(super) servers: &'a str,
    /// What follows the first slash, as it is written.
    pub(super) path: Option<&'a str>,
    /// The parameter `db`.
    pub(super) database: Option<String>,
    pub(super) notes: Vec<&'static str>,
}

impl<'a> Pieces<'a> {
    pub(super) fn of(rest: &'a str) -> Option<Self> {
        let (rest, fragment) = rest.split_once('#').map_or((rest, None), |(rest, fragment)| (rest, Some(fragment)));
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        // a password that was not encoded: what is before it would be dialled, and printed
        let is_cut = |behind: &str| behind.split_once('@').is_some_and(|(before, _)| !before.contains('='));
        if !rest.contains('@') && (fragment.is_some_and(is_cut) || is_cut(query)) {
            return None;
        }
        let (authority, path) = rest.split_once('/').map_or((rest, None), |(authority, path)| (authority, Some(path)));
        let (own, servers) = match authority.rsplit_once('@') {
            Some((who, servers)) => (before_at(who)?, servers),
            None => (Login::default(), authority),
        };
        let query = Query::of(query)?;
        let given = Login {
            user: query.username.filter(|user| !user.is_empty()),
            password: query.password.filter(|password| !password.is_empty()).map(Secret::new),
        };
        let in_path =
            path.is_some_and(|path| !path.is_empty()) && query.database.as_deref().is_some_and(|db| Some(db) != path);
        let notes = [
            (query.ignored || fragment.is_some(), IGNORED),
            (in_path, TWO_DATABASES),
            (own.contradicts(&given), TWO_LOGINS),
        ];
        let notes = notes.into_iter().filter_map(|(is_so, note)| is_so.then_some(note)).collect();
        Some(Self { login: own.over(&given), servers, path, database: query.database, notes })
    }
}

/// `user`, `user:password` or `:password`. A password that is empty is one.
fn before_at(who: &str) -> Option<Login> {
    let (user, password) = who.split_once(':').map_or((who, None), |(user, password)| (user, Some(password)));
    let password = match password {
        Some(password) => Some(Secret::new(decoded(password)?)),
        None => None,
    };
    Some(Login { user: Some(decoded(user)?).filter(|user| !user.is_empty()), password })
}

/// The parameters that mean something.
#[derive(Default)]
struct Query {
    database: Option<String>,
    username: Option<String>,
    password: Option<String>,
    /// There are others.
    ignored: bool,
}

impl Query {
    /// `None` if one that means something cannot be read.
    fn of(text: &str) -> Option<Self> {
        let mut query = Self::default();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let place = match parameter(name).as_deref() {
                Some("db") => &mut query.database,
                Some("username") => &mut query.username,
                Some("password") => &mut query.password,
                _ => {
                    query.ignored = true;
                    continue;
                }
            };
            // Go drops what has a semicolon, and then logs in without it
            let value = parameter(value).filter(|_| !value.contains(';'))?;
            place.get_or_insert(value);
        }
        Some(query)
    }
}

fn parameter(text: &str) -> Option<String> {
    decoded(&text.replace('+', " "))
}

/// The number of a database: that of the path, else that of the parameter, else 0.
pub(super) fn database(path: &str, parameter: Option<&str>) -> Option<u32> {
    let path = decoded(path)?;
    let number = if path.is_empty() { parameter.unwrap_or_default() } else { &path };
    match number {
        "" => Some(0),
        digits => digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?,
    }
}

/// `host:port,host:port`; ports may be missing if there is a usual one.
pub(super) fn servers(text: &str, usual: Option<u16>) -> Option<Vec<Server>> {
    text.split(',').map(|item| server(item, usual)).collect()
}

/// `host:port`; the port may be missing if there is a usual one. Without a host, it is this machine.
pub(super) fn server(text: &str, usual: Option<u16>) -> Option<Server> {
    let text = text.trim();
    let HostPort { host, port } = match HostPort::parse(text) {
        Some(address) => address,
        // an IPv6 address needs its brackets
        None if text.starts_with('[') || !text.contains(':') => {
            HostPort { host: Host::parse(text).filter(|host| *host != Host::Any)?, port: usual? }
        }
        None => return None,
    };
    let host = match host {
        Host::Any => "localhost".to_owned(),
        Host::Ip(IpAddr::V4(address)) => address.to_string(),
        Host::Ip(IpAddr::V6(address)) => address.to_string(),
        Host::Name(name) => name,
    };
    (port != 0).then_some(Server { host, port })
}

/// A text without its percent signs, if it is UTF-8 then.
pub(super) fn decoded(text: &str) -> Option<String> {
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

/// Whether a text is the path of a socket, and not a URL whose scheme was forgotten or misspelt.
pub(super) fn is_path(text: &str) -> bool {
    text.starts_with(['/', '.']) || (text.contains('/') && !text.contains([':', '@']))
}
