//! What is printed about an attack: a row of a table.

use std::{fmt::Write as _, sync::atomic::Ordering::Relaxed};

use super::{Calls, View, attack::Seen};
use crate::rejections;
use testkit::process::Tollgate;

/// All results of an attack.
pub struct Report<'a> {
    pub name: &'a str,
    /// The memory before, at its peak, and after, in MiB.
    pub memory: [f64; 3],
    /// The results without an attack and beside one on another process, if these were measured, and under attack.
    pub views: &'a [View],
    /// CPU of the attacked worker and of the other one, in percent of a core.
    pub busy: [f64; 2],
    pub seen: &'a Seen,
    /// The number of connections that were open at the end.
    pub open: usize,
    /// The growth of the log in bytes.
    pub logged: usize,
}

/// Explains the rows.
pub fn head() -> String {
    let memory = ["MiB before", "peak", "after"].map(str::to_owned);
    let calls = ["p99 quiet", "beside", "under it", "ratio", "max, ms"].map(str::to_owned);
    row(
        "",
        &memory,
        &calls,
        &calls,
        &["busy", "other"].map(str::to_owned),
        "of the caller on the other worker, then of the one on the same",
    )
}

fn row(name: &str, memory: &[String], other: &[String], same: &[String], busy: &[String], rest: &str) -> String {
    let mut row = format!("attack, {name:<48}");
    for columns in [memory, other, same, busy] {
        row.push_str(" |");
        for column in columns {
            let _ = write!(row, " {column:>8}");
        }
    }
    row + " | " + rest
}

impl Report<'_> {
    pub async fn row(&self, tollgate: &Tollgate) -> String {
        let memory = self.memory.map(|mib| format!("{mib:.1}"));
        let busy = self.busy.map(|percent| format!("{percent:.0} %"));
        let (other, same) = (self.columns(|view| &view.other), self.columns(|view| &view.same));
        row(self.name, &memory, &other, &same, &busy, &self.rest(&rejections(tollgate).await))
    }

    /// The latencies of calls in milliseconds: the 99th percentile without an attack, beside one, and under attack; the
    /// ratio of the last two; the maximum under attack.
    fn columns(&self, of: impl Fn(&View) -> &Calls) -> [String; 5] {
        let p99 = |view: &View| of(view).quantile(99);
        let attacked = self.views.last().expect("one at least");
        let [quiet, beside, ratio] = match self.views {
            [quiet, beside, attacked] => {
                let (quiet, beside) = (p99(quiet), p99(beside));
                [format!("{quiet:.2}"), format!("{beside:.2}"), format!("{:.1} x", p99(attacked) / beside)]
            }
            _ => ["", "", ""].map(str::to_owned),
        };
        [quiet, beside, format!("{:.2}", p99(attacked)), ratio, format!("{:.1}", of(attacked).quantile(100))]
    }

    fn rest(&self, rejections: &[String]) -> String {
        let calls = || self.views.iter().flat_map(|view| [&view.other, &view.same]);
        let errors: usize = calls().map(|calls| calls.errors.len()).sum();
        let attacked = self.views.last().expect("one at least");
        let mut rest = format!(
            "{errors} errors in {} calls, under it {} and {}; ",
            calls().map(Calls::len).sum::<usize>(),
            attacked.other.len(),
            attacked.same.len()
        );
        let (sent, connections) = (self.seen.sent.load(Relaxed) as f64 / 1e6, self.seen.connections.load(Relaxed));
        let _ = write!(rest, "{sent:.1} MB by {connections} connections, {} stood", self.open);
        for (end, count) in self.seen.ends.lock().expect("no panic").iter() {
            let _ = write!(rest, ", {end}: {count}");
        }
        for series in rejections {
            // {api="rls",reason="flood"} 12
            let reason = series.split("reason=\"").nth(1).expect("a reason");
            let _ = write!(rest, "; {}", reason.replace("\"}", ""));
        }
        let _ = write!(rest, "; {} bytes of log", self.logged);
        rest
    }
}
