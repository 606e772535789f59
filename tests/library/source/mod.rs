//! The file source with real files: what it loads, and that it detects every way in which files change.

mod changes;
mod loads;
mod settling;
mod support;
mod volumes;
