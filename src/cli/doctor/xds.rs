//! The xDS server, if rules come from one: whether it is reachable, has the right certificate, and accepts this client.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;

use super::{Check, RESERVE, finding::Finding};
use crate::{
    app,
    settings::{RulesSource, Settings},
    source,
};

const NAME: &str = "xds server";

/// `None` if rules come from files.
pub(super) fn check(settings: &Arc<Settings>, patience: Duration) -> Option<Check> {
    let RulesSource::Xds(xds) = &settings.rules.source else { return None };
    let config = app::xds_config(xds);
    let patience = patience - patience / RESERVE;
    Some(Check::new(NAME, async move {
        let at = format!("{}:{}", config.host, config.port);
        vec![match timeout(patience, source::reach(&config)).await {
            Ok(Ok(())) => Finding::ok(NAME, format!("{at} speaks HTTP/2")),
            Ok(Err(reason)) => Finding::fail(NAME, format!("{at}: {reason}")),
            Err(_) => Finding::fail(NAME, format!("{at} says nothing of HTTP/2 within {patience:?}")).cure(
                "is it an xDS server, with TLS or without, and may this machine reach it? (CONFIG_GRPC_XDS_SERVER_URL)",
            ),
        }]
    }))
}
