//! Pages of the service.

use super::{http::Client, process::Tollgate};

/// The body of a page of one of the service's listeners.
pub async fn page(tollgate: &Tollgate, listener: &str, path: &str) -> String {
    Client::new().get(tollgate.address(listener), path).await.body
}
