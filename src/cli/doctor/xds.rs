//! The xDS server, if rules come from one: whether it is reachable, has a valid certificate, and accepts this client.

use std::time::Duration;

use tokio::time::timeout;

use super::{Check, RESERVE, finding::Finding};
use crate::{
    app::Config,
    source::{self, SourceConfig},
};

const NAME: &str = "xds server";

/// `None` if rules come from files.
pub(super) fn check(config: &Config, patience: Duration) -> Option<Check> {
    let SourceConfig::Xds(config) = config.rules.source.clone() else { return None };
    let patience = patience - patience / RESERVE;
    Some(Check::new(NAME, async move {
        let at = format!("{}:{}", config.host, config.port);
        vec![match timeout(patience, source::probe(&config)).await {
            Ok(Ok(())) => Finding::ok(NAME, format!("{at} speaks HTTP/2")),
            Ok(Err(reason)) => Finding::fail(NAME, format!("{at}: {reason}")),
            Err(_) => Finding::fail(NAME, format!("{at} did not answer in HTTP/2 within {patience:?}")).cure(
                "is it an xDS server, does it speak TLS or not, and may this machine reach it? \
                 (CONFIG_GRPC_XDS_SERVER_URL)",
            ),
        }]
    }))
}
