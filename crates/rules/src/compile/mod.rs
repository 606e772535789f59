//! Compiles files, or resources instead of files, to a [`RuleSet`]. All of them are read to the end, and all errors are
//! reported.

mod builder;
mod defaults;
mod descriptors;
mod file_compiler;
mod header;
mod keys;
mod limit;
mod matcher;
mod metadata;
mod reader;
mod report;
mod schema;
mod text;
mod values;
mod window;

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use hashbrown::HashTable;

use self::{
    builder::Builder,
    file_compiler::FileCompiler,
    header::{Header, Settings},
    reader::Reader,
    report::{Path, Report, location},
};
pub use self::{
    defaults::{CompiledDefaults, RuleDefaults},
    schema::{defaults_schema, rules_schema},
};
use super::{
    CompileErrors, Diagnostic, Domain, RuleFile, RuleResource, RuleSet,
    node_index::Hasher,
    pattern::Budget,
    set::domain_hash,
    yaml::{Document, Kind, Mark},
};
use limiter::domain::Capabilities;

/// What a compilation depends on, besides the files.
#[derive(Clone, Copy, Debug)]
pub struct CompileOptions<'d> {
    /// Whether several files may define the same domain.
    pub merge_domains: bool,
    /// What the store supports.
    pub capabilities: Capabilities,
    /// Defaults for options that rules do not set.
    pub defaults: Option<&'d RuleDefaults>,
}

impl CompileOptions<'_> {
    /// For a store that can do this: one file for each domain, and no defaults of the operator's.
    #[must_use]
    pub const fn new(capabilities: Capabilities) -> Self {
        Self { merge_domains: false, capabilities, defaults: None }
    }
}

/// A successful compilation.
#[derive(Debug)]
pub struct Compiled {
    /// The compiled rules.
    pub rules: RuleSet,
    /// Accepted options that are probably mistakes.
    pub warnings: Vec<Diagnostic>,
}

/// Compiles the files, which together are the whole rule set. An empty list is a valid rule set without rules.
///
/// # Errors
/// All errors of all files, if there are any.
pub fn compile(files: &[RuleFile], options: &CompileOptions<'_>) -> Result<Compiled, CompileErrors> {
    let names: Box<[Arc<str>]> = files.iter().map(|file| file.name.as_str().into()).collect();
    let mut reports: Vec<Report> = names.iter().map(|name| Report::new(name.clone())).collect();
    let texts: Vec<Option<Cow<'_, str>>> =
        files.iter().zip(&mut reports).map(|(file, report)| text(file, report)).collect();
    let texts: Vec<Option<&str>> = texts.iter().map(Option::as_deref).collect();
    let documents: Vec<Option<Document>> = texts
        .iter()
        .zip(&mut reports)
        .map(|(text, report)| text.and_then(|text| parse(text, "domain: NAME", report)))
        .collect();
    let documents: Vec<Option<&Document>> = documents.iter().map(Option::as_ref).collect();
    compile_documents(&documents, &texts, names, reports, options)
}

/// Compiles rules that are not text, such as those over xDS, in the same way as [`compile`] does files.
///
/// # Errors
/// All errors of all resources, if there are any.
pub fn compile_resources(resources: &[RuleResource], options: &CompileOptions<'_>) -> Result<Compiled, CompileErrors> {
    let names: Box<[Arc<str>]> = resources.iter().map(|resource| resource.name.clone()).collect();
    let reports = names.iter().map(|name| Report::new(name.clone())).collect();
    let documents: Vec<Option<&Document>> = resources.iter().map(|resource| Some(&resource.document)).collect();
    compile_documents(&documents, &vec![None; resources.len()], names, reports, options)
}

/// `texts` are needed for excerpts. A file without a document has been reported already.
fn compile_documents(
    documents: &[Option<&Document>],
    texts: &[Option<&str>],
    names: Box<[Arc<str>]>,
    mut reports: Vec<Report>,
    options: &CompileOptions<'_>,
) -> Result<Compiled, CompileErrors> {
    let mut sources: Vec<Source<'_>> = Vec::new();
    for ((file, document), report) in (0..).zip(documents).zip(&mut reports) {
        let Some((document, root)) = document.and_then(|document| Some((document, document.root()?))) else {
            continue;
        };
        let mut reader = Reader { document, report, file };
        sources.push(Source { file, document, header: reader.header(root) });
    }
    let domains = group(sources, options, &names, &mut reports);
    let mut finished: Vec<Domain> = Vec::new();
    let mut first_rule = 0;
    let mut regexes = Budget::default();
    for (name, mut files) in domains {
        if let Some(defaults) = options.defaults {
            defaults.complete(name, &mut files.settings);
        }
        let domain = files.build(name, first_rule, options, &names, &mut reports, &mut regexes);
        first_rule += u32::try_from(domain.rules.len()).unwrap_or(u32::MAX);
        finished.push(domain);
    }

    let (mut errors, mut warnings) = (Vec::new(), Vec::new());
    for (report, text) in reports.into_iter().zip(texts) {
        let (file_errors, file_warnings) = report.finish(text.unwrap_or_default());
        errors.extend(file_errors);
        warnings.extend(file_warnings);
    }
    if errors.is_empty() {
        Ok(Compiled { rules: rule_set(finished, names, first_rule), warnings })
    } else {
        Err(CompileErrors { errors, warnings })
    }
}

