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
    /// For an engine inside the program that asks it: no modes, no bounds on a request, refunds are allowed, and a store
    /// that fails is an error unless a rule sets another failure mode. The service sets each field from its settings.
    #[must_use]
    pub const fn embedded() -> Self {
        Self {
            modes: Modes { shadow: false, quota: false, atomic: false },
            limits: RequestLimits { max_descriptors: NonZeroUsize::MAX, max_entries: NonZeroUsize::MAX },
            near_limit_ratio: 0.8,
            on_store_failure: FailureMode::Error,
            refunds: true,
        }
    }

    /// Rejects a request that cannot or may not be answered.
    ///
    /// # Errors
    /// Says what is missing, too many, or not allowed.
    pub(super) fn check(&self, request: &Request<'_>) -> Result<(), DecideError> {
        self.limits.check(request)?;
        match request.descriptors.iter().position(|descriptor| descriptor.is_negative_hits) {
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
