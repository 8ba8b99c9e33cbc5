//! Keeps other web sites' pages from pressing our buttons.
//!
//! # Decisions
//! The simulator has no log-in, hence no session to tie a form token to. What is left is what the browser says
//! of itself: `Sec-Fetch-Site`, and `Origin` against `Host` (browsers leave the former out on plain HTTP to a
//! LAN address). Programs send neither and pass.

use axum::extract::Request;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

fn same_origin(headers: &HeaderMap) -> bool {
    let get = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if get("sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none")) {
        return false;
    }
    match get("origin") {
        None => true,
        Some(origin) => {
            let host = origin.split_once("://").map(|(_, host)| host);
            host.is_some() && host == get("host")
        }
    }
}

/// Refuses requests that change something and come from another site's page.
pub(crate) async fn guard(request: Request, next: Next) -> Response {
    let harmless = matches!(*request.method(), Method::GET | Method::HEAD);
    if harmless || same_origin(request.headers()) {
        next.run(request).await
    } else {
        (StatusCode::FORBIDDEN, "This request came from another site's page.\n").into_response()
    }
}
