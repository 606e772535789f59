//! Compares the dependency directions of `docs/architecture.md` with every `crate::` and `super::` path in `src`, and
//! checks that no files of `src` import each other in a circle.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// The top-level modules that each module may use. A module may always use itself.
const ALLOWED: &[(&str, &[&str])] = &[
    ("rejections", &[]),
    ("source", &[]),
    ("engine", &[]),
    ("telemetry", &[]),
    ("api", &["engine", "rejections"]),
    ("pages", &[]),
    ("server", &["rejections"]),
    ("app", &["api", "engine", "pages", "rejections", "server", "source", "telemetry"]),
    // it fills the configuration of each
    ("settings", &["api", "app", "engine", "server", "source", "telemetry"]),
    ("cli", &["app", "server", "settings", "source", "telemetry"]),
    ("main", &[]),
    ("lib", &[]),
];

/// External crates that only some modules may use, so that each can be replaced.
const CONFINED: &[(&str, &[&str])] = &[
    ("tonic", &["api", "source", "cli"]),
    ("prost", &["api", "source"]),
    ("envoy_types", &["api", "source", "cli"]),
    ("notify", &["source"]),
    ("prometheus", &["telemetry"]),
    // modules that count export metrics; pure ones do not
    ("metrics", &["api", "app", "engine", "rejections", "server", "source", "telemetry"]),
    ("axum", &["api", "app", "pages"]),
    ("flate2", &["api"]),
    // modules that only move bytes know no limits
    ("limiter", &["api", "app", "cli", "engine", "pages", "settings", "source"]),
    ("load", &["cli"]),
    ("redis", &["app", "cli", "settings"]),
    ("rules", &["api", "app", "cli", "engine", "source"]),
    ("rustls", &["cli", "settings", "source"]),
    ("slot_pool", &["server"]),
    ("throttle", &["rejections"]),
    ("tls", &["api", "app", "cli", "server", "settings", "source"]),
    ("wire", &["api", "server"]),
];

