//! Splits URLs into their parts, as Go's `net/url` and the Redis client of the reference do.
//!
//! The path takes precedence over the parameter `db`, and the user information (before the `@`) over the parameters
//! `username` and `password`. If a parameter is repeated, the first one counts; other parameters and the fragment are
//! ignored. User information, parameters and paths are percent-decoded; in parameters a `+` is a space.

use std::net::IpAddr;

use super::target::Server;
use crate::server::{Host, HostPort};
use crate::settings::parse::Value as _;
use crate::settings::redis::login::Login;
use limiter::domain::Secret;

const IGNORED: &str = "has parameters other than db, username and password, or a fragment, which are ignored";
const TWO_DATABASES: &str = "has a database in its path and another in ?db: the one in the path is used";
const TWO_LOGINS: &str =
    "has a user or a password before its @ and another among its parameters: the one before the @ is used";

/// The parts of a URL after its scheme.
pub(super) struct UrlParts<'a> {
    pub(super) login: Login,
    /// The text between the `@` and the path.
    pub(super) servers: &'a str,
    /// The text after the first slash, not decoded.
    pub(super) path: Option<&'a str>,
    /// The parameter `db`, decoded.
    pub(super) database: Option<String>,
    /// Warnings, to follow the variable's name.
    pub(super) notes: Vec<&'static str>,
}

impl<'a> UrlParts<'a> {
    /// `None` if the URL is malformed.
    pub(super) fn of(rest: &'a str) -> Option<Self> {
        let (rest, fragment) = rest.split_once('#').map_or((rest, None), |(rest, fragment)| (rest, Some(fragment)));
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        // An @ after a # or ? means that the password is not percent-encoded: its first part would be taken for the
        // host, dialled and printed.
        let is_password = |text: &str| text.split_once('@').is_some_and(|(before, _)| !before.contains('='));
        if !rest.contains('@') && (fragment.is_some_and(is_password) || is_password(query)) {
            return None;
        }
        let (authority, path) = rest.split_once('/').map_or((rest, None), |(authority, path)| (authority, Some(path)));
        let (own, servers) = match authority.rsplit_once('@') {
            Some((user_info, servers)) => (parse_user_info(user_info)?, servers),
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

/// Parses `user`, `user:password` or `:password`. With a colon, an empty password is a password.
fn parse_user_info(text: &str) -> Option<Login> {
    let (user, password) = text.split_once(':').map_or((text, None), |(user, password)| (user, Some(password)));
    let password = match password {
        Some(password) => Some(Secret::new(decoded(password)?)),
        None => None,
    };
    Some(Login { user: Some(decoded(user)?).filter(|user| !user.is_empty()), password })
}

/// The parameters of a URL that are used.
#[derive(Default)]
struct Query {
    database: Option<String>,
    username: Option<String>,
    password: Option<String>,
    /// There are other parameters.
    ignored: bool,
}

impl Query {
    /// `None` if a used parameter is malformed.
    fn of(text: &str) -> Option<Self> {
        let mut query = Self::default();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let field = match parameter(name).as_deref() {
                Some("db") => &mut query.database,
                Some("username") => &mut query.username,
                Some("password") => &mut query.password,
                _ => {
                    query.ignored = true;
                    continue;
                }
            };
            // Go drops a parameter with a semicolon, so the reference would log in without the password.
            let value = parameter(value).filter(|_| !value.contains(';'))?;
            field.get_or_insert(value);
        }
        Some(query)
    }
}

fn parameter(text: &str) -> Option<String> {
    decoded(&text.replace('+', " "))
}

/// The number of the database: from the path, else from the parameter, else 0.
pub(super) fn database(path: &str, parameter: Option<&str>) -> Option<u32> {
    let path = decoded(path)?;
    let number = if path.is_empty() { parameter.unwrap_or_default() } else { &path };
    match number {
        "" => Some(0),
        digits => digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?,
    }
}

/// Parses `host:port,host:port`; without a default port none may be missing.
pub(super) fn servers(text: &str, default_port: Option<u16>) -> Option<Vec<Server>> {
    text.split(',').map(|item| server(item, default_port)).collect()
}

/// Parses `host:port`; without a default port it may not be missing. An empty host is localhost.
pub(super) fn server(text: &str, default_port: Option<u16>) -> Option<Server> {
    let text = text.trim();
    let HostPort { host, port } = match HostPort::parse(text) {
        Some(address) => address,
        // an IPv6 address needs its brackets
        None if text.starts_with('[') || !text.contains(':') => {
            HostPort { host: Host::parse(text).filter(|host| *host != Host::Any)?, port: default_port? }
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

/// The percent-decoded text; `None` if it is malformed or not UTF-8.
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

/// Whether a text is the path of a socket, as opposed to a URL whose scheme is missing or mistyped.
pub(super) fn is_path(text: &str) -> bool {
    text.starts_with(['/', '.']) || (text.contains('/') && !text.contains([':', '@']))
}
