//! Sockets that stay open and carry short texts in both directions (RFC 6455).
//!
//! # Decisions
//! - `tokio-tungstenite` over a connection of our own, which goes through the same proxy, trust and look-up of names as
//!   everything else. The alternative that sits on hyper is smaller and has a release every other year.
//! - Its buffers are made for chats; ours carry a keep-alive of eighty bytes.
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use http::Uri;
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::connect::{Connector, Io};
use super::tls::Trust;
use super::{answer, failure};
use crate::clock::Clock;
use rigpost_core::oauth::Cause;
use rigpost_core::provider::wire::trouble;
use rigpost_core::provider::{SocketEnd, SocketRequest, mask, short};
use rigpost_core::secret::Secret;

/// From the first packet to the answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// A text that can't be handed over within this is one that nobody takes.
const SEND_PATIENCE: Duration = Duration::from_secs(10);
/// What a close that the other side does not answer costs.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);
/// Of a message.
const LARGEST: usize = 64 << 10;
const BUFFER: usize = 4 << 10;

/// An open socket. Dropped, it hangs up.
pub struct Socket {
    stream: WebSocketStream<Box<dyn Io>>,
    clock: Clock,
    /// What no text may repeat.
    secrets: Vec<Secret>,
}

impl Socket {
    /// Asks for one.
    pub(super) async fn open(
        connector: &Connector,
        trust: &Trust,
        clock: &Clock,
        user_agent: &str,
        request: SocketRequest,
    ) -> Result<Socket, SocketEnd> {
        let unusable = || trouble(Cause::Provider, "the address for the socket is none", None);
        let SocketRequest { url, headers, secrets } = request;
        let uri: Uri = url.expose().parse().map_err(|_| SocketEnd::Trouble(unusable()))?;
        let origin = origin(&uri).ok_or_else(|| SocketEnd::Trouble(unusable()))?;
        let tls = match uri.scheme_str() {
            Some("wss") => Some(trust.config().map_err(SocketEnd::Trouble)?),
            _ => None,
        };
        let host = connector.look_up(&origin).await.map_err(|e| end_of_way(&e))?;
        let mut asked = ClientRequestBuilder::new(uri).with_header("User-Agent", user_agent);
        for (name, value) in headers {
            asked = asked.with_header(name, value);
        }
        let opening = async {
            let connected = connector.connect(origin, tls).await.map_err(|e| end_of_way(&*e))?;
            let shaken = client_async_with_config(asked, connected.io, Some(config())).await;
            shaken.map(|(stream, _)| stream).map_err(|e| end(e, &secrets, clock))
        };
        let opened = tokio::select! {
            biased;
            opened = opening => opened,
            () = clock.sleep_until(clock.now().boot + PATIENCE) => Err(late("no socket in time")),
        };
        if opened.is_err() {
            connector.doubt(&host);
        }
        opened.map(|stream| Socket { stream, clock: clock.clone(), secrets })
    }

    /// Sends a text. An error is the end of the socket.
    pub async fn send(&mut self, text: String) -> Result<(), SocketEnd> {
        tokio::select! {
            biased;
            sent = self.stream.send(Message::text(text)) => sent.map_err(|e| end(e, &[], &self.clock)),
            () = self.clock.sleep_until(self.clock.now().boot + SEND_PATIENCE) => Err(late("it takes nothing")),
        }
    }

    /// The next text. Dropping the future loses nothing. An error is the end of the socket.
    pub async fn next(&mut self) -> Result<String, SocketEnd> {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Text(text))) => return Ok(text.as_str().to_owned()),
                Some(Ok(Message::Close(frame))) => {
                    let reason = frame
                        .map(|frame| short(&mask(&frame.reason, &self.secrets)))
                        .filter(|reason| !reason.is_empty());
                    let why = reason.map_or_else(String::new, |reason| format!(": {reason}"));
                    let why = format!("the provider closed the socket{why}");
                    return Err(SocketEnd::Trouble(trouble(Cause::Provider, why, None)));
                }
                Some(Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Err(e)) => return Err(end(e, &[], &self.clock)),
                None => return Err(late("the connection was cut off")),
            }
        }
    }

    /// Says good-bye, which takes a second at most.
    pub async fn close(mut self) {
        let deadline = self.clock.now().boot + CLOSE_PATIENCE;
        tokio::select! {
            biased;
            // Whether it is heard or not, it is over.
            _ = self.stream.close(None) => {}
            () = self.clock.sleep_until(deadline) => {}
        }
    }
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(LARGEST)
        .max_message_size(Some(LARGEST))
        .max_frame_size(Some(LARGEST))
}

/// Where to connect to.
fn origin(uri: &Uri) -> Option<Uri> {
    let scheme = if uri.scheme_str() == Some("wss") { "https" } else { "http" };
    Uri::builder().scheme(scheme).authority(uri.authority()?.clone()).path_and_query("/").build().ok()
}

fn late(why: &str) -> SocketEnd {
    SocketEnd::Trouble(trouble(Cause::Network, why, None))
}

fn end_of_way(e: &(dyn std::error::Error + 'static)) -> SocketEnd {
    SocketEnd::Trouble(failure::trouble_of(e))
}

/// What an error means. `secrets`: what was shown with the question.
fn end(e: Error, secrets: &[Secret], clock: &Clock) -> SocketEnd {
    match e {
        Error::Http(response) => {
            let (parts, body) = response.into_parts();
            let mut read = answer::head(parts.status, &parts.headers, clock.now().wall);
            read.secrets = secrets.to_vec();
            read.body.extend(body.unwrap_or_default());
            SocketEnd::of(&read)
        }
        Error::Protocol(ProtocolError::HandshakeIncomplete | ProtocolError::ResetWithoutClosingHandshake) => {
            late("the connection was cut off")
        }
        Error::Protocol(_) | Error::Capacity(_) | Error::Utf8(_) | Error::AttackAttempt => {
            let why = format!("what came is no socket: {}", short(&e.to_string()));
            SocketEnd::Trouble(trouble(Cause::Provider, why, None))
        }
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Io(_)
        | Error::Tls(_)
        | Error::WriteBufferFull(_)
        | Error::Url(_)
        | Error::HttpFormat(_) => end_of_way(&e),
    }
}
