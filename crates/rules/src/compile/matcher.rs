//! What a descriptor matches an entry's value with, and the text of that for keys and statistics.

use std::borrow::Cow;

use crate::{
    ValueKind,
    pattern::{Automaton, Network},
};

/// The text of a long list of values or networks begins with up to this many bytes of the list.
const LIST_BYTES: usize = 120;

/// What a descriptor matches an entry's value with.
#[derive(Debug)]
pub(super) enum Matcher<'a> {
    Any,
    /// This value; a pattern if it contains a `*`.
    Value(&'a str),
    /// One of these values, each possibly a pattern.
    Values(Vec<&'a str>),
    /// An address or network inside one of these.
    Cidr(Vec<Network>),
    /// A value that matches a regular expression.
    Regex {
        text: &'a str,
        automaton: Automaton,
    },
}

impl Matcher<'_> {
    pub(super) fn kind(&self) -> ValueKind {
        match self {
            Self::Any => ValueKind::Any,
            Self::Value(value) if value.contains('*') => ValueKind::Glob,
            Self::Value(_) => ValueKind::Exact,
            Self::Values(_) => ValueKind::List,
            Self::Cidr(_) => ValueKind::Cidr,
            Self::Regex { .. } => ValueKind::Regex,
        }
    }

    /// The text that represents the values in statistics, and in the key of a counter that they share.
    pub(super) fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Any => None,
            Self::Value(value) => Some(Cow::Borrowed(value)),
            Self::Values(values) => {
                Some(joined(values.iter().map(|value| value.replace('\\', r"\\").replace('|', r"\|"))).into())
            }
            Self::Cidr(networks) => Some(joined(networks.iter().map(ToString::to_string)).into()),
            Self::Regex { text, .. } => Some(Cow::Borrowed(text)),
        }
    }
}

/// Joins the sorted parts with `|`. A long text is cut and gets a hash, so it is short for any list and still differs
/// for different lists.
fn joined(parts: impl Iterator<Item = String>) -> String {
    let mut parts: Vec<String> = parts.collect();
    parts.sort_unstable();
    let mut text = parts.join("|");
    if text.len() > LIST_BYTES + "…#".len() + 32 {
        let hash = blake3::hash(text.as_bytes()).to_hex();
        text.truncate((0..=LIST_BYTES).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0));
        text += "…#";
        text += &hash[..32];
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(values: &[&str]) -> String {
        Matcher::Values(values.to_vec()).text().expect("a text").into_owned()
    }

    #[test]
    fn a_list_has_one_text_in_any_order() {
        assert_eq!(text(&["b", "a"]), "a|b");
        assert_eq!(text(&["a", "b"]), "a|b");
        assert_ne!(text(&["a", "b"]), text(&["a|b"]));
        assert_ne!(text(&[r"a\", "b"]), text(&[r"a\|b"]));
    }

    #[test]
    fn a_long_list_has_a_short_text_of_its_own() {
        let names: Vec<String> = (0..5_000).map(|at| format!("é{at}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (all, fewer) = (text(&names), text(&names[..4_999]));
        assert!(all.len() < 200 && all.starts_with("é0|é1|"), "{all}");
        assert_ne!(all, fewer);
    }
}
