//! The vocabulary of rate limiting, as types: descriptors, limits, counter keys, hits, groups, verdicts and decisions,
//! and the [`RateLimiter`] trait that stores and their decorators implement.
//!
//! No I/O; time is an argument, or comes from a [`Clock`]. Nothing here imports another module of this crate.

mod calendar;
mod clock;
mod count;
mod decimal;
mod decision;
mod descriptor;
mod escaped;
mod failure;
mod hit;
mod key;
mod limit;
mod limiter;
mod metadata;
mod secret;
mod spelling;
mod unit;
mod verdict;
mod window;

pub use calendar::{Calendar, Span, TimeZone};
pub use clock::{Clock, ManualClock, SystemClock, Timestamp};
pub use count::MAX_COUNT;
pub use decimal::Decimal;
pub use decision::{Code, CurrentLimit, Decision, Outcome, Status, Tally, refuses};
pub use descriptor::{Descriptor, Entry, LimitOverride, Request, UnknownUnit};
pub use escaped::Escaped;
pub use failure::{FailureMode, Refusal, StoreError};
pub use hit::{Charge, Group, Hit};
pub use key::{CounterKey, DomainKeys, KeyBase, KeyBuilder, KeyValue, SharedKind};
pub use limit::{Algorithm, Limit, LimitError};
pub use limiter::{AtomicGroups, BoxFuture, Capabilities, DynRateLimiter, RateLimiter};
pub use metadata::{Metadata, MetadataValue};
pub use secret::Secret;
pub use spelling::{likely, slip};
pub use unit::Unit;
pub use verdict::{RetryAfter, Source, Verdict, Verdicts};
pub use window::{Window, WindowError};
