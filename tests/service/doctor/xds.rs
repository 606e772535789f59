//! An xDS server that is reachable, absent, or silent.

use std::net::TcpListener;

use crate::doctor::run::{Doctor, RULES, Ran};
use testkit::ports::free_port;

fn at(server: &str) -> Doctor {
    Doctor::new().env("CONFIG_TYPE", "GRPC_XDS_SOTW").env("CONFIG_GRPC_XDS_SERVER_URL", server).without("RULES")
}

/// Our own gRPC port speaks HTTP/2, and the check needs no more.
pub fn there() -> Ran {
    let tollgate = testkit::tollgate!(RULES);
    at(&tollgate.address("grpc").to_string()).run()
}

pub fn refused() -> Ran {
    at(&format!("127.0.0.1:{}", free_port())).run()
}

pub fn silent() -> Ran {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    at(&listener.local_addr().expect("bound").to_string()).args(&["--timeout", "5s"]).run()
}

#[test]
fn the_server_is_reached_or_the_reason_is_reported_in_time() {
    let ran = there();
    ran.says(0, "xds server", "ok", &["speaks HTTP/2"]);
    ran.says(0, "rules", "ok", &["they come over xDS"]);
    refused().says(1, "xds server", "fail", &["refused", "CONFIG_GRPC_XDS_SERVER_URL"]);
    silent().says(1, "xds server", "fail", &["did not answer in HTTP/2 within 4.5s", "(CONFIG_GRPC_XDS_SERVER_URL)"]);
}
