//! Hints at what was probably meant by a command line that cannot be parsed, where the parser's own message is
//! misleading.

use std::{ffi::OsString, path::Path};

use clap::error::{ContextKind, ContextValue};

/// Flags that take no value.
const SWITCHES: [&str; 3] = ["--json", "--merge-domain-config", "--tls"];

/// A hint for this error, if there is one. `argv` begins with the program's name.
pub(super) fn of(argv: &[OsString], error: &clap::Error) -> Option<String> {
    let words: Vec<String> = argv.iter().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let (command, rest) = words.split_first()?;
    let positional = positional(rest);
    let has_rules = rest.iter().any(|word| word == "--rules" || word.starts_with("--rules="));
    match command.as_str() {
        "serve" | "doctor" => {
            let stray = invalid(error).filter(|word| !word.starts_with('-'))?;
            Some(format!("give the rules with --rules: `tollgate {command} --rules {stray}`"))
        }
        "explain" if !has_rules => match positional.split_first() {
            Some((rules, rest)) if is_path(rules) => {
                Some(format!("give the rules with --rules: `tollgate explain --rules {rules} {}`", rest.join(" ")))
            }
            _ => None,
        },
        "explain" => missing_domain("tollgate explain --rules PATH", &[], &positional),
        "check" => {
            let (address, rest) = positional.split_at_checked(1)?;
            missing_domain("tollgate check", address, rest)
        }
        _ if is_path(command) => Some(format!("give the rules with --rules: `tollgate --rules {command}`")),
        _ => None,
    }
}

fn missing_domain(before: &str, address: &[&str], rest: &[&str]) -> Option<String> {
    let (first, _) = rest.split_first()?;
    let words: Vec<&str> =
        [before].iter().chain(address).copied().chain(["DOMAIN"]).chain(rest.iter().copied()).collect();
    first.contains('=').then(|| format!("the domain is missing: `{}`", words.join(" ")))
}

/// The argument that the parser did not expect.
fn invalid(error: &clap::Error) -> Option<&str> {
    match error.get(ContextKind::InvalidArg)? {
        ContextValue::String(word) => Some(word),
        _ => None,
    }
}

fn positional(words: &[String]) -> Vec<&str> {
    let mut positional = Vec::new();
    let mut is_value = false;
    for word in words {
        let is_flag = word.starts_with("--");
        if !is_flag && !is_value {
            positional.push(word.as_str());
        }
        is_value = is_flag && !word.contains('=') && !SWITCHES.contains(&word.as_str());
    }
    positional
}

/// Whether a word is an existing path, or looks like the path of rules.
fn is_path(word: &str) -> bool {
    let path = Path::new(word);
    let is_yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
    !word.starts_with('-') && !word.contains('=') && (word.contains('/') || is_yaml || path.exists())
}
