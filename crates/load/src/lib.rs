//! A load generator for any rate limit service over gRPC (`envoy.service.ratelimit.v3`), and the report of a run.
//!
//! ```text
//!  Scenario (Target, Requests, Config) ─▶ run: threads, connections, schedule ─▶ Measured ─▶ report: text or JSON
//! ```
//!
//! A [`Scenario`] is a server, the requests to send, and how to send them. In a *closed loop* a request is sent as soon
//! as a response has freed a stream; in an *open loop* requests are due at a fixed rate, and latency counts from when a
//! request was due. The generator uses the crate `h2`, with one current-thread runtime per thread.
//!
//! It depends on the protocol of rate limit services, not on any implementation.

mod config;
mod cpu;
mod progress;
pub mod report;
mod request;
mod run;
mod scenario;
mod target;

pub use config::{Config, DurationError, Pace, Until, cores, parse_duration};
pub use cpu::{Costs, Meter, ProcessMeter};
pub use progress::{Line, interrupted};
pub use request::{Descriptor, Keys, KeysError, Picker, Requests, RequestsError, Reset, Share, ShareError, Trouble};
pub use run::{Alarm, ConnectError, Connections, LoadError, Measured, Occurred, Progress, Schedule, Tally};
pub use scenario::Scenario;
pub use target::{Target, TargetError};
