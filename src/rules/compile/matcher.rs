//! Reads what a descriptor asks of an entry's value: `value`, `values`, `cidr` or `regex`.

use std::{borrow::Cow, collections::HashSet};

use super::{
    descriptors::Tree,
    keys::Key,
    reader::{Field, Fields, clip},
    report::Path,
};
use crate::rules::{
    ValueKind,
    pattern::{Automaton, Network},
    yaml::Mark,
};

/// What stands for a longer list of values or networks begins with this many bytes of it.
const LIST_BYTES: usize = 120;

/// What a descriptor asks of an entry's value.
#[derive(Debug)]
pub(super) enum Matcher<'a> {
    Any,
    /// This one, or what it matches if it holds a `*`.
    Value(&'a str),
    /// One of these, each with or without a `*`.
    Values(Vec<&'a str>),
    /// To lie in one of these.
    Cidr(Vec<Network>),
    /// To match it.
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

    /// What stands for the value in statistics and in the key of a counter that many values share.
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

/// The parts, sorted, with `|` between them. However long the list, this is short, and no two lists have the same.
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

impl<'a> Tree<'a, '_> {
    /// What the descriptor asks of a value; `None` if there is a fault in it, which was told.
    pub(super) fn matcher(&mut self, fields: &Fields<'a>, path: &Path<'_>) -> Option<Matcher<'a>> {
        let mut sound = true;
        let mut matcher = Matcher::Any;
        let mut first: Option<&str> = None;
        for key in [Key::Value, Key::Values, Key::Cidr, Key::Regex] {
            let Some(field) = fields.get(key) else { continue };
            let here = path.key(field.name);
            if let Some(first) = first {
                let message = format!("{first} and {} together: a descriptor takes one of them", field.name);
                self.reader.report.error(field.key_mark, &here, message);
                sound = false;
            }
            first = first.or(Some(field.name));
            let read = match key {
                Key::Values => self.values(field, &here),
                Key::Cidr => self.cidr(field, &here),
                Key::Regex => self.regex(field, &here),
                _ => self.value(field, &here),
            };
            match read {
                Some(read) => matcher = read,
                None => sound = false,
            }
        }
        sound.then_some(matcher)
    }

    fn value(&mut self, field: Field<'a>, path: &Path<'_>) -> Option<Matcher<'a>> {
        if self.reader.is_list(field) {
            self.reader.report.error(field.mark, path, "expected text; found a list: several values go into `values`");
            return None;
        }
        let value = self.reader.text(field, path)?;
        // an empty value is the same as none, as in the reference
        Some(if value.is_empty() { Matcher::Any } else { Matcher::Value(value) })
    }

    fn values(&mut self, field: Field<'a>, path: &Path<'_>) -> Option<Matcher<'a>> {
        let texts = self.reader.texts(field, path)?;
        let mut values: Vec<(Mark, &str)> = Vec::with_capacity(texts.len());
        let mut sound = true;
        let mut seen = HashSet::new();
        for (at, (mark, text)) in texts.into_iter().enumerate() {
            let here = path.index(at);
            if text.is_empty() {
                let message = "an empty value: leave it out; a descriptor without any matches an empty value";
                self.reader.report.error(mark, &here, message);
                sound = false;
            } else if seen.insert(text) {
                values.push((mark, text));
            } else {
                self.reader.report.error(mark, &here, format!("`{}` is listed twice: leave one out", clip(text)));
                sound = false;
            }
        }
        (sound && !values.is_empty()).then(|| Matcher::Values(values.into_iter().map(|(_, text)| text).collect()))
    }

    fn cidr(&mut self, field: Field<'a>, path: &Path<'_>) -> Option<Matcher<'a>> {
        let is_list = self.reader.is_list(field);
        let texts =
            if is_list { self.reader.texts(field, path)? } else { vec![(field.mark, self.reader.text(field, path)?)] };
        let mut networks: Vec<Network> = Vec::with_capacity(texts.len());
        let mut seen = HashSet::new();
        let mut sound = true;
        for (at, (mark, text)) in texts.into_iter().enumerate() {
            let element = path.index(at);
            let here = if is_list { &element } else { path };
            match text.parse::<Network>() {
                Ok(network) if seen.insert(network) => networks.push(network),
                Ok(network) => {
                    self.reader.report.error(mark, here, format!("`{network}` is listed twice: leave one out"));
                    sound = false;
                }
                Err(error) => {
                    self.reader.report.error(mark, here, format!("invalid cidr `{}`: {error}", clip(text)));
                    sound = false;
                }
            }
        }
        (sound && !networks.is_empty()).then_some(Matcher::Cidr(networks))
    }

    fn regex(&mut self, field: Field<'a>, path: &Path<'_>) -> Option<Matcher<'a>> {
        let text = self.reader.text(field, path)?;
        match Automaton::new(text, self.regexes) {
            Ok(automaton) => Some(Matcher::Regex { text, automaton }),
            Err(error) => {
                self.reader.report.error(field.mark, path, error.to_string());
                None
            }
        }
    }
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
