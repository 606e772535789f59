//! Loads rules for commands that read them once.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use limiter::domain::{Algorithm, AtomicGroups, Capabilities};
use rules::{
    CompileErrors, CompileOptions, Compiled, CompiledDefaults, RuleDefaults, RuleFile,
    manifest::{self, Content},
};

use crate::{
    app::RulesConfig,
    source::{self, Location, MAX_BYTES, ReadError},
};

/// Why no rules could be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A path cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The rules have errors.
    #[error(transparent)]
    Compile(#[from] CompileErrors),
    /// The rules have errors, as expected: the file is a template that Helm renders.
    #[error(
        "{0:#}\n{1} looks like a Helm template: `helm template CHART | tollgate validate -` checks the rendered rules"
    )]
    Template(#[source] CompileErrors, String),
    /// Standard input cannot be read.
    #[error(
        "cannot read the rules from standard input: {0}; pipe them in, as in `kubectl get configmap NAME -o yaml | …`"
    )]
    Input(#[source] std::io::Error),
    /// There are manifests, but they contain no rules.
    #[error(
        "there are manifests, but they contain no rules: rules are in the `data` of a ConfigMap, in a value with \
         `domain:`{skipped}"
    )]
    NoRulesInManifests {
        /// The skipped entries, each on a line of its own.
        skipped: String,
    },
}

/// The path that means standard input.
const INPUT: &str = "-";

/// The loaded rules.
pub(super) struct Loaded {
    pub(super) compiled: Compiled,
    pub(super) files: usize,
    pub(super) defaults: Option<CompiledDefaults>,
    /// Entries of manifests that do not look like rule files, each with the reason.
    pub(super) skipped: Vec<String>,
    /// Warnings about entries of manifests that the service may interpret differently.
    pub(super) warnings: Vec<String>,
}

/// Reads files, directories and, for `-`, standard input, and compiles everything as one set, with the defaults if
/// there are any. From Kubernetes manifests it reads the rules in ConfigMaps.
pub(super) fn load_paths(paths: &[PathBuf], defaults: Option<&Path>, merge_domains: bool) -> Result<Loaded, LoadError> {
    let (mut files, mut skipped, mut warnings, mut manifests) = (Vec::new(), Vec::new(), Vec::new(), false);
    for path in paths {
        let read = if path == Path::new(INPUT) { vec![input()?] } else { read(&Location::Path(path.clone()))? };
        for file in read {
            match manifest::open(file) {
                Content::Rules(file) => files.push(file),
                Content::Manifests(embedded) => {
                    manifests = true;
                    files.extend(embedded.files);
                    skipped.extend(embedded.skipped);
                    warnings.extend(embedded.warnings);
                }
            }
        }
    }
    if manifests && files.is_empty() {
        let skipped = skipped.iter().map(|skipped| format!("\n  {skipped}")).collect();
        return Err(LoadError::NoRulesInManifests { skipped });
    }
    let template = files.iter().find(|file| manifest::is_template(file)).map(|file| file.name.clone());
    // only the service knows its store, and reports what the store does not support
    let defaults = defaults.map(|path| Location::Path(path.to_owned()));
    match (compile(&files, defaults.as_ref(), merge_domains, AtomicGroups::Supported), template) {
        (Ok(loaded), _) => Ok(Loaded { skipped, warnings, ..loaded }),
        (Err(LoadError::Compile(errors)), Some(template)) => Err(LoadError::Template(errors, template)),
        (Err(error), _) => Err(error),
    }
}

/// Reads and compiles the rules as the service does, for a store with this support of atomic groups. If rules come over
/// xDS, only the defaults are read.
pub(super) fn load(rules: &RulesConfig, atomic_groups: AtomicGroups) -> Result<Loaded, LoadError> {
    let files = rules.source.location().map(read).transpose()?.unwrap_or_default();
    let defaults = rules.defaults.as_ref().map(|file| &file.location);
    compile(&files, defaults, rules.merge_domains, atomic_groups)
}

fn compile(
    files: &[RuleFile],
    defaults: Option<&Location>,
    merge_domains: bool,
    atomic_groups: AtomicGroups,
) -> Result<Loaded, LoadError> {
    let capabilities = Capabilities { algorithms: &Algorithm::ALL, atomic_groups };
    let defaults = defaults.map(read).transpose()?.map(|files| RuleDefaults::compile(&files, capabilities));
    // if the defaults have errors, the rules are compiled without them, to report all errors
    let valid = defaults.as_ref().and_then(|defaults| defaults.as_ref().ok()).map(|valid| &valid.defaults);
    let compiled = rules::compile(files, &CompileOptions { merge_domains, capabilities, defaults: valid });
    match (defaults.transpose(), compiled) {
        (Ok(defaults), Ok(compiled)) => {
            let (skipped, warnings) = (Vec::new(), Vec::new());
            Ok(Loaded { compiled, files: files.len(), defaults, skipped, warnings })
        }
        (Ok(_), Err(errors)) | (Err(errors), Ok(_)) => Err(errors.into()),
        (Err(mut all), Err(more)) => {
            all.errors.extend(more.errors);
            all.warnings.extend(more.warnings);
            Err(all.into())
        }
    }
}

/// Reads standard input, up to the limit on the size of rules.
fn input() -> Result<RuleFile, LoadError> {
    let mut content = Vec::new();
    std::io::stdin().lock().take(MAX_BYTES + 1).read_to_end(&mut content).map_err(LoadError::Input)?;
    if content.len() as u64 > MAX_BYTES {
        return Err(ReadError::TooLarge { path: INPUT.into() }.into());
    }
    Ok(RuleFile { name: "<stdin>".to_owned(), content })
}

fn read(location: &Location) -> Result<Vec<RuleFile>, ReadError> {
    Ok(source::read(location)?.files)
}
