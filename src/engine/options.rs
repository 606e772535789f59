//! What the operator chose, as far as decisions depend on it.

use std::num::NonZeroUsize;

use super::DecideError;
use limiter::domain::{FailureMode, Request};

/// What the operator chose.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The global modes.
    pub modes: Modes,
    /// What a request may hold.
    pub limits: RequestLimits,
    /// The share of a limit above which hits count as near it.
    pub near_limit_ratio: f32,
    /// For rules and domains that say nothing themselves.
    pub on_store_failure: FailureMode,
    /// Whether requests may give hits back.
    pub refunds: bool,
}

impl Options {
    /// Rejects a request that cannot or may not be answered.
    ///
    /// # Errors
    /// Says what is missing, too many, or not allowed.
    pub(super) fn check(&self, request: &Request<'_>) -> Result<(), DecideError> {
        self.limits.check(request)?;
        match request.descriptors.iter().position(|descriptor| descriptor.gives_back) {
            Some(descriptor) if !self.refunds => Err(DecideError::Refund { descriptor }),
            _ => Ok(()),
        }
    }
}

/// Modes for all rules at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Modes {
    /// The overall answer is always OK.
    pub shadow: bool,
    /// Every descriptor but the unlimited ones counts as a quota descriptor.
    pub quota: bool,
    /// Every request is all or nothing.
    pub atomic: bool,
}

/// What a request may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestLimits {
    /// Descriptors in a request.
    pub max_descriptors: NonZeroUsize,
    /// Entries in a descriptor.
    pub max_entries: NonZeroUsize,
}

impl RequestLimits {
    /// Refuses a request that cannot or may not be answered.
    ///
    /// # Errors
    /// Says what is missing or too many.
    pub fn check(&self, request: &Request<'_>) -> Result<(), DecideError> {
        if request.domain.is_empty() {
            return Err(DecideError::NoDomain);
        }
        let (count, max) = (request.descriptors.len(), self.max_descriptors.get());
        if count == 0 {
            return Err(DecideError::NoDescriptors);
        }
        if count > max {
            return Err(DecideError::TooManyDescriptors { count, max });
        }
        let max = self.max_entries.get();
        for (descriptor, count) in request.descriptors.iter().map(|d| d.entries.len()).enumerate() {
            if count > max {
                return Err(DecideError::TooManyEntries { descriptor, count, max });
            }
        }
        Ok(())
    }
}
