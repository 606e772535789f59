//! Answers to paths that have no page, as the muxes of Go's HTTP server give them to envoyproxy/ratelimit's callers.

use axum::{
    http::{
        Method, StatusCode, Uri,
        header::{HeaderValue, LOCATION},
    },
    response::{IntoResponse, Response},
};

/// `OPTIONS *` asks about the server as a whole; a path with `//`, `.` or `..` in it is sent to the path that it means;
/// anything else is not found.
pub(super) fn elsewhere(method: &Method, uri: &Uri) -> Response {
    if *method == Method::OPTIONS && uri.path() == "*" {
        return StatusCode::OK.into_response();
    }
    if let Some(location) = moved(uri) {
        return (StatusCode::MOVED_PERMANENTLY, [(LOCATION, location)]).into_response();
    }
    (StatusCode::NOT_FOUND, "404 page not found\n").into_response()
}

/// Where a path means to go that is not written in its shortest form. Never to another host, as `//host` would.
pub(super) fn moved(uri: &Uri) -> Option<HeaderValue> {
    let path = uri.path();
    let clean = clean(path);
    if clean == path || !path.starts_with('/') {
        return None;
    }
    let location = match uri.query() {
        Some(query) => format!("{clean}?{query}"),
        None => clean,
    };
    HeaderValue::from_str(&location).ok()
}

fn clean(path: &str) -> String {
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
    fn a_path_that_is_not_clean_moves_to_the_one_that_is() {
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
            let moved = moved(&path.parse().expect("a URI"));
            assert_eq!(moved.as_ref().map(|location| location.to_str().expect("text")), wanted, "{path}");
        }
    }
}
