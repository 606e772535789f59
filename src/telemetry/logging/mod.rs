//! Logging: `tracing` events to standard error, as text or as one JSON object per line with the keys of the reference's
//! logger. They pass through a [queue](LogQueue), so that no thread waits for the reader of standard error.
//!
//! Spans are not written. The configured level applies to this crate. Other crates log errors only, because peers can
//! make the HTTP/2 library warn at any rate; with level `debug` they log `info` and above, because that library logs a
//! debug line for every frame; with `trace`, everything.

mod clean;
mod json;
mod output;
mod queue;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt::Write as _;
use std::io::{self, IsTerminal as _};
use std::panic;
use std::time::SystemTime;

use serde_json::Map;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::SetGlobalDefaultError;
use tracing::{Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;

use self::json::JsonLines;
pub use self::queue::LogQueue;

/// The crates of this repository that log: a target begins with the name of its crate. Of other crates, only errors are
/// logged by default.
const OURS: [&str; 3] = [env!("CARGO_CRATE_NAME"), "redis", "tls"];

/// The target of the line that reports the start: it is written at any level.
pub const START: &str = concat!(env!("CARGO_CRATE_NAME"), "::start");

/// How an event is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Human-readable text, in colour on a terminal.
    Text,
    /// One JSON object per line: `@timestamp`, `@message`, `level` and the event's fields.
    Json,
}

/// What is logged, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// Events below this level are not logged.
    pub level: LevelFilter,
    /// How an event is written.
    pub format: Format,
}

