//! Reads rule files completely, up to a limit on their size.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::PathBuf,
};

use super::{
    Location, MAX_BYTES, ReadError,
    scan::{FoundFile, scan},
};
use rules::RuleFile;

use crate::source::{
    Update,
    snapshot::{ContentHash, SetHasher, Snapshot},
};

/// How often [`read`] starts over if files disappear while it reads.
const ATTEMPTS: usize = 3;

/// Reads the rule files of `location` once. Blocks.
///
/// # Errors
/// If the location does not exist, something cannot be read, or a limit is exceeded. An empty directory is not an
/// error.
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
pub(super) fn load(files: &[FoundFile]) -> Update {
    let (mut left, mut hasher) = (MAX_BYTES, SetHasher::default());
    let mut loaded = Vec::with_capacity(files.len());
    for found in files {
        let mut content = Vec::new();
        copy(found, &mut left, &mut content)?;
        hasher.add(&found.name, blake3::hash(&content));
        loaded.push(RuleFile { name: found.name.clone(), content });
    }
    Ok(Snapshot { files: loaded, hash: hasher.finish() })
}

/// The hash that [`load`] would compute, without keeping the content in memory.
pub(super) fn fingerprint(files: &[FoundFile]) -> Result<ContentHash, ReadError> {
    let (mut left, mut hasher) = (MAX_BYTES, SetHasher::default());
    for found in files {
        let mut content = blake3::Hasher::new();
        copy(found, &mut left, &mut content)?;
        hasher.add(&found.name, content.finalize());
    }
    Ok(hasher.finish())
}

/// Copies a file's content to `sink`, and subtracts its size from `left`, the bytes that may still be read.
fn copy(found: &FoundFile, left: &mut u64, sink: &mut impl Write) -> Result<(), ReadError> {
    let path = || PathBuf::from(&found.name);
    let failed = |cause| ReadError::Io { path: path(), cause };
    // Checked again right before the open, which would block if a pipe had replaced the file.
    let metadata = fs::metadata(&found.path).map_err(failed)?;
    if !metadata.is_file() {
        return Err(failed(io::Error::new(io::ErrorKind::NotFound, "it is no longer a regular file")));
    }
    if metadata.len() > *left {
        return Err(ReadError::TooLarge { path: path() });
    }
    let file = File::open(&found.path).map_err(failed)?;
    // The file may have grown since. Reading one byte more than allowed detects that.
    let copied = io::copy(&mut file.take(left.saturating_add(1)), sink).map_err(failed)?;
    *left = left.checked_sub(copied).ok_or_else(|| ReadError::TooLarge { path: path() })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_share_one_bound() {
        let directory = tempfile::tempdir().expect("a directory");
        let found = |name: &str, content: &str| {
            let path = directory.path().join(name);
            fs::write(&path, content).expect("a file");
            FoundFile { name: name.to_owned(), path }
        };
        let (mut left, mut sink) = (5, Vec::new());
        copy(&found("a", "abc"), &mut left, &mut sink).expect("3 of 5");
        copy(&found("b", "de"), &mut left, &mut sink).expect("2 of 2");
        copy(&found("c", ""), &mut left, &mut sink).expect("0 of 0");
        let error = copy(&found("d", "f"), &mut left, &mut sink).expect_err("1 of 0");
        assert!(matches!(error, ReadError::TooLarge { path } if path.ends_with("d")));
        assert_eq!(sink, b"abcde");
    }

    #[test]
    fn a_file_that_hides_its_size_is_bounded_too() {
        // Files in /proc have size 0.
        let found = FoundFile { name: "status".to_owned(), path: "/proc/self/status".into() };
        let (mut left, mut sink) = (10, Vec::new());
        assert!(matches!(copy(&found, &mut left, &mut sink), Err(ReadError::TooLarge { .. })));
        assert_eq!(sink.len(), 11);
    }

    #[test]
    fn the_fingerprint_is_the_hash_of_a_load() {
        let directory = tempfile::tempdir().expect("a directory");
        fs::write(directory.path().join("a.yaml"), "domain: a").expect("a file");
        fs::write(directory.path().join("b.yaml"), "").expect("a file");
        let files = scan(&Location::Path(directory.path().to_owned())).files.expect("two files");
        assert_eq!(fingerprint(&files).expect("a hash"), load(&files).expect("a load").hash);
    }
}
