//! Parses and checks the headers of a call, in the order and with the errors of grpc-go.

use std::time::Duration;

use http::{HeaderMap, Method};

use super::{
    quoted::Quoted,
    refusal::Refusal,
    timeout::{self, TimeoutError},
};

const CONTENT_TYPE: &[u8] = b"application/grpc";

/// The relevant headers of a call.
#[derive(Debug)]
pub(super) struct Head {
    /// How long the caller waits, from the arrival of the call.
    pub(super) timeout: Option<Duration>,
    /// The compression of the message.
    pub(super) encoding: Encoding,
}

/// The value of `grpc-encoding`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Identity,
    Gzip,
    Unsupported(Quoted),
}

/// Collects headers one by one.
///
/// If a header is repeated, one valid content type is enough, but every timeout must be valid, and the last one counts,
/// as in grpc-go.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    content_type: Result<(), &'a [u8]>,
    timeout: Result<Option<Duration>, TimeoutError>,
    encoding: Encoding,
}

impl<'a> Reader<'a> {
    pub(super) fn new() -> Self {
        Self { content_type: Err(b""), timeout: Ok(None), encoding: Encoding::Identity }
    }

    pub(super) fn content_type(&mut self, value: &'a [u8]) {
        if is_grpc(value) {
            self.content_type = Ok(());
        } else if let Err(last) = &mut self.content_type {
            *last = value;
        }
    }

    pub(super) fn timeout(&mut self, value: &[u8]) {
        if self.timeout.is_ok() {
            self.timeout = timeout::parse(value).map(Some);
        }
    }

    pub(super) fn encoding(&mut self, value: &[u8]) {
        self.encoding = match value {
            b"" | b"identity" => Encoding::Identity,
            b"gzip" => Encoding::Gzip,
            _ => Encoding::Unsupported(Quoted::new(value)),
        };
    }

    /// The headers of a call with this HTTP method.
    pub(super) fn finish(self, method: &[u8]) -> Result<Head, Refusal> {
        self.content_type.map_err(|value| Refusal::ContentType(Quoted::new(value)))?;
        let timeout = self.timeout.map_err(Refusal::Timeout)?;
        if method != b"POST" {
            return Err(Refusal::Method(Quoted::new(method)));
        }
        if timeout.is_some_and(|timeout| timeout.is_zero()) {
            return Err(Refusal::Expired);
        }
        Ok(Head { timeout, encoding: self.encoding })
    }
}

impl Head {
    /// The headers of a request over hyper.
    pub(super) fn read(method: &Method, headers: &HeaderMap) -> Result<Self, Refusal> {
        let mut reader = Reader::new();
        for (name, value) in headers {
            match name.as_str() {
                "content-type" => reader.content_type(value.as_bytes()),
                "grpc-timeout" => reader.timeout(value.as_bytes()),
                "grpc-encoding" => reader.encoding(value.as_bytes()),
                _ => {}
            }
        }
        reader.finish(method.as_str().as_bytes())
    }

    /// The headers of a request over the crate wire.
    pub(super) fn of(head: &wire::Head<'_>) -> Result<Self, Refusal> {
        let mut reader = Reader::new();
        for (header, _, value) in head.fields() {
            match header {
                wire::Header::ContentType => reader.content_type(value),
                wire::Header::GrpcTimeout => reader.timeout(value),
                wire::Header::GrpcEncoding => reader.encoding(value),
                _ => {}
            }
        }
        reader.finish(head.method())
    }
}

fn is_grpc(value: &[u8]) -> bool {
    value.strip_prefix(CONTENT_TYPE).is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(method: &str, headers: &[(&'static str, &'static str)]) -> Result<Head, String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        Head::read(&method, &map).map_err(|refusal| refusal.to_string())
    }

    const GRPC: (&str, &str) = ("content-type", "application/grpc");

    #[test]
    fn grpc_s_content_types() {
        for good in
            ["application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8", "application/grpc+"]
        {
            assert!(read("POST", &[("content-type", good)]).is_ok(), "{good}");
        }
        for bad in ["", "application/json", "application/grpc-web", "Application/grpc", "application/grp"] {
            let error = read("POST", &[("content-type", bad)]).expect_err("not gRPC");
            assert_eq!(error, format!("invalid gRPC request content-type \"{bad}\""));
        }
        assert_eq!(read("POST", &[]).expect_err("none"), "invalid gRPC request content-type \"\"");
        assert!(read("POST", &[("content-type", "text/plain"), GRPC]).is_ok());
        assert!(read("POST", &[GRPC, ("content-type", "text/plain")]).is_ok());
    }

    #[test]
    fn refusals_have_grpc_go_s_order() {
        let bad_timeout = ("grpc-timeout", "x");
        assert!(read("GET", &[bad_timeout]).expect_err("refused").contains("content-type"));
        assert!(read("GET", &[GRPC, bad_timeout]).expect_err("refused").contains("malformed grpc-timeout"));
        assert!(read("GET", &[GRPC, ("grpc-timeout", "0n")]).expect_err("refused").contains(":method \"GET\""));
        assert_eq!(read("POST", &[GRPC, ("grpc-timeout", "0H")]).expect_err("refused"), "context deadline exceeded");
    }

    #[test]
    fn every_timeout_must_be_valid_and_the_last_counts() {
        let timeout = |value| ("grpc-timeout", value);
        assert!(read("POST", &[GRPC, timeout("x"), timeout("1S")]).is_err());
        assert!(read("POST", &[GRPC, timeout("1S"), timeout("x")]).is_err());
        let head = read("POST", &[GRPC, timeout("1S"), timeout("2S")]).expect("valid");
        assert_eq!(head.timeout, Some(Duration::from_secs(2)));
    }

    #[test]
    fn encodings() {
        let encoding = |value| read("POST", &[GRPC, ("grpc-encoding", value)]).expect("valid").encoding;
        assert_eq!(read("POST", &[GRPC]).expect("valid").encoding, Encoding::Identity);
        assert_eq!((encoding(""), encoding("identity")), (Encoding::Identity, Encoding::Identity));
        assert_eq!(encoding("gzip"), Encoding::Gzip);
        assert_eq!(encoding("GZIP"), Encoding::Unsupported(Quoted::new(b"GZIP")));
    }
}
