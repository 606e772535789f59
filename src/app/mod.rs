//! The composition root: makes each module from its part of the [`Config`], binds, spawns, waits for a signal, drains.
//!
//! ```text
//!  Config ─▶ modules ─▶ bind ─▶ load rules ─▶ serve ─▶ signal ─▶ unready ─▶ delay ─▶ drain ─▶ end
//! ```
//!
//! Everything that runs is owned here. Nothing here decides anything about a request.

mod background;
mod certificates;
mod config;
mod counters;
mod defaults;
mod inspect;
mod listeners;
mod loader;
mod loads;
mod memory;
mod readiness;
mod reload;
mod rlconfig;
mod signal;
mod started;
mod store;
mod streams;

use std::{sync::Arc, time::Duration};

use metrics::Pieces;
use rules::CompileOptions;
use tokio::{runtime::RuntimeMetrics, sync::oneshot};

use crate::{
    api::{ApiContext, Apis, Streams},
    engine::{ActiveRulesHandle, ActiveRulesMetrics, Engine},
    pages::{self, DebugPages},
    server::{self, GrpcServer, ServerContext},
    source::{self, FileSource, Source},
    telemetry::{self, Metrics, logging::LogQueue},
};
use background::{Background, BackgroundTasks};
use certificates::Certificates;
use counters::Counters;
use defaults::Defaults;
use listeners::Listeners;
use loader::{Loader, LoaderThread};
use readiness::Readiness;
use reload::Reloader;
use signal::Signals;
use started::Addresses;
use store::Backend;

pub use config::{Config, DrainConfig, GrpcConfig, HttpConfig, MetricsConfig, RulesConfig};
pub(crate) use inspect::{certificates, try_bind};
#[cfg(feature = "redis")]
pub(crate) use store::atomic_groups;
pub use store::{BackendError, StoreConfig};
#[cfg(feature = "redis")]
pub use store::{GuardsConfig, RedisError, RedisStoreConfig, redis_clients};

