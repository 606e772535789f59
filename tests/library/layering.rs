//! The direction of dependencies of `docs/architecture.md`, held against every `crate::` and `super::` path in `src`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Which top-level modules each one may name. A module may always name itself.
const ALLOWED: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("algorithm", &["domain"]),
    ("places", &[]),
    ("throttle", &[]),
    ("rejections", &["throttle"]),
    ("tls", &["places", "throttle"]),
    ("rules", &["algorithm", "domain"]),
    ("source", &["rules", "domain", "tls"]),
    ("store", &["algorithm", "domain", "throttle", "tls"]),
    ("guard", &["algorithm", "domain"]),
    ("engine", &["rules", "algorithm", "domain"]),
    ("telemetry", &[]),
    ("api", &["engine", "rejections", "rules", "domain", "tls"]),
    ("admin", &["engine", "rejections", "rules", "domain", "tls", "places"]),
    ("server", &["domain", "rejections", "tls", "places"]),
    ("client", &[]),
    (
        "app",
        &[
            "admin",
            "api",
            "domain",
            "engine",
            "guard",
            "rejections",
            "rules",
            "server",
            "source",
            "store",
            "telemetry",
            "tls",
        ],
    ),
    // it fills the configuration of each
    ("settings", &["api", "app", "domain", "engine", "server", "source", "store", "telemetry", "tls"]),
    ("cli", &["app", "domain", "rules", "server", "settings", "source", "store", "telemetry", "tls"]),
    ("main", &["cli"]),
    ("lib", &[]),
];

/// External crates that stay inside some modules, so that each can be replaced.
const CONFINED: &[(&str, &[&str])] = &[
    ("tonic", &["api", "server", "source", "app", "cli", "client"]),
    ("prost", &["api", "server", "source", "app", "client"]),
    ("envoy_types", &["api", "source", "cli"]),
    ("saphyr_parser", &["rules"]),
    ("notify", &["source"]),
    ("prometheus", &["telemetry"]),
    // what counts exports it; what is pure counts nothing
    ("metrics", &["api", "app", "engine", "guard", "rejections", "server", "source", "store", "telemetry", "tls"]),
    ("axum", &["api", "admin", "app"]),
    ("flate2", &["api"]),
    ("jiff", &["domain"]),
    ("load", &["cli"]),
    ("der", &["tls"]),
    ("regex_automata", &["rules"]),
    ("regex_syntax", &["rules"]),
    // the Redis client has a module of this name
    ("wire", &["api", "server", "store"]),
];

