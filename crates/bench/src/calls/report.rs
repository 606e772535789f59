//! The report of calls: a table of medians in Markdown, and all samples as JSON.

use std::fmt::Write as _;

use load::report::format::three_digits;
use serde_json::{Value, json};

use super::{REFERENCE, shape::Shape};
use crate::{
    fleet::Rate,
    redis::Kind,
    sample::{Figure, Series},
};

/// The turns of one shape of calls, by contender, at one rate on one kind of Redis.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) redis: Kind,
    pub(super) shape: Shape,
    pub(super) rate: Rate,
    pub(super) series: Vec<Series>,
}

/// The table of medians, for each kind of Redis. Each rate has columns of its own.
pub(super) fn tables(cases: &[Case], rates: &[Rate]) -> String {
    let mut text = String::new();
    for redis in [Kind::Single, Kind::Cluster] {
        let cases: Vec<&Case> = cases.iter().filter(|case| case.redis == redis).collect();
        if !cases.is_empty() {
            let _ = write!(text, "{}{redis}:\n\n{}", if text.is_empty() { "" } else { "\n" }, table(&cases, rates));
        }
    }
    text
}

fn table(cases: &[&Case], rates: &[Rate]) -> String {
    let mut text = "| a call | |".to_owned();
    for rate in rates {
        let rate = match rate {
            Rate::Fixed(_) => format!("{rate}: "),
            Rate::Max => "one after the other: ".to_owned(),
        };
        let _ = write!(text, " {rate}Redis's own account of it | Redis CPU a decision | of {REFERENCE} |");
    }
    let _ = writeln!(text, "\n|---|---|{}", "---|---|---|".repeat(rates.len()));
    let mut shapes: Vec<Shape> = cases.iter().map(|case| case.shape).collect();
    shapes.dedup();
    for shape in shapes {
        let of_rates: Vec<&Case> = rates
            .iter()
            .filter_map(|rate| cases.iter().copied().find(|case| case.shape == shape && case.rate == *rate))
            .collect();
        for nth in 0..of_rates.first().map_or(0, |case| case.series.len()) {
            let name = &of_rates[0].series[nth].name;
            let _ = write!(text, "| {} | {name} |", if nth == 0 { shape.to_string() } else { String::new() });
            for case in &of_rates {
                let one = &case.series[nth];
                let micros =
                    |figure| one.median(figure).map_or_else(String::new, |us| format!("{} µs", three_digits(us)));
                let reference = case.series.iter().find(|one| one.name == REFERENCE);
                let ratio = reference.and_then(|reference| one.ratio(Figure::RedisCpu, reference));
                let ratio = ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"));
                let _ = write!(text, " {} | {} | {ratio} |", micros(Figure::RedisCall), micros(Figure::RedisCpu));
            }
            text.push('\n');
        }
    }
    text
}

/// All cases with every sample.
pub(super) fn as_json(cases: &[Case]) -> Value {
    let case = |case: &Case| {
        json!({
            "redis": case.redis.to_string(),
            "decisions": case.shape.decisions,
            "counters": case.shape.counters,
            "calls_a_second": match case.rate { Rate::Fixed(rate) => Some(rate), Rate::Max => None },
            "contenders": case.series.iter().map(Series::as_json).collect::<Vec<_>>(),
        })
    };
    cases.iter().map(case).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Sample;

    fn case(shape: &str, rate: &str, redis: Kind, cpu: f64) -> Case {
        let series = |name: &str, cpu| Series {
            samples: vec![Sample { redis_cpu: Some(cpu), redis_call: Some(2.0 * cpu), ..Sample::default() }],
            ..Series::new(name)
        };
        let series = vec![series("fixed window", cpu), series(REFERENCE, 10.0)];
        let (shape, rate) = (shape.parse().expect("a shape"), rate.parse().expect("a rate"));
        Case { redis, shape, rate, series }
    }

    #[test]
    fn rates_are_side_by_side() {
        let cases = [case("1", "1000", Kind::Single, 20.0), case("1", "max", Kind::Single, 5.0)];
        let text = tables(&cases, &[cases[0].rate, cases[1].rate]);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!((lines[0], lines[1]), ("single:", ""));
        assert_eq!(
            lines[4..],
            [
                "| 1 decision | fixed window | 40.0 µs | 20.0 µs | 2.00 | 10.0 µs | 5.00 µs | 0.50 |",
                "|  | INCRBY + EXPIRE | 20.0 µs | 10.0 µs | 1.00 | 20.0 µs | 10.0 µs | 1.00 |",
            ]
        );
        assert!(lines[2..].iter().all(|line| line.matches('|').count() == 9), "{text}");
    }

    #[test]
    fn each_kind_of_redis_has_a_table() {
        let cases = [case("1", "1000", Kind::Single, 20.0), case("1", "1000", Kind::Cluster, 30.0)];
        let text = tables(&cases, &[cases[0].rate]);
        assert!(text.starts_with("single:\n\n| a call |") && text.contains("\n\ncluster:\n\n| a call |"), "{text}");
        let json = as_json(&cases);
        assert_eq!((&json[1]["redis"], &json[1]["calls_a_second"]), (&json!("cluster"), &json!(1000)));
    }
}
