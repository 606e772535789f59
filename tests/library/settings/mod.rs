//! The settings from outside: each variable by itself, the environment as a whole, and what the reference makes of both.

mod backend;
mod defaults;
mod deployed;
mod faults;
mod page;
mod reference;
mod samples;
mod support;
mod tls;
mod variables;
mod warnings;
