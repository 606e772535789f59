//! What every connection to a gRPC service begins with.

use std::time::Duration;

use tonic::transport::Uri;

/// How long connecting may take, with the handshake.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// What an HTTP/2 client sends first: the preface and empty settings.
pub(super) const GREETING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// The host of a URL, without the brackets of an IPv6 address.
pub(super) fn host(uri: &Uri) -> &str {
    uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
}
