//! The report of a fleet: a table of medians in Markdown, and all samples as JSON.

use std::fmt::Write as _;

use limiter::domain::Algorithm;
use load::report::format::{count, things, three_digits, time};
use serde_json::{Value, json};

use super::{
    contender::{BARE_SERVICE, CLIENTS},
    scenario::{Rate, Scenario},
};
use crate::sample::{Figure, Series};

/// The results of a scenario, by contender.
pub(super) type Results = [(Scenario, Vec<Series>)];

/// The contender to which others are compared, if there is one of this name.
pub(super) const BEFORE: &str = "before";

/// Contenders to which the Redis CPU of the others is compared, with the titles of the columns.
const COMPARED: [(&str, &str); 3] =
    [("of the clients'", CLIENTS), ("of the bare service's", BARE_SERVICE), ("of before", BEFORE)];

/// The table of medians. Ratios to contenders that were not measured are left out.
pub(super) fn table(results: &Results) -> String {
    let is_measured = |name| results.iter().any(|(_, series)| named(series, name).is_some());
    let compared: Vec<_> = COMPARED.into_iter().filter(|(_, name)| is_measured(name)).collect();
    let titles: Vec<&str> = ["fleet", "", "Redis CPU a decision"]
        .into_iter()
        .chain(compared.iter().map(|(title, _)| *title))
        .chain(["Redis's own account of it", "of a call", "decisions a call", "CPU of the service", "p50", "p99"])
        .collect();
    let mut text = format!("| {} |\n|{}\n", titles.join(" | "), "---|".repeat(titles.len()));
    for (scenario, series) in results {
        for (nth, one) in series.iter().enumerate() {
            let figure = |figure, text: fn(f64) -> String| one.median(figure).map_or_else(String::new, text);
            let micros = |micros: f64| format!("{} µs", three_digits(micros));
            let latency = |micros: f64| time(micros * 1e3);
            let ratio = |(_, of): &(&str, &str)| {
                let ratio = named(series, of).and_then(|of| one.ratio(Figure::RedisCpu, of));
                ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"))
            };
            let name = if nth == 0 { scenario.to_string() } else { String::new() };
            let cells: Vec<String> = [name, one.name.clone(), figure(Figure::RedisCpu, micros)]
                .into_iter()
                .chain(compared.iter().map(ratio))
                .chain([
                    figure(Figure::RedisAccount, micros),
                    figure(Figure::RedisCall, micros),
                    figure(Figure::Batch, |batch| format!("{batch:.2}")),
                    figure(Figure::ServerCpu, micros),
                    figure(Figure::P50, latency),
                    figure(Figure::P99, latency),
                ])
                .collect();
            let _ = writeln!(text, "| {} |", cells.join(" | "));
        }
    }
    for (scenario, series) in results {
        for one in series.iter().filter(|one| one.failed() > 0) {
            let _ = writeln!(text, "\n{scenario}, {}: {} not answered", one.name, things(one.failed(), "decision"));
        }
    }
    text
}

/// How many decisions a core of Redis makes, with little to do for each process and with much, of the contender with
/// this name.
pub(super) fn sizing(results: &Results, name: &str) -> String {
    let mut text = "| algorithm | descriptors | calls of one: Redis CPU a decision | decisions a second and core \
                    | full batches: Redis CPU a decision | decisions a second and core |\n|---|---|---|---|---|---|\n"
        .to_owned();
    let cpu = |algorithm: Algorithm, descriptors, is_full: bool| {
        let like = |scenario: &Scenario| {
            scenario.algorithm == algorithm
                && scenario.descriptors == descriptors
                && (scenario.rate == Rate::Max) == is_full
        };
        let (_, series) = results.iter().find(|(scenario, _)| like(scenario))?;
        named(series, name)?.median(Figure::RedisCpu)
    };
    let mut rows: Vec<_> = results.iter().map(|(scenario, _)| (scenario.algorithm, scenario.descriptors)).collect();
    rows.dedup();
    for (algorithm, descriptors) in rows {
        let cells = [false, true].map(|is_full| {
            cpu(algorithm, descriptors, is_full).map_or_else(
                || " | ".to_owned(),
                |cpu| format!("{} µs | {}", three_digits(cpu), count(two_digits(1e6 / cpu))),
            )
        });
        let algorithm = algorithm.name().replace('_', " ");
        let _ = writeln!(text, "| {algorithm} | {descriptors} | {} | {} |", cells[0], cells[1]);
    }
    text
}

