//! The environments that Istio, Envoy Gateway and users deploy.

use std::path::PathBuf;

use redis::{Address, HostPort, Topology};
use tollgate::app::StoreConfig;
use tollgate::settings::Settings;
use tollgate::source::{Location, SourceConfig};
use tracing::level_filters::LevelFilter;

use super::support::{deployed, resolve};

#[test]
fn the_sample_of_istio_uses_redis() {
    let environment = deployed("istio/rate-limit-service.yaml");
    assert_eq!(environment.len(), 10, "{environment:?}");
    let Settings { config, warnings } = resolve(&environment).expect("settings");
    assert_eq!(config.http.address.to_string(), "[::]:8080");
    assert_eq!(config.log.level, LevelFilter::DEBUG);
    let Some(Location::Runtime { root, subdirectory, app_directory, watch_root, ignore_dot_files }) =
        config.rules.source.location()
    else {
        unreachable!("no path was given")
    };
    assert_eq!(root.join(subdirectory).join(app_directory), PathBuf::from("/data/ratelimit/config"));
    assert!(!watch_root && *ignore_dot_files);
    let StoreConfig::Redis(store) = &config.store else { unreachable!("{:?}", config.store) };
    let server = HostPort { host: "redis".to_owned(), port: 6379 };
    assert_eq!(store.redis.main.topology, Topology::Single(Address::Tcp(server)));
    let expected: [&str; 0] = [];
    assert_eq!(warnings.iter().filter(|warning| warning.contains("REDIS")).collect::<Vec<_>>(), expected);
}

#[test]
fn the_deployments_of_envoy_gateway_are_understood() {
    for file in
        ["deployment-default.yaml", "deployment-redis-tls-settings.yaml", "deployment-enable-tracing-custom.yaml"]
    {
        let environment = deployed(&format!("envoy-gateway/{file}"));
        assert!(environment.len() > 20, "{file}: {environment:?}");
        let Settings { config, warnings } = resolve(&environment).expect(file);
        assert_eq!(config.metrics.expect("metrics are on").address.to_string(), ":19001");
        assert!(config.rules.listen_before_loaded);
        let SourceConfig::Xds(xds) = &config.rules.source else { unreachable!("{:?}", config.rules.source) };
        assert_eq!((xds.host.as_str(), xds.port, xds.node_id.as_str()), ("envoy-gateway", 18001, "envoy-ratelimit"));
        let files = &xds.tls.as_ref().expect("mTLS").files;
        let identity = files.identity.as_ref().expect("mTLS");
        assert_eq!(
            [&identity.certificate, &identity.key, files.ca.as_ref().expect("a CA")]
                .map(|path| path.display().to_string()),
            ["/certs/tls.crt", "/certs/tls.key", "/certs/ca.crt"]
        );
        assert_eq!(
            warnings.iter().filter(|warning| warning.contains("XDS")).collect::<Vec<_>>(),
            ["no effect: RUNTIME_ROOT=/data, RUNTIME_SUBDIRECTORY=ratelimit, RUNTIME_WATCH_ROOT=false, \
              RUNTIME_IGNOREDOTFILES=true: CONFIG_TYPE is GRPC_XDS_SOTW"]
        );
        let StoreConfig::Redis(store) = &config.store else { unreachable!("{:?}", config.store) };
        let main = &store.redis.main;
        assert!(matches!(main.topology, Topology::Single(Address::Tcp(_))), "{main:?}");
        assert_eq!(main.tls.is_some(), file.contains("redis-tls"), "{main:?}");
        // GRPC_SERVER_TLS_CA_CERT is not a variable of the reference, and requires nothing of clients
        let tls = config.grpc.tls.expect("gRPC is served over TLS");
        assert_eq!((tls.identity.certificate, tls.clients), ("/certs/tls.crt".into(), None), "{file}");
    }
}

/// From public bug reports, charts and the reference's own tests.
#[test]
fn environments_that_users_deploy_start() {
    for environment in [
        &[
            ("LOCAL_CACHE_SIZE_IN_BYTES", "32767"),
            ("REDIS_PIPELINE_LIMIT", "1"),
            ("REDIS_PIPELINE_WINDOW", "1"),
            ("REDIS_POOL_SIZE", "40"),
            ("REDIS_TYPE", "cluster"),
            ("REDIS_URL", "redis-cluster-1:6379, redis-cluster-2:6379, redis-cluster-3:6379"),
            ("STATSD_HOST", "statsd-exporter.infrastructure.svc"),
            ("USE_STATSD", "true"),
        ][..],
        &[("BACKEND_TYPE", ""), ("REDIS_SOCKET_TYPE", "tcp"), ("REDIS_URL", "localhost:6379"), ("REDIS_AUTH", "")],
        &[("REDIS_SOCKET_TYPE", "tcp"), ("REDIS_URL", "redis://10.0.0.7:9489/11"), ("MAX_SLEEPING_ROUTINES", "64")],
        &[("REDIS_SOCKET_TYPE", "tcp"), ("REDIS_URL", "redis://:p455w0rd@localhost:6379\n"), ("REDIS_PASSWORD", "p")],
        &[("REDIS_TYPE", "sentinel"), ("REDIS_URL", "mymaster,redis://:p455w0rd@localhost:26379"), ("REDIS_AUTH", "p")],
        &[("RUNTIME_SUBDIRECTORY", "/"), ("LOCAL_CACHE_SIZE_IN_BYTES", "1000"), ("REDIS_TLS", "false")],
        &[("REDIS_PERSECOND", "false"), ("REDIS_PERSECOND_URL", "10.11.0.1:6379,10.12.3.4:6379")],
    ] {
        resolve(environment).unwrap_or_else(|error| unreachable!("{environment:?}: {error}"));
    }
}
