//! The beginning of a connection to a gRPC service.

use std::time::Duration;

use tonic::transport::Uri;

/// The deadline of connecting, with the handshake.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// The first bytes from an HTTP/2 client: the preface and an empty SETTINGS frame.
pub(super) const GREETING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// The host of a URL, without the brackets of an IPv6 address.
pub(super) fn host(uri: &Uri) -> &str {
    uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
}
