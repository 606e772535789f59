//! The driver over transports that are slow, endless or closed: output is complete, memory is bounded, and no
//! connection is starved.
mod ends;
mod transport;
mod turns;
