//! One scrape: the series of all collectors, grouped by family.

use std::{collections::BTreeMap, fmt};

use crate::{Family, Kind, LatencyTotals};

/// The series of a scrape. Several collectors may add to one family if they define it identically and their series
/// differ.
#[derive(Debug, Default)]
pub struct Families {
    by_name: BTreeMap<&'static str, Gathered>,
    faults: Vec<Fault>,
}

/// A family with its series, by the values of their labels.
#[derive(Debug)]
struct Gathered {
    family: Family,
    series: BTreeMap<Box<[Box<str>]>, Value>,
}

#[derive(Debug)]
enum Value {
    Number(u64),
    Durations(Box<LatencyTotals>),
}

/// A mistake in the code of a collector. The sample was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Two collectors use this name for families that differ in type, help or labels.
    Contradiction {
        /// The name of the families.
        family: &'static str,
    },
    /// A sample has another number of labels than its family, or another type.
    Unfit {
        /// The name of the family.
        family: &'static str,
    },
    /// A series was added twice.
    Duplicate {
        /// The name of the family.
        family: &'static str,
        /// The values of the series' labels.
        labels: Box<[Box<str>]>,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Contradiction { family } => write!(f, "`{family}` has two types, helps or lists of labels"),
            Self::Unfit { family } => write!(f, "a sample of `{family}` does not fit its type or its labels"),
            Self::Duplicate { family, labels } => write!(f, "`{family}` has two series of {labels:?}"),
        }
    }
}

impl Families {
    /// Adds a series of a counter or a gauge, with the values of its labels in the family's order.
    pub fn add(&mut self, family: &Family, labels: &[&str], value: u64) {
        self.insert(family, labels, Value::Number(value));
    }

    /// Adds a series of a histogram, with the values of its labels in the family's order.
    pub fn add_histogram(&mut self, family: &Family, labels: &[&str], totals: LatencyTotals) {
        self.insert(family, labels, Value::Durations(Box::new(totals)));
    }

    /// The mistakes found in what was added; empty if all collectors are correct.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// Prometheus' text format, sorted by family name and label values. A family without series is left out.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for Gathered { family, series } in self.by_name.values() {
            family.push_head(&mut text);
            for (labels, value) in series {
                let labels = labels.iter().map(|label| Some(&**label));
                match value {
                    Value::Number(number) => family.push_series(&mut text, labels, number),
                    Value::Durations(totals) => family.push_histogram(&mut text, labels, totals),
                }
            }
        }
        text
    }

    fn insert(&mut self, family: &Family, labels: &[&str], value: Value) {
        let name = family.name();
        let of_histogram = matches!(value, Value::Durations(_));
        if labels.len() != family.labels().len() || of_histogram != (family.kind() == Kind::Histogram) {
            self.faults.push(Fault::Unfit { family: name });
            return;
        }
        let gathered =
            self.by_name.entry(name).or_insert_with(|| Gathered { family: *family, series: BTreeMap::new() });
        if gathered.family != *family {
            self.faults.push(Fault::Contradiction { family: name });
            return;
        }
        let labels: Box<[Box<str>]> = labels.iter().map(|&label| label.into()).collect();
        if gathered.series.contains_key(&labels) {
            self.faults.push(Fault::Duplicate { family: name, labels });
            return;
        }
        gathered.series.insert(labels, value);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Latencies;

    const CALLS: Family = Family::counter("calls_total", "Calls.", &["api"]);
    const OPEN: Family = Family::gauge("a_open", "Open.", &[]);
    const TOOK: Family = Family::histogram("took_seconds", "How long.", &["api"]);

    #[test]
    fn collectors_may_share_a_family() {
        let mut families = Families::default();
        families.add(&CALLS, &["rls"], 2);
        families.add(&OPEN, &[], 1);
        families.add(&CALLS, &["json"], 3);
        assert_eq!(families.faults(), []);
        let expected = "# HELP a_open Open.\n# TYPE a_open gauge\na_open 1\n\
                        # HELP calls_total Calls.\n# TYPE calls_total counter\n\
                        calls_total{api=\"json\"} 3\ncalls_total{api=\"rls\"} 2\n";
        assert_eq!(families.text(), expected);
    }

    #[test]
    fn buckets_are_cumulative() {
        let latencies = Latencies::default();
        latencies.record(Duration::from_micros(75));
        latencies.record(Duration::from_secs(11));
        let mut families = Families::default();
        families.add_histogram(&TOOK, &["rls"], latencies.totals());
        let text = families.text();
        for line in [
            "# TYPE took_seconds histogram",
            "took_seconds_bucket{api=\"rls\",le=\"0.00005\"} 0",
            "took_seconds_bucket{api=\"rls\",le=\"0.0001\"} 1",
            "took_seconds_bucket{api=\"rls\",le=\"10\"} 1",
            "took_seconds_bucket{api=\"rls\",le=\"+Inf\"} 2",
            "took_seconds_sum{api=\"rls\"} 11.000075",
            "took_seconds_count{api=\"rls\"} 2",
        ] {
            assert!(text.lines().any(|one| one == line), "{line} in {text}");
        }
    }

    #[test]
    fn a_sample_that_does_not_fit_is_a_fault_and_left_out() {
        let mut families = Families::default();
        families.add(&CALLS, &["rls"], 1);
        let text = families.text();
        families.add(&CALLS, &["rls"], 2);
        families.add(&CALLS, &[], 3);
        families.add(&Family::counter("calls_total", "Calls of another kind.", &["api"]), &["json"], 4);
        families.add(&TOOK, &["rls"], 5);
        families.add_histogram(&CALLS, &["json"], LatencyTotals::default());
        let (calls, took) = ("calls_total", "took_seconds");
        let expected = [
            Fault::Duplicate { family: calls, labels: ["rls".into()].into() },
            Fault::Unfit { family: calls },
            Fault::Contradiction { family: calls },
            Fault::Unfit { family: took },
            Fault::Unfit { family: calls },
        ];
        assert_eq!(families.faults(), expected);
        assert_eq!(families.text(), text);
    }
}