#[test]
fn dependencies_point_the_right_way() {
    let faults: Vec<String> = sources().iter().flat_map(|(file, text)| faults(file, text)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_module_has_its_place() {
    let known: BTreeSet<&str> = ALLOWED.iter().map(|(module, _)| *module).collect();
    for (file, _) in sources() {
        let module = &module_path(&file)[0];
        assert!(known.contains(module.as_str()), "src/{} is in no layer: add `{module}` here", file.display());
    }
}

/// The test of the test: each way to write a forbidden path is seen.
#[test]
fn forbidden_paths_are_seen_however_they_are_written() {
    let forbidden = [
        ("domain/limit.rs", "use crate::engine::Engine;"),
        ("domain/limit.rs", "use crate::{\n    domain::{A, B},\n    store::{memory, C},\n};"),
        ("domain/limit.rs", "fn f() { let x = super::super::rules::x(); }"),
        ("engine/stats/mod.rs", "use super::super::store::X;"),
        ("engine/plan.rs", "use tonic::Status;"),
        ("rules/tree.rs", "impl std::fmt::Debug for X { fn f(_: prost::bytes::Bytes) {} }"),
        ("engine/plan.rs", "#[cfg(test)]\nmod tests {\n    use super::super::super::store::X;\n}"),
    ];
    for (file, text) in forbidden {
        assert!(!faults(Path::new(file), text).is_empty(), "not seen in {file}: {text}");
    }
    let allowed = [
        ("engine/stats/mod.rs", "use super::super::Engine; use super::plan; use crate::{domain::X, rules::Y};"),
        ("engine/mod.rs", "// use crate::store\n#[cfg(test)]\nmod tests {\n    use super::*;\n    use super::plan;\n}"),
        ("api/rls.rs", "use tonic::Status;"),
    ];
    for (file, text) in allowed {
        assert_eq!(faults(Path::new(file), text), Vec::<String>::new());
    }
}

fn sources() -> BTreeMap<PathBuf, String> {
    fn walk(dir: &Path, root: &Path, into: &mut BTreeMap<PathBuf, String>) {
        for entry in fs::read_dir(dir).expect("src can be read") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, root, into);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("UTF-8");
                into.insert(path.strip_prefix(root).expect("below src").to_owned(), text);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = BTreeMap::new();
    walk(&root, &root, &mut sources);
    assert!(sources.len() > 20, "the sources were found");
    sources
}

/// `engine/stats/row.rs` is `[engine, stats, row]`.
fn module_path(file: &Path) -> Vec<String> {
    let mut path: Vec<String> =
        file.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if path.len() > 1 && path.last().is_some_and(|last| last == "mod") {
        path.pop();
    }
    path
}

fn faults(file: &Path, text: &str) -> Vec<String> {
    let path = module_path(file);
    let from = path[0].as_str();
    let allowed = ALLOWED.iter().find(|(module, _)| *module == from).map_or(&[][..], |(_, allowed)| allowed);
    let mut faults = Vec::new();
    let mut depth = path.len();
    for (number, (at, line)) in lines(text).into_iter().enumerate() {
        if line.trim_start().starts_with("mod ") && line.trim_end().ends_with('{') {
            depth += 1;
        }
        let rest = &text[at..];
        for named in named_at_root(line, rest, depth) {
            let known = ALLOWED.iter().any(|(module, _)| *module == named);
            if known && named != from && !allowed.contains(&named.as_str()) {
                faults.push(format!("src/{}:{}: {from} may not depend on {named}", file.display(), number + 1));
            }
        }
        for (external, places) in CONFINED {
            if mentions(line, external) && !places.contains(&from) {
                faults.push(format!("src/{}:{}: {external} stays in {places:?}", file.display(), number + 1));
            }
        }
    }
    faults
}

/// Each line with its offset; comments emptied.
fn lines(text: &str) -> Vec<(usize, &str)> {
    let mut at = 0;
    let mut lines = Vec::new();
    for line in text.split_inclusive('\n') {
        let code = line.split("//").next().unwrap_or_default();
        lines.push((at, code));
        at += line.len();
    }
    lines
}

/// The top-level modules that paths beginning in this line name. `rest` is the text from this line on, for groups that
/// span lines.
fn named_at_root(line: &str, rest: &str, depth: usize) -> Vec<String> {
    let mut named = Vec::new();
    for (at, _) in line.match_indices("crate::") {
        if !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            named.extend(heads(&rest[at + "crate::".len()..]));
        }
    }
    let supers = "super::".repeat(depth);
    for (at, _) in line.match_indices(&supers) {
        let longer = line[at + supers.len()..].starts_with("super::");
        if !longer {
            named.extend(heads(&rest[at + supers.len()..]));
        }
    }
    named
}

/// `a::b` heads `a`; `{a::b, c::{d, e}}` heads `a` and `c`.
fn heads(text: &str) -> Vec<String> {
    let identifier =
        |text: &str| -> String { text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect() };
    let Some(group) = text.strip_prefix('{') else { return vec![identifier(text)] };
    let (mut level, mut start, mut heads) = (0, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => level += 1,
            '}' if level == 0 => {
                heads.push(identifier(&group[start..at]));
                break;
            }
            '}' => level -= 1,
            ',' if level == 0 => {
                heads.push(identifier(&group[start..at]));
                start = at + 1;
            }
            _ => {}
        }
    }
    heads
}

/// Whether a line names an external crate in a path.
fn mentions(line: &str, external: &str) -> bool {
    line.match_indices(&format!("{external}::"))
        .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':'))
}
