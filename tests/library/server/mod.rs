//! The gRPC server in one process with its clients: dealing, age, drain, and peers that mean no good.
// A handler that panics is one of the cases, and a wrong test one of the faults.

mod ageing;
mod dealing;
mod draining;
mod hostile;
mod routes;
mod support;
