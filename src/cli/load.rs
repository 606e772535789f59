//! Rules for a command that looks at them once.

use std::path::{Path, PathBuf};

use crate::{
    domain::{Algorithm, AtomicGroups, Capabilities},
    rules::{self, CompileErrors, CompileOptions, Compiled, CompiledDefaults, RuleDefaults, RuleFile},
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
    pub(super) defaults: Option<CompiledDefaults>,
}

/// Reads files and directories, and compiles all together as one set, with the defaults if there are any.
pub(super) fn load_paths(paths: &[PathBuf], defaults: Option<&Path>, merge_domains: bool) -> Result<Loaded, LoadError> {
    let locations: Vec<_> = paths.iter().cloned().map(Location::Path).collect();
    load(&locations, defaults, merge_domains)
}

/// The same of what is at these locations.
pub(super) fn load(locations: &[Location], defaults: Option<&Path>, merge_domains: bool) -> Result<Loaded, LoadError> {
    // what a store cannot do is for the service to say, which knows its store
    load_for(locations, defaults, merge_domains, AtomicGroups::Supported)
}

/// The same for a store that is known.
pub(super) fn load_for(
    locations: &[Location],
    defaults: Option<&Path>,
    merge_domains: bool,
    atomic_groups: AtomicGroups,
) -> Result<Loaded, LoadError> {
    let capabilities = Capabilities { algorithms: &Algorithm::ALL, atomic_groups };
    let mut files = Vec::new();
    for location in locations {
        files.extend(read(location)?);
    }
    let defaults = defaults
        .map(|path| read(&Location::Path(path.to_owned())))
        .transpose()?
        .map(|files| RuleDefaults::compile(&files, capabilities));
    // without the defaults the rules are read for their faults all the same
    let good = defaults.as_ref().and_then(|defaults| defaults.as_ref().ok()).map(|good| &good.defaults);
    let compiled = rules::compile(&files, &CompileOptions { merge_domains, capabilities, defaults: good });
    match (defaults.transpose(), compiled) {
        (Ok(defaults), Ok(compiled)) => Ok(Loaded { compiled, files: files.len(), defaults }),
        (Ok(_), Err(errors)) | (Err(errors), Ok(_)) => Err(errors.into()),
        (Err(mut all), Err(more)) => {
            all.errors.extend(more.errors);
            all.warnings.extend(more.warnings);
            Err(all.into())
        }
    }
}

fn read(location: &Location) -> Result<Vec<RuleFile>, ReadError> {
    let snapshot = source::read(location)?;
    Ok(snapshot.files.into_iter().map(|file| RuleFile { name: file.name, content: file.bytes }).collect())
}
