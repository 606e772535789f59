//! Free-form data that rules hand to later filters, shaped like JSON.

use std::collections::{BTreeMap, btree_map::Entry};

/// A map of free-form data, ordered by key.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata(BTreeMap<Box<str>, MetadataValue>);

/// One value of it.
#[derive(Clone, Debug, PartialEq)]
pub enum MetadataValue {
    /// Nothing.
    Null,
    /// A truth value.
    Bool(bool),
    /// A number.
    Number(f64),
    /// Text.
    String(Box<str>),
    /// A list.
    List(Vec<MetadataValue>),
    /// A nested map.
    Map(Metadata),
}

impl Metadata {
    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The pairs, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &MetadataValue)> {
        self.0.iter().map(|(key, value)| (&**key, value))
    }

    /// Adds what `other` has and this has not; maps on both sides are merged the same way, anything else stays as it
    /// was. Takes a copy: `other` belongs to a rule, which later requests will ask again.
    pub fn merge(&mut self, other: &Self) {
        for (key, value) in &other.0 {
            match self.0.entry(key.clone()) {
                Entry::Vacant(vacant) => {
                    vacant.insert(value.clone());
                }
                Entry::Occupied(mut occupied) => {
                    if let (MetadataValue::Map(mine), MetadataValue::Map(theirs)) = (occupied.get_mut(), value) {
                        mine.merge(theirs);
                    }
                }
            }
        }
    }
}

impl<K: Into<Box<str>>> FromIterator<(K, MetadataValue)> for Metadata {
    /// Of two equal keys the last one counts.
    fn from_iter<T: IntoIterator<Item = (K, MetadataValue)>>(pairs: T) -> Self {
        Self(pairs.into_iter().map(|(key, value)| (key.into(), value)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map<const N: usize>(pairs: [(&str, MetadataValue); N]) -> Metadata {
        pairs.into_iter().collect()
    }

    #[test]
    fn the_first_writer_wins_at_every_depth() {
        let number = MetadataValue::Number;
        let mut merged = map([("a", number(1.0)), ("m", MetadataValue::Map(map([("x", number(1.0))])))]);
        merged.merge(&map([
            ("a", number(2.0)),
            ("b", number(2.0)),
            ("m", MetadataValue::Map(map([("x", number(2.0)), ("y", number(2.0))]))),
        ]));
        let inner = MetadataValue::Map(map([("x", number(1.0)), ("y", number(2.0))]));
        assert_eq!(merged, map([("a", number(1.0)), ("b", number(2.0)), ("m", inner)]));
    }
}
