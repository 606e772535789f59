//! The configuration of the xDS source. `docs/xds.md` describes the variables.

use super::tls::identity;
use crate::settings::parse::unless_zero;
use crate::settings::values::San;
use crate::settings::variables::Raw;
use crate::settings::xds::XdsServer;
use crate::source::{BackoffConfig, XdsConfig, XdsTlsConfig};
use tls::ClientFiles;

/// The configuration from the variables.
pub(super) fn config(raw: &Raw) -> XdsConfig {
    let XdsServer { host, port } = raw.xds_url.value.clone();
    XdsConfig {
        host,
        port,
        node_id: raw.xds_node_id.value.clone(),
        node_metadata: raw.xds_node_metadata.value.0.clone(),
        headers: raw.xds_headers.value.0.clone(),
        tls: raw.xds_tls.value.then(|| tls(raw)),
        connect_retry: raw.xds_retry.value.0,
        backoff: BackoffConfig {
            initial: raw.xds_backoff_initial.value.0,
            max: raw.xds_backoff_max.value.0,
            factor: raw.xds_backoff_factor.value.0,
            jitter: raw.xds_backoff_jitter.value,
        },
        keepalive: unless_zero(raw.xds_keepalive.value),
        max_message_bytes: raw.xds_max_message.value.0.get().get(),
    }
}

fn tls(raw: &Raw) -> XdsTlsConfig {
    let files = ClientFiles {
        ca: raw.xds_tls_cacert.value.clone(),
        identity: identity(&raw.xds_tls_cert, &raw.xds_tls_key),
        verify_hostname: true,
    };
    XdsTlsConfig { files, name: raw.xds_tls_san.value.clone().map(San::into_name) }
}
