//! One Redis, from its variables: they must agree.

use std::path::PathBuf;

use super::types::{RedisBreaker, RedisCredentials, RedisEndpoint, RedisKeysPerCall, RedisTls, RedisTopology};
use super::url::{self, Parsed, Target};
use super::values::{Auth, KeysPerCall, PoolSize, RedisType, SocketType, Timeout, Url};
use crate::settings::error::{Place, Problem};
use crate::settings::table::{Given, Read};

/// The variables of one Redis.
pub(super) struct Variables<'a> {
    pub(super) url_name: &'static str,
    pub(super) default_socket: &'static str,
    pub(super) url: &'a Read<Option<Url>>,
    pub(super) socket_type: &'a Read<Option<SocketType>>,
    pub(super) kind: &'a Read<Option<RedisType>>,
    pub(super) auth: &'a Read<Auth>,
    pub(super) auth_file: &'a Read<Option<PathBuf>>,
    pub(super) sentinel_auth: &'a Read<Auth>,
    pub(super) sentinel_auth_file: &'a Read<Option<PathBuf>>,
    pub(super) use_tls: &'a Read<bool>,
    pub(super) tls: &'a RedisTls,
    pub(super) pool_size: &'a Read<PoolSize>,
    pub(super) keys_per_call: &'a Read<KeysPerCall>,
    pub(super) timeout: &'a Read<Timeout>,
    pub(super) breaker: Option<RedisBreaker>,
}

