//! The connections to both Redises, as metrics and the `/stats` page show them.

use metrics::{Collect, Families, Family};

use super::{BreakerReading, BreakerState, Connector};

/// What one Redis is called. The reference has families of their own for the connections to the second.
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
    "Attempts to connect to Redis that failed, or over which it did not count.",
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

/// The connector of the one Redis, and of the one for limits per second if there is one.
#[derive(Clone, Debug)]
pub struct Connectors {
    /// Of all limits, or of all but those per second.
    pub main: Connector,
    /// Of limits per second.
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
        for (Role { redis, server, open, made, closed }, connector) in self.by_role() {
            let contact = connector.contact();
            let is_open = contact.open as u64;
            families.add(open, &[], is_open);
            families.add(made, &[], contact.made);
            families.add(closed, &[], contact.made.saturating_sub(is_open));
            families.add(&FAILED, &[redis], contact.failed);
            for BreakerReading { address, state, opened } in connector.breakers() {
                families.add(&BREAKER_STATE, &[redis, &address], number(state));
                families.add(&BREAKER_OPENED, &[redis, &address], opened);
            }
            if let Some(handshakes) = connector.handshakes() {
                handshakes.collect_of(server, families);
            }
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
