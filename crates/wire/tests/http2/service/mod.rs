//! Services behind a whole server, with the crate h2 as their client.

mod calls;
mod deadlines;
mod flow;
mod server;
