//! The text of a node's value, stored inline if it is short, so that comparing it reads no other memory.

use std::fmt;

/// The number of bytes that fit in three words beside the tag and the length.
const SHORT: usize = 22;

/// An optional text.
#[derive(Clone, Default)]
pub(super) enum Value {
    #[default]
    None,
    Short {
        len: u8,
        bytes: [u8; SHORT],
    },
    Long(Box<str>),
}

impl Value {
    pub(super) fn new(text: Option<&str>) -> Self {
        let Some(text) = text else { return Self::None };
        let mut bytes = [0; SHORT];
        match (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(place), Ok(len)) => {
                place.copy_from_slice(text.as_bytes());
                Self::Short { len, bytes }
            }
            _ => Self::Long(text.into()),
        }
    }

    pub(super) fn get(&self) -> Option<&str> {
        self.bytes().map(|bytes| str::from_utf8(bytes).expect("the bytes come from a str"))
    }

    /// Whether it equals `other`. Cheaper than [`Value::get`].
    pub(super) fn is(&self, other: Option<&[u8]>) -> bool {
        self.bytes() == other
    }

    pub(super) fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::None => None,
            Self::Short { len, bytes } => Some(&bytes[..usize::from(*len)]),
            Self::Long(text) => Some(text.as_bytes()),
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_any_length_is_stored_unchanged() {
        let ä = "ä".repeat(15);
        for text in [None, Some(""), Some("a"), Some(&ä[..22]), Some(&ä[..24]), Some(&*ä)] {
            let value = Value::new(text);
            assert_eq!(value.get(), text);
            assert!(value.is(text.map(str::as_bytes)));
            assert!(!value.is(Some(b"other")));
            assert_eq!(value.is(None), text.is_none());
        }
        assert!(matches!(Value::new(Some(&ä[..22])), Value::Short { .. }));
        assert_eq!(size_of::<Value>(), size_of::<String>());
    }
}
