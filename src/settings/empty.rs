//! Empty values count as unset. Warnings for variables where that may surprise, or leaves something unprotected.

/// Names, and the warning about an empty value of each, to follow "is empty, which counts as unset: ".
const NOTES: &[(&[&str], &str)] = &[
    (
        &["HOST", "GRPC_HOST", "DEBUG_HOST"],
        "the default is 0.0.0.0; to listen on all addresses of the machine, IPv6 included, set it to ::",
    ),
    (
        &["RUNTIME_ROOT"],
        "the default is /srv/runtime_data/current; for the working directory of the process, set it to .",
    ),
    (
        &["RUNTIME_APPDIRECTORY"],
        "the default is config; for rules in RUNTIME_ROOT/RUNTIME_SUBDIRECTORY itself, set it to .",
    ),
    (&["RULE_DEFAULTS"], "rules have no defaults but the built-in ones"),
    (&["DESCRIPTOR_VALUE_SECRET"], "counters' names contain descriptor values in plain text"),
    (&["FAILURE_MODE"], "the default is error, which Envoy lets pass unless its failure_mode_deny is set"),
    (&["ON_INVALID_REQUEST"], "the default is error, which Envoy lets pass unless its failure_mode_deny is set"),
    (&["REFUNDS"], "the default is allow, so requests may refund hits"),
    (&["GRPC_SERVER_USE_TLS"], "the default is false, so gRPC is served without TLS"),
    (&["GRPC_CLIENT_TLS_CACERT"], "clients need no certificate"),
    (&["GRPC_CLIENT_TLS_SAN"], "a client's certificate may be for any name"),
    (&["HTTP_TLS_CERT"], "the HTTP listener has no TLS"),
    (&["PROMETHEUS_TLS_CERT"], "the metrics listener has no TLS"),
    (&["CONFIG_GRPC_XDS_NODE_ID"], "the default is default; the reference sends an empty id, which identifies no node"),
    (&["CONFIG_GRPC_XDS_SERVER_USE_TLS"], "the default is false, so the connection to the xDS server has no TLS"),
    (
        &["REDIS_TLS", "REDIS_PERSECOND_TLS"],
        "the default is false, so connections to Redis have no TLS unless the URL asks for it",
    ),
];

/// The warning about an empty value of this variable.
pub(super) fn note(name: &str) -> Option<&'static str> {
    NOTES.iter().find(|(names, _)| names.contains(&name)).map(|(_, note)| *note)
}
