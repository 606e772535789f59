//! A histogram as text and as rows: latencies in steps of 1, 2, 5.

use hdrhistogram::Histogram;

use super::format::round_time;

const WIDTH: f64 = 40.0;

/// The number of responses that took up to this long, and longer than those of the previous row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// In nanoseconds.
    pub(crate) up_to: u64,
    pub(crate) count: u64,
}

/// Rows from the fastest to the slowest, without gaps.
pub(crate) fn rows(latencies: &Histogram<u64>) -> Vec<Row> {
    let mut edges = (0..u64::MAX.ilog10()).flat_map(|power| [1, 2, 5].map(|step| step * 10u64.pow(power)));
    let mut rows: Vec<Row> = Vec::new();
    for recorded in latencies.iter_recorded() {
        // values that the histogram does not distinguish belong to one row
        let value = latencies.lowest_equivalent(recorded.value_iterated_to());
        while rows.last().is_none_or(|row| row.up_to < value)
            && let Some(up_to) = edges.next()
        {
            rows.push(Row { up_to, count: 0 });
        }
        if let Some(row) = rows.last_mut() {
            row.count += recorded.count_since_last_iteration();
        }
    }
    let empty = rows.iter().take_while(|row| row.count == 0).count();
    rows.split_off(empty)
}

/// A line for each row.
pub(crate) fn draw(rows: &[Row]) -> String {
    let total: u64 = rows.iter().map(|row| row.count).sum();
    let most = rows.iter().map(|row| row.count).max().unwrap_or(1) as f64;
    let line = |row: &Row| {
        let filled = (row.count as f64 / most * WIDTH).round() as usize;
        let bar = match (filled, row.count) {
            (0, 1..) => "▏".to_owned(),
            _ => "█".repeat(filled),
        };
        let share = 100.0 * row.count as f64 / total as f64;
        format!("  up to {:>7}  {bar:<40}  {share:>6.2} %\n", round_time(row.up_to))
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(values: &[(u64, u64)]) -> Histogram<u64> {
        let mut histogram = Histogram::new_with_max(3_600_000_000_000, 3).expect("bounds");
        for (value, count) in values {
            histogram.record_n(*value, *count).expect("within bounds");
        }
        histogram
    }

    #[test]
    fn rows_cover_all_values_and_neither_end_is_empty() {
        let latencies = histogram(&[(1_500, 30), (2_000, 10), (90_000, 1), (4_000_000_000, 9)]);
        let rows = rows(&latencies);
        assert_eq!(rows.iter().map(|row| row.count).sum::<u64>(), 50);
        // the histogram stores 90 000 with three digits
        let filled: Vec<_> = rows.iter().filter(|row| row.count > 0).map(|row| (row.up_to, row.count)).collect();
        assert_eq!(filled, [(2_000, 40), (100_000, 1), (5_000_000_000, 9)]);
        assert_eq!((rows[0].up_to, rows.last().map(|row| row.up_to)), (2_000, Some(5_000_000_000)));
        assert_eq!(rows.len(), 20, "{rows:?}");
    }

    #[test]
    fn an_empty_histogram_has_no_rows() {
        assert_eq!(rows(&histogram(&[])), []);
        assert_eq!(draw(&[]), "");
    }

    #[test]
    fn the_longest_bar_is_full_and_no_row_is_left_out() {
        let drawn =
            draw(&[Row { up_to: 1_000, count: 1 }, Row { up_to: 2_000, count: 9_999 }, Row { up_to: 5_000, count: 0 }]);
        let lines: Vec<&str> = drawn.lines().collect();
        assert_eq!(lines[0], format!("  up to    1 µs  {:<40}    0.01 %", "▏"));
        assert_eq!(lines[1], format!("  up to    2 µs  {}   99.99 %", "█".repeat(40)));
        assert_eq!(lines[2], format!("  up to    5 µs  {:<40}    0.00 %", ""));
    }
}
