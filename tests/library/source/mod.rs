//! The file source against real files: what it loads, and that it notices every way in which files change.

mod changes;
mod loads;
mod settling;
mod support;
mod volumes;
