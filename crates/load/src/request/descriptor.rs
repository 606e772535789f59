//! A descriptor of a request.

/// The entries of one descriptor, keys and values in order. In a value, `{}` is replaced by the number of a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Descriptor(Vec<(String, String)>);

impl Descriptor {
    /// The keys and values.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Descriptor {
    fn from_iter<T: IntoIterator<Item = (K, V)>>(entries: T) -> Self {
        Self(entries.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }
}
