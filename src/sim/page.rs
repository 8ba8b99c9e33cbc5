//! The page a person sees: type the code, pick a project, approve; below it devices and clips.
//!
//! # Decisions
//! Plain forms and redirects, so that it works without JavaScript; a few inline lines only refresh the lists.
//! No template engine: four fragments and one escape function are easier to read than a dependency.
//! A person meets the device's name before they approve, never its code in a list: as in the real thing, only
//! who stands before the camera can read the digits.

mod html;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Form, Query, State};
use axum::http::{Response, StatusCode, header};
use axum::response::{Html, IntoResponse as _, Redirect};
use axum::routing::{get, post};

use super::app::App;
use super::error::SimError;
use super::model::code;
use html::Step;

const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
    connect-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

type Fields = BTreeMap<String, String>;
type Reply = Response<Body>;

pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/", get(home))
        .route("/device", get(device))
        .route("/answer", post(answer))
        .route("/devices", post(manage))
        .route("/lists", get(lists))
}

fn get_field<'a>(fields: &'a Fields, name: &str) -> &'a str {
    fields.get(name).map_or("", String::as_str)
}

fn show(app: &App, status: StatusCode, step: &Step<'_>) -> Reply {
    let headers = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "no-store"),
        // Not "no-referrer": browsers would send our own forms with `Origin: null`.
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, Html(html::page(step, &lists_html(app)))).into_response()
}

fn lists_html(app: &App) -> String {
    let now = app.now();
    let (codes, devices, assets) = {
        let world = app.world(now);
        (world.code_views(now), world.device_views(now), world.asset_views())
    };
    html::lists(&codes, &devices, &assets)
}

/// The first step, with a sentence about what was just done.
async fn home(State(app): State<Arc<App>>, Query(query): Query<Fields>) -> Reply {
    let said = match get_field(&query, "done") {
        "approved" => Some("Approved. The device connects within a few seconds."),
        "denied" => Some("Denied. The device will not be connected."),
        "forgotten" => Some("Forgotten. The device has to be paired again before it can upload."),
        "paused" => Some("Paused. Clips recorded from now on will not be uploaded."),
        "resumed" => Some("Resumed. Clips recorded from now on will be uploaded."),
        "gone" => Some("That device is no longer connected."),
        _ => None,
    };
    show(&app, StatusCode::OK, &Step::Ask { typed: "", said, wrong: None })
}

fn sentence(error: &SimError) -> String {
    match error {
        SimError::NoSuchCode(code) if code.is_empty() => "Type the six digits the device shows.".to_owned(),
        SimError::NoSuchCode(code) => {
            format!("No device shows the code {code}. Check the digits on its screen.")
        }
        SimError::CodeExpired(code) => {
            format!("The code {code} has expired. The device shows a new one; type that.")
        }
        SimError::CodeUsed(code) => format!("The code {code} was answered already."),
        SimError::NoSuchProject(_) => "Choose one of the projects.".to_owned(),
        SimError::NoSuchDevice(_)
        | SimError::NameTaken(_)
        | SimError::NoSuchChannel(_)
        | SimError::BadFault(_) => error.to_string(),
    }
}

/// The second step: the code was typed, or came along in the QR code's link.
async fn device(State(app): State<Arc<App>>, Query(query): Query<Fields>) -> Reply {
    match query.get("code") {
        None => show(&app, StatusCode::OK, &Step::Ask { typed: "", said: None, wrong: None }),
        Some(typed) => ask_for_project(&app, typed, None),
    }
}

fn ask_for_project(app: &App, typed: &str, wrong: Option<&str>) -> Reply {
    let now = app.now();
    let found = {
        let mut world = app.world(now);
        let projects = world.projects.clone();
        world.open_code(typed, now).map(|code| (code.user_code.clone(), code.name.clone(), projects))
    };
    match found {
        Ok((code, device, projects)) => {
            let status = if wrong.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
            show(app, status, &Step::Choose { code: &code, device: &device, projects: &projects, wrong })
        }
        Err(error) => {
            let typed: String = typed.chars().take(20).collect();
            let wrong = sentence(&error);
            show(app, StatusCode::NOT_FOUND, &Step::Ask { typed: &typed, said: None, wrong: Some(&wrong) })
        }
    }
}

/// Approve or deny.
async fn answer(State(app): State<Arc<App>>, Form(form): Form<Fields>) -> Reply {
    let code = code::digits(get_field(&form, "code"));
    let (done, answered) = match get_field(&form, "decision") {
        "approve" => ("approved", app.approve(&code, get_field(&form, "project"))),
        _ => ("denied", app.deny(&code)),
    };
    match answered {
        Ok(()) => Redirect::to(&format!("/?done={done}")).into_response(),
        Err(error) => ask_for_project(&app, &code, Some(&sentence(&error))),
    }
}

/// Forget, pause, resume.
async fn manage(State(app): State<Arc<App>>, Form(form): Form<Fields>) -> Reply {
    let client_id = get_field(&form, "client_id");
    let (done, result) = match get_field(&form, "action") {
        "forget" => ("forgotten", app.revoke(client_id)),
        "pause" => ("paused", app.pause(client_id)),
        "resume" => ("resumed", app.resume(client_id)),
        _ => return (StatusCode::BAD_REQUEST, "There is no such action.\n").into_response(),
    };
    let done = if result.is_ok() { done } else { "gone" };
    Redirect::to(&format!("/?done={done}")).into_response()
}

/// The lists alone, for the page's script.
async fn lists(State(app): State<Arc<App>>) -> Reply {
    ([(header::CACHE_CONTROL, "no-store")], Html(lists_html(&app))).into_response()
}
