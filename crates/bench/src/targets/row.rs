//! A promise with the measured value, as a row of the table.

use std::fmt::{self, Write as _};

use serde_json::{Value, json};

/// What is promised about a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Bound {
    AtLeast(f64),
    AtMost(f64),
    /// Nothing; the value is only reported.
    None,
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(least) => write!(f, "≥ {least}"),
            Self::AtMost(most) => write!(f, "≤ {most}"),
            Self::None => f.write_str("none"),
        }
    }
}

/// A promise with the measured value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) case: &'static str,
    pub(super) what: &'static str,
    pub(super) bound: Bound,
    /// `None` if it could not be measured.
    pub(super) value: Option<f64>,
    pub(super) unit: &'static str,
    /// The server's CPU per response, as a ratio to that of the same contender.
    pub(super) server_cpu: Option<f64>,
    /// The number of requests of both contenders that were not answered.
    pub(super) failed: u64,
}

impl Row {
    /// Whether the promise is kept; `None` if nothing is promised. It is not kept if the value is unknown, or if a
    /// request failed, because that may have saved the server work.
    pub(super) fn holds(&self) -> Option<bool> {
        let kept = |kept: fn(f64, f64) -> bool, bound| {
            Some(self.failed == 0 && self.value.is_some_and(|value| kept(value, bound)))
        };
        match self.bound {
            Bound::AtLeast(least) => kept(|value, least| value >= least, least),
            Bound::AtMost(most) => kept(|value, most| value <= most, most),
            Bound::None => None,
        }
    }

    pub(super) fn as_json(&self) -> Value {
        let (least, most) = match self.bound {
            Bound::AtLeast(least) => (Some(least), None),
            Bound::AtMost(most) => (None, Some(most)),
            Bound::None => (None, None),
        };
        json!({
            "case": self.case,
            "what": self.what,
            "at_least": least,
            "at_most": most,
            "value": self.value,
            "unit": self.unit,
            "server_cpu": self.server_cpu,
            "failed": self.failed,
            "holds": self.holds(),
        })
    }
}

/// The table in Markdown.
pub(super) fn table(rows: &[Row]) -> String {
    let mut text = String::from("| case | what | target | measured | | server CPU |\n|---|---|---|---|---|---|\n");
    for row in rows {
        let holds = match row.holds() {
            Some(true) => "holds",
            Some(false) => "**misses**",
            None => "",
        };
        let number = |number: Option<f64>| number.map_or_else(String::new, |number| format!("{number:.3}"));
        let measured = row.value.map_or_else(|| "not known".to_owned(), |value| format!("{value:.3}"));
        let unit = if row.unit.is_empty() { String::new() } else { format!(" {}", row.unit) };
        let bound = if row.bound == Bound::None { String::new() } else { format!("{}{unit}", row.bound) };
        let _ = writeln!(
            text,
            "| {} | {} | {bound} | {measured}{unit} | {holds} | {} |",
            row.case,
            row.what,
            number(row.server_cpu)
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(bound: Bound, value: Option<f64>) -> Row {
        Row { case: "memory", what: "rate", bound, value, unit: "", server_cpu: Some(1.25), failed: 0 }
    }

    #[test]
    fn an_unknown_value_misses_its_bound() {
        for (bound, value, holds) in [
            (Bound::AtLeast(0.9), Some(0.9), Some(true)),
            (Bound::AtLeast(0.9), Some(0.899), Some(false)),
            (Bound::AtMost(3.0), Some(3.0), Some(true)),
            (Bound::AtMost(3.0), Some(3.1), Some(false)),
            (Bound::AtMost(3.0), None, Some(false)),
            (Bound::None, Some(9.0), None),
        ] {
            assert_eq!(row(bound, value).holds(), holds, "{bound:?} {value:?}");
            let failed = Row { failed: 1, ..row(bound, value) };
            assert_eq!(failed.holds(), holds.map(|_| false));
        }
    }

    #[test]
    fn the_table_is_markdown() {
        let idle = Row { unit: "MiB", server_cpu: None, ..row(Bound::AtMost(15.0), Some(9.5)) };
        let text = table(&[row(Bound::AtLeast(0.92), Some(0.9123)), row(Bound::None, None), idle]);
        assert_eq!(
            text.lines().skip(2).collect::<Vec<_>>(),
            [
                "| memory | rate | ≥ 0.92 | 0.912 | **misses** | 1.250 |",
                "| memory | rate |  | not known |  | 1.250 |",
                "| memory | rate | ≤ 15 MiB | 9.500 MiB | holds |  |",
            ]
        );
    }

    #[test]
    fn the_json_has_the_bound_and_the_verdict() {
        let json = row(Bound::AtLeast(0.92), Some(0.95)).as_json();
        assert_eq!((&json["at_least"], &json["at_most"]), (&json!(0.92), &Value::Null));
        assert_eq!((&json["value"], &json["holds"], &json["server_cpu"]), (&json!(0.95), &json!(true), &json!(1.25)));
    }
}
