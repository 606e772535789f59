//! Reads rule files whole, within bounds.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
};

use super::{
    Location, ReadError,
    scan::{Found, scan},
};
use crate::source::{
    Update,
    snapshot::{ContentHash, SetHasher, Snapshot, SourceFile},
};

/// How many bytes the files of one location may have together: 256 MiB, over two million rules.
pub const MAX_BYTES: u64 = 256 << 20;

/// How often a single read is begun anew because files went away under it.
const ATTEMPTS: usize = 3;

/// Reads the rule files of `location` once. Blocks.
///
/// # Errors
/// If nothing is there, something cannot be read, or a bound is passed. An empty directory is no error.
pub fn read(location: &Location) -> Update {
    let mut update = scan(location).files.and_then(|files| load(&files));
    for _ in 1..ATTEMPTS {
        match &update {
            Err(ReadError::Io { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => {
                update = scan(location).files.and_then(|files| load(&files));
            }
            _ => break,
        }
    }
    update
}

/// Reads `files`, which are sorted.
pub(super) fn load(files: &[Found]) -> Update {
    let (mut left, mut hasher) = (MAX_BYTES, SetHasher::default());
    let mut loaded = Vec::with_capacity(files.len());
    for found in files {
        let mut bytes = Vec::new();
        copy(found, &mut left, &mut bytes)?;
        hasher.add(&found.name, blake3::hash(&bytes));
        loaded.push(SourceFile { name: found.name.clone(), bytes });
    }
    Ok(Snapshot { files: loaded, hash: hasher.finish() })
}

/// The hash that [`load`] would give, without holding the content.
pub(super) fn fingerprint(files: &[Found]) -> Result<ContentHash, ReadError> {
    let (mut left, mut hasher) = (MAX_BYTES, SetHasher::default());
    for found in files {
        let mut content = blake3::Hasher::new();
        copy(found, &mut left, &mut content)?;
        hasher.add(&found.name, content.finalize());
    }
    Ok(hasher.finish())
}

fn copy(found: &Found, left: &mut u64, sink: &mut impl Write) -> Result<(), ReadError> {
    let failed = |cause| ReadError::Io { path: found.name.clone().into(), cause };
    // Asked again right before the open, which would block if a pipe had taken the file's place.
    if !fs::metadata(&found.path).map_err(failed)?.is_file() {
        return Err(failed(io::Error::new(io::ErrorKind::NotFound, "it is no longer a regular file")));
    }
    let file = File::open(&found.path).map_err(failed)?;
    let copied = io::copy(&mut file.take(left.saturating_add(1)), sink).map_err(failed)?;
    *left = left.checked_sub(copied).ok_or_else(|| ReadError::TooLarge { path: found.name.clone().into() })?;
    Ok(())
}
