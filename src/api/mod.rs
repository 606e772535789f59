//! The APIs: adapters that translate between wire formats and the engine, without logic of their own. [`Apis`] has all
//! of them.

mod budget;
mod grpc;
mod health;
mod json;
mod protocol;
mod requests;
mod rls;
mod routes;
mod stats;
mod streams;

pub use budget::Budget;
pub use grpc::{
    Call, GrpcConnection, GrpcOptions, GrpcService, Note, Outcome, PendingAnswer, Rejection, ResponseBody, Unary,
    WireCall,
};
pub use requests::{ErrorKind, InFlight, RequestStats};
pub use rls::{HeaderName, HeaderNames, Pending, ResponseOptions, RlsService};
pub use routes::{ApiContext, Apis, Method, PendingMethod};
pub use stats::ApiStats;
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
