//! A reply of the script, and what its reader owes to the breaker: Redis may have refused inside it.

use std::{fmt, ops::Deref};

use bytes::Bytes;

use super::client::Observation;

/// A reply to one call of the script. It is one observation of the breaker, made when it is dropped.
pub struct Replied {
    bytes: Bytes,
    observation: Option<Observation>,
}

impl Replied {
    pub(super) const fn observed(bytes: Bytes, observation: Option<Observation>) -> Self {
        Self { bytes, observation }
    }

    /// What the reply holds for each group of the call: nothing, or the words in which Redis refused it. If all were
    /// refused for a reason that will not pass by itself, the call was a failure. One group that Redis decided is an
    /// answer: denials and looks need no memory and no primary, so a Redis that refuses the others is worth asking.
    pub(super) fn holds(&mut self, groups: &mut dyn Iterator<Item = Option<&str>>) {
        let Some(observation) = &mut self.observation else { return };
        let mut first = None;
        for text in groups {
            let Some(text) = text.filter(|text| observation.is_sticky(text)) else { return };
            first.get_or_insert(text);
        }
        if let Some(text) = first {
            observation.refused(text);
        }
    }
}

impl Deref for Replied {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl From<Vec<u8>> for Replied {
    /// One that nobody observes.
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes: bytes.into(), observation: None }
    }
}

impl fmt::Debug for Replied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Replied({} bytes)", self.bytes.len())
    }
}
