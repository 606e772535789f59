//! The report of one run.

use std::{fmt::Write as _, time::Duration};

use serde_json::{Map, Value, json};

use super::{
    bars::{draw, rows},
    format::{count, things, three_digits, time},
    notes::notes,
};
use crate::{
    config::{Config, Pace, Until},
    run::Measured,
    scenario::Scenario,
};

const QUANTILES: [(&str, &str, f64); 4] =
    [("p50", "p50", 0.5), ("p90", "p90", 0.9), ("p99", "p99", 0.99), ("p99.9", "p99_9", 0.999)];

/// The report as text.
#[must_use]
pub fn as_text(scenario: &Scenario, measured: &Measured) -> String {
    let Measured { tally, costs, .. } = measured;
    let config = &scenario.config;
    let mut text = format!("{}: {}\n\n", scenario.target, describe(scenario));
    let offered = match config.pace.rate() {
        None => String::new(),
        Some(rate) => format!(" of {} requests/s", count(rate.get().into())),
    };
    let _ = writeln!(text, "rate      {} answers/s{offered}", count(measured.rate().round() as u64));
    let unknown = if tally.unknown > 0 { format!(", {} neither", count(tally.unknown)) } else { String::new() };
    let _ = writeln!(
        text,
        "requests  {}: {} OK, {} over the limit{unknown}",
        count(tally.made),
        count(tally.ok),
        count(tally.over_limit)
    );
    let _ = writeln!(
        text,
        "errors    {}",
        if tally.troubles.is_empty() { "none".to_owned() } else { count(tally.errors()) }
    );
    for (trouble, occurred) in &tally.troubles {
        let message =
            if occurred.message.is_empty() { String::new() } else { format!(", such as {:?}", occurred.message) };
        let _ = writeln!(text, "          {} × {trouble}{message}", count(occurred.count));
    }
    if tally.answered() > 0 {
        let quantiles =
            QUANTILES.map(|(name, _, at)| format!("{name} {}", time(tally.latencies.value_at_quantile(at) as f64)));
        let _ = writeln!(text, "latency   {}  max {}", quantiles.join("  "), time(tally.latencies.max() as f64));
    }
    let per_answer = |cost: Option<Duration>, whose: &str| {
        Some(format!("{} µs {whose}", three_digits(measured.micros_each(cost?)?)))
    };
    let parts: Vec<String> =
        [per_answer(costs.own, "here"), per_answer(costs.server, "in the server"), per_answer(costs.redis, "in Redis")]
            .into_iter()
            .flatten()
            .collect();
    if !parts.is_empty() {
        let _ = writeln!(text, "CPU       {} an answer", parts.join(", "));
    }
    for note in notes(config, measured) {
        let _ = writeln!(text, "note      {note}");
    }
    let drawn = draw(&rows(&tally.latencies));
    if !drawn.is_empty() {
        let _ = write!(text, "\n{drawn}");
    }
    text
}

fn describe(Scenario { requests, config, .. }: &Scenario) -> String {
    let Config { connections, streams, pace, until, warm_up, .. } = *config;
    let pace = match pace {
        Pace::Answers => "closed loop".to_owned(),
        Pace::Rate(rate) => format!("open loop, {} requests/s", count(rate.get().into())),
        Pace::Scattered(rate) => format!("open loop, scattered, {} requests/s", count(rate.get().into())),
    };
    let until = match until {
        Until::Elapsed(time) => humantime::format_duration(time).to_string(),
        Until::Sent(count) => things(count.get(), "request"),
    };
    let warm_up = if warm_up.is_zero() {
        String::new()
    } else {
        format!(" after {} of warm-up", humantime::format_duration(warm_up))
    };
    format!(
        "{} × {}, {pace}, {}, keys {}, {until}{warm_up}",
        things(connections.get() as u64, "connection"),
        things(streams.get() as u64, "stream"),
        things(requests.descriptors() as u64, "descriptor"),
        requests.keys(),
    )
}

/// The report as JSON. Times are in microseconds, except where the name says seconds.
#[must_use]
pub fn as_json(scenario: &Scenario, measured: &Measured) -> Value {
    let Scenario { target, requests, config } = scenario;
    let Measured { tally, elapsed, costs, stopped } = measured;
    let connections = tally.connections;
    let cost = |cost: Option<Duration>| cost.and_then(|cost| measured.micros_each(cost));
    let errors: Map<String, Value> = tally
        .troubles
        .iter()
        .map(|(trouble, occurred)| (trouble.to_string(), json!({"count": occurred.count, "example": occurred.message})))
        .collect();
    json!({
        "target": target.to_string(),
        "domain": requests.domain(),
        "keys": requests.keys().to_string(),
        "descriptors": requests.descriptors(),
        "denied_share": requests.denied_share(),
        "request_bytes": requests.longest(),
        "load": config_json(config),
        "elapsed_seconds": elapsed.as_secs_f64(),
        "stopped": stopped,
        "rate": measured.rate(),
        "requests": tally.made,
        "warm_up_requests": tally.warm_up,
        "answered": tally.answered(),
        "ok": tally.ok,
        "over_limit": tally.over_limit,
        "unknown": tally.unknown,
        "failed": tally.errors(),
        "errors": errors,
        "latency_us": latencies(&tally.latencies),
        "histogram": rows(&tally.latencies)
            .iter()
            .map(|row| json!({"up_to_us": row.up_to as f64 / 1e3, "count": row.count}))
            .collect::<Vec<_>>(),
        "lateness_us": latencies(&tally.lateness),
        "connections": {
            "opened": connections.opened,
            "retired": connections.retired,
            "lost": connections.lost,
            "refused": connections.refused,
        },
        "cpu_us_per_answer": {
            "generator": cost(costs.own),
            "server": cost(costs.server),
            "redis": cost(costs.redis),
        },
        "notes": notes(config, measured),
    })
}

/// The configuration of the load.
#[must_use]
pub fn config_json(config: &Config) -> Value {
    let (kind, rate) = match config.pace {
        Pace::Answers => ("closed", None),
        Pace::Rate(rate) => ("open", Some(rate)),
        Pace::Scattered(rate) => ("scattered", Some(rate)),
    };
    let (seconds, requests) = match config.until {
        Until::Elapsed(time) => (Some(time.as_secs_f64()), None),
        Until::Sent(count) => (None, Some(count)),
    };
    json!({
        "loop": kind,
        "rate": rate,
        "connections": config.connections,
        "streams": config.streams,
        "threads": config.threads,
        "seconds": seconds,
        "requests": requests,
        "warm_up_seconds": config.warm_up.as_secs_f64(),
        "timeout_seconds": config.timeout.as_secs_f64(),
        "seed": config.seed,
    })
}

/// The quantiles; `null` if there are no latencies.
fn latencies(histogram: &hdrhistogram::Histogram<u64>) -> Value {
    if histogram.is_empty() {
        return Value::Null;
    }
    let micros = |nanos: u64| nanos as f64 / 1e3;
    let mut all: Map<String, Value> = QUANTILES
        .iter()
        .map(|(_, name, at)| ((*name).to_owned(), micros(histogram.value_at_quantile(*at)).into()))
        .collect();
    all.insert("min".to_owned(), micros(histogram.min()).into());
    all.insert("mean".to_owned(), (histogram.mean() / 1e3).into());
    all.insert("max".to_owned(), micros(histogram.max()).into());
    Value::Object(all)
}

#[cfg(test)]
mod tests;
