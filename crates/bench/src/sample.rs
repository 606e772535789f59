//! The results of a contender: samples, their medians, and ratios of medians.

use load::{Measured, Tally};
use serde_json::{Map, Value, json};

/// The result of one turn of one contender. Times are in microseconds, CPU is per response or decision.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Sample {
    /// Responses or decisions per second.
    pub(crate) rate: Option<f64>,
    pub(crate) p50: Option<f64>,
    pub(crate) p99: Option<f64>,
    /// In an open loop, the 99th percentile of how late the generator sent requests.
    pub(crate) late: Option<f64>,
    pub(crate) server_cpu: Option<f64>,
    pub(crate) redis_cpu: Option<f64>,
    /// What Redis itself says: the time of the commands that it was sent, for each decision and for each call.
    pub(crate) redis_account: Option<f64>,
    pub(crate) redis_call: Option<f64>,
    /// Decisions in a call to Redis.
    pub(crate) batch: Option<f64>,
    pub(crate) generator_cpu: Option<f64>,
    /// Requests that were not answered.
    pub(crate) failed: u64,
}

/// One of the numbers of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Figure {
    Rate,
    P50,
    P99,
    Late,
    ServerCpu,
    RedisCpu,
    RedisAccount,
    RedisCall,
    Batch,
    GeneratorCpu,
}

impl Figure {
    pub(crate) const ALL: [Self; 10] = [
        Self::Rate,
        Self::P50,
        Self::P99,
        Self::Late,
        Self::ServerCpu,
        Self::RedisCpu,
        Self::RedisAccount,
        Self::RedisCall,
        Self::Batch,
        Self::GeneratorCpu,
    ];

    /// Its name in JSON.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::P50 => "p50_us",
            Self::P99 => "p99_us",
            Self::Late => "late_p99_us",
            Self::ServerCpu => "server_cpu_us",
            Self::RedisCpu => "redis_cpu_us",
            Self::RedisAccount => "redis_account_us",
            Self::RedisCall => "redis_call_us",
            Self::Batch => "decisions_per_call",
            Self::GeneratorCpu => "generator_cpu_us",
        }
    }

    const fn of(self, sample: &Sample) -> Option<f64> {
        match self {
            Self::Rate => sample.rate,
            Self::P50 => sample.p50,
            Self::P99 => sample.p99,
            Self::Late => sample.late,
            Self::ServerCpu => sample.server_cpu,
            Self::RedisCpu => sample.redis_cpu,
            Self::RedisAccount => sample.redis_account,
            Self::RedisCall => sample.redis_call,
            Self::Batch => sample.batch,
            Self::GeneratorCpu => sample.generator_cpu,
        }
    }
}

impl From<&Measured> for Sample {
    fn from(measured: &Measured) -> Self {
        let Measured { tally, costs, .. } = measured;
        let each = |cost: Option<std::time::Duration>| measured.micros_each(cost?);
        Self {
            rate: Some(measured.rate()),
            server_cpu: each(costs.server),
            redis_cpu: each(costs.redis),
            generator_cpu: each(costs.own),
            ..Self::of(tally)
        }
    }
}

impl Sample {
    /// The latencies and failures.
    pub(crate) fn of(tally: &Tally) -> Self {
        let quantile = |at| (tally.answered() > 0).then(|| tally.latencies.value_at_quantile(at) as f64 / 1e3);
        Self {
            p50: quantile(0.5),
            p99: quantile(0.99),
            late: (!tally.lateness.is_empty()).then(|| tally.lateness.value_at_quantile(0.99) as f64 / 1e3),
            failed: tally.made - tally.answered(),
            ..Self::default()
        }
    }
}

/// All samples of one contender.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) samples: Vec<Sample>,
}

impl Series {
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), samples: Vec::new() }
    }

    /// The median of all samples; `None` if a sample lacks the number.
    pub(crate) fn median(&self, figure: Figure) -> Option<f64> {
        median(self.samples.iter().map(|sample| figure.of(sample)).collect::<Option<Vec<f64>>>()?)
    }

    /// The ratio of this median to another one.
    pub(crate) fn ratio(&self, figure: Figure, other: &Self) -> Option<f64> {
        let (mine, others) = (self.median(figure)?, other.median(figure)?);
        (others > 0.0).then(|| mine / others)
    }

    /// The number of requests that were not answered, in all turns.
    pub(crate) fn failed(&self) -> u64 {
        self.samples.iter().map(|sample| sample.failed).sum()
    }

    /// The medians and all samples.
    pub(crate) fn as_json(&self) -> Value {
        let median: Map<String, Value> =
            Figure::ALL.iter().map(|figure| (figure.name().to_owned(), self.median(*figure).into())).collect();
        let sample = |sample: &Sample| {
            let mut all: Map<String, Value> =
                Figure::ALL.iter().map(|figure| (figure.name().to_owned(), figure.of(sample).into())).collect();
            all.insert("failed".to_owned(), sample.failed.into());
            Value::Object(all)
        };
        json!({
            "name": self.name,
            "median": median,
            "failed": self.failed(),
            "samples": self.samples.iter().map(sample).collect::<Vec<_>>(),
        })
    }
}

/// The middle value, or the mean of the two in the middle; `None` if there are no values.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    Some(if values.len().is_multiple_of(2) { f64::midpoint(values[middle - 1], upper) } else { upper })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(rates: &[Option<f64>]) -> Series {
        let samples = rates.iter().map(|rate| Sample { rate: *rate, ..Sample::default() }).collect();
        Series { samples, ..Series::new("x") }
    }

    #[test]
    fn a_median_is_the_middle_value() {
        for (values, expected) in
            [(&[3.0, 1.0, 2.0][..], Some(2.0)), (&[4.0, 1.0, 2.0, 3.0], Some(2.5)), (&[7.0], Some(7.0)), (&[], None)]
        {
            assert_eq!(median(values.to_vec()), expected);
        }
    }

    #[test]
    fn ratios_are_of_medians_and_need_all_samples() {
        let mine = series(&[Some(90.0), Some(80.0), Some(1000.0)]);
        let others = series(&[Some(100.0), Some(1.0), Some(100.0)]);
        assert_eq!(mine.ratio(Figure::Rate, &others), Some(0.9));
        assert_eq!(mine.ratio(Figure::P99, &others), None);
        assert_eq!(mine.ratio(Figure::Rate, &series(&[Some(100.0), None])), None);
        assert_eq!(mine.ratio(Figure::Rate, &series(&[Some(0.0)])), None);
    }

    #[test]
    fn the_json_has_medians_and_every_sample() {
        let json = series(&[Some(2.0), Some(4.0)]).as_json();
        assert_eq!((&json["median"]["rate"], &json["median"]["p99_us"]), (&json!(3.0), &Value::Null));
        assert_eq!(json["samples"][1]["rate"], 4.0);
        assert_eq!(json["failed"], 0);
    }
}