/// A file whose top level has been read.
#[derive(Debug)]
struct Source<'a> {
    file: u32,
    document: &'a Document,
    header: Header<'a>,
}

/// The options and files of one domain.
#[derive(Debug, Default)]
struct DomainFiles<'a> {
    settings: Settings,
    sources: Vec<Source<'a>>,
    /// Files that cannot be part of the rules; they are read only to report their errors.
    rejected: Vec<Source<'a>>,
}

fn text<'f>(file: &'f RuleFile, report: &mut Report) -> Option<Cow<'f, str>> {
    text::decode(&file.content).map_err(|message| report.error_anywhere(message)).ok()
}

/// Parses a document, which must be a map. `first` is the first line of such a file, for messages.
fn parse(text: &str, first: &str, report: &mut Report) -> Option<Document> {
    let document = match Document::parse(text) {
        Ok(document) => document,
        Err(error) => {
            report.error(error.mark, &Path::Root, format!("bad YAML: {}", error.message));
            return None;
        }
    };
    if let Some(mark) = document.second_document() {
        report.warn(mark, &Path::Root, "a second YAML document begins here: ignored");
    }
    let is_null = |kind: Kind<'_>| matches!(kind, Kind::Scalar(scalar) if scalar.is_null());
    match document.root().map(|root| document.kind(root)) {
        Some(Kind::Map) => return Some(document),
        Some(kind) if !is_null(kind) => {
            report.error(Mark::START, &Path::Root, format!("the file is not a map: begin with `{first}`"));
        }
        _ => report.error(Mark::START, &Path::Root, format!("the file is empty: it needs at least `{first}`")),
    }
    None
}

/// Groups the files by domain. Reports files of the same domain if they may not share one.
fn group<'a>(
    sources: Vec<Source<'a>>,
    options: &CompileOptions<'_>,
    names: &[Arc<str>],
    reports: &mut [Report],
) -> BTreeMap<&'a str, DomainFiles<'a>> {
    let mut domains: BTreeMap<&str, DomainFiles<'_>> = BTreeMap::new();
    for mut source in sources {
        let report = &mut reports[source.file as usize];
        let path = Path::Root;
        let Some((name, mark)) = source.header.domain else {
            domains.entry("").or_default().rejected.push(source);
            continue;
        };
        if let Some(given) = source.header.settings.atomic.as_ref().filter(|given| given.value)
            && let Some(why) = options.capabilities.atomic_groups.unsupported()
        {
            report.error(given.mark, &path.key("atomic"), limit::unsupported_atomic(why));
        }
        let files = domains.entry(name).or_default();
        match files.sources.first() {
            Some(first) if !options.merge_domains => {
                let line = first.header.domain.map_or(1, |(_, mark)| mark.line);
                let there = location(Some(&names[first.file as usize]), line);
                let name = reader::clip(name);
                let message = format!(
                    "the domain `{name}` is already in {there}; MERGE_DOMAIN_CONFIG=true lets several share one"
                );
                report.error(mark, &path.key("domain"), message);
                files.rejected.push(source);
            }
            _ => {
                files.settings.merge(std::mem::take(&mut source.header.settings), report);
                files.sources.push(source);
            }
        }
    }
    domains
}

impl DomainFiles<'_> {
    fn build(
        self,
        name: &str,
        first_rule: u32,
        options: &CompileOptions<'_>,
        files: &[Arc<str>],
        reports: &mut [Report],
        regexes: &mut Budget,
    ) -> Domain {
        let capabilities = options.capabilities;
        let mut read = |source: Source<'_>, settings: &Settings, builder: &mut Builder| {
            let Source { file, document, header } = source;
            let report = &mut reports[file as usize];
            let reader = Reader { document, report, file };
            let mut compiler = FileCompiler { reader, settings, capabilities, builder, files, regexes };
            descriptors::read(&mut compiler, header.descriptors);
            if let Some(mark) = document.exhausted() {
                // the rest of the document reads as empty, so the errors found in it are not real ones
                report.forget_errors();
                let message = "the aliases of this file expand to far more than it holds: write it out";
                report.error(mark, &Path::Root, message);
            }
        };
        let mut builder = Builder::default();
        for source in self.sources {
            read(source, &self.settings, &mut builder);
        }
        for mut source in self.rejected {
            let settings = std::mem::take(&mut source.header.settings);
            read(source, &settings, &mut Builder::default());
        }
        builder.finish(name.into(), &self.settings, first_rule)
    }
}

fn rule_set(domains: Vec<Domain>, files: Box<[Arc<str>]>, rule_count: u32) -> RuleSet {
    let hasher = Hasher::default();
    let domains = domains.into_boxed_slice();
    let hash = |at: &u32| domain_hash(&hasher, domains[*at as usize].name.as_bytes());
    let mut by_name = HashTable::with_capacity(domains.len());
    for at in (0..).take(domains.len()) {
        by_name.insert_unique(hash(&at), at, hash);
    }
    RuleSet { domains, by_name, hasher, files, rule_count }
}
