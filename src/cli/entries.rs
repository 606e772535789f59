//! A descriptor on the command line: `key=value,key=value`.

use std::fmt;
use std::str::FromStr;

/// The entries of one descriptor, in order. At least one, and no key is empty.
///
/// Written `key=value,key=value`. A backslash escapes a comma, an equals sign or a backslash; an equals sign in a value
/// needs no escape. A value may be empty, but its equals sign may not be omitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entries(Vec<(String, String)>);

impl Entries {
    /// The keys and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

/// Why a text is not a descriptor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntriesError {
    /// An entry has no equals sign.
    #[error("entry {0:?} has no value: write key=value, or key= for an empty one")]
    NoValue(String),
    /// An entry has no key.
    #[error("an entry has no key: write key=value,key=value")]
    NoKey,
    /// A backslash before a character that has no escape, or at the end.
    #[error(r"\{0} is not an escape: a backslash is written \\, a comma \, and an equals sign \=")]
    Escape(String),
}

impl FromStr for Entries {
    type Err = EntriesError;

    fn from_str(text: &str) -> Result<Self, EntriesError> {
        let mut entries = Vec::new();
        let mut key = None;
        let mut part = String::new();
        let mut chars = text.chars();
        loop {
            match chars.next() {
                Some('\\') => match chars.next() {
                    Some(escaped @ ('\\' | ',' | '=')) => part.push(escaped),
                    other => return Err(EntriesError::Escape(other.map(String::from).unwrap_or_default())),
                },
                Some('=') if key.is_none() => key = Some(std::mem::take(&mut part)),
                end @ (Some(',') | None) => {
                    let value = std::mem::take(&mut part);
                    match key.take() {
                        Some(key) if !key.is_empty() => entries.push((key, value)),
                        None if !value.is_empty() => return Err(EntriesError::NoValue(value)),
                        Some(_) | None => return Err(EntriesError::NoKey),
                    }
                    if end.is_none() {
                        return Ok(Self(entries));
                    }
                }
                Some(other) => part.push(other),
            }
        }
    }
}

/// Formats the entries as on the command line.
impl fmt::Display for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let escape = |text: &str, special: &[char]| {
            text.chars().fold(String::new(), |mut out, c| {
                if special.contains(&c) {
                    out.push('\\');
                }
                out.push(c);
                out
            })
        };
        for (index, (key, value)) in self.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{}={}", escape(key, &['\\', ',', '=']), escape(value, &['\\', ',']))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Vec<(String, String)>, EntriesError> {
        text.parse().map(|Entries(entries)| entries)
    }

    #[test]
    fn entries_are_parsed_in_order() {
        let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        assert_eq!(read("a=1,b=2"), Ok(pairs(&[("a", "1"), ("b", "2")])));
        assert_eq!(read("a="), Ok(pairs(&[("a", "")])));
        assert_eq!(read("q=x=y"), Ok(pairs(&[("q", "x=y")])));
        assert_eq!(read(r"a\=b=1\,2\\"), Ok(pairs(&[("a=b", r"1,2\")])));
        assert_eq!(read(" a = b "), Ok(pairs(&[(" a ", " b ")])));
    }

    #[test]
    fn errors_name_the_cause() {
        assert_eq!(read(""), Err(EntriesError::NoKey));
        assert_eq!(read("a=1,"), Err(EntriesError::NoKey));
        assert_eq!(read("=1"), Err(EntriesError::NoKey));
        assert_eq!(read("a=1,b"), Err(EntriesError::NoValue("b".to_owned())));
        assert_eq!(read(r"a=\n"), Err(EntriesError::Escape("n".to_owned())));
        assert_eq!(read(r"a=\"), Err(EntriesError::Escape(String::new())));
    }

    proptest! {
        #[test]
        fn entries_survive_a_round_trip(
            entries in proptest::collection::vec((r"[a,=\\é]{1,4}", r"[a,=\\é]{0,4}"), 1..4)
        ) {
            let entries = Entries(entries);
            prop_assert_eq!(entries.to_string().parse::<Entries>(), Ok(entries));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,16}") {
            let _ = text.parse::<Entries>();
        }
    }
}
