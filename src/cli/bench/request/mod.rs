//! What is asked and what was answered: keys, requests as bytes, and the little of an answer that counts.

mod answer;
mod keys;
mod template;
mod zipf;

pub(super) use answer::{Outcome, Reply, Response, Trouble};
pub(super) use keys::Picker;
pub(super) use keys::{Keys, Share};
pub(super) use template::{Requests, RequestsError};

/// The method that is called.
pub(super) const PATH: &str = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit";
