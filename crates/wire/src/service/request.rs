//! The head of a request in the types of the crate http.

use bytes::Bytes;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version, uri::PathAndQuery};

use super::{InvalidRequest, RequestBody};
use crate::{Head, Header};

/// `:authority` as it came, as an extension of the request. It is not a part of the URI: HTTP/2 does not check it, and
/// clients send names that no URI can have.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Authority(pub Bytes);

/// Makes a request of a head. Fields that the crate http does not accept are dropped, and so are those that its map,
/// which holds 32 768, does not hold.
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
    // those that a call depends on come first, so that a flood of others cannot displace them
    for is_other in [false, true] {
        for (_, name, value) in head.fields().filter(|(header, ..)| (*header == Header::Other) == is_other) {
            let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) else {
                continue;
            };
            // fails when the map is full
            let _ = headers.try_append(name, value);
        }
    }
    headers
}

/// The length of the body that the head announces.
pub(super) fn content_length(head: &Head<'_>) -> Option<u64> {
    let (.., value) = head.fields().find(|(header, ..)| *header == Header::ContentLength)?;
    std::str::from_utf8(value).ok()?.parse().ok()
}
