//! A handler whose calls do what their path says, frames as a client writes and reads them, and a connection without a
//! socket.
#![allow(dead_code)]

pub mod frames;
pub mod handler;
pub mod machine;
pub mod model;
