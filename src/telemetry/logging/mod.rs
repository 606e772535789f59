//! Logging: `tracing` events to standard error, as text for a person or as one JSON object a line with the keys of the
//! reference. A [queue](LogQueue) stands between, so that nobody who logs waits for whatever reads standard error.
//!
//! Spans are not written. The level holds for this crate. Of other crates only errors are written, for peers can make the
//! HTTP/2 library warn at any rate; from `debug` on what is `info` and above, and all of it at `trace`: a debug line of that
//! library comes with every frame.

mod clean;
mod queue;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal as _};
use std::panic;
use std::time::SystemTime;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::SetGlobalDefaultError;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::{self, FormatEvent, FormatFields};
use tracing_subscriber::fmt::{FmtContext, MakeWriter};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;

pub use self::queue::LogQueue;

/// The target of the line that says what has started: it is written at any level.
pub const START: &str = concat!(env!("CARGO_CRATE_NAME"), "::start");

/// How an event is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A line for a person, in colour on a terminal.
    Text,
    /// A JSON object a line: `@timestamp`, `@message`, `level` and the event's fields.
    Json,
}

/// Why logging does not start.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// Somebody else already logs in this process.
    #[error("cannot start logging: {0}")]
    Taken(#[from] SetGlobalDefaultError),
    /// The system gives no thread.
    #[error("cannot start the thread that writes the log: {0}")]
    Thread(#[from] io::Error),
}

/// Sends the process's events at `level` and above, and its panics, to standard error, from now on. What is returned takes
/// other lines, and is to be flushed before the process ends.
///
/// # Errors
/// There is no thread, or somebody else has already done this in this process.
pub fn init(level: LevelFilter, format: Format) -> Result<LogQueue, LoggingError> {
    let colour = io::stderr().is_terminal();
    let report = move |dropped| {
        let text = format!("{dropped} lines of the log were dropped, for they were not read fast enough");
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
            // a string takes everything
            let _ = write!(text, ": {backtrace}");
        }
        // not an event: the panic may have come from one
        panics.push(line(format, Level::ERROR, &text).as_bytes());
    }));
    Ok(queue)
}

/// A line that is no event.
fn line(format: Format, level: Level, text: &str) -> String {
    let time = humantime::format_rfc3339_millis(SystemTime::now());
    match format {
        Format::Text => format!("{time} {level:>5} {text}\n"),
        Format::Json => {
            let object = [
                ("@timestamp", time.to_string()),
                ("@message", text.to_owned()),
                ("level", level_name(level).to_owned()),
            ];
            let object: Map<String, Value> =
                object.into_iter().map(|(name, text)| (name.to_owned(), text.into())).collect();
            format!("{}\n", Value::Object(object))
        }
    }
}

/// What [`init`] installs, with a writer of the caller's choice. `colour` holds for text alone, and where the
/// environment has no `NO_COLOR`.
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
            .with_target(env!("CARGO_CRATE_NAME"), level)
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

struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut line: format::Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = JsonFields::default();
        event.record(&mut fields);
        let JsonFields { mut object, message } = fields;
        object.insert("@timestamp".to_owned(), humantime::format_rfc3339_millis(SystemTime::now()).to_string().into());
        object.insert("@message".to_owned(), message.into());
        object.insert("level".to_owned(), level_name(*event.metadata().level()).into());
        writeln!(line, "{}", Value::Object(object))
    }
}

/// The level as the reference's logger spells it.
fn level_name(level: Level) -> &'static str {
    match level {
        Level::TRACE => "trace",
        Level::DEBUG => "debug",
        Level::INFO => "info",
        Level::WARN => "warning",
        Level::ERROR => "error",
    }
}

/// Collects an event's fields as JSON.
#[derive(Default)]
struct JsonFields {
    object: Map<String, Value>,
    message: String,
}

impl JsonFields {
    fn put(&mut self, field: &Field, value: Value) {
        let name = match field.name() {
            // Taken: moved aside, as the reference's logger does.
            taken @ ("@timestamp" | "@message" | "level") => format!("fields.{taken}"),
            name => name.strip_prefix("r#").unwrap_or(name).to_owned(),
        };
        self.object.insert(name, value);
    }
}

impl Visit for JsonFields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            // Writing to a string fails only if the value's own formatting does; what it wrote until then stays.
            let _ = write!(self.message, "{value:?}");
        } else {
            self.put(field, format!("{value:?}").into());
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message.push_str(value);
        } else {
            self.put(field, value.into());
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no NaN and no infinity.
        self.put(field, if value.is_finite() { value.into() } else { value.to_string().into() });
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let mut text = value.to_string();
        let mut cause = value.source();
        while let Some(error) = cause {
            let _ = write!(text, ": {error}");
            cause = error.source();
        }
        self.put(field, text.into());
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    /// What `log` writes under these settings.
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
    fn text_is_plain_without_colour() {
        let line = written(LevelFilter::INFO, Format::Text, || tracing::warn!(rules = 3, "loaded"));
        assert!(line.contains("WARN") && line.contains("loaded rules=3") && !line.contains('\u{1b}'), "{line}");
    }
}
