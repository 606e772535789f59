//! Applies an EnvoyFilter to a configuration as Istio does, for the kinds of patches that rate limits need. A patch
//! that it does not know, or that does not match, is a panic.

use std::net::SocketAddr;

use serde_json::{Value, json};

const MANAGER: &str = "envoy.filters.network.http_connection_manager";
const ROUTER: &str = "envoy.filters.http.router";

/// The configuration that Istio would generate for a workload, with the patches applied so far.
pub struct Proxy {
    context: &'static str,
    filters: Vec<Value>,
    host: Value,
    clusters: Vec<Value>,
}

impl Proxy {
    /// A proxy with one virtual host of this name and a route to `upstream`.
    pub fn new(context: &'static str, host: &str, upstream: SocketAddr) -> Self {
        let router = json!({"name": ROUTER, "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}});
        let route = json!({"match": {"prefix": "/"}, "route": {"cluster": "upstream"}});
        let host = json!({"name": host, "domains": ["*"], "routes": [route]});
        Self { context, filters: vec![router], host, clusters: vec![cluster("upstream", upstream, &json!({}))] }
    }

    /// Adds a cluster, as Istio does for a Service with a gRPC port.
    pub fn knows(&mut self, name: &str, service: SocketAddr) {
        let http2 = json!({"explicit_http_config": {"http2_protocol_options": {}},
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions"});
        let options = json!({"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2});
        self.clusters.push(cluster(name, service, &json!({"typed_extension_protocol_options": options})));
    }

    /// Applies an EnvoyFilter.
    pub fn apply(&mut self, filter: &Value) {
        assert_eq!(filter["kind"], "EnvoyFilter");
        for patch in filter["spec"]["configPatches"].as_array().expect("patches") {
            let (matching, change) = (&patch["match"], &patch["patch"]);
            let context = &matching["context"];
            assert!(context.is_null() || context == self.context, "{context} in a proxy for {}", self.context);
            let kind = (patch["applyTo"].as_str(), change["operation"].as_str());
            match kind {
                (Some("HTTP_FILTER"), Some("INSERT_BEFORE")) => {
                    let filter = &matching["listener"]["filterChain"]["filter"];
                    assert_eq!((&filter["name"], &filter["subFilter"]["name"]), (&json!(MANAGER), &json!(ROUTER)));
                    self.filters.insert(0, change["value"].clone());
                }
                (Some("VIRTUAL_HOST"), Some("MERGE")) => {
                    let named = &matching["routeConfiguration"]["vhost"]["name"];
                    assert!(*named == "" || *named == self.host["name"], "{named}: there is {}", self.host["name"]);
                    let value = change["value"].as_object().expect("a map").clone();
                    self.host.as_object_mut().expect("a map").extend(value);
                }
                (Some("CLUSTER"), Some("ADD")) => self.clusters.push(change["value"].clone()),
                other => panic!("{other:?} is not a patch that this knows"),
            }
        }
    }

    /// The complete bootstrap for Envoy.
    pub fn bootstrap(&self) -> String {
        let local = json!({"socket_address": {"address": "127.0.0.1", "port_value": 0}});
        let manager = json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "ingress",
            "http_filters": self.filters,
            "route_config": {"name": "all", "virtual_hosts": [self.host]},
        });
        let listener =
            json!({"address": local, "filter_chains": [{"filters": [{"name": MANAGER, "typed_config": manager}]}]});
        json!({"admin": {"address": local}, "static_resources": {"clusters": self.clusters, "listeners": [listener]}})
            .to_string()
    }
}

fn cluster(name: &str, to: SocketAddr, more: &Value) -> Value {
    let address = json!({"socket_address": {"address": to.ip().to_string(), "port_value": to.port()}});
    let mut cluster = json!({"name": name, "type": "STATIC", "connect_timeout": "60s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}]}});
    cluster.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
    cluster
}
