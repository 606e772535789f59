//! Metrics beside what they count: a module defines its families, counts in its own statistics, and exports both by
//! implementing [`Collect`]. The program registers the collectors with the metrics page, which knows no family.
//!
//! ```
//! use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
//!
//! use metrics::{Collect, Families, Family};
//!
//! const OPENED: Family = Family::counter("doors_opened_total", "Doors that were opened.", &["floor"]);
//!
//! #[derive(Default)]
//! struct Doors {
//!     opened: [AtomicU64; 2],
//! }
//!
//! impl Collect for Doors {
//!     fn collect(&self, families: &mut Families) {
//!         for (floor, opened) in ["ground", "first"].into_iter().zip(&self.opened) {
//!             families.add(&OPENED, &[floor], opened.load(Relaxed));
//!         }
//!     }
//! }
//!
//! let doors = Doors::default();
//! doors.opened[1].fetch_add(3, Relaxed);
//! assert_eq!(metrics::series(&doors), [r#"doors_opened_total{floor="first"} 3"#, r#"doors_opened_total{floor="ground"} 0"#]);
//! ```
//!
//! This crate depends on no other of the workspace, so that every one of them can export what it counts.

mod families;
mod family;
mod latency;
mod per_worker;

pub use families::{Families, Fault};
pub use family::{Family, Kind};
pub use latency::{LATENCY_BOUNDS, Latencies, LatencyTotals, Timed};
pub use per_worker::PerWorker;

/// Text in pieces, each generated when it is requested.
pub type Pieces = Box<dyn Iterator<Item = String> + Send>;

/// The length in bytes from which on a piece of [`Pieces`] ends.
pub const PIECE: usize = 64 * 1024;

/// Statistics that are exported as metrics.
pub trait Collect: Send + Sync {
    /// Adds every series with its present value. Called at each scrape, by any thread; must not block.
    fn collect(&self, families: &mut Families);

    /// The text of families with too many series to collect them first, in pieces of about [`PIECE`] bytes.
    fn stream(&self) -> Pieces {
        Box::new(std::iter::empty())
    }
}

/// The lines of all series of one collector, sorted by family name and label values; of histograms only the sum and the
/// count. Its test compares them with numbers that differ, so that it fails if two series are swapped, or if one is
/// missing or always zero.
#[must_use]
pub fn series(collector: &dyn Collect) -> Vec<String> {
    let mut families = Families::default();
    collector.collect(&mut families);
    let text = families.text() + &collector.stream().collect::<String>();
    let is_bucket = |line: &str| line.split(['{', ' ']).next().is_some_and(|name| name.ends_with("_bucket"));
    text.lines().filter(|line| !line.starts_with('#') && !is_bucket(line)).map(str::to_owned).collect()
}
