//! The report of several contenders: their medians, and the ratios to one of them.

use std::fmt::Write as _;

use load::report::format::{count, things, three_digits, time};
use serde_json::{Map, Value, json};

use crate::sample::{Figure, Series};

const TITLES: [&str; 9] = ["", "a second", "of bare", "p50", "p99", "late p99", "server CPU", "Redis CPU", "CPU here"];

/// The table of medians. The ratios are to the contender with index `base`.
pub(crate) fn as_text(title: &str, series: &[Series], base: usize) -> String {
    let mut rows = vec![TITLES.map(str::to_owned)];
    for one in series {
        let figure = |figure, text: fn(f64) -> String| one.median(figure).map_or_else(String::new, text);
        let micros = |micros: f64| time(micros * 1e3);
        let cpu = |micros: f64| format!("{} µs", three_digits(micros));
        rows.push([
            one.name.clone(),
            figure(Figure::Rate, |rate| count(rate.round() as u64)),
            one.ratio(Figure::Rate, &series[base]).map_or_else(String::new, |ratio| format!("{ratio:.3}")),
            figure(Figure::P50, micros),
            figure(Figure::P99, micros),
            figure(Figure::Late, micros),
            figure(Figure::ServerCpu, cpu),
            figure(Figure::RedisCpu, cpu),
            figure(Figure::GeneratorCpu, cpu),
        ]);
    }
    // columns without a value are left out
    let filled = (1..TITLES.len()).filter(|column| rows.iter().skip(1).any(|row| !row[*column].is_empty()));
    let filled: Vec<usize> = filled.collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let mut text = format!("{title}\n\n");
    for row in &rows {
        let _ = write!(text, "{:<width$}", row[0], width = width(0));
        for column in &filled {
            let _ = write!(text, "  {:>width$}", row[*column], width = width(*column));
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    for one in series.iter().filter(|one| one.failed() > 0) {
        let _ = writeln!(text, "note: {}: {} not answered", one.name, things(one.failed(), "request"));
    }
    text
}

/// All samples, the medians, and their ratios to the contender with index `base`.
pub(crate) fn as_json(series: &[Series], base: usize) -> Value {
    let ratios = |one: &Series| -> Map<String, Value> {
        let ratio = |figure: &Figure| (figure.name().to_owned(), one.ratio(*figure, &series[base]).into());
        Figure::ALL.iter().map(ratio).collect()
    };
    let all = series.iter().map(|one| {
        let mut json = one.as_json();
        json["of_base"] = ratios(one).into();
        json
    });
    json!({"base": series[base].name, "contenders": all.collect::<Vec<_>>()})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Sample;

    fn series(name: &str, rate: f64, p99: Option<f64>, failed: u64) -> Series {
        let sample = Sample { rate: Some(rate), p99, server_cpu: Some(4.5), failed, ..Sample::default() };
        Series { samples: vec![sample; 3], ..Series::new(name) }
    }

    #[test]
    fn contenders_are_shown_side_by_side() {
        let series = [series("host:1", 180_000.0, Some(2500.0), 0), series("bare", 200_000.0, Some(900.0), 2)];
        let text = as_text("medians", &series, 1);
        assert_eq!(
            text,
            "medians\n\n        \
             a second  of bare      p99  server CPU\n\
             host:1   180 000    0.900  2.50 ms     4.50 µs\n\
             bare     200 000    1.000   900 µs     4.50 µs\n\
             note: bare: 6 requests not answered\n"
        );
        let json = as_json(&series, 1);
        assert_eq!(json["base"], "bare");
        assert_eq!(json["contenders"][0]["of_base"]["rate"], 0.9);
        assert_eq!(json["contenders"][0]["of_base"]["p50_us"], Value::Null);
        assert_eq!(json["contenders"][1]["failed"], 6);
    }
}
