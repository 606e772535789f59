//! A reply of the script, with the observation of the breaker: Redis may have refused inside the reply.

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

    /// Takes up the result of each group of the call: `None`, or the error with which Redis refused it. If all were
    /// refused for a reason that will not pass by itself, the call was a failure. One group that Redis decided makes it
    /// a success: denials and looks need neither memory nor a primary, so a Redis that refuses the others is worth
    /// calling.
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
    /// A reply without an observation.
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes: bytes.into(), observation: None }
    }
}

impl fmt::Debug for Replied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Replied({} bytes)", self.bytes.len())
    }
}
