//! TLS on the listeners: the whole program, against clients of several kinds.

mod check;
mod clients;
mod expiry;
mod faults;
mod health;
mod in_front;
mod kinds;
mod page;
mod reload;
mod rotation;
mod service;
mod serving;
mod start;