/// Why the service did not start, or ended with an error.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The background runtime could not be made.
    #[error("cannot start the background runtime: {0}; check the limits on threads and open files")]
    Runtime(#[source] std::io::Error),
    /// Signals cannot be received.
    #[error("cannot listen for signals: {0}")]
    Signal(#[source] std::io::Error),
    /// A listener could not be bound.
    #[error("{listener} listener: {error} ({setting})")]
    Bind {
        /// The listener's name.
        listener: &'static str,
        /// The settings of its address.
        setting: &'static str,
        /// The cause.
        error: server::BindError,
    },
    /// The TLS files of a listener cannot be used.
    #[error("{listener} listener: {error} ({setting})")]
    Tls {
        /// The listener's name.
        listener: &'static str,
        /// The settings that name the files.
        setting: &'static str,
        /// The cause.
        error: Box<tls::TlsError>,
    },
    /// The file of the rule defaults cannot be read.
    #[error("rule defaults: {0} (RULE_DEFAULTS)")]
    DefaultsUnreadable(#[source] source::ReadError),
    /// The rule defaults do not compile.
    #[error("the rule defaults are rejected (RULE_DEFAULTS):\n{0:#}")]
    Defaults(#[source] rules::CompileErrors),
    /// The gRPC server did not start.
    #[error(transparent)]
    Start(#[from] server::StartError),
    /// The counter store cannot be used.
    #[error(transparent)]
    Store(#[from] BackendError),
    /// A header for the xDS server is invalid.
    #[error("{0} (CONFIG_GRPC_XDS_CLIENT_ADDITIONAL_HEADERS)")]
    Header(#[from] source::BadHeader),
    /// A background task, which never ends by itself, has panicked.
    #[error("a background task panicked; its message is above: please report it")]
    Background,
}

/// A worker that has run no task for this long is stuck. Far longer than tasks wait on a busy machine: load alone must
/// not restart the process.
const STUCK: Duration = Duration::from_secs(10);

/// Runs the service until a signal ends it.
///
/// # Errors
/// If the service cannot start, a background task panics, or the counter store can no longer be used.
pub fn run(config: &Config, log: &LogQueue) -> Result<(), AppError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("background")
        .enable_all()
        .build()
        .map_err(AppError::Runtime)?;
    let loader = LoaderThread::new().map_err(AppError::Runtime)?;
    let (app, source) = App::new(config, loader.loader(), log, runtime.metrics())?;
    let ended = runtime.block_on(app.serve(config, source));
    loader.end();
    // a blocking thread may still read rule files, which nothing waits for
    runtime.shutdown_timeout(Duration::from_secs(1));
    ended
}

/// The modules of the service, before they run.
struct App {
    active: ActiveRulesHandle,
    backend: Arc<dyn Backend>,
    certificates: Certificates,
    counters: Counters,
    metrics: Arc<Metrics>,
    ready: Readiness,
    defaults: Defaults,
    loader: Loader,
}

impl App {
    fn new(
        config: &Config,
        loader: Loader,
        log: &LogQueue,
        runtime: RuntimeMetrics,
    ) -> Result<(Self, Source), AppError> {
        let active = ActiveRulesHandle::default();
        let counters = Counters::new(config.max_metric_series.get());
        let backend = store::open(&config.store)?;
        let certificates = Certificates::load(config)?;
        let defaults = Defaults::load(config.rules.defaults.as_ref(), backend.capabilities())?;
        let (source, xds) = Source::new(config.rules.source.clone())?;
        let mut metrics = Metrics::new();
        counters.register(&mut metrics);
        backend.collectors().into_iter().for_each(|collector| metrics.register(collector));
        certificates.register(&mut metrics);
        metrics.register(Arc::new(ActiveRulesMetrics::new(Arc::clone(&active))));
        metrics.register(Arc::new(BackgroundTasks(runtime)));
        metrics.register(Arc::new(log.clone()));
        if let Some(xds) = xds {
            metrics.register(xds);
        }
        let metrics = Arc::new(metrics);
        let ready = Readiness::new(config.health_needs_domain);
        Ok((Self { active, backend, certificates, counters, metrics, ready, defaults, loader }, source))
    }

    async fn serve(self, config: &Config, source: Source) -> Result<(), AppError> {
        let mut signals = Signals::new().map_err(AppError::Signal)?;
        let mut background = Background::new();
        let certificates = &self.certificates;
        background.spawn(memory::release_periodically());
        background.watch(certificates.all().cloned().collect());
        let mut addresses = Addresses::default();
        if let (Some(listener), Some(at)) = (Listeners::metrics(config).await, &config.metrics) {
            addresses.metrics = Some(listener.local_addr().clone());
            let page = self.metrics_page(&at.path);
            background.serve(listener, certificates.metrics.clone(), page);
        }
        let early = config.rules.listen_before_loaded;
        let bound = if early { Some(Listeners::bind(config).await?) } else { None };
        let (loaded, first_load) = oneshot::channel();
        background.spawn(self.reloader(config).run(source, loaded));
        if let Some(file) = &config.rules.defaults {
            let files = FileSource::new(file.clone());
            let (defaults, loads) = (self.defaults.clone(), Arc::clone(&self.counters.loads));
            background.spawn(defaults.follow(files, self.backend.capabilities(), loads));
        }
        let listeners = match bound {
            Some(bound) => bound,
            None => {
                // until the first load has ended, with or without success, only the Prometheus listener is open
                tokio::select! {
                    _ = first_load => Listeners::bind(config).await?,
                    signal = signals.next() => {
                        tracing::info!(signal, "stopped before the first load of rules had ended");
                        return Ok(());
                    }
                }
            }
        };
        addresses.http = Some(listeners.http.local_addr().clone());
        addresses.debug = listeners.debug.as_ref().map(|listener| listener.local_addr().clone());
        let (server, streams) = self.start(config, listeners, &mut background).await?;
        started::log(config, self.active.load().as_deref(), &addresses, server.local_addr());

        let ended = tokio::select! {
            signal = signals.next() => {
                tracing::info!(signal, delay = ?config.drain.delay, "stopping: unready from now on");
                Ok(())
            }
            () = background.failed() => Err(AppError::Background),
            error = self.backend.failed() => Err(error.into()),
        };
        self.ready.draining();
        if ended.is_ok() {
            tokio::select! {
                () = tokio::time::sleep(config.drain.delay) => {}
                signal = signals.next() => tracing::info!(signal, "a second signal: the delay is cut short"),
            }
        }
        let report = tokio::select! {
            report = server.drain(config.drain.timeout) => report,
            never = streams::end(&streams) => match never {},
            signal = signals.next() => {
                // dropping the drain closes the remaining connections
                tracing::warn!(signal, "another signal: calls in flight are cut off");
                return ended;
            }
        };
        // before the store closes, which HTTP calls in flight need
        background.end().await;
        self.backend.close().await;
        tracing::info!(drained = report.drained, forced = report.forced, "stopped");
        ended
    }

    /// Serves the APIs and pages on the listeners. Reports healthy last.
    async fn start(
        &self,
        config: &Config,
        listeners: Listeners,
        background: &mut Background,
    ) -> Result<(GrpcServer, Streams), AppError> {
        let (apis, follow) = Apis::new(self.apis(config), self.ready.health().follow(), pages::State::is_healthy);
        background.spawn(follow);
        self.backend.background(&self.ready).into_iter().for_each(|task| background.spawn(task));
        let Certificates { grpc: grpc_tls, http: http_tls, .. } = self.certificates.clone();
        let context = ServerContext { tls: grpc_tls, rejections: Arc::clone(&self.counters.rejections) };
        let workers = Arc::clone(&self.counters.server);
        let pages = pages::http_router(self.ready.health().clone(), move || workers.stuck(STUCK), apis.http());
        background.serve(listeners.http, http_tls, pages);
        if let Some(debug) = listeners.debug {
            background.serve(debug, None, self.debug_pages());
        }

        let streams = apis.streams().clone();
        let server = GrpcServer::start(&config.grpc.server, &context, listeners.grpc, move |_worker| {
            let service = apis.grpc();
            move |peer| service.connection(peer.name, peer.certificate)
        })
        .await?;
        self.counters.server.set(server.stats());
        self.ready.listening();
        tracing::info!(listener = "grpc", address = %server.local_addr(), "listening");
        Ok((server, streams))
    }

    fn reloader(&self, config: &Config) -> Reloader {
        Reloader {
            active: Arc::clone(&self.active),
            stats: Arc::clone(&self.counters.rules),
            options: CompileOptions {
                merge_domains: config.rules.merge_domains,
                capabilities: self.backend.capabilities(),
                defaults: None,
            },
            atomic_groups: self.backend.atomic_groups(),
            stop_increment: config.engine.modes.atomic,
            source_setting: config.rules.source_setting(),
            loader: self.loader.clone(),
            defaults: self.defaults.subscribe(),
            loads: Arc::clone(&self.counters.loads),
            ready: self.ready.clone(),
        }
    }

    /// What the APIs need. Each runtime gets its own engine, with its own limiter and decision counters.
    fn apis(&self, config: &Config) -> ApiContext {
        let options = Arc::new(config.engine.clone());
        let keys = Arc::new(config.keys.clone());
        let backend = Arc::clone(&self.backend);
        let active = Arc::clone(&self.active);
        let decisions = Arc::clone(&self.counters.decisions);
        ApiContext {
            engine: Box::new(move || {
                let (active, keys, options) = (Arc::clone(&active), Arc::clone(&keys), Arc::clone(&options));
                Engine::new(active, backend.limiter(), keys, options, decisions.worker())
            }),
            response: Arc::new(config.response.clone()),
            max_request: config.max_request_bytes.get(),
            stats: Arc::clone(&self.counters.apis),
            rejections: Arc::clone(&self.counters.rejections),
        }
    }

    fn metrics_page(&self, path: &str) -> axum::Router {
        let metrics = Arc::clone(&self.metrics);
        let scrape = move || metrics.scrape().map_err(|error| error.to_string());
        pages::metrics_router(path, telemetry::CONTENT_TYPE, scrape)
    }

    fn debug_pages(&self) -> axum::Router {
        let (active, backend) = (Arc::clone(&self.active), Arc::clone(&self.backend));
        let rules = ActiveRulesMetrics::new(Arc::clone(&active));
        let store_stats = move || Some(backend.stats_page()).filter(|page| !page.is_empty());
        let stats = move || Box::new(rules.stats_page().chain(store_stats())) as Pieces;
        pages::debug_router(DebugPages { rlconfig: Arc::new(move || rlconfig::page(&active)), stats: Arc::new(stats) })
    }
}