#[test]
fn dependencies_point_the_right_way() {
    let faults: Vec<String> = sources().iter().flat_map(|(file, text)| faults(file, text)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_module_is_in_a_layer() {
    let known: BTreeSet<&str> = ALLOWED.iter().map(|(module, _)| *module).collect();
    for (file, _) in sources() {
        let module = &module_path(&file)[0];
        assert!(known.contains(module.as_str()), "src/{} is in no layer: add `{module}` here", file.display());
    }
}

#[test]
fn no_allowance_is_unused() {
    let mut unused: BTreeSet<(&str, &str)> = ALLOWED
        .iter()
        .flat_map(|(from, to)| to.iter().map(move |to| (*from, *to)))
        .chain(CONFINED.iter().flat_map(|(external, places)| places.iter().map(move |place| (*place, *external))))
        .collect();
    for (file, text) in sources() {
        let path = module_path(&file);
        for (_, line, named) in named(&path, &text) {
            unused
                .retain(|(from, to)| *from != path[0] || !(named.iter().any(|name| name == to) || mentions(line, to)));
        }
    }
    assert!(unused.is_empty(), "allowed, and not needed (who, what): {unused:?}");
}

/// The modules of `crates/limiter` that each of them may use.
const LIMITER: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("algorithm", &["domain"]),
    ("memory", &["algorithm", "domain"]),
    ("guard", &["algorithm", "domain"]),
    // it knows no store
    ("contract", &["algorithm", "domain"]),
];

#[test]
fn dependencies_in_limiter_point_the_right_way() {
    let mut faults = Vec::new();
    for (file, text) in sources_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/limiter/src")) {
        let path = module_path(&file);
        let may = LIMITER.iter().find(|(module, _)| *module == path[0]).map_or(&[][..], |(_, may)| may);
        for (_, line, named) in named(&path, &text) {
            let is_forbidden = |(module, _): &&(&str, &[&str])| {
                *module != path[0] && named.iter().any(|name| name == module) && !may.contains(module)
            };
            faults.extend(
                LIMITER.iter().find(is_forbidden).map(|(module, _)| format!("{}: {module}: {line}", file.display())),
            );
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// A test of the test: each way to write a forbidden path is found.
#[test]
fn forbidden_paths_are_found_in_any_notation() {
    let forbidden = [
        ("source/any.rs", "use crate::engine::Engine;"),
        ("source/any.rs", "use crate::{\n    source::{A, B},\n    engine::{redis, C},\n};"),
        ("source/any.rs", "fn f() { let x = super::super::engine::x(); }"),
        ("engine/stats/mod.rs", "use super::super::source::X;"),
        ("engine/plan.rs", "use tonic::Status;"),
        ("engine/tree.rs", "impl std::fmt::Debug for X { fn f(_: prost::bytes::Bytes) {} }"),
        ("engine/plan.rs", "#[cfg(test)]\nmod tests {\n    use super::super::super::source::X;\n}"),
    ];
    for (file, text) in forbidden {
        assert!(!faults(Path::new(file), text).is_empty(), "not seen in {file}: {text}");
    }
    let allowed = [
        ("engine/stats/mod.rs", "use super::super::Engine; use super::plan; use crate::engine::X; use rules::Y;"),
        (
            "engine/mod.rs",
            "// use crate::source\n#[cfg(test)]\nmod tests {\n    use super::*;\n    use super::plan;\n}",
        ),
        ("api/rls.rs", "use tonic::Status;"),
    ];
    for (file, text) in allowed {
        assert_eq!(faults(Path::new(file), text), Vec::<String>::new());
    }
}

/// A file that imports another one and is imported by it can be read, tested or moved only together with it. A module
/// and its submodules may import each other.
#[test]
fn no_two_files_import_each_other() {
    let mut faults = Vec::new();
    for folder in folders() {
        let imports = imports(&sources_in(&folder));
        faults.extend(circles(&imports).iter().map(|circle| {
            let inside = |from: &&Module| {
                let to = imports[*from].iter().filter(|to| circle.contains(to)).map(|to| to.join("/"));
                format!("  {} imports {}", from.join("/"), to.collect::<Vec<_>>().join(", "))
            };
            let files = circle.iter().map(inside).collect::<Vec<_>>().join("\n");
            format!("a circle in {}:\n{files}", folder.display())
        }));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// A test of the test: each way to write an import is found.
#[test]
fn circles_are_found_in_any_notation() {
    let circular = |files: &[(&str, &str)]| {
        let sources = files.iter().map(|(file, text)| (PathBuf::from(file), (*text).to_owned())).collect();
        !circles(&imports(&sources)).is_empty()
    };
    let root = ("a/mod.rs", "mod x; mod y; mod z;\npub use x::X;\npub use self::{y::Y, z::{Z as Other}};");
    for (x, y) in [
        ("use super::y::Y;", "use super::x::X;"),
        ("use super::Y;", "use super::X;"),
        ("use crate::a::{Y, z};", "fn f() { super::x::f() }"),
        ("use super::{\n    y::{self, Y},\n};", "use crate::a::X as Z;"),
        ("use super::Other;", "use super::X;"),
    ] {
        let files = [root, ("a/x.rs", x), ("a/y.rs", y), ("a/z.rs", "use super::y;\npub struct Z;")];
        assert!(circular(&files), "not seen: {x} {y}");
    }
    for (x, y) in [
        ("use super::y::Y;", "// use super::x::X;"),
        ("use super::y::Y;", "#[cfg(test)]\nmod tests {\n    use super::super::x::X;\n}"),
        ("use super::Other;", "use super::Other;"),
    ] {
        assert!(!circular(&[root, ("a/x.rs", x), ("a/y.rs", y), ("a/z.rs", "use super::*;")]), "seen: {x} {y}");
    }
}

/// The source folders of all workspace members.
fn folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let members = fs::read_dir(root.join("crates")).expect("crates can be read");
    let members = members.map(|member| member.expect("an entry").path().join("src"));
    [root.join("src")].into_iter().chain(members).collect()
}

fn sources() -> BTreeMap<PathBuf, String> {
    let sources = sources_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert!(sources.len() > 20, "the sources were found");
    sources
}

fn sources_in(root: &Path) -> BTreeMap<PathBuf, String> {
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
    let mut sources = BTreeMap::new();
    walk(root, root, &mut sources);
    sources
}

/// `engine/stats/row.rs` is `[engine, stats, row]`.
fn module_path(file: &Path) -> Module {
    let mut path: Module = file.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
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
    for (number, line, named) in named(&path, text) {
        for named in named {
            let known = ALLOWED.iter().any(|(module, _)| *module == named);
            if known && named != from && !allowed.contains(&named.as_str()) {
                faults.push(format!("src/{}:{number}: {from} may not depend on {named}", file.display()));
            }
        }
        for (external, places) in CONFINED {
            if mentions(line, external) && !places.contains(&from) {
                faults.push(format!("src/{}:{number}: {external} stays in {places:?}", file.display()));
            }
        }
    }
    faults
}

/// Each line with its number, and the top-level modules of the paths that begin in it.
fn named<'t>(path: &Module, text: &'t str) -> Vec<(usize, &'t str, Vec<String>)> {
    let mut depth = path.len();
    let mut found = Vec::new();
    for (number, (at, line)) in (1..).zip(lines(text)) {
        if line.trim_start().starts_with("mod ") && line.trim_end().ends_with('{') {
            depth += 1;
        }
        found.push((number, line, named_at_root(line, &text[at..], depth)));
    }
    found
}

/// Each line with its offset, without comments.
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

/// The top-level modules of the paths that begin in this line. `rest` is the text from this line on, for groups that
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

/// The first segments of an import: `a` for `a::b`, `a` and `c` for `{a::b, c::{d, e}}`.
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

/// Whether a line uses an external crate in a path.
fn mentions(line: &str, external: &str) -> bool {
    line.match_indices(&format!("{external}::"))
        .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':'))
}

/// The path of a module; that of the crate's root is empty.
type Module = Vec<String>;

/// A path that a file uses, and the name under which it is imported, if it is.
type Named = Vec<(Module, Option<String>)>;

/// The files that each file imports from, without tests. Re-exports are followed to the definition.
fn imports(sources: &BTreeMap<PathBuf, String>) -> BTreeMap<Module, BTreeSet<Module>> {
    let files: BTreeMap<Module, Named> = sources
        .iter()
        .map(|(file, text)| (module_path(file), named_in(text)))
        .filter(|(module, _)| !module.iter().any(|part| part == "tests"))
        .collect();
    let imports = |from: &Module, named: &Named| {
        let found = named.iter().filter_map(|(path, _)| definition(&files, from, path, 0));
        found.filter(|to| !to.starts_with(from) && !from.starts_with(to)).collect()
    };
    files.iter().map(|(from, named)| (from.clone(), imports(from, named))).collect()
}

/// The sets of files that import each other, directly or indirectly.
fn circles(imports: &BTreeMap<Module, BTreeSet<Module>>) -> BTreeSet<BTreeSet<&Module>> {
    let reached: BTreeMap<&Module, BTreeSet<&Module>> =
        imports.keys().map(|from| (from, reached(imports, from))).collect();
    let circle = |from: &Module| -> BTreeSet<&Module> {
        reached[from].iter().filter(|to| reached[*to].contains(from)).copied().collect()
    };
    imports.keys().map(circle).filter(|circle| !circle.is_empty()).collect()
}

fn reached<'a>(imports: &'a BTreeMap<Module, BTreeSet<Module>>, from: &'a Module) -> BTreeSet<&'a Module> {
    let (mut reached, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(next) = open.pop() {
        open.extend(imports[next].iter().filter(|to| reached.insert(*to)));
    }
    reached
}

fn named_in(text: &str) -> Named {
    let code: Vec<&str> = lines(text).into_iter().map(|(_, line)| line.trim_end()).collect();
    let is_tests = |pair: &[&str]| pair[0].starts_with("#[cfg(") && pair[0].contains("test") && pair[1].ends_with('{');
    let end = code.windows(2).position(is_tests).unwrap_or(code.len());
    let code = code[..end].join("\n");
    let (mut named, mut rest) = (Vec::new(), code.as_str());
    while let Some(at) = rest.find("use ") {
        let is_import = !rest[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        named.extend(paths(&rest[..at]));
        rest = &rest[at + "use ".len()..];
        if is_import {
            let (tree, behind) = rest.split_once(';').unwrap_or((rest, ""));
            expand(tree, &[], &mut named);
            rest = behind;
        }
    }
    named.extend(paths(rest));
    named
}

/// The paths in an import tree below `above`.
fn expand(tree: &str, above: &[String], into: &mut Named) {
    if tree.trim().is_empty() {
        return;
    }
    let segments = |path: &str| -> Module {
        let parts = path.split("::").map(|part| part.trim().to_owned());
        above.iter().cloned().chain(parts.filter(|part| !part.is_empty())).collect()
    };
    if let Some((path, group)) = tree.split_once('{') {
        let above = segments(path);
        let (mut level, mut start) = (0, 0);
        for (at, c) in group.char_indices() {
            if level == 0 && matches!(c, ',' | '}') {
                expand(&group[start..at], &above, into);
                start = at + 1;
            } else {
                level += i32::from(c == '{') - i32::from(c == '}');
            }
        }
        return;
    }
    let (path, alias) = tree.split_once(" as ").map_or((tree, None), |(path, alias)| (path, Some(alias.trim())));
    let mut path = segments(path);
    if path.len() > 1 {
        // `a::{self}` is `a`
        path.pop_if(|last| last == "self");
    }
    let name = alias.map(str::to_owned).or_else(|| path.last().cloned());
    into.extend(name.map(|name| (path, Some(name))));
}

/// The paths in other code that begin at the root, here, or above.
fn paths(code: &str) -> Named {
    let words = code.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
    let own = words.filter(|word| ["crate::", "self::", "super::"].iter().any(|start| word.starts_with(start)));
    own.map(|word| (word.split("::").map(str::to_owned).filter(|part| !part.is_empty()).collect(), None)).collect()
}

/// The file that defines `path` as seen from the module `from`; `None` if it is not in this crate.
fn definition(files: &BTreeMap<Module, Named>, from: &Module, path: &[String], depth: u32) -> Option<Module> {
    let (mut at, mut rest) = (from.clone(), path);
    while let Some((first, behind)) = rest.split_first() {
        match first.as_str() {
            "crate" => at.clear(),
            "super" => drop(at.pop()),
            "self" => {}
            _ => break,
        }
        rest = behind;
    }
    let is_relative = rest.len() == path.len();
    for (number, part) in rest.iter().enumerate() {
        let inner: Module = at.iter().chain([part]).cloned().collect();
        if files.contains_key(&inner) {
            at = inner;
            continue;
        }
        let alias = |(to, name): &(Module, Option<String>)| {
            let to: Module = to.iter().chain(&rest[number + 1..]).cloned().collect();
            let is_it = name.as_ref() == Some(part) && depth < 16;
            if is_it { definition(files, &at, &to, depth + 1) } else { None }
        };
        let reexported = files.get(&at)?.iter().find_map(alias);
        let is_foreign = is_relative && number == 0;
        return reexported.or((!is_foreign).then_some(at));
    }
    files.contains_key(&at).then_some(at)
}
