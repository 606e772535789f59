//! Converts the head of a request to the types of the crate http.

use bytes::Bytes;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version, uri::PathAndQuery};

use super::{InvalidRequest, RequestBody};
use crate::{Head, Header};

/// `:authority` as received, as an extension of the request. It is not part of the URI: HTTP/2 does not validate it,
/// and clients send names that a URI cannot contain.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Authority(pub Bytes);

/// Converts a head to a request. Fields that the crate http rejects are dropped, as are those beyond the 32 768 that
/// its map can hold.
pub(super) fn request(
    head: &Head<'_>,
    mut extensions: Extensions,
    body: RequestBody,
) -> Result<Request<RequestBody>, InvalidRequest> {
    let method = Method::from_bytes(head.method()).map_err(|_| InvalidRequest::Method)?;
    let uri = uri(head.path()).ok_or(InvalidRequest::Path)?;
    if let Some(authority) = head.authority() {
        extensions.insert(Authority(Bytes::copy_from_slice(authority)));
    }
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.version_mut() = Version::HTTP_2;
    *request.headers_mut() = headers(head);
    *request.extensions_mut() = extensions;
    Ok(request)
}

fn uri(path: &[u8]) -> Option<Uri> {
    if !path.starts_with(b"/") && path != b"*" {
        return None;
    }
    PathAndQuery::try_from(path).ok().map(Uri::from)
}

fn headers(head: &Head<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    // the fields that a call depends on come first, so that a flood of others cannot displace them
    for is_other in [false, true] {
        for (_, name, value) in head.fields().filter(|(header, ..)| (*header == Header::Other) == is_other) {
            let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) else {
                continue;
            };
            // fails if the map is full
            let _ = headers.try_append(name, value);
        }
    }
    headers
}

/// The length of the body according to the head.
pub(super) fn content_length(head: &Head<'_>) -> Option<u64> {
    let (.., value) = head.fields().find(|(header, ..)| *header == Header::ContentLength)?;
    std::str::from_utf8(value).ok()?.parse().ok()
}
