//! The configuration and state that all connections to an endpoint share, and the target of a connection.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use super::{contact::Contacts, key_limit::KeyLimit};
use crate::{Credentials, HostPort, Startup};
use tls::ClientTls;

/// The least time for each step of connecting, even if the timeout of calls is shorter: connections are made in the
/// background.
const LEAST_PATIENCE: Duration = Duration::from_secs(1);

/// The pauses between attempts once an address has counted.
const RECONNECTION: Startup = Startup { initial: Duration::from_millis(10), longest: Duration::from_secs(1) };

/// The configuration and state that all connections to an endpoint share.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) credentials: Credentials,
    /// The prefix of all counters' keys.
    pub(super) key_prefix: Box<str>,
    pub(super) tls: Option<ClientTls>,
    pub(super) database: u32,
    /// Connections to each node.
    pub(super) connections: usize,
    /// The timeout of a call.
    pub(super) timeout: Duration,
    /// The pauses between attempts until it has answered for the first time.
    pub(super) startup: Startup,
    pub(super) contacts: Arc<Contacts>,
    /// How many keys a call may carry.
    pub(super) keys: Arc<KeyLimit>,
    /// Whether plain commands may be used in place of the script.
    pub(super) plain_commands: bool,
}

impl Plan {
    /// How long each step of connecting may take.
    pub(super) fn patience(&self) -> Duration {
        self.timeout.max(LEAST_PATIENCE)
    }

    /// How long the PING that follows an unanswered call may take before the connection is dropped.
    pub(super) fn silence(&self) -> Duration {
        (self.timeout * 4).max(LEAST_PATIENCE)
    }

    /// The pause after this many failed attempts. Half of it is random, so that workers and processes do not connect in
    /// step.
    pub(super) fn pause(&self, failures: u32) -> Duration {
        let Startup { initial, longest } = if self.contacts.has_connected() { RECONNECTION } else { self.startup };
        let first = initial.max(RECONNECTION.initial);
        let pause = first.saturating_mul(1 << failures.min(16)).min(longest.max(first));
        pause.mul_f64(0.5 + fastrand::f64() / 2.0)
    }
}

/// The target of a connection.
#[derive(Clone, Debug)]
pub(super) enum Target {
    Tcp(HostPort),
    Unix(PathBuf),
    /// The primary that the sentinels name.
    Sentinel {
        master: String,
        sentinels: Vec<HostPort>,
        credentials: Credentials,
    },
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(HostPort { host, port }) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp(HostPort { host, port }) => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
            Self::Sentinel { master, .. } => write!(f, "the primary of {master}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(initial: u64, longest: u64) -> Plan {
        let startup = Startup { initial: Duration::from_millis(initial), longest: Duration::from_millis(longest) };
        let (contacts, keys) = (Arc::new(Contacts::new()), Arc::new(KeyLimit::new(None)));
        let (credentials, timeout) = (Credentials::None, Duration::from_millis(100));
        let key_prefix = "".into();
        Plan {
            credentials,
            key_prefix,
            tls: None,
            database: 0,
            connections: 1,
            timeout,
            startup,
            contacts,
            keys,
            plain_commands: true,
        }
    }

    /// Of many, the shortest and the longest pause in milliseconds, rounded.
    fn pauses(plan: &Plan, failures: u32) -> (u128, u128) {
        let pauses = (0..1000).map(|_| (plan.pause(failures).as_micros() + 500) / 1000);
        pauses.fold((u128::MAX, 0), |(least, most), pause| (least.min(pause), most.max(pause)))
    }

    #[test]
    fn pauses_are_as_configured_until_the_first_answer_and_fixed_afterwards() {
        let plan = plan(1000, 30_000);
        for (failures, longest) in [(0, 1000), (1, 2000), (4, 16_000), (5, 30_000), (1000, 30_000)] {
            let (least, most) = pauses(&plan, failures);
            assert!(least >= longest / 2 && most <= longest && most > least, "{failures}: {least} {most}");
        }
        plan.contacts.opened("redis:6379");
        for (failures, longest) in [(0, 10), (3, 80), (7, 1000), (1000, 1000)] {
            let (least, most) = pauses(&plan, failures);
            assert!(least >= longest / 2 && most <= longest, "{failures}: {least} {most}");
        }
    }

    #[test]
    fn inconsistent_pauses_are_bounded() {
        for (plan, failures, longest) in [(plan(0, 0), 9, 10), (plan(0, 1000), 0, 10), (plan(5000, 1000), 9, 5000)] {
            let (least, most) = pauses(&plan, failures);
            assert!(least >= longest / 2 && most <= longest, "{failures}: {least} {most}");
        }
    }
}
