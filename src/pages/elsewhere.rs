//! Responses for paths that have no page, equal to those of envoyproxy/ratelimit, which uses Go's `http.ServeMux`.

use axum::{
    http::{
        Method, StatusCode, Uri,
        header::{HeaderValue, LOCATION},
    },
    response::{IntoResponse, Response},
};

/// The response for a path without a page: 200 for `OPTIONS *`, which asks about the server as a whole; a redirect for
/// a path that contains `//`, `.` or `..`; 404 for any other.
pub(super) fn elsewhere(method: &Method, uri: &Uri) -> Response {
    if *method == Method::OPTIONS && uri.path() == "*" {
        return StatusCode::OK.into_response();
    }
    if let Some(location) = redirect(uri) {
        return (StatusCode::MOVED_PERMANENTLY, [(LOCATION, location)]).into_response();
    }
    (StatusCode::NOT_FOUND, "404 page not found\n").into_response()
}

/// The location that a path with `//`, `.` or `..` is redirected to: its normal form, with the query. `None` if the
/// path is in normal form. The location is never on another host, as `//host` would be.
pub(super) fn redirect(uri: &Uri) -> Option<HeaderValue> {
    let path = uri.path();
    let normal = normalized(path);
    if normal == path || !path.starts_with('/') {
        return None;
    }
    let location = match uri.query() {
        Some(query) => format!("{normal}?{query}"),
        None => normal,
    };
    HeaderValue::from_str(&location).ok()
}

/// The path without empty, `.` and `..` segments; a slash at the end is kept.
fn normalized(path: &str) -> String {
    let mut segments = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            name => segments.push(name),
        }
    }
    let slash = if path.ends_with('/') && !segments.is_empty() { "/" } else { "" };
    format!("/{}{slash}", segments.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_redirected_to_its_normal_form() {
        for (path, wanted) in [
            ("//healthcheck", Some("/healthcheck")),
            ("/a/../healthcheck?x=1", Some("/healthcheck?x=1")),
            ("/./healthcheck", Some("/healthcheck")),
            ("//host.example//healthcheck/", Some("/host.example/healthcheck/")),
            ("/../..", Some("/")),
            ("//", Some("/")),
            ("/", None),
            ("/healthcheck/", None),
            ("/healthcheck", None),
            ("/a.b/..c", None),
            ("*", None),
        ] {
            let location = redirect(&path.parse().expect("a URI"));
            assert_eq!(location.as_ref().map(|location| location.to_str().expect("text")), wanted, "{path}");
        }
    }
}
