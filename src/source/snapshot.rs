//! A complete set of rule files, and the hash that identifies it.

use std::fmt;

use rules::RuleFile;

/// All rule files at one time. The set may be empty, which means no rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Sorted by name.
    pub files: Vec<RuleFile>,
    /// The hash of all names and contents.
    pub hash: ContentHash,
}

/// A hash of the names and contents of a set of files. Displays as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContentHash(blake3::Hash);

impl ContentHash {
    /// The combined hash of two sets.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let both = [self, other].map(|hash| *hash.0.as_bytes());
        Self(blake3::hash(both.as_flattened()))
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_hex())
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentHash({self})")
    }
}

/// Computes a [`ContentHash`] from files in the order of their names. The input for each file is the name's length, the
/// name, and the hash of the content, so that different sets have different hashes.
#[derive(Default)]
pub(super) struct SetHasher(blake3::Hasher);

impl SetHasher {
    pub(super) fn add(&mut self, name: &str, content: blake3::Hash) {
        self.0.update(&(name.len() as u64).to_le_bytes());
        self.0.update(name.as_bytes());
        self.0.update(content.as_bytes());
    }

    pub(super) fn finish(&self) -> ContentHash {
        ContentHash(self.0.finalize())
    }
}
