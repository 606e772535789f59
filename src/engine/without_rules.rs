//! The answer while no rules were ever loaded: as the failure mode of the service has it, for as little is known as when the
//! counters cannot be asked.

use super::{DecideError, Options};
use crate::domain::{Code, Decision, FailureMode, Metadata, Request, Status};

/// There is nothing to count against, so `local` allows, as it would without a rule for the request.
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
