//! The registry of collectors, and a scrape of all of them.

use std::{fmt, sync::Arc};

use metrics::{Collect, Families, Family, Pieces};
use prometheus::{TextEncoder, proto::MetricFamily};
#[cfg(target_os = "linux")]
use prometheus::{core::Collector as _, process_collector::ProcessCollector};

const BUILD_INFO: Family = Family::gauge("tollgate_build_info", "1, with the version of this build.", &["version"]);

/// The content type of a scrape.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The families of the process cannot be encoded.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the metrics of the process: {0}; this is a bug in tollgate, please report it")]
pub struct MetricsError(#[from] prometheus::Error);

/// Every metric: of the registered collectors, of the process (CPU, memory, file descriptors) and of the build.
pub struct Metrics {
    collectors: Vec<Arc<dyn Collect>>,
    #[cfg(target_os = "linux")]
    process: ProcessCollector,
}

impl Metrics {
    /// A registry without collectors: a scrape of it has the families of the process and the build only.
    #[must_use]
    pub fn new() -> Self {
        Self {
            collectors: Vec::new(),
            #[cfg(target_os = "linux")]
            process: ProcessCollector::for_self(),
        }
    }

    /// Adds a collector to every later scrape.
    pub fn register(&mut self, collector: Arc<dyn Collect>) {
        self.collectors.push(collector);
    }

    /// All families with their current values in Prometheus' text format, in pieces.
    ///
    /// # Errors
    /// If a family of the process cannot be encoded, which is a bug in this program.
    pub fn scrape(&self) -> Result<Pieces, MetricsError> {
        // families are sorted by name, and `process_…` precedes `ratelimit_…` and `tollgate_…`
        let mut first = TextEncoder::new().encode_to_string(&self.process())?;
        let mut families = Families::default();
        families.add(&BUILD_INFO, &[env!("CARGO_PKG_VERSION")], 1);
        self.collectors.iter().for_each(|collector| collector.collect(&mut families));
        debug_assert!(families.faults().is_empty(), "collectors contradict each other: {:?}", families.faults());
        first.push_str(&families.text());
        let streams: Vec<_> = self.collectors.iter().map(|collector| collector.stream()).collect();
        Ok(Box::new(std::iter::once(first).chain(streams.into_iter().flatten())))
    }

    /// The families that the operating system reports for the process, sorted by name.
    #[cfg(target_os = "linux")]
    fn process(&self) -> Vec<MetricFamily> {
        let mut families = self.process.collect();
        families.sort_unstable_by(|one, other| one.name().cmp(other.name()));
        families
    }

    #[cfg(not(target_os = "linux"))]
    fn process(&self) -> Vec<MetricFamily> {
        Vec::new()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("collectors", &self.collectors.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        sync::atomic::{AtomicU64, Ordering::Relaxed},
        time::{SystemTime, UNIX_EPOCH},
    };

    use super::*;

    const DOORS: Family = Family::counter("tollgate_doors_total", "Doors.", &["floor"]);

    struct Doors(&'static str, AtomicU64);

    impl Collect for Doors {
        fn collect(&self, families: &mut Families) {
            families.add(&DOORS, &[self.0], self.1.load(Relaxed));
        }

        fn stream(&self) -> Pieces {
            Box::new([format!("# of {}\n", self.0)].into_iter())
        }
    }

    #[test]
    fn a_scrape_has_the_process_then_what_was_gathered_then_what_is_streamed() {
        let mut metrics = Metrics::new();
        let doors = Arc::new(Doors("ground", AtomicU64::new(0)));
        metrics.register(doors.clone());
        metrics.register(Arc::new(Doors("first", AtomicU64::new(2))));
        doors.1.fetch_add(1, Relaxed);
        let pieces: Vec<_> = metrics.scrape().expect("every family has a name").collect();
        assert_eq!(pieces[1..], ["# of ground\n", "# of first\n"]);
        let names = pieces[0].lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
        let names: Vec<_> = names.collect();
        assert!(names.is_sorted() && names.contains(&"process_open_fds"), "{names:?}");
        let doors = "tollgate_doors_total{floor=\"first\"} 2\ntollgate_doors_total{floor=\"ground\"} 1\n";
        assert!(pieces[0].ends_with(doors), "{}", pieces[0]);
    }

    #[test]
    fn the_version_and_the_process_are_those_of_this_build_and_process() {
        let scrape: String = Metrics::new().scrape().expect("every family has a name").collect();
        let line = format!("tollgate_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"));
        assert!(scrape.lines().any(|one| one == line), "{line} in {scrape}");

        let value = |name: &str| {
            let line = scrape.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.expect(name).parse::<f64>().expect(name)
        };
        // the CPU time is in whole seconds, of which a test may take none
        assert!((0.0..86_400.0).contains(&value("process_cpu_seconds_total")), "{scrape}");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970").as_secs_f64();
        assert!((now - 86_400.0..=now).contains(&value("process_start_time_seconds")), "{scrape}");
        let threads = fs::read_dir("/proc/self/task").expect("Linux").count() as f64;
        // other tests begin and end meanwhile
        assert!((threads / 2.0..=threads * 2.0).contains(&value("process_threads")), "{scrape}");
        let files = [1.0, value("process_open_fds"), value("process_max_fds")];
        let megabyte = f64::from(1 << 20);
        let memory = [megabyte, value("process_resident_memory_bytes"), value("process_virtual_memory_bytes")];
        assert!(files.is_sorted() && memory.is_sorted(), "{scrape}");
    }
}
