//! Names of series: a domain and the levels below it, stored as one text.

use std::{borrow::Cow, sync::Arc};

use limiter::domain::Escaped;

/// The longest name of a series that is created from a request's values, in bytes.
pub(super) const MAX_DYNAMIC: usize = 1024;

/// A part of a request as text: escaped if it is not UTF-8. Only as much is escaped as makes the name too long, so that
/// a long value does not become four times as long.
pub(super) fn text(bytes: &[u8]) -> Cow<'_, str> {
    match str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(Escaped(bytes.get(..=MAX_DYNAMIC).unwrap_or(bytes)).to_string()),
    }
}

/// The name of a series while it is built: the domain, then one level for each entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeriesName<'a> {
    domain: &'a str,
    text: Text<String>,
}

impl<'a> SeriesName<'a> {
    /// A name in `domain` without levels.
    #[must_use]
    pub fn new(domain: &'a str) -> Self {
        Self { domain, text: Text { levels: String::new(), key1_end: 0, key2_end: 0 } }
    }

    /// A name with these levels.
    #[must_use]
    pub fn of(domain: &'a str, levels: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        levels.into_iter().fold(Self::new(domain), |name, level| name.level(level.as_ref(), None))
    }

    /// Adds a level: `key`, or `key_value` if there is a value, even an empty one. A level without text is omitted,
    /// because Prometheus treats an empty label as missing. Bytes that are not UTF-8 are [`Escaped`].
    #[must_use]
    pub fn level(mut self, key: impl AsRef<[u8]>, value: Option<&[u8]>) -> Self {
        let key = key.as_ref();
        if key.is_empty() && value.is_none() {
            return self;
        }
        let text = &mut self.text;
        let first = text.levels.is_empty();
        if !first {
            text.levels.push('.');
        }
        text.levels.push_str(&self::text(key));
        if let Some(value) = value {
            text.levels.push('_');
            text.levels.push_str(&self::text(value));
        }
        let end = u32::try_from(text.levels.len()).unwrap_or(u32::MAX);
        if first {
            text.key1_end = end;
        } else if text.key2_end == 0 {
            text.key2_end = end;
        }
        self
    }

    /// The length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.domain.len() + self.text.levels.len()
    }

    /// Whether the name has neither a domain nor a level.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn domain(&self) -> &'a str {
        self.domain
    }

    pub(super) fn parts(&self) -> NameRef<'_> {
        NameRef { domain: self.domain, text: self.text.as_ref() }
    }

    /// The name to store. `domain`: the shared copy of its domain.
    pub(super) fn keep(self, domain: Arc<str>) -> Name {
        let Text { levels, key1_end, key2_end } = self.text;
        Name { domain, text: Text { levels: levels.into_boxed_str(), key1_end, key2_end } }
    }
}

/// The stored name of a series. All series of a domain share the domain's text.
#[derive(Debug)]
pub(super) struct Name {
    domain: Arc<str>,
    text: Text<Box<str>>,
}

impl Name {
    pub(super) fn domain(&self) -> &Arc<str> {
        &self.domain
    }

    pub(super) fn parts(&self) -> NameRef<'_> {
        NameRef { domain: &self.domain, text: self.text.as_ref() }
    }
}

/// Levels joined by dots. Positions are in bytes; `key2_end` is 0 if there is only one level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Text<T> {
    levels: T,
    key1_end: u32,
    key2_end: u32,
}

impl<T: AsRef<str>> Text<T> {
    fn as_ref(&self) -> Text<&str> {
        Text { levels: self.levels.as_ref(), key1_end: self.key1_end, key2_end: self.key2_end }
    }
}

/// A name to hash and compare. Names with equal labels are equal: after the second level, dots in a level and between
/// levels are not distinguished.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct NameRef<'a> {
    domain: &'a str,
    text: Text<&'a str>,
}

impl<'a> NameRef<'a> {
    /// The labels that this name is exported with.
    pub(super) fn labels(self) -> Labels<'a> {
        let Text { levels, key1_end, key2_end } = self.text;
        let part = |from: usize, to: usize| levels.get(from..to).unwrap_or_default();
        let (key1_end, key2_end) = (key1_end as usize, key2_end as usize);
        Labels {
            domain: self.domain,
            levels,
            key1: part(0, key1_end),
            key2: (key2_end > 0).then(|| part(key1_end + 1, key2_end)),
            key3: (key2_end > 0 && key2_end < levels.len()).then(|| part(key2_end + 1, levels.len())),
        }
    }
}

/// The labels of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Labels<'a> {
    /// The domain of the rule.
    pub domain: &'a str,
    /// All levels joined by dots.
    pub levels: &'a str,
    /// The first level.
    pub key1: &'a str,
    /// The second level.
    pub key2: Option<&'a str>,
    /// The third and all further levels, joined by dots.
    pub key3: Option<&'a str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(levels: &[&str]) -> (String, Option<String>, Option<String>) {
        let name = SeriesName::of("d", levels);
        let labels = name.parts().labels();
        (labels.key1.to_owned(), labels.key2.map(str::to_owned), labels.key3.map(str::to_owned))
    }

    #[test]
    fn labels_are_whole_levels() {
        assert_eq!(keys(&["a.b"]), ("a.b".into(), None, None));
        assert_eq!(keys(&["a", "b.c"]), ("a".into(), Some("b.c".into()), None));
        assert_eq!(keys(&["a", "b", "c"]), ("a".into(), Some("b".into()), Some("c".into())));
        assert_eq!(keys(&["a", "", "b"]), ("a".into(), Some("b".into()), None));
        assert_eq!(keys(&["ä.", ".ö", "c", "d"]), ("ä.".into(), Some(".ö".into()), Some("c.d".into())));
    }

    #[test]
    fn a_value_joins_its_key() {
        let name = SeriesName::new("d").level("a", Some(b"1")).level("b", None);
        assert_eq!(name.parts().labels().levels, "a_1.b");
    }

    #[test]
    fn bytes_that_are_not_utf8_are_escaped_up_to_the_longest_name() {
        let name = SeriesName::new("d").level(b"ua\xff", Some(b"caf\xe9")).level("é", Some("é".as_bytes()));
        assert_eq!(name.parts().labels().levels, r"ua\xff_caf\xe9.é_é");
        let long = [0xff; 1 << 20];
        let name = SeriesName::new("d").level("k", Some(&long));
        assert!((MAX_DYNAMIC + 1..8 * MAX_DYNAMIC).contains(&name.len()), "{}", name.len());
        // whether the value is UTF-8 up to the longest name makes no difference: it is too long in any case
        let name = SeriesName::new("d").level("k", Some(&[&[b'x'; 1 << 20], &b"\xff"[..]].concat()));
        assert!((MAX_DYNAMIC + 1..8 * MAX_DYNAMIC).contains(&name.len()), "{}", name.len());
    }

    #[test]
    fn names_are_equal_when_their_labels_are() {
        let name = |levels: &[&str]| SeriesName::of("d", levels);
        assert_ne!(name(&["a.b"]), name(&["a", "b"]));
        assert_eq!(name(&["a", "b", "c.d"]), name(&["a", "b", "c", "d"]));
    }
}
