//! A reply of the script, with the breaker's observation of it: Redis may have refused groups inside the reply.

use std::{fmt, ops::Deref};

use bytes::Bytes;

use super::client::Observation;

/// A reply to one call of the script. When it is dropped, the breaker observes the outcome of the call.
pub struct Replied {
    bytes: Bytes,
    observation: Option<Observation>,
}

impl Replied {
    pub(super) const fn observed(bytes: Bytes, observation: Option<Observation>) -> Self {
        Self { bytes, observation }
    }

    /// Sets the outcome of the call from the result of each of its groups: `None`, or the error with which Redis
    /// refused the group. The call is a failure if all groups were refused for a reason that an operator has to remove.
    /// One group that Redis decided makes it a success: denials and requests without a charge need neither memory nor a
    /// primary, so a Redis that refuses all others is still worth calling.
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
