//! The gRPC server in one process with its clients: distribution, ageing, draining, and malicious peers.
// a handler that panics is one of the cases, and a test fails by panicking

mod ageing;
mod dealing;
mod draining;
mod hostile;
mod routes;
mod support;
