//! One adapter for each way in. Each translates between a wire format and the engine, and holds no logic.

mod convert;
mod deadline;
mod decode;
mod health;
mod json;
mod protocol;
mod respond;
mod rls;
mod routes;
mod unit;

pub use health::health;
pub use json::json_handler;
pub use respond::{HeaderNames, ResponseOptions};
pub use rls::RlsService;
pub use routes::grpc_routes;
