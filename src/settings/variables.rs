//! The table of all variables: the only source for parsing them, for `docs/settings.md` and for `serve --help`.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use tracing::level_filters::LevelFilter;

use super::choices::{BackendType, ConfigType, OnInvalidRequest, Refunds};
use super::lenient::{Factor, GiveUp, Grace, Pause};
use super::redis::{
    Auth, CacheBytes, CallTimeout, JitterSeconds, KeysPerCall, MaxPending, PoolOnEmpty, PoolSize, RedisType, Share,
    SocketType, Timeout, Url,
};
use super::table::{Effect, Family, Feature, Group, Read, Reader, Variable, row, variables};
use super::values::{HeaderListBytes, HttpPath, MaxCounters, NearLimitRatio, San, Workers};
use super::xds::{Headers, MessageBytes, NodeMetadata, XdsServer};
use crate::api::HeaderName;
use crate::server::{Host, HostPort, Http2};
use crate::telemetry::logging::Format;
use Effect::{Later, NoEffect, Ours, Works};
use limiter::domain::{FailureMode, Secret};

const BATCHING: Effect = NoEffect("checks are batched without a wait");
const NO_STATSD: &str = "statistics are served to Prometheus only";
const NO_SPANS: &str = "spans are not sent yet";
const PROMETHEUS_ONLY: Effect = NoEffect(NO_STATSD);
const MEMCACHE: Effect = Later(Feature::Memcache);
const TRACING: Effect = NoEffect(NO_SPANS);

