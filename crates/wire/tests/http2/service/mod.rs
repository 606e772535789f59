//! Services behind a complete server, with the crate h2 as client.

mod calls;
mod deadlines;
mod flow;
mod server;
