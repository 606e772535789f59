//! Text from a caller in messages to that caller.

use std::fmt;

/// Text from a caller, quoted and truncated.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Quoted(String);

impl Quoted {
    /// The most bytes that are repeated.
    const LONGEST: usize = 256;

    pub(super) fn new(bytes: &[u8]) -> Self {
        let shown = &bytes[..bytes.len().min(Self::LONGEST)];
        Self(String::from_utf8_lossy(shown).into_owned())
    }
}

impl fmt::Display for Quoted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl fmt::Debug for Quoted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
