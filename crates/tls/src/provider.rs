//! The rustls crypto provider, the same for listeners and clients.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};

/// AWS-LC, because unlike ring it supports P-521.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// The invariant by which [`provider`] supports the default versions of TLS.
pub(super) const HAS_SUITES: &str = "AWS-LC has suites for both versions of TLS";
