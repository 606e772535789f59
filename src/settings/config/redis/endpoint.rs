//! One Redis, from its variables: they must agree.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use crate::settings::error::{Place, Problem};
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
    /// Clients that share the pool.
    pub(super) clients: NonZeroUsize,
    pub(super) keys_per_call: &'a Read<KeysPerCall>,
    pub(super) timeout: &'a Read<CallTimeout>,
    pub(super) breaker: Option<BreakerConfig>,
    pub(super) startup: Startup,
    pub(super) key_prefix: &'a str,
}

impl Variables<'_> {
    /// The endpoint, or what is wrong with it; and what is odd about it.
    pub(super) fn endpoint(&self, problems: &mut Vec<Problem>, notes: &mut Vec<Note>) -> Option<Endpoint> {
        let before = problems.len();
        let parsed = self.parsed(problems);
        let in_url = parsed.as_ref().map_or(&[][..], |parsed| &parsed.logins);
        let is_cluster = parsed.as_ref().is_some_and(|parsed| matches!(parsed.target, Target::Cluster(_)));
        let credentials = self.login((self.auth, self.auth_file), in_url, is_cluster, problems, notes);
        let Parsed { target, sentinel_logins, tls, database, notes: odd, .. } = parsed?;
        let url = self.url.given.as_ref();
        notes.extend(odd.into_iter().map(|odd| self.note(odd)));
        self.agree(&target, problems);
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
            let reason = "a proxy may not keep a database for each of its clients, and some have one: leave its number out \
                of the URL, and keep services apart by CACHE_KEY_PREFIX";
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
        })
    }

    /// Those of one client: its part of the pool, and one at least.
    fn connections(&self) -> NonZeroUsize {
        let pool = self.pool_size.value.get().get();
        NonZeroUsize::new(pool / self.clients).unwrap_or(NonZeroUsize::MIN)
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

    /// Who we are: what the variable says, and of the rest what the URL says; or what the file says. `must_agree`: one login
    /// is for servers that each have one in the URL.
    fn login(
        &self,
        (auth, file): (&Read<Auth>, &Read<Option<PathBuf>>),
        in_url: &[Login],
        must_agree: bool,
        problems: &mut Vec<Problem>,
        notes: &mut Vec<Note>,
    ) -> Credentials {
        let said: Vec<&Login> = in_url.iter().filter(|login| **login != Login::default()).collect();
        if let Some(path) = &file.value {
            let url = self.url.given.as_ref().filter(|_| !said.is_empty());
            contradict(file.given.as_ref(), auth.given.as_ref(), "only one of them may be set", problems);
            contradict(file.given.as_ref(), url, "only one of them may have a password", problems);
            return Credentials::File(path.clone());
        }
        let own = &auth.value.0;
        if let Some(given) = auth.given.as_ref().filter(|_| said.iter().any(|login| own.contradicts(login))) {
            let text =
                format!("{} replaces what {} has for a user or a password, which differs", given.place, self.url_name);
            notes.push(Note { variable: given.place.variable, text });
        }
        let mut logins = said.iter().map(|login| own.over(login));
        let first = logins.next().unwrap_or_else(|| own.clone());
        if logins.any(|login| login != first) {
            if must_agree {
                self.malformed("a list of nodes that all have one user and password", problems);
            } else {
                notes.push(self.note("has several users or passwords for its sentinels: the first is for all of them"));
            }
        }
        if first.lacks_password() {
            let has_user = auth.given.as_ref().filter(|_| own.user.is_some());
            let place = has_user.map_or(self.url_name, |given| given.place.variable);
            let text = format!(
                "{place} has a user without a password: Redis lets in only one that needs none (nopass); \
                 a password alone is written as redis://:password@host, or in REDIS_AUTH without a colon"
            );
            notes.push(Note { variable: place, text });
        }
        credentials(first)
    }

    fn note(&self, text: &str) -> Note {
        Note { variable: self.url_name, text: format!("{} {text}", self.url_place()) }
    }

    fn url_place(&self) -> Place {
        self.url.given.as_ref().map_or(Place { variable: self.url_name, flag: None }, |given| given.place)
    }

    fn malformed(&self, accepted: &'static str, problems: &mut Vec<Problem>) {
        let value = self.url.given.as_ref().map_or_else(String::new, |given| given.shown.clone());
        problems.push(Problem::Malformed { place: self.url_place(), value, accepted });
    }

    fn parsed(&self, problems: &mut Vec<Problem>) -> Option<Parsed> {
        let Some(Url(text)) = &self.url.value else {
            if self.url.given.is_some() {
                // it cannot be read, which has been said
                return None;
            }
            // The reference's default.
            let asks = match (self.kind.value, self.socket_type.value) {
                (Some(RedisType::Sentinel | RedisType::Cluster), _) => &self.kind.given,
                (_, Some(SocketType::Tcp)) => &self.socket_type.given,
                _ => {
                    return Some(Parsed::plain(Target::Unix(self.default_socket.into())));
                }
            };
            let place = Place { variable: self.url_name, flag: None };
            problems
                .push(Problem::Missing { place, because: asks.as_ref().map_or_else(String::new, Given::to_string) });
            return None;
        };
        // what an address without a scheme is depends on them; that they cannot be read has been said
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

    /// `REDIS_TYPE` and `REDIS_SOCKET_TYPE` must be what the URL is.
    fn agree(&self, target: &Target, problems: &mut Vec<Problem>) {
        let url = self.url.given.as_ref();
        if self.kind.value.is_some_and(|kind| kind != target.kind()) {
            contradict(self.kind.given.as_ref(), url, "the URL is of another type", problems);
        }
        match (self.socket_type.value, target) {
            (Some(SocketType::Unix), Target::Tcp(_)) => {
                contradict(self.socket_type.given.as_ref(), url, "that is no path of a socket", problems);
            }
            (Some(SocketType::Tcp), Target::Unix(_)) => {
                contradict(self.socket_type.given.as_ref(), url, "that is the path of a socket", problems);
            }
            // sentinels and nodes are always reached over TCP, as in the reference
            _ => {}
        }
    }
}

fn address(Server { host, port }: Server) -> HostPort {
    HostPort { host, port }
}

/// What to log in with. A user without a password has the empty one.
fn credentials(Login { user, password }: Login) -> Credentials {
    let password = password.unwrap_or_else(|| Secret::new(String::new()));
    if user.is_none() && password.expose().is_empty() {
        return Credentials::None;
    }
    Credentials::Fixed { user, password }
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
