//! The configuration of decisions.

use std::num::NonZeroUsize;

use super::DecideError;
use limiter::domain::{FailureMode, Request};

/// The configuration of an engine.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The global modes.
    pub modes: Modes,
    /// The limits on the size of a request.
    pub limits: RequestLimits,
    /// The fraction of a limit above which hits count as near the limit.
    pub near_limit_ratio: f32,
    /// The failure mode of rules and domains that do not set one.
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

    /// Checks whether a request can be decided.
    ///
    /// # Errors
    /// If something is missing, too large, or not allowed.
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

/// The limits on the size of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestLimits {
    /// The most descriptors in a request.
    pub max_descriptors: NonZeroUsize,
    /// The most entries in a descriptor.
    pub max_entries: NonZeroUsize,
}

impl RequestLimits {
    /// Checks that a request has a domain and descriptors, and is not too large.
    ///
    /// # Errors
    /// If something is missing or too large.
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
