//! The definition of a family, which all of its series share, and the lines of Prometheus' text format.

use std::fmt::{Display, Write as _};

use crate::{LATENCY_BOUNDS, LatencyTotals};

/// The type of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A number that only grows.
    Counter,
    /// A number that grows and shrinks.
    Gauge,
    /// Durations in buckets, in seconds.
    Histogram,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// The name, help, type and label names of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family {
    name: &'static str,
    help: &'static str,
    kind: Kind,
    labels: &'static [&'static str],
}

impl Family {
    /// A family of numbers that only grow.
    #[must_use]
    pub const fn counter(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Self {
        Self { name, help, kind: Kind::Counter, labels }
    }

    /// A family of numbers that grow and shrink.
    #[must_use]
    pub const fn gauge(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Self {
        Self { name, help, kind: Kind::Gauge, labels }
    }

    /// A family of durations, with the buckets of [`LATENCY_BOUNDS`].
    #[must_use]
    pub const fn histogram(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Self {
        Self { name, help, kind: Kind::Histogram, labels }
    }

    /// The name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The type.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The names of the labels; their values are always in this order.
    #[must_use]
    pub const fn labels(&self) -> &'static [&'static str] {
        self.labels
    }

    /// Appends the `# HELP` and `# TYPE` lines.
    pub fn push_head(&self, text: &mut String) {
        let Self { name, help, kind, .. } = self;
        push(text, format_args!("# HELP {name} "));
        for character in help.chars() {
            match character {
                '\\' => text.push_str("\\\\"),
                '\n' => text.push_str("\\n"),
                other => text.push(other),
            }
        }
        push(text, format_args!("\n# TYPE {name} {}\n", kind.name()));
    }

    /// Appends the line of one series: the value of each label (`None` if the series lacks that label), and the number.
    pub fn push_series<'a>(
        &self,
        text: &mut String,
        values: impl IntoIterator<Item = Option<&'a str>>,
        number: impl Display,
    ) {
        self.push_line(text, "", values, None, number);
    }

    /// Appends the lines of one histogram series.
    #[allow(clippy::cast_precision_loss, reason = "sums beyond 104 days of durations lose nanoseconds")]
    pub(crate) fn push_histogram<'a>(
        &self,
        text: &mut String,
        values: impl Iterator<Item = Option<&'a str>> + Clone,
        totals: &LatencyTotals,
    ) {
        let mut within = 0;
        for (bound, count) in LATENCY_BOUNDS.iter().zip(totals.buckets) {
            within += count;
            self.push_line(text, "_bucket", values.clone(), Some(&bound.as_secs_f64()), within);
        }
        self.push_line(text, "_bucket", values.clone(), Some(&"+Inf"), totals.count());
        self.push_line(text, "_sum", values.clone(), None, totals.nanos as f64 / 1e9);
        self.push_line(text, "_count", values, None, totals.count());
    }

    fn push_line<'a>(
        &self,
        text: &mut String,
        suffix: &str,
        values: impl IntoIterator<Item = Option<&'a str>>,
        bound: Option<&dyn Display>,
        number: impl Display,
    ) {
        text.push_str(self.name);
        text.push_str(suffix);
        let mut before = '{';
        for (label, value) in self.labels.iter().zip(values).filter_map(|(label, value)| Some((label, value?))) {
            text.push(before);
            text.push_str(label);
            text.push_str("=\"");
            push_escaped(text, value);
            text.push('"');
            before = ',';
        }
        if let Some(bound) = bound {
            push(text, format_args!("{before}le=\"{bound}\""));
            before = ',';
        }
        if before == ',' {
            text.push('}');
        }
        push(text, format_args!(" {number}\n"));
    }
}

fn push(text: &mut String, content: std::fmt::Arguments<'_>) {
    // writing to a string cannot fail
    let _ = text.write_fmt(content);
}

fn push_escaped(text: &mut String, value: &str) {
    for character in value.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            other => text.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAMILY: Family = Family::counter("f_total", "A \"help\"\nof \\ lines.", &["one", "two", "three"]);

    #[test]
    fn text_is_escaped_as_the_format_requires() {
        let mut text = String::new();
        FAMILY.push_head(&mut text);
        FAMILY.push_series(&mut text, [Some("a\"b\\c\nd{}=,\r"), None, Some("")], 7);
        let expected = "# HELP f_total A \"help\"\\nof \\\\ lines.\n# TYPE f_total counter\n\
                        f_total{one=\"a\\\"b\\\\c\\nd{}=,\r\",three=\"\"} 7\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn no_labels_take_no_braces() {
        let mut text = String::new();
        FAMILY.push_series(&mut text, [None, None, None], 7);
        assert_eq!(text, "f_total 7\n");
    }
}