/// Why logging does not start.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The process already has a global subscriber.
    #[error("cannot start logging: {0}")]
    AlreadySet(#[from] SetGlobalDefaultError),
    /// The writing thread cannot be spawned.
    #[error("cannot start the thread that writes the log: {0}")]
    Thread(#[from] io::Error),
}

/// From now on, logs the process's events and panics to standard error. The returned queue accepts further lines; flush
/// it before the process exits.
///
/// # Errors
/// The writing thread cannot be spawned, or the process already has a global subscriber.
pub fn init(config: LogConfig) -> Result<LogQueue, LoggingError> {
    let LogConfig { level, format } = config;
    let colour = io::stderr().is_terminal();
    let report = move |dropped| {
        let text = format!(
            "{dropped} log lines were dropped: standard error was not read fast enough or could not be written"
        );
        line(format, Level::WARN, &text)
    };
    let queue = LogQueue::start(io::stderr(), colour, report)?;
    tracing::subscriber::set_global_default(subscriber(level, format, colour, queue.clone()))?;
    let panics = queue.clone();
    panic::set_hook(Box::new(move |info| {
        let backtrace = Backtrace::capture();
        let thread = std::thread::current();
        let mut text = format!("thread '{}' {info}", thread.name().unwrap_or("<unnamed>"));
        if backtrace.status() == BacktraceStatus::Captured {
            // writing to a string does not fail
            let _ = write!(text, ": {backtrace}");
        }
        // not through `tracing`: the panic may come from formatting an event
        panics.push(line(format, Level::ERROR, &text).as_bytes());
    }));
    Ok(queue)
}

/// Logs the error that ends the process. In the text format each of its lines is logged by itself, without a timestamp,
/// as it would be printed to a terminal.
pub fn failure(log: &LogQueue, format: Format, text: &str) {
    match format {
        Format::Text => text.lines().for_each(|line| log.push(line.as_bytes())),
        Format::Json => log.push(line(format, Level::ERROR, text).as_bytes()),
    }
}

/// A line outside of any event.
fn line(format: Format, level: Level, text: &str) -> String {
    match format {
        Format::Text => format!("{} {level:>5} {text}\n", humantime::format_rfc3339_millis(SystemTime::now())),
        Format::Json => json::line(level, text.to_owned(), Map::new()) + "\n",
    }
}

/// The subscriber that [`init`] installs, with the caller's writer. `colour` applies to the text format only, and only
/// if the environment variable `NO_COLOR` is not set.
pub fn subscriber<W>(level: LevelFilter, format: Format, colour: bool, writer: W) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let others = match level {
        LevelFilter::TRACE => LevelFilter::TRACE,
        LevelFilter::DEBUG => LevelFilter::INFO,
        level => level.min(LevelFilter::ERROR),
    };
    let registry = tracing_subscriber::registry().with(
        Targets::new()
            .with_targets(OURS.map(|target| (target, level)))
            .with_target(START, level.max(LevelFilter::INFO))
            .with_default(others),
    );
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    match format {
        Format::Json => Box::new(registry.with(layer.with_ansi(false).event_format(JsonLines))),
        Format::Text if colour => Box::new(registry.with(layer)),
        Format::Text => Box::new(registry.with(layer.with_ansi(false))),
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use serde_json::{Map, Value};

    use super::*;

    /// The output of `log` with this level and format.
    fn written(level: LevelFilter, format: Format, log: impl FnOnce()) -> String {
        #[derive(Clone, Default)]
        struct Shared(Arc<Mutex<Vec<u8>>>);
        impl io::Write for Shared {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.lock().expect("no writer panics").write(bytes)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let output = Shared::default();
        let writer = output.clone();
        tracing::subscriber::with_default(subscriber(level, format, false, move || writer.clone()), log);
        let bytes = output.0.lock().expect("no writer panics").clone();
        String::from_utf8(bytes).expect("logs are UTF-8")
    }

    fn one_object(level: LevelFilter, log: impl FnOnce()) -> Map<String, Value> {
        let text = written(level, Format::Json, log);
        assert_eq!(text.matches('\n').count(), 1, "one line: {text}");
        serde_json::from_str(&text).expect("an object")
    }

    #[test]
    fn a_json_line_has_the_keys_of_the_reference_and_the_fields() {
        let object = one_object(LevelFilter::INFO, || {
            tracing::info!(
                domain = "a\"b\n",
                rules = 3,
                ratio = 0.5,
                nan = f64::NAN,
                ok = true,
                r#type = "t",
                "loaded {}",
                1
            );
        });
        let time = object["@timestamp"].as_str().expect("a text");
        humantime::parse_rfc3339(time).expect("RFC 3339");
        let mut rest = object.clone();
        rest.remove("@timestamp");
        let expected = serde_json::json!({
            "@message": "loaded 1", "level": "info", "domain": "a\"b\n", "rules": 3, "ratio": 0.5, "nan": "NaN",
            "ok": true, "type": "t",
        });
        assert_eq!(Value::Object(rest), expected);
    }

    #[test]
    fn what_is_too_long_is_cut_before_it_is_json() {
        for text in ["x".repeat(100_000), "\u{1b}\n\"\u{7f}".repeat(100_000), "é€".repeat(100_000)] {
            let written = written(LevelFilter::INFO, Format::Json, || {
                tracing::error!(one = text, two = text, short = "short", "{text}");
            });
            for line in [written, line(Format::Json, Level::ERROR, &text)] {
                let clean = clean::clean(line.as_bytes(), queue::MAX_LINE, false);
                let object: Map<String, Value> = serde_json::from_slice(&clean).expect("an object");
                let message = object["@message"].as_str().expect("a text");
                assert!(message.ends_with("… (cut)") && message.len() >= 500, "{}", message.len());
                assert_eq!(object["level"], "error");
                assert!(object.get("short").is_none_or(|short| short == "short"), "{object:?}");
            }
        }
    }

    #[test]
    fn levels_are_spelt_as_in_the_reference() {
        let names = |log: fn()| one_object(LevelFilter::TRACE, log)["level"].clone();
        assert_eq!(names(|| tracing::trace!("x")), "trace");
        assert_eq!(names(|| tracing::debug!("x")), "debug");
        assert_eq!(names(|| tracing::info!("x")), "info");
        assert_eq!(names(|| tracing::warn!("x")), "warning");
        assert_eq!(names(|| tracing::error!("x")), "error");
    }

    #[test]
    fn a_field_cannot_take_the_place_of_the_level() {
        let object = one_object(LevelFilter::INFO, || tracing::info!(level = "fake", "x"));
        assert_eq!(object["level"], "info");
        assert_eq!(object["fields.level"], "fake");
    }

    #[test]
    fn errors_are_written_with_their_causes() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer")]
        struct Outer(#[source] io::Error);
        let object = one_object(LevelFilter::INFO, || {
            let error = Outer(io::Error::other("inner"));
            tracing::error!(error = &error as &(dyn std::error::Error + 'static), "x");
        });
        assert_eq!(object["error"], "outer: inner");
    }

    #[test]
    fn the_level_filters() {
        for format in [Format::Text, Format::Json] {
            assert_eq!(written(LevelFilter::WARN, format, || tracing::info!("quiet")), "");
            assert!(written(LevelFilter::WARN, format, || tracing::warn!("loud")).contains("loud"));
        }
    }

    #[test]
    fn the_line_of_the_start_is_written_at_any_level() {
        let log = || tracing::info!(target: START, "started");
        for level in [LevelFilter::OFF, LevelFilter::ERROR, LevelFilter::WARN, LevelFilter::TRACE] {
            assert_eq!(written(level, Format::Text, log).lines().count(), 1, "{level}");
        }
    }

    #[test]
    fn other_crates_are_heard_as_far_as_the_level_asks() {
        let debug = || tracing::debug!(target: "h2::codec", "frame");
        let info = || tracing::info!(target: "h2", "settings");
        let warn = || tracing::warn!(target: "h2", "unexpected PING ACK");
        let error = || tracing::error!(target: "h2", "broken");
        assert_eq!(written(LevelFilter::DEBUG, Format::Text, debug), "");
        assert!(written(LevelFilter::DEBUG, Format::Text, info).contains("settings"));
        for level in [LevelFilter::WARN, LevelFilter::INFO] {
            assert_eq!(written(level, Format::Text, info), "");
            assert_eq!(written(level, Format::Text, warn), "", "peers can make it warn at any rate");
            assert!(written(level, Format::Text, error).contains("broken"));
        }
        assert!(written(LevelFilter::TRACE, Format::Text, debug).contains("frame"));
    }

    #[test]
    fn every_member_that_logs_is_heard() {
        let members = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/crates")).expect("a workspace");
        let logs = |member: &std::path::Path| {
            let manifest = std::fs::read_to_string(member.join("Cargo.toml")).expect("a manifest");
            manifest.lines().any(|line| line.starts_with("tracing"))
        };
        let logging: Vec<_> = members.map(|member| member.expect("a member").path()).filter(|one| logs(one)).collect();
        assert!(logging.len() >= 2, "{logging:?}");
        for member in logging {
            let name = member.file_name().and_then(|name| name.to_str()).expect("UTF-8");
            assert!(OURS.contains(&name), "the lines of {name} are lost: name it in OURS");
        }
        let line = || tracing::info!(target: concat!("redis", "::client::health"), "connected");
        assert!(written(LevelFilter::INFO, Format::Text, line).contains("connected"));
        assert_eq!(written(LevelFilter::WARN, Format::Text, line), "");
    }

    #[test]
    fn text_is_plain_without_colour() {
        let line = written(LevelFilter::INFO, Format::Text, || tracing::warn!(rules = 3, "loaded"));
        assert!(line.contains("WARN") && line.contains("loaded rules=3") && !line.contains('\u{1b}'), "{line}");
    }
}
