//! The gRPC server in one process with its clients: dealing, age, drain, and peers that mean no good.
#![cfg(feature = "server")]

mod ageing;
mod dealing;
mod draining;
mod hostile;
mod support;