impl Variables<'_> {
    /// The endpoint, or what is wrong with it.
    pub(super) fn endpoint(&self, problems: &mut Vec<Problem>) -> Option<RedisEndpoint> {
        let before = problems.len();
        let login = self.login(problems);
        let sentinel_login = one_of(self.sentinel_auth, self.sentinel_auth_file, problems);
        let Parsed { target, credentials, tls, database } = self.parsed(problems)?;
        let url = self.url.given.as_ref();
        self.agree(&target, problems);
        if tls && !self.use_tls.value {
            contradict(self.use_tls.given.as_ref(), url, "the URL asks for TLS", problems);
        }
        if self.use_tls.value && target.socket() == SocketType::Unix {
            let other = url.or(self.socket_type.given.as_ref());
            contradict(self.use_tls.given.as_ref(), other, "a unix socket has no TLS", problems);
        }
        if credentials != RedisCredentials::None && login != RedisCredentials::None {
            let given = if self.auth_file.value.is_some() { &self.auth_file.given } else { &self.auth.given };
            contradict(given.as_ref(), url, "only one of them may have a password", problems);
        }
        let credentials = if credentials == RedisCredentials::None { login } else { credentials };
        if database != 0
            && self.keys_per_call.value == KeysPerCall::One
            && matches!(target, Target::Tcp(_) | Target::Unix(_))
        {
            let reason = "a proxy may not keep a database for each of its clients, and some have one: leave its number out \
                of the URL, and keep services apart by CACHE_KEY_PREFIX";
            contradict(self.keys_per_call.given.as_ref(), url, reason, problems);
        }
        let topology = match target {
            Target::Tcp(server) => RedisTopology::Tcp(server),
            Target::Unix(path) => RedisTopology::Unix(path),
            Target::Sentinel { master, sentinels } => {
                RedisTopology::Sentinel { master, sentinels, credentials: sentinel_login }
            }
            Target::Cluster(servers) => RedisTopology::Cluster(servers),
        };
        (problems.len() == before).then(|| RedisEndpoint {
            topology,
            credentials,
            tls: (tls || self.use_tls.value).then(|| self.tls.clone()),
            database,
            pool_size: self.pool_size.value.get(),
            keys_per_call: match self.keys_per_call.value {
                KeysPerCall::Auto => RedisKeysPerCall::Auto,
                KeysPerCall::Many => RedisKeysPerCall::Many,
                KeysPerCall::One => RedisKeysPerCall::One,
            },
            timeout: self.timeout.value.0,
            breaker: self.breaker,
        })
    }

    /// Where a call carries one key, no request can be charged all or none.
    pub(super) fn may_be_atomic(&self, stop_increment: &Read<bool>, problems: &mut Vec<Problem>) {
        if self.keys_per_call.value == KeysPerCall::One && stop_increment.value {
            let reason = "a request is charged all or none with the one, which cannot be with the other, as its counters may \
                be on different servers: leave STOP_CACHE_KEY_INCREMENT_WHEN_OVERLIMIT out, or count in a Redis or a Redis \
                Cluster without a proxy";
            contradict(self.keys_per_call.given.as_ref(), stop_increment.given.as_ref(), reason, problems);
        }
    }

    fn login(&self, problems: &mut Vec<Problem>) -> RedisCredentials {
        one_of(self.auth, self.auth_file, problems)
    }

    fn parsed(&self, problems: &mut Vec<Problem>) -> Option<Parsed> {
        let Some(Url(text)) = &self.url.value else {
            // The reference's default.
            let asks = match (self.kind.value, self.socket_type.value) {
                (Some(RedisType::Sentinel | RedisType::Cluster), _) => &self.kind.given,
                (_, Some(SocketType::Tcp)) => &self.socket_type.given,
                _ => {
                    let target = Target::Unix(self.default_socket.into());
                    return Some(Parsed { target, credentials: RedisCredentials::None, tls: false, database: 0 });
                }
            };
            let place = Place { variable: self.url_name, flag: None };
            problems
                .push(Problem::Missing { place, because: asks.as_ref().map_or_else(String::new, Given::to_string) });
            return None;
        };
        let kind = self.kind.value.unwrap_or(RedisType::Single);
        let parsed = url::parse(text.expose(), kind);
        parsed
            .map_err(|accepted| {
                let given = self.url.given.as_ref().expect("only what is given has a value");
                problems.push(Problem::Malformed { place: given.place, value: given.shown.clone(), accepted });
            })
            .ok()
    }

    /// `REDIS_TYPE` and `REDIS_SOCKET_TYPE` must be what the URL is.
    fn agree(&self, target: &Target, problems: &mut Vec<Problem>) {
        let url = self.url.given.as_ref();
        if self.kind.value.is_some_and(|kind| kind != target.kind()) {
            contradict(self.kind.given.as_ref(), url, "the URL is of another type", problems);
        }
        match (self.socket_type.value, target.socket()) {
            (Some(SocketType::Unix), SocketType::Tcp) => {
                contradict(self.socket_type.given.as_ref(), url, "that is no path of a socket", problems);
            }
            (Some(SocketType::Tcp), SocketType::Unix) => {
                contradict(self.socket_type.given.as_ref(), url, "that is the path of a socket", problems);
            }
            _ => {}
        }
    }
}

/// A password, or the file that has it.
fn one_of(auth: &Read<Auth>, file: &Read<Option<PathBuf>>, problems: &mut Vec<Problem>) -> RedisCredentials {
    match (&auth.value.0, &file.value) {
        (RedisCredentials::None, Some(path)) => RedisCredentials::File(path.clone()),
        (fixed, None) => fixed.clone(),
        (_, Some(_)) => {
            contradict(file.given.as_ref(), auth.given.as_ref(), "only one of them may be set", problems);
            RedisCredentials::None
        }
    }
}

/// Adds that `this` and `other` cannot both be. Both are given: a default contradicts nothing.
pub(super) fn contradict(
    this: Option<&Given>,
    other: Option<&Given>,
    reason: &'static str,
    problems: &mut Vec<Problem>,
) {
    if let (Some(this), Some(other)) = (this, other) {
        problems.push(Problem::Contradiction {
            place: this.place,
            value: this.shown.clone(),
            other: other.to_string(),
            reason,
        });
    }
}
