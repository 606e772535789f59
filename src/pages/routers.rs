//! Which path shows what, on each of the three listeners. Pages are read whatever the method, as in the reference:
//! HAProxy's health checks are `OPTIONS`.

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
    elsewhere::{elsewhere, moved},
};

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// A text that is made piece by piece, as the client takes it.
pub type Pieces = Box<dyn Iterator<Item = String> + Send>;

/// Makes the text of a page; called for each request, on a thread that may block.
type Page = Arc<dyn Fn() -> Pieces + Send + Sync>;

/// The HTTP listener (8080): health, and the routes of the APIs. `stuck` returns which worker does nothing, if any.
pub fn http_router(
    health: Health,
    stuck: impl Fn() -> Option<String> + Clone + Send + Sync + 'static,
    apis: Router,
) -> Router {
    let (healthcheck, readyz) = (health.clone(), health);
    apis.route(
        "/healthcheck",
        any(move || async move { unless(&healthcheck.state().unhealthy, StatusCode::INTERNAL_SERVER_ERROR) }),
    )
    .route("/readyz", any(move || async move { unless(&readyz.state().unready, StatusCode::SERVICE_UNAVAILABLE) }))
    .route(
        "/livez",
        any(move || async move {
            unless(&stuck().map(Arc::from).into_iter().collect::<Vec<_>>(), StatusCode::SERVICE_UNAVAILABLE)
        }),
    )
    .fallback(|method: Method, uri: Uri| async move { elsewhere(&method, &uri) })
}

/// The Prometheus listener (9090): `scrape` at `path`, which begins with `/`. An error is a fault's description.
pub fn metrics_router<F, I>(path: &str, content_type: &'static str, scrape: F) -> Router
where
    F: Fn() -> Result<I, String> + Clone + Send + Sync + 'static,
    I: Iterator<Item = String> + Send + 'static,
{
    let path: Arc<str> = path.into();
    let page = move |method: Method, uri: Uri| {
        let (here, scrape) = (uri.path() == &*path, scrape.clone());
        async move {
            if !here {
                return elsewhere(&method, &uri);
            }
            match off_runtime(scrape).await {
                Ok(Ok(pieces)) => streamed(HeaderValue::from_static(content_type), Box::new(pieces)),
                Ok(Err(fault)) => (StatusCode::INTERNAL_SERVER_ERROR, fault).into_response(),
                Err(response) => response,
            }
        }
    };
    // The path is a setting and taken as it is written: as a route, braces in it would capture.
    Router::new().fallback_service(any(page))
}

/// What the debug listener shows.
#[derive(Clone)]
pub struct DebugPages {
    /// The rules in force: see [`super::rlconfig`].
    pub rlconfig: Page,
    /// `name: value` lines.
    pub stats: Page,
}

impl fmt::Debug for DebugPages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DebugPages").finish_non_exhaustive()
    }
}

/// The debug listener (6070). As in the reference, a path without a page shows the index; not where profiles are there,
/// so that a profiler sees that there are none.
pub fn debug_router(pages: DebugPages) -> Router {
    let DebugPages { rlconfig, stats } = pages;
    let index = "/rlconfig: print out the rules in force\n/stats: print out stats\n";
    Router::new()
        .fallback(move |method: Method, uri: Uri| async move {
            if uri.path().starts_with("/debug/pprof") || uri.path() == "*" {
                return elsewhere(&method, &uri);
            }
            match moved(&uri) {
                Some(location) => (StatusCode::MOVED_PERMANENTLY, [(LOCATION, location)]).into_response(),
                None => index.into_response(),
            }
        })
        .route("/rlconfig", any(move || text_page(rlconfig.clone())))
        .route("/stats", any(move || text_page(stats.clone())))
}

/// All is well, unless there are reasons why not: then this status, and a line for each.
fn unless(reasons: &[Arc<str>], status: StatusCode) -> Response {
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

/// Begins a page away from the runtime: with a million rules it takes long, and health must answer meanwhile.
async fn off_runtime<T: Send + 'static>(begin: impl FnOnce() -> T + Send + 'static) -> Result<T, Response> {
    let begun = tokio::task::spawn_blocking(begin).await;
    begun.map_err(|fault| {
        tracing::error!(%fault, "a page could not be made");
        (StatusCode::INTERNAL_SERVER_ERROR, "this page failed; the log says why\n").into_response()
    })
}
