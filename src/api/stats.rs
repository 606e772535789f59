//! What the APIs count.

use std::sync::Arc;

use metrics::{Collect, Families};

use super::{health::HealthChecks, requests::Requests};

/// The statistics of all APIs.
#[derive(Debug, Default)]
pub struct ApiStats {
    pub(super) requests: Requests,
    pub(super) health_checks: Arc<HealthChecks>,
}

impl Collect for ApiStats {
    fn collect(&self, families: &mut Families) {
        self.requests.collect(families);
        self.health_checks.collect(families);
    }
}
