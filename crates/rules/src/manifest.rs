//! Rule files inside Kubernetes manifests: the values in a ConfigMap's `data`, as `kubectl` and `helm template` print
//! them.
//!
//! If such a value is a literal block (`|`), as in manifests written by hand, errors have the manifest's lines and
//! columns.

mod tree;

use std::path::Path;

use self::tree::{Tree, documents};
use super::RuleFile;
use limiter::domain::slip;

/// The content of a file.
#[derive(Clone, Debug)]
pub enum Content {
    /// Rules, or something that cannot be parsed: to be compiled as it is.
    Rules(RuleFile),
    /// Kubernetes manifests.
    Manifests(Embedded),
}

/// The rule files found in manifests.
#[derive(Clone, Debug, Default)]
pub struct Embedded {
    /// The rule files in the `data` of ConfigMaps.
    pub files: Vec<RuleFile>,
    /// Values that do not look like rule files, each with the reason, as text.
    pub skipped: Vec<String>,
    /// Differences between what was read here and what the service may read, as text.
    pub warnings: Vec<String>,
}

/// Finds out whether a file consists of manifests, and extracts the rule files from them.
#[must_use]
pub fn open(file: RuleFile) -> Content {
    let Ok(text) = std::str::from_utf8(&file.content) else { return Content::Rules(file) };
    // a quick check: without this text no document is a manifest, and rules are not parsed twice
    let documents = if text.contains("apiVersion") { documents(text) } else { None };
    let Some(documents) = documents.filter(|documents| documents.iter().any(is_manifest)) else {
        return Content::Rules(file);
    };
    let mut embedded = Embedded::default();
    let lines: Vec<&str> = text.lines().collect();
    for document in &documents {
        take(document, &file.name, &lines, &mut embedded);
    }
    Content::Manifests(embedded)
}

/// Whether a file that cannot be parsed looks like a Helm template that was not rendered.
#[must_use]
pub fn is_template(file: &RuleFile) -> bool {
    file.content.windows(2).any(|two| two == b"{{")
}

fn is_manifest(document: &Tree) -> bool {
    document.text("apiVersion").is_some() && document.text("kind").is_some()
}

fn take(document: &Tree, file: &str, lines: &[&str], into: &mut Embedded) {
    match document.text("kind") {
        Some("ConfigMap") => {
            let name = document.get("metadata").and_then(|metadata| metadata.text("name")).unwrap_or("?");
            let data = document.get("data").map(Tree::pairs).unwrap_or_default();
            let looks_like_rules = |value: &Tree| matches!(value, Tree::Scalar { text, .. } if is_rules(text));
            // the service reads every file in a directory of rules, whatever it contains
            let is_of_rules = data.iter().any(|(_, value)| looks_like_rules(value));
            for (key, value) in data {
                let (rules, has_extension) = (looks_like_rules(value), has_extension(Path::new(key)));
                if rules || (is_of_rules && has_extension) {
                    into.files.push(rule_file(file, name, key, value, lines));
                } else {
                    let also = if is_of_rules { "; RUNTIME_ROOT reads it all the same" } else { "" };
                    into.skipped
                        .push(format!("{file}: ConfigMap {name}, {key}: no `domain` and no `descriptors`{also}"));
                }
                if rules && !has_extension {
                    into.warnings.push(format!(
                        "{file}: ConfigMap {name}, {key}: of a directory, RULES reads .yaml, .yml and .json alone, so not this \
                         key (RUNTIME_ROOT reads every key): call it {key}.yaml"
                    ));
                }
            }
        }
        Some("List" | "ConfigMapList") => {
            for item in document.get("items").map(Tree::items).unwrap_or_default() {
                take(item, file, lines, into);
            }
        }
        _ => {}
    }
}

/// Whether the service reads a file with this name in a directory that RULES names.
#[must_use]
pub fn has_extension(name: &Path) -> bool {
    let extension = name.extension().unwrap_or_default();
    ["yaml", "yml", "json"].iter().any(|accepted| extension.eq_ignore_ascii_case(accepted))
}

/// Whether a text is probably meant to be a rule file, even if it has errors.
fn is_rules(text: &str) -> bool {
    let is_key = |key: &str| slip(key, ["domain", "descriptors"]).is_some();
    match documents(text).as_deref() {
        Some([first, ..]) => first.pairs().iter().any(|(key, _)| is_key(key)),
        Some([]) => false,
        None => text.lines().filter_map(|line| line.split(':').next()).any(|key| is_key(key.trim_end())),
    }
}

