//! Warnings about conditions that make the numbers doubtful.

use super::format::{count, things, time};
use crate::{
    config::Config,
    run::{Connections, Measured},
};

/// A generator whose threads use more than this part of their time may be the bottleneck.
const BUSY: f64 = 0.9;
/// A generator that is later than this hides the latency of a server that takes microseconds.
const LATE_NANOS: u64 = 1_000_000;
/// A server that answers less than this part of an open loop's rate did not keep up.
const KEPT_UP: f64 = 0.99;

/// The warnings, one sentence each.
pub(crate) fn notes(config: &Config, measured: &Measured) -> Vec<String> {
    let Measured { tally, elapsed, costs, stopped } = measured;
    let mut notes = Vec::new();
    if *stopped {
        notes.push("it was ended early".to_owned());
    }
    let Connections { retired, lost, refused, max_streams, .. } = tally.connections;
    if let Some(most) = max_streams.filter(|most| *most < config.streams.get()) {
        notes.push(format!("the server allows {most} streams a connection, so no more were used than that"));
    }
    if retired > 0 {
        notes.push(format!("the server retired {} (GOAWAY), which were made again", things(retired, "connection")));
    }
    if lost > 0 {
        notes.push(format!(
            "{} broke; {} to make them again failed",
            things(lost, "connection"),
            things(refused, "attempt")
        ));
    }
    if let Some(own) = costs.own {
        let busy = own.as_secs_f64() / (elapsed.as_secs_f64() * config.threads.get() as f64);
        if busy > BUSY {
            notes.push(format!(
                "making the load took {:.0} % of {}: these may be figures of the generator; give it more --threads",
                100.0 * busy,
                things(config.threads.get() as u64, "thread"),
            ));
        }
    }
    if let Some(rate) = config.pace.rate() {
        if measured.rate() < KEPT_UP * f64::from(rate.get()) {
            notes.push(format!("the server did not keep up with {} requests a second", count(rate.get().into())));
        }
        let late = tally.lateness.value_at_quantile(0.99);
        if late > LATE_NANOS {
            notes.push(format!(
                "the generator was late: one request of a hundred by {} or more, which is part of the latencies",
                time(late as f64)
            ));
        }
    }
    notes
}