variables! {
    Listeners {
        host: Host = "HOST", "0.0.0.0", Works, "HTTP listener (`/healthcheck`, `/json`): host";
        port: u16 = "PORT", "8080", Works, "HTTP listener: port";
        debug_host: Host = "DEBUG_HOST", "0.0.0.0", Works, "debug listener (`/rlconfig`, `/stats`): host";
        debug_port: u16 = "DEBUG_PORT", "6070", Works, "debug listener: port";
        grpc_host: Host = "GRPC_HOST", "0.0.0.0", Works, "gRPC listener: host";
        grpc_port: u16 = "GRPC_PORT", "8081", Works, "gRPC listener: port";
        grpc_uds: Option<PathBuf> = "GRPC_UDS", "", Works,
            "path of a Unix socket that replaces the gRPC listener's host and port";
        grpc_max_connection_age: Duration = "GRPC_MAX_CONNECTION_AGE", "24h", Works,
            "a gRPC connection is sent a GOAWAY at this age, ± 10 %; 0: never";
        grpc_max_connection_age_grace: Grace = "GRPC_MAX_CONNECTION_AGE_GRACE", "1h", Works,
            "how long after the GOAWAY the connection is closed; 0: never";
        max_concurrent_streams: NonZeroU32 = "MAX_CONCURRENT_STREAMS", "1024", Ours,
            "the most calls in flight on one gRPC connection";
        http2_server: Http2 = "HTTP2_SERVER", "tollgate", Ours,
            "the HTTP/2 implementation of the gRPC listener: `tollgate`, our own, or `hyper`, that of earlier \
             releases, which will be removed";
    }
    Rules {
        rules: Option<PathBuf> = "RULES", "", Ours,
            "path of the rules, a file or a directory; replaces the `RUNTIME_` variables";
        rule_defaults: Option<PathBuf> = "RULE_DEFAULTS", "", Ours,
            "path of a file with defaults for rules that do not set `algorithm`, `burst` and others, by domain, \
             whatever the rules' source; see rules.md";
        rules_poll_interval: Duration = "RULES_POLL_INTERVAL", "10s", Ours,
            "how often the files are compared with what was loaded, in addition to file system notifications; 0: \
             never";
        config_type: ConfigType = "CONFIG_TYPE", "FILE", Works, "the source of the rules: files, or an xDS server";
        runtime_root: PathBuf = "RUNTIME_ROOT", "/srv/runtime_data/current", Works,
            "rules are all files below `RUNTIME_ROOT/RUNTIME_SUBDIRECTORY/RUNTIME_APPDIRECTORY`";
        runtime_subdirectory: PathBuf = "RUNTIME_SUBDIRECTORY", "", Works, "see `RUNTIME_ROOT`";
        runtime_app_directory: PathBuf = "RUNTIME_APPDIRECTORY", "config", Works, "see `RUNTIME_ROOT`";
        runtime_watch_root: bool = "RUNTIME_WATCH_ROOT", "true", Works,
            "reload when the symbolic link `RUNTIME_ROOT` is replaced; false: watch the rules directory itself";
        runtime_ignore_dot_files: bool = "RUNTIME_IGNOREDOTFILES", "false", Works,
            "skip files and directories whose name begins with a dot";
        merge_domain_config: bool = "MERGE_DOMAIN_CONFIG", "false", Works,
            "several files, or xDS resources, may add rules to one domain; false: that is an error";
        force_start: bool = "FORCE_START_WITHOUT_INITIAL_CONFIG", "false", Works,
            "listen before the first load of the rules has finished";
        healthy_with_config: bool = "HEALTHY_WITH_AT_LEAST_ONE_CONFIG_LOADED", "false", Works,
            "be unhealthy until a domain is loaded";
    }
    Counters {
        backend_type: Option<BackendType> = "BACKEND_TYPE", "", Works,
            "where the counters are kept: `redis`, `memory`, or `memcache` (not supported yet). Unset: redis if \
             `REDIS_URL`, `REDIS_TYPE` or `REDIS_SOCKET_TYPE` is set, else memory";
        max_counters: MaxCounters = "MAX_COUNTERS", "1000000", Ours,
            "the most counters that are kept in this process: all of them with the memory store; with Redis, those \
             of the failure mode `local`";
        cache_key_prefix: String = "CACHE_KEY_PREFIX", "", Works, "prefix of every counter's name";
        descriptor_value_secret: Option<Secret> = "DESCRIPTOR_VALUE_SECRET", "", Ours,
            "hash every descriptor value in counters' names, keyed by this secret";
        failure_mode: FailureMode = "FAILURE_MODE", "error", Ours,
            "the answer when the counters cannot be reached: fail the call, allow, deny, or count locally";
        on_invalid_request: OnInvalidRequest = "ON_INVALID_REQUEST", "error", Ours,
            "the answer to a request that cannot be decided (too large, malformed, without a domain and so on): fail \
             the call, or deny; see failure.md";
        refunds: Refunds = "REFUNDS", "allow", Ours,
            "requests that refund hits (`is_negative_hits`): reduce the counter, as the reference does, or deny, so \
             that such a request is over its limit and charges nothing; see security.md";
        replicas: NonZeroU32 = "REPLICAS", "1", Ours,
            "the number of processes that share the limits: in the failure mode `local` each applies its share of a \
             limit, at least 1";
    }
    Answers {
        near_limit_ratio: NearLimitRatio = "NEAR_LIMIT_RATIO", "0.8", Works,
            "the fraction of a limit above which a hit counts as near the limit, in the statistics";
        stop_increment: bool = "STOP_CACHE_KEY_INCREMENT_WHEN_OVERLIMIT", "false", Works,
            "a request that is over a limit is charged only to the limits that it exceeds";
        shadow_mode: bool = "SHADOW_MODE", "false", Works, "the overall answer is always OK";
        quota_mode: bool = "QUOTA_MODE", "false", Works, "every descriptor counts as a quota descriptor";
        response_dynamic_metadata: bool = "RESPONSE_DYNAMIC_METADATA", "false", Works,
            "fill the answer's `dynamic_metadata`";
        response_headers: bool = "LIMIT_RESPONSE_HEADERS_ENABLED", "false", Works,
            "add the three headers below to the response";
        header_limit: HeaderName = "LIMIT_LIMIT_HEADER", "RateLimit-Limit", Works, "name of the header with the limit";
        header_remaining: HeaderName = "LIMIT_REMAINING_HEADER", "RateLimit-Remaining", Works,
            "name of the header with the remaining hits";
        header_reset: HeaderName = "LIMIT_RESET_HEADER", "RateLimit-Reset", Works,
            "name of the header with the seconds until reset";
    }
    Process {
        workers: Option<Workers> = "WORKERS", "", Ours,
            "the number of threads that answer requests. Unset: one for each CPU that the process may use (affinity \
             and cgroup quota)";
        max_request_bytes: NonZeroUsize = "MAX_REQUEST_BYTES", "4194304", Ours,
            "the largest request, in bytes, compressed or not; all incomplete requests together may hold 16 times as \
             much, see security.md";
        max_header_list_bytes: HeaderListBytes = "MAX_HEADER_LIST_BYTES", "1048576", Ours,
            "the largest header list of a gRPC call, in bytes; each header counts 32 bytes more than its text";
        max_descriptors: NonZeroUsize = "MAX_DESCRIPTORS", "1024", Ours, "the most descriptors in a request";
        max_entries: NonZeroUsize = "MAX_ENTRIES", "256", Ours, "the most entries in a descriptor";
        drain_delay: Duration = "DRAIN_DELAY", "0s", Ours,
            "how long to keep accepting after a signal has made the health check unhealthy; use 5s in Kubernetes, \
             and wherever Envoy checks health: see lifecycle.md";
        drain_timeout: Duration = "DRAIN_TIMEOUT", "20s", Ours, "how long calls in flight may then take to finish";
    }
    Logging {
        log_level: LevelFilter = "LOG_LEVEL", "WARN", Works,
            "events below this level are not logged; `INFO` if unset and standard error is a terminal";
        log_format: Format = "LOG_FORMAT", "text", Works, "format of log events";
    }
    Metrics {
        use_prometheus: bool = "USE_PROMETHEUS", "true", Works, "serve metrics (the reference's default is false)";
        prometheus_addr: HostPort = "PROMETHEUS_ADDR", ":9090", Works, "metrics listener";
        prometheus_path: HttpPath = "PROMETHEUS_PATH", "/metrics", Works, "path of the metrics";
        max_metric_series: NonZeroUsize = "MAX_METRIC_SERIES", "10000", Ours,
            "the most series for values that are taken from requests; further values share one series";
        prometheus_mapper: String = "PROMETHEUS_MAPPER_YAML", "",
            NoEffect("metrics already have names and labels, so that no mapping is needed"),
            "a statsd mapping; the file is not read";
        prometheus_millis: bool = "PROMETHEUS_RESPONSE_TIME_AS_MILLISECONDS", "false",
            NoEffect("response times are in seconds"),
            "response times in milliseconds";
    }
    Statsd {
        use_statsd: bool = "USE_STATSD", "false", PROMETHEUS_ONLY,
            "send statistics to statsd (the reference's default is true)";
        statsd_host: String = "STATSD_HOST", "localhost", PROMETHEUS_ONLY, "host of statsd";
        statsd_port: u16 = "STATSD_PORT", "8125", PROMETHEUS_ONLY, "port of statsd";
        stats_flush_interval: Duration = "STATS_FLUSH_INTERVAL", "10s", PROMETHEUS_ONLY,
            "how often statistics are sent";
        use_dog_statsd: bool = "USE_DOG_STATSD", "false", PROMETHEUS_ONLY, "send statistics to a Datadog agent";
        use_dog_statsd_mogrifiers: String = "USE_DOG_STATSD_MOGRIFIERS", "", PROMETHEUS_ONLY,
            "names of `DOG_STATSD_MOGRIFIER_…` variables";
        extra_tags: String = "EXTRA_TAGS", "", PROMETHEUS_ONLY, "tags to add to statistics";
        disable_stats: bool = "DISABLE_STATS", "false", NoEffect("to turn metrics off, set USE_PROMETHEUS=false"),
            "send no statistics";
    }
    Tls {
        grpc_server_use_tls: bool = "GRPC_SERVER_USE_TLS", "false", Works, "serve gRPC over TLS, on a Unix socket too";
        grpc_server_tls_cert: Option<PathBuf> = "GRPC_SERVER_TLS_CERT", "", Works,
            "path of the gRPC listener's certificate chain";
        grpc_server_tls_key: Option<PathBuf> = "GRPC_SERVER_TLS_KEY", "", Works,
            "path of the gRPC listener's private key";
        grpc_client_tls_cacert: Option<PathBuf> = "GRPC_CLIENT_TLS_CACERT", "", Works,
            "path of the CA that must have issued clients' certificates; no other CA is trusted (the reference \
             trusts the system's CAs too); unset: clients need no certificate";
        grpc_client_tls_san: Option<San> = "GRPC_CLIENT_TLS_SAN", "", Works,
            "the name that clients' certificates must be for; unset: any";
        http_tls_cert: Option<PathBuf> = "HTTP_TLS_CERT", "", Ours,
            "path of the HTTP listener's certificate chain; with `HTTP_TLS_KEY`, the listener serves only HTTPS";
        http_tls_key: Option<PathBuf> = "HTTP_TLS_KEY", "", Ours, "path of the HTTP listener's private key";
        metrics_tls_cert: Option<PathBuf> = "PROMETHEUS_TLS_CERT", "", Ours,
            "path of the metrics listener's certificate chain; with `PROMETHEUS_TLS_KEY`, the listener serves only \
             HTTPS";
        metrics_tls_key: Option<PathBuf> = "PROMETHEUS_TLS_KEY", "", Ours, "path of the metrics listener's private key";
    }
    Xds {
        xds_url: XdsServer = "CONFIG_GRPC_XDS_SERVER_URL", "localhost:18000", Works, "address of the xDS server";
        xds_node_id: String = "CONFIG_GRPC_XDS_NODE_ID", "default", Works,
            "node id, which identifies this service to the xDS server";
        xds_node_metadata: NodeMetadata = "CONFIG_GRPC_XDS_NODE_METADATA", "", Works,
            "node metadata: keys with text values; parts that are not pairs are ignored";
        xds_retry: Pause<0> = "CONFIG_GRPC_XDS_SERVER_CONNECT_RETRY_INTERVAL", "3s", Works,
            "pause between attempts to connect, at least 100ms";
        xds_headers: Headers = "CONFIG_GRPC_XDS_CLIENT_ADDITIONAL_HEADERS", "", Works, "gRPC metadata to send";
        xds_tls: bool = "CONFIG_GRPC_XDS_SERVER_USE_TLS", "false", Works, "connect over TLS";
        xds_tls_cert: Option<PathBuf> = "CONFIG_GRPC_XDS_CLIENT_TLS_CERT", "", Works,
            "path of the client's certificate chain; this file and the next two are read again at each connection";
        xds_tls_key: Option<PathBuf> = "CONFIG_GRPC_XDS_CLIENT_TLS_KEY", "", Works, "path of the client's private key";
        xds_tls_cacert: Option<PathBuf> = "CONFIG_GRPC_XDS_SERVER_TLS_CACERT", "", Works,
            "path of the CA that must have issued the server's certificate; unset: the system's CAs";
        xds_tls_san: Option<San> = "CONFIG_GRPC_XDS_SERVER_TLS_SAN", "", Works,
            "the name that the server's certificate must be for; unset: the host of `CONFIG_GRPC_XDS_SERVER_URL`";
        xds_backoff_initial: Pause<100> = "XDS_CLIENT_BACKOFF_INITIAL_INTERVAL", "10s", Works,
            "pause after a stream has ended, at least 100ms; 0 or less: 100ms";
        xds_backoff_max: Pause<10_000> = "XDS_CLIENT_BACKOFF_MAX_INTERVAL", "60s", Works,
            "the longest such pause; 0 or less: 10s";
        xds_backoff_factor: Factor = "XDS_CLIENT_BACKOFF_RANDOM_FACTOR", "0.5", Works,
            "factor between successive pauses; below 1 the pause does not change; 0 or less: 2";
        xds_backoff_jitter: bool = "XDS_CLIENT_BACKOFF_JITTER", "true", Works,
            "make each pause up to a quarter longer, at random";
        xds_max_message: MessageBytes = "XDS_CLIENT_MAX_MSG_SIZE_IN_BYTES", "4194304", Works,
            "the largest message that is accepted: a larger one ends the stream; 0: as unset";
        xds_keepalive: Duration = "XDS_CLIENT_KEEPALIVE_INTERVAL", "310s", Ours,
            "how often an idle connection is sent an HTTP/2 ping; by default gRPC servers in Go close a connection \
             that has more than one ping in 5 minutes; 0: never";
    }
    Redis {
        redis_url: Option<Url> = "REDIS_URL", "", Works,
            "`host:port`, a socket's path, `redis://…`, or the lists of sentinels or nodes; unset: \
             `/var/run/nutcracker/ratelimit.sock`";
        redis_socket_type: Option<SocketType> = "REDIS_SOCKET_TYPE", "", Works,
            "how Redis is reached; unset: as `REDIS_URL` says (the reference's default is unix); has no effect for \
             sentinels and clusters";
        redis_type: Option<RedisType> = "REDIS_TYPE", "", Works,
            "topology of Redis; unset: as `REDIS_URL` says, else SINGLE";
        redis_pool_size: PoolSize = "REDIS_POOL_SIZE", "10", Works,
            "connections of the process to each node, at least one per worker; 0: 4";
        redis_keys_per_call: KeysPerCall = "REDIS_KEYS_PER_CALL", "auto", Ours,
            "how many counters a call may carry: `one` behind a proxy that distributes keys over several servers, \
             where all-or-nothing groups are rejected; `many` if one server, or a cluster by its slots, has all counters; \
             `auto`: detect it. See redis.md";
        redis_plain_commands: bool = "REDIS_PLAIN_COMMANDS", "true", Ours,
            "count a request that has one fixed window alone by plain commands (SET and INCRBY), which cost Redis less \
             than half of the script; not behind a proxy that takes one counter a call. See redis.md";
        redis_auth: Auth = "REDIS_AUTH", "", Works,
            "`password`, `user:password`, or `user:` for a user whose password is in `REDIS_URL` or who needs none";
        redis_auth_file: Option<PathBuf> = "REDIS_AUTH_FILE", "", Ours,
            "path of a file with the value of `REDIS_AUTH`, read again at every connection";
        redis_sentinel_auth: Auth = "REDIS_SENTINEL_AUTH", "", Works, "as `REDIS_AUTH`, for the sentinels";
        redis_sentinel_auth_file: Option<PathBuf> = "REDIS_SENTINEL_AUTH_FILE", "", Ours,
            "as `REDIS_AUTH_FILE`, for the sentinels";
        redis_tls: bool = "REDIS_TLS", "false", Works, "connect over TLS";
        redis_tls_cert: Option<PathBuf> = "REDIS_TLS_CLIENT_CERT", "", Works, "path of the client's certificate chain";
        redis_tls_key: Option<PathBuf> = "REDIS_TLS_CLIENT_KEY", "", Works, "path of the client's private key";
        redis_tls_cacert: Option<PathBuf> = "REDIS_TLS_CACERT", "", Works,
            "path of the CA that must have issued Redis's certificate; unset: the system's CAs";
        redis_tls_skip: bool = "REDIS_TLS_SKIP_HOSTNAME_VERIFICATION", "false", Works,
            "accept a certificate for another name; its chain is still verified";
        redis_timeout: CallTimeout = "REDIS_TIMEOUT", "100ms", Works,
            "deadline of a connection and of a command (the reference's default is 10s); 0 or less: 100ms";
        max_pending_checks: MaxPending = "MAX_PENDING_CHECKS", "10000", Ours,
            "checks that may wait for Redis or be in flight, per worker; further checks fail at once";
        local_cache_size: Option<CacheBytes> = "LOCAL_CACHE_SIZE_IN_BYTES", "", Works,
            "size of the deny cache, which holds counters known to be over their limit, at least 512 KiB; 0: no \
             cache; unset: 4 MiB (the reference's default is 0)";
        expiration_jitter: JitterSeconds = "EXPIRATION_JITTER_MAX_SECONDS", "300", Works,
            "counters live up to this many seconds longer, at random, so that they do not expire all at once";
        breaker: bool = "BREAKER", "true", Ours, "stop calling a Redis that does not answer, until it answers a probe";
        breaker_failures: NonZeroU32 = "BREAKER_FAILURES", "5", Ours,
            "consecutive calls without an answer that open the breaker";
        breaker_ratio: Share = "BREAKER_FAILURE_RATIO", "0.5", Ours,
            "the share of calls without an answer that opens the breaker";
        breaker_window: Timeout = "BREAKER_WINDOW", "10s", Ours, "the time over which that share is computed";
        breaker_min_calls: NonZeroU32 = "BREAKER_MIN_CALLS", "20", Ours,
            "the fewest calls in that time for which the share counts";
        breaker_cooldown: Timeout = "BREAKER_COOLDOWN", "200ms", Ours,
            "time from the opening of the breaker to the first probe; doubled after each failed probe, and when the \
             breaker opens again within `BREAKER_WINDOW`; up to half shorter at random";
        breaker_max_cooldown: Timeout = "BREAKER_MAX_COOLDOWN", "2s", Ours,
            "the longest time between probes, at least `BREAKER_COOLDOWN`";
        redis_health: bool = "REDIS_HEALTH_CHECK_ACTIVE_CONNECTION", "false", Works,
            "be unhealthy whenever there is no live connection to a Redis; false: only until the first connection";
        redis_startup_initial: Pause<100> = "REDIS_STARTUP_INITIAL_INTERVAL", "1s", Works,
            "first pause between attempts, until a Redis has answered for the first time; doubled after each \
             attempt, up to half shorter at random, at least 10 ms; 0 or less: 100ms. Later, a lost connection is \
             retried at least every second";
        redis_startup_max: Pause<10_000> = "REDIS_STARTUP_MAX_INTERVAL", "30s", Works,
            "the longest of these pauses; 0 or less: 10s";
        redis_startup_elapsed: GiveUp = "REDIS_STARTUP_MAX_ELAPSED_TIME", "0", Works,
            "exit with status 2 if a Redis has not answered within this time after the start; 0 or less: never";
        redis_pool_on_empty: PoolOnEmpty = "REDIS_POOL_ON_EMPTY_BEHAVIOR", "WAIT",
            NoEffect("a check waits for a connection, as with WAIT"),
            "what to do when no connection is free";
        redis_pipeline_window: Duration = "REDIS_PIPELINE_WINDOW", "0", BATCHING, "wait to fill a pipeline";
        redis_pipeline_limit: u64 = "REDIS_PIPELINE_LIMIT", "0", BATCHING, "commands in a pipeline";
        redis_parallelism: u64 = "REDIS_CLUSTER_PIPELINE_PARALLELISM", "1", BATCHING,
            "concurrent pipelines to a cluster";
        persecond: bool = "REDIS_PERSECOND", "false", Works, "count per-second limits in a second Redis";
        persecond_url: Option<Url> = "REDIS_PERSECOND_URL", "", Works,
            "as `REDIS_URL`, for the second Redis; unset: `/var/run/nutcracker/ratelimitpersecond.sock`";
        persecond_socket_type: Option<SocketType> = "REDIS_PERSECOND_SOCKET_TYPE", "", Works, "as `REDIS_SOCKET_TYPE`";
        persecond_type: Option<RedisType> = "REDIS_PERSECOND_TYPE", "", Works, "as `REDIS_TYPE`";
        persecond_pool_size: PoolSize = "REDIS_PERSECOND_POOL_SIZE", "10", Works, "as `REDIS_POOL_SIZE`";
        persecond_keys_per_call: KeysPerCall = "REDIS_PERSECOND_KEYS_PER_CALL", "auto", Ours,
            "as `REDIS_KEYS_PER_CALL`";
        persecond_plain_commands: bool = "REDIS_PERSECOND_PLAIN_COMMANDS", "true", Ours, "as `REDIS_PLAIN_COMMANDS`";
        persecond_auth: Auth = "REDIS_PERSECOND_AUTH", "", Works, "as `REDIS_AUTH`";
        persecond_auth_file: Option<PathBuf> = "REDIS_PERSECOND_AUTH_FILE", "", Ours, "as `REDIS_AUTH_FILE`";
        persecond_sentinel_auth: Auth = "REDIS_PERSECOND_SENTINEL_AUTH", "", Works, "as `REDIS_SENTINEL_AUTH`";
        persecond_sentinel_auth_file: Option<PathBuf> = "REDIS_PERSECOND_SENTINEL_AUTH_FILE", "", Ours,
            "as `REDIS_SENTINEL_AUTH_FILE`";
        persecond_tls: bool = "REDIS_PERSECOND_TLS", "false", Works,
            "as `REDIS_TLS`; the files are those of `REDIS_TLS_…`";
        persecond_timeout: CallTimeout = "REDIS_PERSECOND_TIMEOUT", "100ms", Works, "as `REDIS_TIMEOUT`";
        persecond_pool_on_empty: PoolOnEmpty = "REDIS_PERSECOND_POOL_ON_EMPTY_BEHAVIOR", "WAIT",
            NoEffect("a check waits for a connection, as with WAIT"),
            "as `REDIS_POOL_ON_EMPTY_BEHAVIOR`";
        persecond_pipeline_window: Duration = "REDIS_PERSECOND_PIPELINE_WINDOW", "0", BATCHING,
            "as `REDIS_PIPELINE_WINDOW`";
        persecond_pipeline_limit: u64 = "REDIS_PERSECOND_PIPELINE_LIMIT", "0", BATCHING, "as `REDIS_PIPELINE_LIMIT`";
        persecond_parallelism: u64 = "REDIS_PERSECOND_CLUSTER_PIPELINE_PARALLELISM", "1", BATCHING,
            "as `REDIS_CLUSTER_PIPELINE_PARALLELISM`";
    }
    Memcache {
        memcache_host_port: String = "MEMCACHE_HOST_PORT", "", MEMCACHE, "servers, `host:port,host:port`";
        memcache_srv: String = "MEMCACHE_SRV", "", MEMCACHE, "name of an SRV record with the servers";
        memcache_srv_refresh: Duration = "MEMCACHE_SRV_REFRESH", "0", MEMCACHE,
            "how often the SRV record is resolved; 0: once";
        memcache_max_idle: u64 = "MEMCACHE_MAX_IDLE_CONNS", "2", MEMCACHE, "idle connections kept to each server";
        memcache_tls: bool = "MEMCACHE_TLS", "false", MEMCACHE, "connect over TLS";
        memcache_tls_cert: String = "MEMCACHE_TLS_CLIENT_CERT", "", MEMCACHE, "path of the client's certificate chain";
        memcache_tls_key: String = "MEMCACHE_TLS_CLIENT_KEY", "", MEMCACHE, "path of the client's private key";
        memcache_tls_cacert: String = "MEMCACHE_TLS_CACERT", "", MEMCACHE,
            "path of the CA that must have issued the servers' certificates";
        memcache_tls_skip: bool = "MEMCACHE_TLS_SKIP_HOSTNAME_VERIFICATION", "false", MEMCACHE,
            "accept a certificate for another name";
    }
    Tracing {
        tracing_enabled: bool = "TRACING_ENABLED", "false", TRACING, "send OTLP spans";
        tracing_protocol: String = "TRACING_EXPORTER_PROTOCOL", "http", TRACING,
            "protocol that spans are sent with; `OTEL_EXPORTER_OTLP_…` variables have the address";
        tracing_name: String = "TRACING_SERVICE_NAME", "RateLimit", TRACING, "service name of the spans";
        tracing_namespace: String = "TRACING_SERVICE_NAMESPACE", "", TRACING, "service namespace of the spans";
        tracing_instance: String = "TRACING_SERVICE_INSTANCE_ID", "", TRACING,
            "service instance of the spans; unset: a UUID";
        tracing_rate: f64 = "TRACING_SAMPLING_RATE", "1", TRACING, "the fraction of requests that produce spans";
    }
}

const fn family(group: Group, prefix: &'static str, reason: &'static str, meaning: &'static str) -> Family {
    Family { prefix, group, reason, meaning }
}

/// Variables that the reference, or a library in it, recognises by a prefix of their names.
pub(super) const FAMILIES: &[Family] = &[
    family(Group::Statsd, "DOG_STATSD_MOGRIFIER_", NO_STATSD, "how statistics are renamed for a Datadog agent"),
    family(Group::Tracing, "OTEL_EXPORTER_OTLP_", NO_SPANS, "address and protocol of the spans' receiver"),
    family(Group::Tracing, "OTEL_TRACES_", NO_SPANS, "sampler and exporter of spans"),
    family(Group::Tracing, "OTEL_BSP_", NO_SPANS, "batching of spans"),
    family(Group::Tracing, "OTEL_SPAN_", NO_SPANS, "limits of a span's size"),
    family(Group::Tracing, "OTEL_RESOURCE_ATTRIBUTES", NO_SPANS, "attributes of the spans' service"),
    family(Group::Tracing, "OTEL_SERVICE_NAME", NO_SPANS, "service name of the spans"),
];
