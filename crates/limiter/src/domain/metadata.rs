//! Free-form data that rules hand to later Envoy filters, shaped like JSON.

use std::collections::{BTreeMap, btree_map::Entry};

/// A map of free-form data, ordered by key.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata(BTreeMap<Box<str>, MetadataValue>);

/// One value of [`Metadata`].
#[derive(Clone, Debug, PartialEq)]
pub enum MetadataValue {
    /// JSON's `null`.
    Null,
    /// `true` or `false`.
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
    /// Whether there is no pair.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The pairs, ordered by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &MetadataValue)> {
        self.0.iter().map(|(key, value)| (&**key, value))
    }

    /// Adds the pairs of `other` whose keys are missing here. If both values are maps, they are merged in the same way;
    /// any other value stays as it is. Copies, because `other` belongs to a rule that later requests use too.
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
    /// If a key occurs several times, the last pair wins.
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
    fn the_first_value_of_a_key_wins_at_every_depth() {
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
