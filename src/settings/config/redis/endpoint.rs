//! The endpoint of one Redis, from its variables, which must not contradict each other.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use crate::settings::error::{Origin, Problem};
use crate::settings::redis::login::Login;
use crate::settings::redis::url::target::Server;
use crate::settings::redis::url::{self, Parsed, Target};
use crate::settings::redis::{Auth, CallTimeout, KeysPerCall, PoolSize, RedisType, SocketType, Url};
use crate::settings::table::{Given, Note, Read};
use limiter::domain::Secret;
use redis::{Address, BreakerConfig, Credentials, Endpoint, HostPort, Startup, Topology};
use tls::ClientFiles;

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
    pub(super) tls: &'a ClientFiles,
    pub(super) pool_size: &'a Read<PoolSize>,
    /// The number of clients that share the pool.
    pub(super) clients: NonZeroUsize,
    pub(super) keys_per_call: &'a Read<KeysPerCall>,
    pub(super) plain_commands: bool,
    pub(super) timeout: &'a Read<CallTimeout>,
    pub(super) breaker: Option<BreakerConfig>,
    pub(super) startup: Startup,
    pub(super) key_prefix: &'a str,
}

impl Variables<'_> {
    /// The endpoint; `None` if this adds an error.
    pub(super) fn endpoint(&self, problems: &mut Vec<Problem>, notes: &mut Vec<Note>) -> Option<Endpoint> {
        let before = problems.len();
        let parsed = self.parsed(problems);
        let in_url = parsed.as_ref().map_or(&[][..], |parsed| &parsed.logins);
        let is_cluster = parsed.as_ref().is_some_and(|parsed| matches!(parsed.target, Target::Cluster(_)));
        let credentials = self.login((self.auth, self.auth_file), in_url, is_cluster, problems, notes);
        let Parsed { target, sentinel_logins, tls, database, notes: url_notes, .. } = parsed?;
        let url = self.url.given.as_ref();
        notes.extend(url_notes.into_iter().map(|note| self.note(note)));
        self.check_types(&target, problems);
        if tls && !self.use_tls.value {
            contradict(self.use_tls.given.as_ref(), url, "the URL asks for TLS", problems);
        }
        if self.use_tls.value && matches!(target, Target::Unix(_)) {
            let other = url.or(self.socket_type.given.as_ref());
            contradict(self.use_tls.given.as_ref(), other, "a unix socket has no TLS", problems);
        }
        if database != 0
            && self.keys_per_call.value == KeysPerCall::One
            && matches!(target, Target::Tcp(_) | Target::Unix(_))
        {
            let reason = "a proxy may not keep a separate database for each client, and some have only one: leave its \
                number out of the URL, and separate services by CACHE_KEY_PREFIX";
            contradict(self.keys_per_call.given.as_ref(), url, reason, problems);
        }
        let topology = match target {
            Target::Tcp(server) => Topology::Single(Address::Tcp(address(server))),
            Target::Unix(path) => Topology::Single(Address::Unix(path)),
            Target::Sentinel { master, sentinels } => {
                let own = (self.sentinel_auth, self.sentinel_auth_file);
                let credentials = self.login(own, &sentinel_logins, false, problems, notes);
                let sentinels = sentinels.into_iter().map(address).collect();
                Topology::Sentinel { master, sentinels, credentials }
            }
            Target::Cluster(servers) => Topology::Cluster(servers.into_iter().map(address).collect()),
        };
        (problems.len() == before).then(|| Endpoint {
            topology,
            credentials,
            key_prefix: self.key_prefix.to_owned(),
            tls: (tls || self.use_tls.value).then(|| self.tls.clone()),
            database,
            connections: self.connections(),
            timeout: self.timeout.value.0,
            breaker: self.breaker,
            startup: self.startup,
            keys_per_call: match self.keys_per_call.value {
                KeysPerCall::Auto => None,
                KeysPerCall::Many => Some(redis::KeysPerCall::Many),
                KeysPerCall::One => Some(redis::KeysPerCall::One),
            },
            plain_commands: self.plain_commands,
        })
    }

    /// The connections of one client: its share of the pool, but at least one.
    fn connections(&self) -> NonZeroUsize {
        let pool = self.pool_size.value.get().get();
        NonZeroUsize::new(pool / self.clients).unwrap_or(NonZeroUsize::MIN)
    }

    /// Adds an error if requests must be charged all or nothing although a call carries only one key.
    pub(super) fn check_atomicity(&self, stop_increment: &Read<bool>, problems: &mut Vec<Problem>) {
        if self.keys_per_call.value == KeysPerCall::One && stop_increment.value {
            let reason = "a request cannot be charged all or nothing if its counters may be on different servers: \
                unset STOP_CACHE_KEY_INCREMENT_WHEN_OVERLIMIT, or count in a Redis or a Redis Cluster without a proxy";
            contradict(self.keys_per_call.given.as_ref(), stop_increment.given.as_ref(), reason, problems);
        }
    }

    /// The credentials: those of the file, else those of the variable completed by those of the URL. With `must_agree`,
    /// different logins in the URL are an error, because all servers get the same one.
    fn login(
        &self,
        (auth, file): (&Read<Auth>, &Read<Option<PathBuf>>),
        in_url: &[Login],
        must_agree: bool,
        problems: &mut Vec<Problem>,
        notes: &mut Vec<Note>,
    ) -> Credentials {
        let in_url: Vec<&Login> = in_url.iter().filter(|login| **login != Login::default()).collect();
        if let Some(path) = &file.value {
            let url = self.url.given.as_ref().filter(|_| !in_url.is_empty());
            contradict(file.given.as_ref(), auth.given.as_ref(), "only one of them may be set", problems);
            contradict(file.given.as_ref(), url, "only one of them may have a login", problems);
            return Credentials::File(path.clone());
        }
        let own = &auth.value.0;
        if let Some(given) = auth.given.as_ref().filter(|_| in_url.iter().any(|login| own.contradicts(login))) {
            let text =
                format!("{} replaces the user or password in {}, which is different", given.origin, self.url_name);
            notes.push(Note { variable: given.origin.variable, text });
        }
        let mut logins = in_url.iter().map(|login| own.over(login));
        let first = logins.next().unwrap_or_else(|| own.clone());
        if logins.any(|login| login != first) {
            if must_agree {
                self.malformed("a list of nodes that all have one user and password", problems);
            } else {
                let text = "has several users or passwords for its sentinels: the first is used for all of them";
                notes.push(self.note(text));
            }
        }
        if first.lacks_password() {
            let has_user = auth.given.as_ref().filter(|_| own.user.is_some());
            let variable = has_user.map_or(self.url_name, |given| given.origin.variable);
            let text = format!(
                "{variable} has a user without a password: Redis accepts that only for users without a password \
                 (nopass); a password alone is written as redis://:password@host, or in REDIS_AUTH without a colon"
            );
            notes.push(Note { variable, text });
        }
        credentials(first)
    }

    fn note(&self, text: &str) -> Note {
        Note { variable: self.url_name, text: format!("{} {text}", self.url_origin()) }
    }

    fn url_origin(&self) -> Origin {
        self.url.given.as_ref().map_or(Origin { variable: self.url_name, flag: None }, |given| given.origin)
    }

    fn malformed(&self, accepted: &'static str, problems: &mut Vec<Problem>) {
        let value = self.url.given.as_ref().map_or_else(String::new, |given| given.shown.clone());
        problems.push(Problem::Malformed { origin: self.url_origin(), value, accepted });
    }

    /// The parsed URL; `None` if it has an error, which is reported once.
    fn parsed(&self, problems: &mut Vec<Problem>) -> Option<Parsed> {
        let Some(Url(text)) = &self.url.value else {
            if self.url.given.is_some() {
                // the reader has reported that it is not UTF-8
                return None;
            }
            // Unset: the reference's default, a Unix socket, unless another variable requires an address.
            let asks = match (self.kind.value, self.socket_type.value) {
                (Some(RedisType::Sentinel | RedisType::Cluster), _) => &self.kind.given,
                (_, Some(SocketType::Tcp)) => &self.socket_type.given,
                _ => {
                    return Some(Parsed::plain(Target::Unix(self.default_socket.into())));
                }
            };
            let origin = Origin { variable: self.url_name, flag: None };
            problems
                .push(Problem::Missing { origin, because: asks.as_ref().map_or_else(String::new, Given::to_string) });
            return None;
        };
        // Without a scheme the meaning of an address depends on these two variables. If one of them has an error, which
        // the reader has reported, an error of the address may be a consequence.
        let is_known = (self.kind.given.is_none() || self.kind.value.is_some())
            && (self.socket_type.given.is_none() || self.socket_type.value.is_some());
        let kind = self.kind.value.unwrap_or(RedisType::Single);
        match url::parse(text.expose(), kind, self.socket_type.value) {
            Ok(parsed) => return Some(parsed),
            Err(accepted) if is_known => self.malformed(accepted, problems),
            Err(_) => {}
        }
        None
    }

    /// Adds an error for each of `REDIS_TYPE` and `REDIS_SOCKET_TYPE` that contradicts the URL.
    fn check_types(&self, target: &Target, problems: &mut Vec<Problem>) {
        let url = self.url.given.as_ref();
        if self.kind.value.is_some_and(|kind| kind != target.kind()) {
            contradict(self.kind.given.as_ref(), url, "the URL is of another type", problems);
        }
        match (self.socket_type.value, target) {
            (Some(SocketType::Unix), Target::Tcp(_)) => {
                contradict(self.socket_type.given.as_ref(), url, "the URL is not the path of a socket", problems);
            }
            (Some(SocketType::Tcp), Target::Unix(_)) => {
                contradict(self.socket_type.given.as_ref(), url, "the URL is the path of a socket", problems);
            }
            // sentinels and nodes are always reached over TCP, as in the reference
            _ => {}
        }
    }
}

fn address(Server { host, port }: Server) -> HostPort {
    HostPort { host, port }
}

/// The credentials to log in with. A user without a password gets an empty one.
fn credentials(Login { user, password }: Login) -> Credentials {
    let password = password.unwrap_or_else(|| Secret::new(String::new()));
    if user.is_none() && password.expose().is_empty() {
        return Credentials::None;
    }
    Credentials::Fixed { user, password }
}

/// Adds the error that `this` contradicts `other`, if both are set: a default contradicts nothing.
pub(super) fn contradict(
    this: Option<&Given>,
    other: Option<&Given>,
    reason: &'static str,
    problems: &mut Vec<Problem>,
) {
    if let (Some(this), Some(other)) = (this, other) {
        problems.push(Problem::Contradiction {
            origin: this.origin,
            value: this.shown.clone(),
            other: other.to_string(),
            reason,
        });
    }
}
