//! The settings from the outside: each variable by itself, the environment as a whole, and a comparison with the
//! reference.

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
