//! The driver over transports that are slow, endless, or closed: what is sent is whole, what is kept is bounded, and
//! no connection is starved.
mod ends;
mod transport;
mod turns;
