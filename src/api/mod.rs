//! One adapter for each API. Each translates between a wire format and the engine, and holds no logic; [`Apis`] has all
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

/// Whether requests that are rejected for this are answered as a setting has it: ON_INVALID_REQUEST for those that
/// cannot be decided, REFUNDS for those that give hits back. The other rejections are of calls that no Envoy makes, or
/// follow other settings.
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
