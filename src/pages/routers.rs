//! The routes of the three HTTP listeners. As in the reference, a page is served for every method: HAProxy's health
//! checks use `OPTIONS`.

use std::{convert::Infallible, fmt, sync::Arc};

use axum::{
    Router,
    body::Body,
    http::{
        Method, StatusCode, Uri,
        header::{CONTENT_TYPE, HeaderValue, LOCATION},
    },
    response::{IntoResponse, Response},
    routing::any,
};

use super::{
    Health,
    elsewhere::{elsewhere, redirect},
};

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// The text of a page in pieces, each of which is made when the client is ready to receive it.
pub type Pieces = Box<dyn Iterator<Item = String> + Send>;

/// Makes the text of a page. Called for each request, on a thread that may block.
type Page = Arc<dyn Fn() -> Pieces + Send + Sync>;

/// The HTTP listener (8080): health, and the routes of the APIs. `stuck` returns a description of a worker that runs no
/// tasks, if there is one.
pub fn http_router(
    health: Health,
    stuck: impl Fn() -> Option<String> + Clone + Send + Sync + 'static,
    apis: Router,
) -> Router {
    let (healthcheck, readyz) = (health.clone(), health);
    apis.route(
        "/healthcheck",
        any(move || async move { ok_unless(&healthcheck.state().unhealthy, StatusCode::INTERNAL_SERVER_ERROR) }),
    )
    .route("/readyz", any(move || async move { ok_unless(&readyz.state().unready, StatusCode::SERVICE_UNAVAILABLE) }))
    .route(
        "/livez",
        any(move || async move {
            ok_unless(&stuck().map(Arc::from).into_iter().collect::<Vec<_>>(), StatusCode::SERVICE_UNAVAILABLE)
        }),
    )
    .fallback(|method: Method, uri: Uri| async move { elsewhere(&method, &uri) })
}

/// The Prometheus listener (9090): `scrape` at `path`, which begins with `/`. An error of `scrape` is answered with 500
/// and its text.
pub fn metrics_router<F, I>(path: &str, content_type: &'static str, scrape: F) -> Router
where
    F: Fn() -> Result<I, String> + Clone + Send + Sync + 'static,
    I: Iterator<Item = String> + Send + 'static,
{
    let path: Arc<str> = path.into();
    let page = move |method: Method, uri: Uri| {
        let (is_page, scrape) = (uri.path() == &*path, scrape.clone());
        async move {
            if !is_page {
                return elsewhere(&method, &uri);
            }
            match off_runtime(scrape).await {
                Ok(Ok(pieces)) => streamed(HeaderValue::from_static(content_type), Box::new(pieces)),
                Ok(Err(error)) => (StatusCode::INTERNAL_SERVER_ERROR, error).into_response(),
                Err(response) => response,
            }
        }
    };
    // The path is a setting that is used literally: in a route, braces would be captures.
    Router::new().fallback_service(any(page))
}

/// The pages of the debug listener.
#[derive(Clone)]
pub struct DebugPages {
    /// The active rules: see [`super::rlconfig`].
    pub rlconfig: Page,
    /// Statistics, as lines of `name: value`.
    pub stats: Page,
}

impl fmt::Debug for DebugPages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DebugPages").finish_non_exhaustive()
    }
}

/// The debug listener (6070). As in the reference, a path without a page shows the index. The exception is
/// `/debug/pprof`, which the reference has and Tollgate has not: a profiler must see that there is nothing.
pub fn debug_router(pages: DebugPages) -> Router {
    let DebugPages { rlconfig, stats } = pages;
    let index = "/rlconfig: print out the active rules\n/stats: print out stats\n";
    Router::new()
        .fallback(move |method: Method, uri: Uri| async move {
            if uri.path().starts_with("/debug/pprof") || uri.path() == "*" {
                return elsewhere(&method, &uri);
            }
            match redirect(&uri) {
                Some(location) => (StatusCode::MOVED_PERMANENTLY, [(LOCATION, location)]).into_response(),
                None => index.into_response(),
            }
        })
        .route("/rlconfig", any(move || text_page(rlconfig.clone())))
        .route("/stats", any(move || text_page(stats.clone())))
}

/// `OK` if there are no reasons; otherwise `status`, and a line for each reason.
fn ok_unless(reasons: &[Arc<str>], status: StatusCode) -> Response {
    if reasons.is_empty() {
        return "OK".into_response();
    }
    let lines: String = reasons.iter().flat_map(|reason| [reason, "\n"]).collect();
    (status, lines).into_response()
}

async fn text_page(page: Page) -> Response {
    match off_runtime(move || page()).await {
        Ok(pieces) => streamed(TEXT, pieces),
        Err(response) => response,
    }
}

fn streamed(content_type: HeaderValue, pieces: Pieces) -> Response {
    let body = Body::from_stream(tokio_stream::iter(pieces.map(Ok::<_, Infallible>)));
    ([(CONTENT_TYPE, content_type)], body).into_response()
}

/// Begins a page on a blocking thread: with a million rules it takes long, and health pages must be answered meanwhile.
/// The error is the response to a panic.
async fn off_runtime<T: Send + 'static>(begin: impl FnOnce() -> T + Send + 'static) -> Result<T, Response> {
    let result = tokio::task::spawn_blocking(begin).await;
    result.map_err(|error| {
        tracing::error!(fault = %error, "a page could not be made");
        (StatusCode::INTERNAL_SERVER_ERROR, "this page failed; the log says why\n").into_response()
    })
}
