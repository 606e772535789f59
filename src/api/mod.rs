//! The APIs: adapters that translate between wire formats and the engine, without logic of their own.

mod budget;
#[cfg(test)]
mod convert;
mod decode;
mod grpc;
mod health;
mod json;
mod protocol;
mod requests;
mod respond;
mod rls;
mod routes;
mod streams;
mod unit;

pub use budget::Budget;
pub use grpc::{
    Call, GrpcConnection, GrpcOptions, GrpcService, Note, Outcome, PendingAnswer, Rejection, ResponseBody, Unary,
    WireCall,
};
pub use health::{GrpcHealth, HealthChecks, health};
pub use json::json_handler;
pub use requests::{ErrorKind, InFlight, RequestStats, Requests};
pub use respond::{HeaderName, HeaderNames, ResponseOptions};
pub use rls::{Pending, RlsService};
pub use routes::{Method, grpc_service};
pub use streams::Streams;

use crate::rejections::Reason;

/// Whether a request that is rejected for this reason may be denied instead: because of ON_INVALID_REQUEST if it cannot
/// be decided, because of REFUNDS if it gives hits back. Rejections for other reasons concern calls that Envoy never
/// makes, or depend on other settings.
fn is_undecidable(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::MessageTooLarge
            | Reason::Malformed
            | Reason::Incomplete
            | Reason::OutOfMemory
            | Reason::NoDomain
            | Reason::NoDescriptors
            | Reason::TooManyDescriptors
            | Reason::TooManyEntries
            | Reason::OverrideUnit
            | Reason::Refund
    )
}
