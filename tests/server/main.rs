//! The gRPC server in one process with its clients: dealing, age, drain, and peers that mean no good.
#![cfg(feature = "server")]
// A handler that panics is one of the cases, and a wrong test one of the faults.
#![allow(clippy::panic)]

mod ageing;
mod dealing;
mod draining;
mod hostile;
mod support;
