//! Empty values, which are as none: what to say of those where that may surprise, or leaves something unprotected.

/// Names, and what to say of an empty value of each, to follow "is empty, which is as unset: ".
const NOTES: &[(&[&str], &str)] = &[
    (&["HOST", "GRPC_HOST", "DEBUG_HOST"], "0.0.0.0; for every address of the machine, of IPv6 too, set it to ::"),
    (&["RUNTIME_ROOT"], "/srv/runtime_data/current; for the directory that the process is started in, set it to ."),
    (&["RUNTIME_APPDIRECTORY"], "config; for rules in RUNTIME_ROOT/RUNTIME_SUBDIRECTORY itself, set it to ."),
    (&["RULE_DEFAULTS"], "rules are what their own files say, without defaults"),
    (&["DESCRIPTOR_VALUE_SECRET"], "values stand in counters' names as they are"),
    (&["FAILURE_MODE"], "error, which Envoy lets pass unless its failure_mode_deny is set"),
    (&["ON_INVALID_REQUEST"], "error, which Envoy lets pass unless its failure_mode_deny is set"),
    (&["REFUNDS"], "allow, so requests may give hits back"),
    (&["GRPC_SERVER_USE_TLS"], "false, so gRPC is served without TLS"),
    (&["GRPC_CLIENT_TLS_CACERT"], "clients need no certificate"),
    (&["GRPC_CLIENT_TLS_SAN"], "a client's certificate may be for any name"),
    (&["HTTP_TLS_CERT"], "the HTTP listener has no TLS"),
    (&["PROMETHEUS_TLS_CERT"], "the metrics listener has no TLS"),
    (&["CONFIG_GRPC_XDS_NODE_ID"], "default; the reference sends the empty one, by which no server knows a node"),
    (&["CONFIG_GRPC_XDS_SERVER_USE_TLS"], "false, so the xDS server is reached without TLS"),
    (&["REDIS_TLS", "REDIS_PERSECOND_TLS"], "false, so Redis is reached without TLS unless its URL asks for it"),
];

/// What to say of an empty value of this variable.
pub(super) fn note(name: &str) -> Option<&'static str> {
    NOTES.iter().find(|(names, _)| names.contains(&name)).map(|(_, note)| *note)
}
