//! Reads how a descriptor matches an entry's value: `value`, `values`, `cidr` or `regex`.

use std::collections::HashSet;

use super::{
    file_compiler::FileCompiler,
    keys::Key,
    matcher::Matcher,
    reader::{Field, Fields, clip},
    report::Path,
};
use crate::{
    pattern::{Automaton, Network},
    yaml::Mark,
};

impl<'a> FileCompiler<'a, '_> {
    /// Reads the matcher of a descriptor; `None` if it has an error, which has been reported.
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
        // an empty value means the same as none, as in the reference
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
