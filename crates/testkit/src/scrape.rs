//! Reads the metrics page.

use super::{eventually, http::Client, process::Tollgate};

/// The text of the metrics page.
pub async fn page(tollgate: &Tollgate) -> String {
    Client::new().get(tollgate.address("metrics"), "/metrics").await.body
}

/// The value of a series, given with its labels as on the page; `None` if it is missing.
pub async fn metric(tollgate: &Tollgate, series: &str) -> Option<f64> {
    value(&page(tollgate).await, series)
}

/// The value of a series that must be present.
pub async fn count(tollgate: &Tollgate, series: &str) -> u64 {
    let page = page(tollgate).await;
    value(&page, series).unwrap_or_else(|| panic!("no {series} in\n{page}")) as u64
}

/// Waits until a series has this value.
pub async fn until_metric(tollgate: &Tollgate, series: &str, wanted: f64) {
    let is_so = async || (metric(tollgate, series).await == Some(wanted)).then_some(());
    eventually(&format!("{series} to be {wanted}"), is_so).await;
}

/// The value of a series in the text of a page.
pub fn value(page: &str, series: &str) -> Option<f64> {
    let value = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    Some(value.parse().expect("the value of a series is a number"))
}
