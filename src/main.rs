//! Starts Tollgate.

fn main() {}