fn rule_file(file: &str, map: &str, key: &str, value: &Tree, lines: &[&str]) -> RuleFile {
    let Tree::Scalar { text, line, literal } = value else { return embedded_file(file, map, key, "") };
    // the parser reports the line of the `|`, or the one after it
    let place = || literal_lines(lines, *line, text).or_else(|| literal_lines(lines, line.checked_sub(1)?, text));
    match literal.then(place).flatten() {
        Some(content) => RuleFile { name: file.to_owned(), content: content.into_bytes() },
        None => embedded_file(file, map, key, text),
    }
}

/// A value as a file whose lines are counted from its own start.
fn embedded_file(file: &str, map: &str, key: &str, text: &str) -> RuleFile {
    RuleFile { name: format!("{file} (ConfigMap {map}, {key})"), content: text.as_bytes().to_vec() }
}

/// Returns a literal block at the lines and columns that it has in its manifest. `header` is the line of its `|`, from
/// 1. `None` if the lines differ from what the parser read.
fn literal_lines(lines: &[&str], header: usize, text: &str) -> Option<String> {
    let wanted: Vec<&str> = text.lines().map(str::trim_end).collect();
    let block = lines.get(header..header + wanted.len())?;
    let indent = block.iter().find(|line| !line.trim().is_empty()).map(|line| line.len() - line.trim_start().len())?;
    let dedented = block.iter().map(|line| line.get(indent..).unwrap_or_default().trim_end());
    if !dedented.eq(wanted.iter().copied()) {
        return None;
    }
    // these have a meaning only at the start of a line
    let moved = wanted.iter().any(|line| ["---", "...", "%"].iter().any(|mark| line.starts_with(mark)));
    let block = if moved { wanted.join("\n") } else { block.join("\n") };
    Some("\n".repeat(header) + &block + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(text: &str) -> Content {
        open(RuleFile { name: "m.yaml".to_owned(), content: text.as_bytes().to_vec() })
    }

    fn embedded(text: &str) -> (Vec<(String, String)>, Vec<String>) {
        let Content::Manifests(Embedded { files, skipped, .. }) = opened(text) else {
            unreachable!("no manifest: {text}")
        };
        let texts = files.into_iter().map(|file| (file.name, String::from_utf8(file.content).expect("UTF-8")));
        (texts.collect(), skipped)
    }

    const MAP: &str = "apiVersion: v1
kind: ConfigMap
metadata: {name: rules}
data:
  a.yaml: |
    domain: a

    descriptors: []
  note.txt: hello
";

    #[test]
    fn a_literal_block_keeps_its_lines_and_columns() {
        let (files, skipped) = embedded(MAP);
        let at = "\n\n\n\n\n    domain: a\n\n    descriptors: []\n";
        assert_eq!(files, [("m.yaml".to_owned(), at.to_owned())]);
        let why =
            "m.yaml: ConfigMap rules, note.txt: no `domain` and no `descriptors`; RUNTIME_ROOT reads it all the same";
        assert_eq!(skipped, [why]);
    }

    #[test]
    fn every_document_and_list_item_is_searched() {
        let service = "apiVersion: v1\nkind: Service\nmetadata: {name: s}\n";
        let (files, _) = embedded(&format!("{service}---\n{MAP}---\n{MAP}"));
        assert_eq!(files.len(), 2);
        assert_eq!(files[1].1.lines().count(), 3 + 1 + 9 + 1 + 5 + 3, "{}", files[1].1);
        let list =
            "apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: ConfigMap, data: {a: \"domain: a\\n\"}}]\n";
        let (files, _) = embedded(list);
        assert_eq!(files, [("m.yaml (ConfigMap ?, a)".to_owned(), "domain: a\n".to_owned())]);
        assert_eq!(embedded(service), (vec![], vec![]));
    }

    #[test]
    fn document_markers_stay_at_the_start_of_their_line() {
        let (files, _) = embedded("apiVersion: v1\nkind: ConfigMap\ndata:\n  a: |\n    ---\n    domain: a\n");
        assert_eq!(files[0].1, "\n\n\n\n---\ndomain: a\n");
    }

    #[test]
    fn rules_with_errors_are_still_rules() {
        let (files, _) =
            embedded("apiVersion: v1\nkind: ConfigMap\ndata:\n  a: |\n    domain: a\n    descriptors: [\n");
        assert_eq!(files.len(), 1);
    }

    #[test]
    fn other_files_are_left_as_they_are() {
        for text in
            ["domain: a\n", "", "apiVersion: [", "domain: apiVersion\n", "- apiVersion: 1\n", "apiVersion: v1\n"]
        {
            assert!(matches!(opened(text), Content::Rules(_)), "{text}");
        }
    }
}
