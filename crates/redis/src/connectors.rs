//! The connections to both Redises, as metrics and the `/stats` page show them.

use metrics::{Collect, Families, Family};
use tls::ClientStats;

use super::{BreakerReading, BreakerState, Connector, Contact};

/// The names of one Redis in metrics. envoyproxy/ratelimit has separate families for the connections to the second.
struct Role {
    /// The value of label `redis`.
    redis: &'static str,
    /// The value of label `server`, of TLS handshakes.
    server: &'static str,
    open: Family,
    made: Family,
    closed: Family,
}

const MAIN: Role = Role {
    redis: "main",
    server: "redis",
    open: Family::gauge("ratelimit_redis_pool_cx_active", "Open connections to Redis.", &[]),
    made: Family::counter("ratelimit_redis_pool_cx_total", "Connections that were made to Redis.", &[]),
    closed: Family::counter(
        "ratelimit_redis_pool_cx_local_close",
        "Connections to Redis that were closed, by either side.",
        &[],
    ),
};
const PER_SECOND: Role = Role {
    redis: "per_second",
    server: "redis_per_second",
    open: Family::gauge(
        "ratelimit_redis_per_second_pool_cx_active",
        "Open connections to the Redis of limits per second.",
        &[],
    ),
    made: Family::counter(
        "ratelimit_redis_per_second_pool_cx_total",
        "Connections that were made to the Redis of limits per second.",
        &[],
    ),
    closed: Family::counter(
        "ratelimit_redis_per_second_pool_cx_local_close",
        "Connections to the Redis of limits per second that were closed, by either side.",
        &[],
    ),
};
const FAILED: Family = Family::counter(
    "tollgate_redis_failed_connections_total",
    "Attempts to connect to Redis that failed: not reached, login rejected, or the test call was not counted.",
    &["redis"],
);
const BREAKER_STATE: Family = Family::gauge(
    "tollgate_redis_breaker_state",
    "The breaker of an address: 0 closed, 1 half open (a probe is under way), 2 open.",
    &["redis", "address"],
);
const BREAKER_OPENED: Family = Family::counter(
    "tollgate_redis_breaker_opened_total",
    "How often the breaker of an address has opened.",
    &["redis", "address"],
);

/// The connectors of the main Redis and, if there is one, of the second Redis for limits per second.
#[derive(Clone, Debug)]
pub struct Connectors {
    /// Counts all limits, or all but those per second if there is a second Redis.
    pub main: Connector,
    /// Counts limits per second.
    pub per_second: Option<Connector>,
}

impl Connectors {
    fn by_role(&self) -> impl Iterator<Item = (&'static Role, &Connector)> {
        std::iter::once((&MAIN, &self.main)).chain(self.per_second.iter().map(|one| (&PER_SECOND, one)))
    }

    /// The breakers' lines of the `/stats` page, by name and address.
    #[must_use]
    pub fn stats_page(&self) -> String {
        let mut lines = Vec::new();
        for (Role { redis, .. }, connector) in self.by_role() {
            for BreakerReading { address, state, opened } in connector.breakers() {
                let state = name(state);
                lines.push(format!(
                    "tollgate.redis.breaker.{redis}.{address}.opened: {opened}\n\
                     tollgate.redis.breaker.{redis}.{address}.state.{state}: 1\n"
                ));
            }
        }
        lines.sort_unstable();
        lines.concat()
    }
}

impl Collect for Connectors {
    fn collect(&self, families: &mut Families) {
        for (role, connector) in self.by_role() {
            role.collect(&connector.contact(), connector.breakers(), connector.handshakes(), families);
        }
    }
}

impl Role {
    fn collect(
        &self,
        contact: &Contact,
        breakers: Vec<BreakerReading>,
        handshakes: Option<&ClientStats>,
        families: &mut Families,
    ) {
        let Self { redis, server, open, made, closed } = self;
        let is_open = contact.open as u64;
        families.add(open, &[], is_open);
        families.add(made, &[], contact.made);
        families.add(closed, &[], contact.made.saturating_sub(is_open));
        families.add(&FAILED, &[redis], contact.failed);
        for BreakerReading { address, state, opened } in breakers {
            families.add(&BREAKER_STATE, &[redis, &address], number(state));
            families.add(&BREAKER_OPENED, &[redis, &address], opened);
        }
        if let Some(handshakes) = handshakes {
            handshakes.collect_of(server, families);
        }
    }
}

