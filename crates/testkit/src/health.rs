//! The health of the service, over gRPC and on its pages.

use tonic::{Code, transport::Endpoint};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

use super::{http::Client, process::Tollgate};

/// The status of a service, by its name.
pub async fn grpc(tollgate: &Tollgate, service: &str) -> Result<ServingStatus, Code> {
    let endpoint = Endpoint::from_shared(format!("http://{}", tollgate.address("grpc"))).expect("an address");
    let mut client = HealthClient::new(endpoint.connect_lazy());
    let answer = client.check(HealthCheckRequest { service: service.to_owned() }).await;
    answer.map(|answer| answer.into_inner().status()).map_err(|status| status.code())
}

/// The status and body of a page.
pub async fn page(tollgate: &Tollgate, path: &str) -> (u16, String) {
    let answer = Client::new().get(tollgate.address("http"), path).await;
    (answer.status.as_u16(), answer.body)
}