/// Rounds down to two significant digits: nobody should rely on more.
fn two_digits(number: f64) -> u64 {
    let number = number as u64;
    let unit = 10u64.pow(number.checked_ilog10().unwrap_or(0).saturating_sub(1));
    number - number % unit
}

fn named<'a>(series: &'a [Series], name: &str) -> Option<&'a Series> {
    series.iter().find(|one| one.name == name)
}

/// All scenarios with every sample.
pub(super) fn as_json(results: &Results) -> Value {
    let scenario = |(scenario, series): &(Scenario, Vec<Series>)| {
        json!({
            "name": scenario.to_string(),
            "processes": scenario.processes,
            "rate": match scenario.rate { Rate::Fixed(rate) => Some(rate), Rate::Max => None },
            "keys": scenario.keys.to_string(),
            "algorithm": scenario.algorithm.name(),
            "descriptors": scenario.descriptors,
            "redis": scenario.redis.to_string(),
            "contenders": series.iter().map(Series::as_json).collect::<Vec<_>>(),
        })
    };
    results.iter().map(scenario).collect()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use load::Keys;

    use super::*;
    use crate::{redis::Kind, sample::Sample};

    fn scenario(rate: &str) -> Scenario {
        Scenario {
            processes: NonZeroUsize::new(4).expect("not zero"),
            rate: rate.parse().expect("a rate"),
            keys: Keys::Hot,
            algorithm: Algorithm::FixedWindow,
            descriptors: NonZeroUsize::MIN,
            redis: Kind::Single,
        }
    }

    fn series(name: &str, cpu: f64, failed: u64) -> Series {
        let sample = Sample {
            redis_cpu: Some(cpu),
            redis_account: Some(8.0),
            batch: Some(1.5),
            p50: Some(250.0),
            failed,
            ..Sample::default()
        };
        Series { samples: vec![sample; 3], ..Series::new(name) }
    }

    #[test]
    fn contenders_are_compared_with_the_reference_and_with_before() {
        let all = vec![series("now", 44.0, 0), series(BEFORE, 88.0, 1), series(CLIENTS, 40.0, 0)];
        let text = table(&[(scenario("500"), all)]);
        assert_eq!(
            text.lines().skip(2).collect::<Vec<_>>(),
            [
                "| 4 × 500/s, hot, single | now | 44.0 µs | 1.10 | 0.50 | 8.00 µs |  | 1.50 |  | 250 µs |  |",
                "|  | before | 88.0 µs | 2.20 | 1.00 | 8.00 µs |  | 1.50 |  | 250 µs |  |",
                "|  | INCRBY + EXPIRE of clients | 40.0 µs | 1.00 | 0.45 | 8.00 µs |  | 1.50 |  | 250 µs |  |",
                "",
                "4 × 500/s, hot, single, before: 3 decisions not answered",
            ]
        );
        let alone = table(&[(scenario("500"), vec![series("now", 44.0, 0)])]);
        let row = "| 4 × 500/s, hot, single | now | 44.0 µs | 8.00 µs |  | 1.50 |  | 250 µs |  |";
        assert_eq!(alone.lines().nth(2), Some(row));
        let columns = alone.lines().map(|line| line.matches('|').count()).collect::<Vec<_>>();
        assert_eq!(columns, [10; 3]);
    }

    #[test]
    fn the_size_of_a_fleet_is_rounded_down() {
        let results = [(scenario("500"), vec![series("now", 44.0, 0)]), (scenario("max"), vec![series("now", 3.0, 0)])];
        let text = sizing(&results, "now");
        let row = "| fixed window | 1 | 44.0 µs | 22 000 | 3.00 µs | 330 000 |";
        assert_eq!(text.lines().skip(2).collect::<Vec<_>>(), [row]);
        for (number, rounded) in [(0.4, 0), (9.9, 9), (10.0, 10), (129.0, 120), (22_727.0, 22_000)] {
            assert_eq!(two_digits(number), rounded, "{number}");
        }
        let unknown = sizing(&results[..1], "now");
        assert!(unknown.ends_with("| 44.0 µs | 22 000 |  |  |\n"), "{unknown}");
    }

    #[test]
    fn the_json_has_the_scenario_and_its_contenders() {
        let json = as_json(&[(scenario("500"), vec![series("now", 44.0, 0)])]);
        assert_eq!((&json[0]["rate"], &json[0]["keys"]), (&json!(500), &json!("hot")));
        assert_eq!(json[0]["contenders"][0]["median"]["redis_cpu_us"], 44.0);
        assert_eq!(as_json(&[(scenario("max"), vec![])])[0]["rate"], Value::Null);
    }
}
