//! The socket over which a device shows that it is there, and is told of pauses.
//!
//! # Decisions
//! `tokio-tungstenite` speaks the protocol of the frames; axum's own socket is that with a route around it, and the way of a
//! call (faults, events) goes through our own. The socket runs in the task of its connection: what ends the one, ends the
//! other.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Response, StatusCode};
use futures_util::{SinkExt as _, StreamExt as _};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};

use super::app::App;
use super::call::Call;
use super::event::{Event, EventKind};
use super::form::Content;
use super::model::sockets::Turn;
use super::options::Sockets;
use super::reply::{Payload, Reply};
use super::{clock, faulty, phoenix};

/// Largest message of a device.
const LARGEST: usize = 64 << 10;
/// A device that does not take what it is sent is gone.
const PATIENCE: Duration = Duration::from_secs(10);

type Stream = WebSocketStream<TokioIo<Upgraded>>;

/// The token, from where this call has it.
pub(crate) fn token(call: &Call) -> Option<String> {
    let query = call.uri.query().unwrap_or_default();
    let mut fields = url::form_urlencoded::parse(query.as_bytes());
    let (_, value) = fields.find(|(name, _)| name == phoenix::TOKEN_FIELD)?;
    value.strip_prefix("Bearer ").map(str::to_owned)
}

/// Answers a call that asks for a socket.
pub(crate) async fn serve(call: &Arc<Call>, upgrade: Option<OnUpgrade>) -> Response<Body> {
    if let Some(reply) = faulty::instead(call, &Content::Unreadable).await {
        return call.respond(reply, false);
    }
    let (client_id, upgrade, reply) = match accept(call, upgrade) {
        Ok(accepted) => accepted,
        Err(refusal) => return call.respond(refusal, false),
    };
    call.reach(EventKind::Effect).await;
    let (mut reply, half) = faulty::spoil(call, reply).await;
    if matches!(reply.payload, Payload::Empty) {
        call.connection.then(run(Arc::clone(&call.app), upgrade, client_id));
    } else {
        // A fault has put something there, and that is no socket.
        reply.status = StatusCode::OK;
    }
    call.respond(reply, half)
}

fn accept(call: &Call, upgrade: Option<OnUpgrade>) -> Result<(String, OnUpgrade, Reply), Reply> {
    let forbidden =
        || Reply::detailed(StatusCode::FORBIDDEN, "Forbidden", "You do not have access to that resource");
    match call.app.sockets {
        Sockets::Served => {}
        Sockets::Missing => return Err(Reply::not_found("There is no such resource")),
        Sockets::Refused => return Err(forbidden()),
    }
    let says = |name: &str, word: &str| {
        call.header(name)
            .is_some_and(|value| value.split(',').any(|one| one.trim().eq_ignore_ascii_case(word)))
    };
    let asks =
        says("upgrade", "websocket") && says("connection", "upgrade") && says("sec-websocket-version", "13");
    let (true, Some(key), Some(upgrade)) = (asks, call.header("sec-websocket-key"), upgrade) else {
        return Err(Reply::bad_request("This is a websocket"));
    };
    let now = call.app.now();
    let token = token(call);
    let version = call.header("x-client-version");
    let client_id = call.app.world(now).bearer(token.as_deref(), version, now).map_err(|_| forbidden())?;
    let reply = Reply::new(StatusCode::SWITCHING_PROTOCOLS, Payload::Empty)
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-accept", derive_accept_key(key.as_bytes()));
    Ok((client_id, upgrade, reply))
}

/// A socket in the model, closed there when this is dropped.
struct Open {
    app: Arc<App>,
    n: u64,
}

impl Open {
    fn close(&self, why: &str) {
        let now = self.app.now();
        let whose = self.app.world(now).close_socket(self.n, why);
        if let Some(client_id) = whose {
            let event = Event::of_socket(&client_id, format!("socket {} closed: {why}", self.n));
            self.app.journal.record(event, now.ms);
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.close("the connection ended");
    }
}

async fn run(app: Arc<App>, upgrade: OnUpgrade, client_id: String) {
    let Ok(upgraded) = upgrade.await else { return };
    let config = WebSocketConfig::default().max_message_size(Some(LARGEST)).max_frame_size(Some(LARGEST));
    let mut stream =
        WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await;
    let now = app.now();
    let Some(n) = app.world(now).open_socket(&client_id, now) else { return };
    let open = Open { app: Arc::clone(&app), n };
    app.journal.record(Event::of_socket(&client_id, format!("socket {n} opened")), now.ms);
    let mut news = app.journal.watch();
    let why = loop {
        news.borrow_and_update();
        let now = app.now();
        let turn = app.world(now).socket_turn(n, now);
        match turn {
            Turn::Send(message) => {
                if !send(&mut stream, Message::text(message.to_string())).await {
                    break "it took nothing";
                }
                let event = Event::of_socket(&client_id, format!("socket {n} pushed the status"));
                app.journal.record(event, app.now().ms);
            }
            Turn::Close(why) => {
                close(&mut stream, CloseCode::Normal, why).await;
                break why;
            }
            Turn::Cut => break "cut off",
            Turn::Wait(ms) => {
                let message = tokio::select! {
                    message = stream.next() => message,
                    _more = news.changed() => continue,
                    () = clock::sleep(Duration::from_millis(ms)) => continue,
                };
                if let Some(why) = hear(&app, &mut stream, n, &client_id, message).await {
                    break why;
                }
            }
        }
    };
    open.close(why);
}

/// Takes in what came. Returns why the socket is over, if it is.
async fn hear(
    app: &App,
    stream: &mut Stream,
    n: u64,
    client_id: &str,
    message: Option<Result<Message, tokio_tungstenite::tungstenite::Error>>,
) -> Option<&'static str> {
    let text = match message {
        Some(Ok(Message::Text(text))) => Some(text),
        Some(Ok(Message::Binary(_))) => Some("(binary)".into()),
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => None,
        Some(Ok(Message::Close(_))) => return Some("the device closed it"),
        Some(Err(_)) | None => return Some("the device hung up"),
    };
    let now = app.now();
    let heard = app.world(now).socket_heard(n, text.as_deref(), now);
    if let Some(news) = heard.news {
        app.journal.record(Event::of_socket(client_id, news), now.ms);
    }
    if let Some(why) = heard.close {
        close(stream, CloseCode::Unsupported, why).await;
        return Some(why);
    }
    match heard.reply {
        Some(reply) if !send(stream, Message::text(reply.to_string())).await => Some("it took nothing"),
        Some(_) | None => None,
    }
}

async fn send(stream: &mut Stream, message: Message) -> bool {
    tokio::select! {
        sent = stream.send(message) => sent.is_ok(),
        () = clock::sleep(PATIENCE) => false,
    }
}

async fn close(stream: &mut Stream, code: CloseCode, why: &'static str) {
    let frame = CloseFrame { code, reason: why.into() };
    // Whether it hears it or not, it is over.
    let _heard = send(stream, Message::Close(Some(frame))).await;
}