const fn name(state: BreakerState) -> &'static str {
    match state {
        BreakerState::Closed => "closed",
        BreakerState::HalfOpen => "half_open",
        BreakerState::Open => "open",
    }
}

/// The value of the state's metric.
const fn number(state: BreakerState) -> u64 {
    match state {
        BreakerState::Closed => 0,
        BreakerState::HalfOpen => 1,
        BreakerState::Open => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Exports both roles, with distinct numbers from `begin` on.
    struct Both;

    impl Collect for Both {
        fn collect(&self, families: &mut Families) {
            for (role, begin) in [(&MAIN, 10), (&PER_SECOND, 100)] {
                let contact =
                    Contact { open: begin, made: 3 * begin as u64, failed: begin as u64 + 1, ..Contact::default() };
                let states = [("a", BreakerState::Closed), ("b", BreakerState::HalfOpen), ("c", BreakerState::Open)];
                let breakers = states.into_iter().zip(begin as u64 + 2..);
                let breakers = breakers.map(|((address, state), opened)| BreakerReading {
                    address: address.into(),
                    state,
                    opened,
                });
                role.collect(&contact, breakers.collect(), None, families);
            }
        }
    }

    #[test]
    fn each_family_shows_its_own_number() {
        assert_eq!(
            metrics::series(&Both),
            [
                "ratelimit_redis_per_second_pool_cx_active 100",
                "ratelimit_redis_per_second_pool_cx_local_close 200",
                "ratelimit_redis_per_second_pool_cx_total 300",
                "ratelimit_redis_pool_cx_active 10",
                "ratelimit_redis_pool_cx_local_close 20",
                "ratelimit_redis_pool_cx_total 30",
                r#"tollgate_redis_breaker_opened_total{redis="main",address="a"} 12"#,
                r#"tollgate_redis_breaker_opened_total{redis="main",address="b"} 13"#,
                r#"tollgate_redis_breaker_opened_total{redis="main",address="c"} 14"#,
                r#"tollgate_redis_breaker_opened_total{redis="per_second",address="a"} 102"#,
                r#"tollgate_redis_breaker_opened_total{redis="per_second",address="b"} 103"#,
                r#"tollgate_redis_breaker_opened_total{redis="per_second",address="c"} 104"#,
                r#"tollgate_redis_breaker_state{redis="main",address="a"} 0"#,
                r#"tollgate_redis_breaker_state{redis="main",address="b"} 1"#,
                r#"tollgate_redis_breaker_state{redis="main",address="c"} 2"#,
                r#"tollgate_redis_breaker_state{redis="per_second",address="a"} 0"#,
                r#"tollgate_redis_breaker_state{redis="per_second",address="b"} 1"#,
                r#"tollgate_redis_breaker_state{redis="per_second",address="c"} 2"#,
                r#"tollgate_redis_failed_connections_total{redis="main"} 11"#,
                r#"tollgate_redis_failed_connections_total{redis="per_second"} 101"#,
            ]
        );
    }

    /// The handshakes of one role.
    struct Handshakes(&'static Role);

    impl Collect for Handshakes {
        fn collect(&self, families: &mut Families) {
            let named_otherwise = ClientStats::new("redis of the log");
            self.0.collect(&Contact::default(), Vec::new(), Some(&named_otherwise), families);
        }
    }

    #[test]
    fn handshakes_are_those_of_their_role() {
        for (role, expected) in [
            (&MAIN, r#"tollgate_tls_client_handshakes_total{server="redis"} 0"#),
            (&PER_SECOND, r#"tollgate_tls_client_handshakes_total{server="redis_per_second"} 0"#),
        ] {
            let lines = metrics::series(&Handshakes(role));
            assert!(lines.iter().any(|line| line == expected), "{expected} in {lines:?}");
        }
    }
}
