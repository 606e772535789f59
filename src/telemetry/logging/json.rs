//! Events as JSON, one object per line, with the keys of the reference's logger.

use std::fmt::{self, Write as _};
use std::time::SystemTime;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{self, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::clean::{self, CUT};
use super::queue::MAX_LINE;

/// The lengths, in bytes, to which strings are cut one after another until the line is short enough: JSON may need six
/// bytes for one.
const LENGTHS: [usize; 4] = [8192, 2048, 512, 128];

/// Formats each event as one line of JSON.
pub(super) struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut line: format::Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = JsonFields::default();
        event.record(&mut fields);
        let JsonFields { object, message } = fields;
        writeln!(line, "{}", self::line(*event.metadata().level(), message, object))
    }
}

/// A line without its newline. If it is too long for the queue, its strings are cut, so that it stays a valid object.
pub(super) fn line(level: Level, message: String, mut object: Map<String, Value>) -> String {
    object.insert("@timestamp".to_owned(), humantime::format_rfc3339_millis(SystemTime::now()).to_string().into());
    object.insert("@message".to_owned(), message.into());
    object.insert("level".to_owned(), level_name(level).into());
    for most in LENGTHS {
        let line = text(&object);
        if line.len() < MAX_LINE {
            return line;
        }
        object.values_mut().for_each(|value| cut(value, most));
    }
    text(&object)
}

/// The object's JSON, escaped as the queue does it, because JSON allows some control characters (C1). The queue then
/// leaves its length unchanged.
fn text(object: &Map<String, Value>) -> String {
    let text = serde_json::to_string(object).expect("keys are strings");
    clean::escaped(&text, false).into_owned()
}

fn cut(value: &mut Value, most: usize) {
    if let Value::String(text) = value
        && text.len() > most + CUT.len()
    {
        let end = (0..=most).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
        text.truncate(end);
        text.push_str(CUT);
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
            // Reserved names are prefixed, as in the reference's logger.
            reserved @ ("@timestamp" | "@message" | "level") => format!("fields.{reserved}"),
            name => name.strip_prefix("r#").unwrap_or(name).to_owned(),
        };
        self.object.insert(name, value);
    }
}

impl Visit for JsonFields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            // Writing to a string fails only if the value's own formatting fails; what it has written is kept.
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
