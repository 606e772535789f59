//! Reads files of defaults for rules that do not set `algorithm`, `burst`, … themselves, for one domain or for all.
//! They apply to all rules, including those that cannot have these options, such as rules over xDS.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    RuleFile,
    header::{Given, Settings},
    keys::{Key, MapKind},
    limit::{unsupported_algorithm, unsupported_atomic},
    parse,
    reader::{Reader, clip},
    report::{Path, Report},
    text,
};
use limiter::domain::Capabilities;

use crate::{CompileErrors, Diagnostic, yaml::Mark};

/// The name in a file that means all domains.
const EVERY: &str = "*";

/// Defaults for rules that do not set a value themselves.
#[derive(Debug, Default)]
pub struct RuleDefaults {
    every: Settings,
    by_domain: BTreeMap<Box<str>, Settings>,
}

/// A successful compilation of defaults.
#[derive(Debug)]
pub struct CompiledDefaults {
    /// The defaults themselves.
    pub defaults: RuleDefaults,
    /// Accepted options that are probably mistakes.
    pub warnings: Vec<Diagnostic>,
}

impl RuleDefaults {
    /// Compiles files of defaults. A default that the store does not support is rejected here, so that no rule is
    /// rejected because of a default.
    ///
    /// # Errors
    /// All errors of all files, if there are any.
    pub fn compile(files: &[RuleFile], capabilities: Capabilities) -> Result<CompiledDefaults, CompileErrors> {
        let (mut errors, mut warnings) = (Vec::new(), Vec::new());
        let mut draft = Draft { capabilities, settings: BTreeMap::new() };
        for file in files {
            let mut report = Report::new(file.name.as_str().into());
            let content = text(file, &mut report);
            if let Some(content) = &content {
                draft.read(content, &mut report);
            }
            let (file_errors, file_warnings) = report.finish(content.as_deref().unwrap_or_default());
            errors.extend(file_errors);
            warnings.extend(file_warnings);
        }
        if !errors.is_empty() {
            return Err(CompileErrors { errors, warnings });
        }
        let mut all =
            draft.settings.into_iter().map(|(name, entry)| (name, entry.settings)).collect::<BTreeMap<_, _>>();
        let every = all.remove(EVERY).unwrap_or_default();
        Ok(CompiledDefaults { defaults: Self { every, by_domain: all }, warnings })
    }

    /// The domains that have defaults of their own.
    pub fn domains(&self) -> impl Iterator<Item = &str> {
        self.by_domain.keys().map(|name| &**name)
    }

    /// Fills in options that are not set from the domain's defaults, and then from those for all domains.
    pub(super) fn complete(&self, domain: &str, settings: &mut Settings) {
        if let Some(own) = self.by_domain.get(domain) {
            settings.complete(own);
        }
        settings.complete(&self.every);
    }
}

/// The defaults while their files are read, by domain.
struct Draft {
    capabilities: Capabilities,
    settings: BTreeMap<Box<str>, Entry>,
}

struct Entry {
    settings: Settings,
    file: Arc<str>,
    line: u32,
}

impl Draft {
    fn read(&mut self, content: &str, report: &mut Report) {
        let Some(document) = parse(content, "defaults:", report) else { return };
        let Some(root) = document.root() else { return };
        let mut reader = Reader { document: &document, report, file: 0 };
        let path = Path::Root;
        let fields = reader.fields(root, MapKind::DefaultsRoot, &path);
        let Some(list) = fields.get(Key::Defaults) else { return };
        let path = path.key(list.name);
        for (at, mark, element) in reader.maps(list, &path) {
            let path = path.index(at);
            if !reader.is_map(element, &path) {
                continue;
            }
            let fields = reader.fields(element, MapKind::DomainDefaults, &path);
            let domain = reader.domain(&fields, element, &path, "write `domain: NAME`, or `domain: \"*\"` for all");
            let settings = reader.domain_defaults(&fields, &path);
            self.check(&settings, &path, reader.report);
            if let Some((domain, at)) = domain {
                let entry = Entry { settings, file: reader.report.file.clone(), line: mark.line };
                self.add(domain, entry, at, &path, reader.report);
            }
        }
        if let Some(mark) = document.exhausted() {
            // the rest of the document reads as empty, so the errors found in it are not real ones
            report.forget_errors();
            let message = "the aliases of this file expand to far more than it holds: write it out";
            report.error(mark, &Path::Root, message);
        }
    }

    /// Reports defaults that the store does not support.
    fn check(&self, settings: &Settings, path: &Path<'_>, report: &mut Report) {
        if let Some(Given { value, mark, .. }) = &settings.defaults.algorithm
            && let Some(message) = unsupported_algorithm(&self.capabilities, *value)
        {
            report.error(*mark, &path.key(Key::Algorithm.name()), message);
        }
        if let Some(Given { value: true, mark, .. }) = settings.atomic
            && let Some(why) = self.capabilities.atomic_groups.unsupported()
        {
            report.error(mark, &path.key(Key::Atomic.name()), unsupported_atomic(why));
        }
    }

    fn add(&mut self, domain: &str, entry: Entry, mark: Mark, path: &Path<'_>, report: &mut Report) {
        let here = path.key(Key::Domain.name());
        if domain != EVERY && domain.contains('*') {
            let message = format!(
                "`{}` is not a domain: patterns are not supported; write a domain in full, or `\"*\"` for all",
                clip(domain)
            );
            report.error(mark, &here, message);
            return;
        }
        match self.settings.get(domain) {
            Some(Entry { file, line, .. }) => {
                let place = if *file == report.file { format!("line {line}") } else { format!("{file}:{line}") };
                let message =
                    format!("the domain `{}` is already in {place}: put all its defaults there", clip(domain));
                report.error(mark, &here, message);
            }
            None => drop(self.settings.insert(domain.into(), entry)),
        }
    }
}
