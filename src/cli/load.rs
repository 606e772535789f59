//! Rules for a command that looks at them once.

use std::path::PathBuf;

use crate::{
    domain::{Algorithm, Capabilities},
    rules::{self, CompileErrors, CompileOptions, Compiled, RuleFile},
    source::{self, Location, ReadError},
};

/// Why there are no rules to look at.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A path cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The rules have faults.
    #[error(transparent)]
    Compile(#[from] CompileErrors),
}

/// What was read.
pub(super) struct Loaded {
    pub(super) compiled: Compiled,
    pub(super) files: usize,
}

/// Reads files and directories, and compiles all together as one set.
pub(super) fn load(paths: &[PathBuf], merge_domains: bool) -> Result<Loaded, LoadError> {
    let mut files = Vec::new();
    for path in paths {
        let snapshot = source::read(&Location::Path(path.clone()))?;
        files.extend(snapshot.files.into_iter().map(|file| RuleFile { name: file.name, content: file.bytes }));
    }
    // what a store cannot do is for the service to say, which knows its store
    let capabilities = Capabilities { algorithms: &Algorithm::ALL, atomic_groups: true };
    let compiled = rules::compile(&files, &CompileOptions { merge_domains, capabilities })?;
    Ok(Loaded { compiled, files: files.len() })
}
