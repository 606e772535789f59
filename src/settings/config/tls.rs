//! The TLS configuration of the listeners, and client identities. `docs/tls.md` describes the variables.

use std::path::PathBuf;

use crate::settings::error::{Origin, Problem};
use crate::settings::table::{Given, Read};
use crate::settings::values::San;
use crate::settings::variables::Raw;
use tls::{ClientAuthority, Identity, ServerFiles};

/// The certificate and key of a client. As in the reference, one without the other has no effect: a warning reports it.
pub(super) fn identity(certificate: &Read<Option<PathBuf>>, key: &Read<Option<PathBuf>>) -> Option<Identity> {
    Some(Identity { certificate: certificate.value.clone()?, key: key.value.clone()? })
}

/// The TLS files of each listener; `None`: the listener has no TLS.
pub(in crate::settings) struct ListenersTls {
    pub(super) grpc: Option<ServerFiles>,
    pub(super) http: Option<Identity>,
    pub(super) metrics: Option<Identity>,
}

/// Combines the variables, and adds an error for each that is missing.
pub(in crate::settings) fn listeners(raw: &Raw, problems: &mut Vec<Problem>) -> ListenersTls {
    let http = pair(("HTTP_TLS_CERT", &raw.http_tls_cert), ("HTTP_TLS_KEY", &raw.http_tls_key), problems);
    let metrics =
        pair(("PROMETHEUS_TLS_CERT", &raw.metrics_tls_cert), ("PROMETHEUS_TLS_KEY", &raw.metrics_tls_key), problems);
    ListenersTls { grpc: raw.grpc_server_use_tls.value.then(|| grpc(raw, problems)).flatten(), http, metrics }
}

fn grpc(raw: &Raw, problems: &mut Vec<Problem>) -> Option<ServerFiles> {
    let (certificate, key) = (&raw.grpc_server_tls_cert, &raw.grpc_server_tls_key);
    for (variable, file) in [("GRPC_SERVER_TLS_CERT", certificate), ("GRPC_SERVER_TLS_KEY", key)] {
        if file.given.is_none() {
            problems.push(missing(variable, raw.grpc_server_use_tls.given.as_ref()));
        }
    }
    let name = raw.grpc_client_tls_san.value.clone().map(San::into_name);
    let clients = raw.grpc_client_tls_cacert.value.clone().map(|ca| ClientAuthority { ca, name: name.clone() });
    if raw.grpc_client_tls_cacert.given.is_none() && name.is_some() {
        problems.push(missing("GRPC_CLIENT_TLS_CACERT", raw.grpc_client_tls_san.given.as_ref()));
    }
    Some(ServerFiles { identity: identity(certificate, key)?, clients })
}

/// The two files of a listener's certificate: both or neither, else this adds an error.
fn pair(
    (certificate_name, certificate): (&'static str, &Read<Option<PathBuf>>),
    (key_name, key): (&'static str, &Read<Option<PathBuf>>),
    problems: &mut Vec<Problem>,
) -> Option<Identity> {
    match (&certificate.value, &key.value) {
        (Some(_), None) if key.given.is_none() => problems.push(missing(key_name, certificate.given.as_ref())),
        (None, Some(_)) if certificate.given.is_none() => {
            problems.push(missing(certificate_name, key.given.as_ref()));
        }
        _ => {}
    }
    identity(certificate, key)
}

fn missing(variable: &'static str, because: Option<&Given>) -> Problem {
    let because = because.map_or_else(String::new, ToString::to_string);
    Problem::Missing { origin: Origin { variable, flag: None }, because }
}
