//! One file that is being compiled: shared by the readers of descriptors, of what they ask of a value, of limits and of
//! windows, each of which adds its methods.

use std::sync::Arc;

use super::{builder::Builder, header::Settings, reader::Reader};
use limiter::domain::Capabilities;

use crate::pattern::Budget;

/// The state of reading one file into the domain that is being built.
#[derive(Debug)]
pub(super) struct FileCompiler<'a, 'b> {
    pub(super) reader: Reader<'a, 'b>,
    pub(super) settings: &'b Settings,
    pub(super) capabilities: Capabilities,
    pub(super) builder: &'b mut Builder,
    /// The names of all files.
    pub(super) files: &'b [Arc<str>],
    /// The budget that is left for regular expressions.
    pub(super) regexes: &'b mut Budget,
}
