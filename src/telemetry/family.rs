//! Making metric families out of plain numbers.

use prometheus::{
    core::Desc,
    proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType},
};

use crate::domain::{LATENCY_BOUNDS, LatencyTotals};

/// The type of a family with one number a series.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Counter,
    Gauge,
}

/// Name, help and label names of a family that is read when it is scraped.
#[derive(Debug)]
pub(super) struct Family {
    name: &'static str,
    help: &'static str,
    labels: &'static [&'static str],
}

impl Family {
    pub(super) const fn new(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Self {
        Self { name, help, labels }
    }

    /// What the registry checks for duplicates and bad names.
    pub(super) fn desc(&self) -> prometheus::Result<Desc> {
        let labels = self.labels.iter().map(|&label| label.to_owned()).collect();
        Desc::new(self.name.to_owned(), self.help.to_owned(), labels, std::collections::HashMap::new())
    }

    /// The family with these series: values of the labels, and the number.
    #[allow(clippy::cast_precision_loss)]
    pub(super) fn of<'a>(&self, kind: Kind, series: impl IntoIterator<Item = (Vec<&'a str>, u64)>) -> MetricFamily {
        let metrics = series.into_iter().map(|(values, number)| {
            let mut metric = self.metric(&values);
            match kind {
                Kind::Counter => {
                    let mut counter = Counter::default();
                    counter.set_value(number as f64);
                    metric.set_counter(counter);
                }
                Kind::Gauge => {
                    let mut gauge = Gauge::default();
                    gauge.set_value(number as f64);
                    metric.set_gauge(gauge);
                }
            }
            metric
        });
        let field_type = match kind {
            Kind::Counter => MetricType::COUNTER,
            Kind::Gauge => MetricType::GAUGE,
        };
        self.family(field_type, metrics.collect())
    }

    /// The family with these histograms, in seconds.
    pub(super) fn histograms<'a>(
        &self,
        series: impl IntoIterator<Item = (Vec<&'a str>, &'a LatencyTotals)>,
    ) -> MetricFamily {
        let metrics = series.into_iter().map(|(values, totals)| {
            let mut metric = self.metric(&values);
            metric.set_histogram(histogram(totals));
            metric
        });
        self.family(MetricType::HISTOGRAM, metrics.collect())
    }

    /// The family of ready-made metrics.
    fn family(&self, field_type: MetricType, metrics: Vec<Metric>) -> MetricFamily {
        let mut family = MetricFamily::default();
        family.set_name(self.name.to_owned());
        family.set_help(self.help.to_owned());
        family.set_field_type(field_type);
        family.set_metric(metrics);
        family
    }

    /// A metric without a number yet.
    fn metric(&self, values: &[&str]) -> Metric {
        let pairs = self.labels.iter().zip(values).map(|(name, value)| {
            let mut pair = LabelPair::default();
            pair.set_name((*name).to_owned());
            pair.set_value((*value).to_owned());
            pair
        });
        Metric::from_label(pairs.collect())
    }
}

#[allow(clippy::cast_precision_loss)]
fn histogram(totals: &LatencyTotals) -> Histogram {
    let mut within = 0;
    let buckets = LATENCY_BOUNDS.iter().zip(totals.buckets).map(|(bound, count)| {
        within += count;
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(bound.as_secs_f64());
        bucket.set_cumulative_count(within);
        bucket
    });
    let mut histogram = Histogram::default();
    histogram.set_bucket(buckets.collect());
    histogram.set_sample_count(totals.count());
    histogram.set_sample_sum(totals.nanos as f64 / 1e9);
    histogram
}
