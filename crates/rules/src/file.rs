//! A file of rules before it is parsed.

use std::fmt;

/// A file of rules before it is parsed.
#[derive(Clone, PartialEq, Eq)]
pub struct RuleFile {
    /// Its name in messages: its path, as configured, or for a file of a directory the directory's path and the path
    /// below it.
    pub name: String,
    /// Its content, supposed to be YAML in UTF-8, or in UTF-16 with a byte order mark.
    pub content: Vec<u8>,
}

impl RuleFile {
    /// A file of this content, which messages call `name`.
    #[must_use]
    pub fn new(name: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), content: content.into() }
    }
}

impl fmt::Debug for RuleFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RuleFile({}, {} bytes)", self.name, self.content.len())
    }
}
