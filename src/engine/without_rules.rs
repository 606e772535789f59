//! The decision until rules are loaded for the first time: the service's failure mode applies, as if the counters could
//! not be reached.

use super::{DecideError, Options};
use limiter::domain::{Code, Decision, FailureMode, Metadata, Request, Status};

/// Decides by the failure mode. There is no limit to count locally, so `local` allows, as for a request that matches no
/// rule.
pub(super) fn decide(request: &Request<'_>, options: &Options) -> Result<Decision, DecideError> {
    let each = match options.on_store_failure {
        FailureMode::Error => return Err(DecideError::NoRules),
        FailureMode::Allow | FailureMode::Local => Code::Ok,
        FailureMode::Deny => Code::OverLimit,
    };
    let status = Status { code: each, limit: None, remaining: 0, reset_after: None };
    Ok(Decision {
        code: if options.modes.shadow { Code::Ok } else { each },
        statuses: request.descriptors.iter().map(|_| status.clone()).collect(),
        tightest: None,
        metadata: Metadata::default(),
        degraded: true,
        unknown_domain: false,
    })
}
