//! Properties over random rules, requests and files.

use limiter::domain::Entry;
use proptest::prelude::*;
use rules::{RuleSet, compile};

use super::{MERGE, file, load};

/// A minimal rule tree.
#[derive(Clone, Debug)]
struct Plain {
    key: String,
    value: String,
    limited: bool,
    children: Vec<Plain>,
}

fn trees() -> impl Strategy<Value = Vec<Plain>> {
    let leaf = ("[ab]", "[xy*]{0,3}", any::<bool>()).prop_map(|(key, value, limited)| Plain {
        key,
        value,
        limited,
        children: vec![],
    });
    let tree = leaf.prop_recursive(3, 60, 12, |inner| {
        ("[ab]", "[xy*]{0,3}", any::<bool>(), prop::collection::vec(inner, 0..12))
            .prop_map(|(key, value, limited, children)| Plain { key, value, limited, children: distinct(children) })
    });
    prop::collection::vec(tree, 0..48).prop_map(distinct)
}

/// Removes duplicate siblings, which are errors; the first one stays.
fn distinct(siblings: Vec<Plain>) -> Vec<Plain> {
    let mut kept: Vec<Plain> = vec![];
    for plain in siblings {
        if !kept.iter().any(|other| (&other.key, &other.value) == (&plain.key, &plain.value)) {
            kept.push(plain);
        }
    }
    kept
}

/// Writes the tree with a number in the name of each rule, in file order.
fn write(siblings: &[Plain], indent: usize, next: &mut u32, into: &mut String) {
    let pad = " ".repeat(indent);
    for plain in siblings {
        *into += &format!("{pad}- key: {}\n{pad}  value: '{}'\n", plain.key, plain.value);
        if plain.limited {
            *into += &format!("{pad}  rate_limit: {{unit: day, requests_per_unit: 1, name: n{next}}}\n");
        }
        *next += 1;
        if !plain.children.is_empty() {
            *into += &format!("{pad}  descriptors:\n");
            write(&plain.children, indent + 4, next, into);
        }
    }
}

fn size(siblings: &[Plain]) -> u32 {
    siblings.iter().map(|plain| 1 + size(&plain.children)).sum()
}

pub(super) fn glob(pattern: &str, value: &str) -> bool {
    match pattern.as_bytes().split_first() {
        None => value.is_empty(),
        Some((b'*', _)) => (0..=value.len()).any(|skip| glob(&pattern[1..], &value[skip..])),
        Some((c, _)) => value.as_bytes().first() == Some(c) && glob(&pattern[1..], &value[1..]),
    }
}

/// The name of the rule that a descriptor matches, according to the manual.
fn naive(siblings: &[Plain], first: u32, entries: &[(String, String)]) -> Option<String> {
    let ((key, value), rest) = entries.split_first()?;
    let mut numbered = vec![];
    let mut next = first;
    for plain in siblings.iter() {
        numbered.push((next, plain));
        next += 1 + size(&plain.children);
    }
    let of_key = || numbered.iter().filter(|(_, plain)| plain.key == *key);
    let found = of_key()
        .find(|(_, plain)| !value.is_empty() && plain.value == *value)
        .or_else(|| of_key().find(|(_, plain)| plain.value.contains('*') && glob(&plain.value, value)))
        .or_else(|| of_key().find(|(_, plain)| plain.value.is_empty()))?;
    let (number, plain) = found;
    if rest.is_empty() { plain.limited.then(|| format!("n{number}")) } else { naive(&plain.children, number + 1, rest) }
}

fn found(rules: &RuleSet, entries: &[(String, String)]) -> Option<String> {
    let entries: Vec<_> = entries.iter().map(|(key, value)| Entry::new(key, value)).collect();
    let found = rules.domain("d").expect("the domain").find(&entries)?;
    Some(found.rule.name().expect("a name").to_string())
}

const SAMPLE: &str = include_str!("../../fixtures/rules/compat/example.yaml");
const OURS: &str = include_str!("../../../config/rules/example.yaml");

proptest! {
    #[test]
    fn matching_agrees_with_the_naive_matcher(
        tree in trees(),
        requests in prop::collection::vec(prop::collection::vec(("[ab]", "[xy*]{0,4}"), 0..4), 1..40),
    ) {
        let mut content = "domain: d\ndescriptors:\n".to_owned();
        write(&tree, 2, &mut 0, &mut content);
        let rules = load(content.clone()).expect("a good load").rules;
        for entries in requests {
            prop_assert_eq!(found(&rules, &entries), naive(&tree, 0, &entries), "{:?}\n{}", entries, content);
        }
    }

    #[test]
    fn random_bytes_cause_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = load(bytes);
    }

    #[test]
    fn random_yaml_causes_no_panic(pieces in prop::collection::vec(
        prop::sample::select(vec![
            "domain", "descriptors", "key", "rate_limit", "rate_limits", "metadata", "defaults", "unit", "day", "<<",
            ": ", ":\n", "- ", "\n", "\n  ", "\n    ", "[", "]", "{", "}", ", ", "&a ", "*a", "'", "\"", "? ", "| ", "> ",
            "!!str ", "!x ", "%TAG", "---\n", "...\n", "#", "\\", "\t", "é", "\r\n", "5", "~", "*", "@", "`", "\u{feff}",
        ]), 0..60)) {
        let _ = load(pieces.concat());
    }

    #[test]
    fn mutated_files_cause_no_panic_and_compile_equally(
        ours in any::<bool>(),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), "[-:\\[\\]{}&*<|>#'\"!? \n a5]{0,3}"), 1..6),
    ) {
        let mut content: Vec<char> = if ours { OURS } else { SAMPLE }.chars().collect();
        for (at, len, insert) in cuts {
            let start = at.index(content.len());
            let end = (start + len.index(12)).min(content.len());
            content.splice(start..end, insert.chars());
        }
        let content: String = content.into_iter().collect();
        let files = [file("a", content), file("b", OURS)];
        let texts = |result: &Result<rules::Compiled, rules::CompileErrors>| match result {
            Ok(loaded) => (loaded.rules.rules().map(|(_, found)| format!("{:?}", found.rule)).collect(), loaded.warnings.clone()),
            Err(errors) => (vec![format!("{errors:#}")], errors.warnings.clone()),
        };
        let (one, two) = (compile(&files, &MERGE), compile(&files, &MERGE));
        prop_assert_eq!(texts(&one), texts(&two));
        if let Err(errors) = one {
            prop_assert!(!errors.errors.is_empty());
        }
    }
}
