//! Request bodies: form data in both encodings, and JSON.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::{FromRequest as _, Multipart};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Request};
use bytes::Bytes;
use serde_json::Value;

/// The longest value a field of a form may have. Real ones stay far below.
const LONGEST_FIELD: usize = 8192;

/// Fields of one request. A repeated, over-long or unprintable field makes the whole body invalid.
pub(crate) type Fields = BTreeMap<String, String>;

/// What a body turned out to be.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Content {
    Form(Fields),
    Json(Value),
    /// A type nobody asked for, or a body that does not parse as what it claims to be.
    Unreadable,
}

/// Reads a whole (already bounded) body.
pub(crate) async fn read(headers: &HeaderMap, body: Bytes) -> Content {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match media.as_str() {
        "application/json" => serde_json::from_slice(&body).map_or(Content::Unreadable, Content::Json),
        "application/x-www-form-urlencoded" => {
            let pairs = url::form_urlencoded::parse(&body)
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect();
            fields(pairs).map_or(Content::Unreadable, Content::Form)
        }
        "multipart/form-data" => {
            multipart(kind, body).await.and_then(fields).map_or(Content::Unreadable, Content::Form)
        }
        _ => Content::Unreadable,
    }
}

async fn multipart(kind: &str, body: Bytes) -> Option<Vec<(String, String)>> {
    let request = Request::builder().header(CONTENT_TYPE, kind).body(Body::from(body)).ok()?;
    let mut form = Multipart::from_request(request, &()).await.ok()?;
    let mut pairs = Vec::new();
    while let Some(field) = form.next_field().await.ok()? {
        let name = field.name()?.to_owned();
        pairs.push((name, field.text().await.ok()?));
    }
    Some(pairs)
}

fn fields(pairs: Vec<(String, String)>) -> Option<Fields> {
    let mut fields = Fields::new();
    for (name, value) in pairs {
        let plain = value.len() <= LONGEST_FIELD && !value.chars().any(char::is_control);
        if !plain || fields.insert(name, value).is_some() {
            return None;
        }
    }
    Some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_or_unprintable_field_spoils_the_form() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert!(fields(vec![pair("a", "1"), pair("b", "2")]).is_some());
        assert!(fields(vec![pair("a", "1"), pair("a", "2")]).is_none());
        assert!(fields(vec![pair("a", "1\u{0}")]).is_none());
        assert!(fields(vec![pair("a", &"x".repeat(LONGEST_FIELD + 1))]).is_none());
    }
}
