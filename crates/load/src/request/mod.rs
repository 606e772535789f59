//! Encoded requests, the keys in them, and the part of a response that is counted.

mod answer;
mod descriptor;
mod keys;
mod template;
mod zipf;

pub(crate) use answer::{Outcome, Reply, Response};
pub use answer::{Reset, Trouble};
pub use descriptor::Descriptor;
pub use keys::{Keys, KeysError, Picker, Share, ShareError};
pub use template::{Requests, RequestsError};

/// The path of the called method.
pub(crate) const PATH: &str = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit";
