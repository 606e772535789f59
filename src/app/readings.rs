//! What a scrape and the debug pages read of the running parts.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::runtime::RuntimeMetrics;

use super::{
    backend::Backend,
    certificates::{self, Certificates},
};
use crate::{
    admin::{self, Pieces, RuleLine},
    engine::{
        ActiveRules, ActiveRulesHandle,
        stats::{Stats, StatsTable},
    },
    rejections::Rejections,
    rules::{Policy, RuleId},
    server,
    source::XdsStats,
    telemetry::{self, Connections, Readings, Tasks, logging::LogQueue},
};

/// A worker that does nothing for so long is stuck. Far longer than a busy machine lets one wait: load alone must not restart
/// the process.
const STUCK: Duration = Duration::from_secs(10);

/// The parts that are read.
pub(super) struct Parts {
    pub(super) live: ActiveRulesHandle,
    pub(super) backend: Arc<Backend>,
    pub(super) certificates: Certificates,
    pub(super) rejections: Arc<Rejections>,
    /// Set once the server runs.
    pub(super) server: OnceLock<Arc<server::Stats>>,
    /// Of the runtime of all that is not a worker; set once it runs.
    pub(super) background: OnceLock<RuntimeMetrics>,
    /// Of no rules, for as long as there are none.
    pub(super) empty: Arc<StatsTable>,
    /// If that is where the rules come from.
    pub(super) xds: Option<Arc<XdsStats>>,
    log: LogQueue,
}

impl Parts {
    pub(super) fn new(
        live: ActiveRulesHandle,
        backend: Arc<Backend>,
        certificates: Certificates,
        stats: &Arc<Stats>,
        xds: Option<Arc<XdsStats>>,
        log: LogQueue,
    ) -> Self {
        let empty = Arc::new(StatsTable::build(stats, [], None));
        let (server, background) = (OnceLock::new(), OnceLock::new());
        let rejections = Arc::default();
        Self { live, backend, certificates, rejections, server, background, empty, xds, log }
    }

    /// Asks each worker whether it does anything; why not, if one has not answered for long.
    pub(super) fn stuck_worker(&self) -> Option<String> {
        self.server.get()?.stuck(STUCK)
    }
}

impl Readings for Parts {
    fn stats(&self) -> Arc<StatsTable> {
        self.live.load().as_ref().map_or_else(|| Arc::clone(&self.empty), |live| Arc::clone(&live.stats))
    }

    fn active_rules(&self) -> Option<telemetry::ActiveRules> {
        let live = self.live.load();
        let live = live.as_ref()?;
        let count = u64::from(live.rules.rule_count());
        Some(telemetry::ActiveRules { hash: live.hash.clone(), count, age: live.since.elapsed() })
    }

    fn log_lines_dropped(&self) -> u64 {
        self.log.dropped()
    }

    fn memory_store(&self) -> telemetry::MemoryStore {
        let stats = self.backend.memory().stats();
        telemetry::MemoryStore { counters: stats.live, evictions: stats.evicted }
    }

    fn redis_store(&self) -> Option<telemetry::RedisStore> {
        self.backend.redis_store()
    }

    fn deny_cache(&self) -> Option<telemetry::DenyCache> {
        self.backend.deny_cache()
    }

    fn degraded(&self) -> Vec<(&'static str, u64)> {
        self.backend.degraded()
    }

    fn rejected(&self) -> Vec<(&'static str, &'static str, u64)> {
        self.rejections.totals().map(|(api, reason, total)| (api.name(), reason.name(), total)).collect()
    }

    fn tls(&self) -> Vec<telemetry::TlsListener> {
        self.certificates.readings()
    }

    fn tls_clients(&self) -> Vec<telemetry::TlsClient> {
        let xds = self.xds.as_ref().and_then(|xds| Some(("xds", xds.tls()?)));
        let clients = self.backend.handshakes().into_iter().chain(xds);
        clients.map(|(server, stats)| certificates::client(server, stats)).collect()
    }

    fn xds(&self) -> Option<telemetry::Xds> {
        self.xds.as_ref().map(|xds| telemetry::Xds {
            connected: xds.connected(),
            behind: xds.behind(),
            acks: xds.acks(),
            nacks: xds.nacks(),
            streams: xds.streams(),
            failed_connections: xds.failed_connections(),
            version: xds.version(),
        })
    }

    fn connections(&self) -> Connections {
        self.server.get().map_or_else(Connections::default, |server| Connections {
            open: server.open() as u64,
            accepted: server.accepted(),
            refused: server.refused(),
            aged_out: server.aged_out(),
        })
    }

    fn tasks(&self) -> Tasks {
        Tasks {
            workers: self.server.get().map_or(0, |server| server.tasks() as u64),
            background: self.background.get().map_or(0, |background| background.num_alive_tasks() as u64),
        }
    }
}

/// The `/rlconfig` page.
pub(super) fn rlconfig(live: &ActiveRulesHandle) -> Pieces {
    let Some(live) = live.load_full() else { return Box::new(std::iter::empty()) };
    let lines = (0..live.rules.rule_count()).flat_map(move |id| lines(&live, RuleId(id)));
    Box::new(admin::rlconfig(lines))
}

/// A line for each limit of a rule.
fn lines(live: &ActiveRules, id: RuleId) -> Vec<RuleLine> {
    let Some((domain, found)) = live.rules.rule(id) else { return Vec::new() };
    let mut name = domain.name().to_string();
    for level in found.static_levels() {
        name = format!("{name}.{level}");
    }
    let rule = found.rule;
    let line = |limit| RuleLine { name: name.clone(), limit, shadow: rule.shadow(), quota: rule.quota() };
    match rule.policy() {
        Policy::Unlimited => vec![line(None)],
        Policy::Limited(limits) => limits.iter().map(|limit| line(Some(*limit))).collect(),
    }
}
