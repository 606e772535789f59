//! The compiler of one file. The modules that read descriptors, matchers, limits and windows each add methods to it.

use std::sync::Arc;

use super::{builder::Builder, header::Settings, reader::Reader};
use limiter::domain::Capabilities;

use crate::pattern::Budget;

/// The state of reading one file into a domain that is being built.
#[derive(Debug)]
pub(super) struct FileCompiler<'a, 'b> {
    pub(super) reader: Reader<'a, 'b>,
    pub(super) settings: &'b Settings,
    pub(super) capabilities: Capabilities,
    pub(super) builder: &'b mut Builder,
    /// The names of all files, for messages.
    pub(super) files: &'b [Arc<str>],
    /// The remaining budget for regular expressions.
    pub(super) regexes: &'b mut Budget,
}
