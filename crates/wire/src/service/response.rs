//! Encodes heads and trailers of responses.

use http::{HeaderMap, StatusCode};

use crate::{Block, Header};

/// Encodes the head of a response.
pub(super) fn head(status: StatusCode, headers: &HeaderMap) -> Block {
    let status = (&b":status"[..], status.as_str().as_bytes());
    Block::new(std::iter::once(status).chain(fields(headers)))
}

/// Encodes trailers; `None` if there are none.
pub(super) fn trailers(trailers: &HeaderMap) -> Option<Block> {
    let mut fields = fields(trailers).peekable();
    fields.peek().is_some().then(|| Block::new(fields))
}

/// The head of a response that consists of a gRPC status.
pub(super) fn grpc_status(code: &str, message: &str) -> Block {
    let fields =
        [(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", code), ("grpc-message", message)];
    Block::new(fields.map(|(name, value)| (name.as_bytes(), value.as_bytes())))
}

/// The trailers of a gRPC status other than OK.
pub(super) fn status_trailers(code: &str, message: &str) -> Block {
    let fields = [("grpc-status", code), ("grpc-message", message)];
    Block::new(fields.map(|(name, value)| (name.as_bytes(), value.as_bytes())))
}

/// The head of a response to an invalid request.
pub(super) fn bad_request() -> Block {
    Block::new([(&b":status"[..], &b"400"[..])])
}

/// The fields that HTTP/2 allows.
fn fields(map: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    let fields = map.iter().map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes().trim_ascii()));
    fields.filter(|(name, _)| Header::of(name) != Header::ConnectionSpecific)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let header = |(name, value): &(&'static str, &'static str)| {
            (http::HeaderName::from_static(name), http::HeaderValue::from_static(value))
        };
        fields.iter().map(header).collect()
    }

    #[test]
    fn connection_specific_fields_are_left_out() {
        let all = map(&[
            ("connection", "close"),
            ("keep-alive", "1"),
            ("proxy-connection", "close"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("x", " y\t"),
        ]);
        let expected = Block::new([(&b":status"[..], &b"299"[..]), (b"x", b"y")]);
        assert_eq!(head(StatusCode::from_u16(299).expect("a status"), &all), expected);
        assert_eq!(trailers(&all), Some(Block::new([(&b"x"[..], &b"y"[..])])));
        assert_eq!(trailers(&map(&[("connection", "close")])), None);
    }
}
