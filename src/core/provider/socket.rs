//! Presence by socket (contract §4.4): where it is, its words, and what goes over one from its first message to its last.
//!
//! | State | Leaves by |
//! | --- | --- |
//! | `Joining` | a reply that says yes: `Joined`; one that says no: `Joining` by the next name of the device, or over |
//! | `Joined` | a keep-alive every [`KEEP_ALIVE`]; no reply to one within [`REPLY_PATIENCE`], or the topic closed: over |
//!
//! # Decisions
//! - Frame.io demands the socket and documents none of its words. All that is known is second-hand, from an emulator that
//!   cameras are content with: every name of it stands here and nowhere else.
//! - What it pushes is a reason to ask how the project sees the rig, and no answer: nobody has seen what such a message
//!   carries, and `GET /v2/devices/me` is known.
//! - Which of the two identifiers of `GET /v2/devices/me` names the device is not known either: the other one is tried where
//!   the first is refused.
use std::time::Duration;

use serde_json::{Value, json};
use url::{Url, form_urlencoded};
use zeroize::Zeroizing;

use crate::oauth::{AccessToken, Cause, Trouble};
use crate::provider::answer::{Sorted, sort};
use crate::provider::text::{mask, short};
use crate::provider::wire::{Response, trouble};
use crate::secret::Secret;
use crate::time::{BootTime, Now};

/// Beneath the API's root.
const PATH: &str = "/devices/websocket";
/// The field of the query that carries the token; no header does.
const TOKEN_FIELD: &str = "Authorization";
/// Before the device's identifier.
const TOPIC: &str = "devices:";
const JOIN: &str = "phx_join";
const REPLY: &str = "phx_reply";
/// A topic's end, by the server's will and by its trouble.
const ENDS: [&str; 2] = ["phx_close", "phx_error"];
/// The topic and the event of keep-alives.
const HEARTBEAT: (&str, &str) = ("phoenix", "heartbeat");
/// Somebody has paused the device, or resumed it.
const STATUS_UPDATED: &str = "status_updated";

/// As cameras do; the server hangs up after a minute of silence.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Without a reply within this a socket is dead.
const REPLY_PATIENCE: Duration = Duration::from_secs(10);

/// How a socket is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketRequest {
    /// `wss`, or `ws` where the API is plain. With the token in its query: a secret as a whole.
    pub url: Secret,
    /// In addition to those of RFC 6455 §4.1.
    pub headers: Vec<(&'static str, String)>,
    /// What no text may repeat.
    pub secrets: Vec<Secret>,
}

/// What a session wants, or has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// Send this text.
    Send(String),
    /// The device has joined its topic: it is there.
    Joined,
    /// The project sees it in another way than before.
    Updated,
    /// The provider does not let the device join. Holds its word.
    Refused(String),
    /// The socket is of no use any more, and why.
    Dead(&'static str),
}

/// Why a socket is over, or never was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SocketEnd {
    /// The provider wants none of this device. Holds its word.
    Refused(String),
    /// Try again later.
    Trouble(Trouble),
}

impl SocketEnd {
    /// By what came in a socket's place. Whoever refuses may not say it in the provider's words: Phoenix answers 403 without
    /// any.
    pub fn of(response: &Response) -> SocketEnd {
        match sort(response) {
            Sorted::Success => {
                let why = format!("HTTP {}, and no socket", response.status);
                SocketEnd::Trouble(trouble(Cause::Provider, why, None))
            }
            Sorted::Word(word) if word.is_of_now() => SocketEnd::Trouble(word.trouble()),
            Sorted::Word(word) => SocketEnd::Refused(word.to_string()),
            Sorted::Detailed(said) => SocketEnd::Refused(said.title),
            Sorted::Trouble(_) if matches!(response.status, 400..=406 | 409..=428) && !response.is_html() => {
                SocketEnd::Refused(format!("HTTP {}", response.status))
            }
            Sorted::Trouble(trouble) => SocketEnd::Trouble(trouble),
        }
    }
}

/// A question without a reply yet, and until when it is waited for.
type Asked = (u64, BootTime);

/// What goes over one open socket.
#[derive(Debug)]
pub struct Session {
    /// The device's names, the next one last.
    names: Vec<String>,
    /// What no text may repeat.
    secrets: Vec<Secret>,
    topic: String,
    joined: bool,
    reference: u64,
    asked: Option<Asked>,
    next: BootTime,
}

impl SocketRequest {
    /// At the API of this root, which has no path.
    pub(super) fn at(root: &Url, token: &AccessToken, client_version: &str) -> SocketRequest {
        let mut url = root.clone();
        url.set_path(PATH);
        // Both are schemes of the web, so one can take the other's place.
        let _ = url.set_scheme(if root.scheme() == "https" { "wss" } else { "ws" });
        let bearer = Zeroizing::new(format!("Bearer {}", token.expose()));
        SocketRequest {
            url: with_field(&url, &bearer),
            headers: vec![("x-client-version", client_version.to_owned())],
            secrets: vec![token.0.clone()],
        }
    }
}

/// A blank as `%20`, as cameras write it.
fn with_field(url: &Url, value: &str) -> Secret {
    let encoded: Zeroizing<String> =
        Zeroizing::new(form_urlencoded::byte_serialize(value.as_bytes()).collect());
    let encoded = Zeroizing::new(encoded.replace('+', "%20"));
    Secret::from(Zeroizing::new(format!("{url}?{TOKEN_FIELD}={}", encoded.as_str())))
}

impl Session {
    /// A socket is open, with this token. `names`: what the provider calls the device, the likelier first, one at least. Comes
    /// with the first message.
    pub fn begin(names: &[String], token: &AccessToken, now: Now) -> (Session, String) {
        let mut names: Vec<String> = names.iter().rev().cloned().collect();
        let topic = format!("{TOPIC}{}", names.pop().unwrap_or_default());
        let mut session = Session {
            names,
            secrets: vec![token.0.clone()],
            topic,
            joined: false,
            reference: 0,
            asked: None,
            next: now.boot + KEEP_ALIVE,
        };
        let join = session.join(now);
        (session, join)
    }

    /// When [`Session::timer`] is next worth calling.
    pub fn deadline(&self) -> BootTime {
        self.asked.map_or(self.next, |(_, until)| until.min(self.next))
    }

    /// The deadline may have passed.
    #[must_use]
    pub fn timer(&mut self, now: Now) -> Vec<Said> {
        if self.asked.is_some_and(|(_, until)| now.boot >= until) {
            return vec![Said::Dead("no reply in time")];
        }
        // A join that is still waited for is no silence.
        if now.boot < self.next || self.asked.is_some() {
            return vec![];
        }
        let (topic, event) = HEARTBEAT;
        vec![Said::Send(self.message(topic, event, now))]
    }

    /// A text came. What is no message, or one that this version does not know, changes nothing.
    #[must_use]
    pub fn heard(&mut self, text: &str, now: Now) -> Vec<Said> {
        let Ok(message) = serde_json::from_str::<Value>(text) else { return vec![] };
        let member = |name: &str| message.get(name).and_then(Value::as_str);
        let (topic, event) = (member("topic").unwrap_or_default(), member("event").unwrap_or_default());
        match event {
            REPLY => self.reply(&message, now),
            STATUS_UPDATED if topic == self.topic && self.joined => vec![Said::Updated],
            event if ENDS.contains(&event) && topic == self.topic => {
                vec![Said::Dead("the provider has closed the topic")]
            }
            _ => vec![],
        }
    }

    fn reply(&mut self, message: &Value, now: Now) -> Vec<Said> {
        let reference = match message.get("ref") {
            Some(Value::String(text)) => text.parse().ok(),
            Some(number) => number.as_u64(),
            None => None,
        };
        if self.asked.take_if(|(asked, _)| reference == Some(*asked)).is_none() {
            return vec![];
        }
        let payload = message.get("payload");
        let status = payload.and_then(|payload| payload.get("status")).and_then(Value::as_str);
        match (status, self.joined) {
            (_, true) => vec![],
            (Some("ok"), false) => {
                self.joined = true;
                vec![Said::Joined]
            }
            (_, false) => match self.names.pop() {
                Some(name) => {
                    self.topic = format!("{TOPIC}{name}");
                    vec![Said::Send(self.join(now))]
                }
                None => {
                    let response = payload.and_then(|payload| payload.get("response"));
                    let reason = response.and_then(|response| response.get("reason")).and_then(Value::as_str);
                    let reason = reason.unwrap_or("without a reason");
                    vec![Said::Refused(short(&mask(reason, &self.secrets)))]
                }
            },
        }
    }

    fn join(&mut self, now: Now) -> String {
        let topic = self.topic.clone();
        self.message(&topic, JOIN, now)
    }

    fn message(&mut self, topic: &str, event: &str, now: Now) -> String {
        self.reference += 1;
        self.asked = Some((self.reference, now.boot + REPLY_PATIENCE));
        self.next = now.boot + KEEP_ALIVE;
        json!({ "topic": topic, "event": event, "payload": {}, "ref": self.reference.to_string() })
            .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{BootId, WallTime};

    fn at(s: u64) -> Now {
        Now { boot_id: BootId(1), boot: BootTime(Duration::from_secs(s)), wall: WallTime(0) }
    }

    fn token() -> AccessToken {
        AccessToken(Secret::new("a1-token"))
    }

    fn reply(reference: &str, status: &str) -> String {
        let payload = json!({ "status": status, "response": { "reason": "unmatched\ntopic for a1-token" } });
        json!({ "event": "phx_reply", "topic": "x", "ref": reference, "payload": payload }).to_string()
    }

    fn sent(said: &[Said]) -> Value {
        let [Said::Send(text)] = said else { panic!("{said:?}") };
        serde_json::from_str(text).unwrap()
    }

    /// Joined as "d1" at second 0.
    fn joined() -> Session {
        let (mut session, _) = Session::begin(&["d1".to_owned()], &token(), at(0));
        assert_eq!(session.heard(&reply("1", "ok"), at(0)), [Said::Joined]);
        session
    }

    //= frameio-c2c#4.4
    //= type=test
    //# The device holds a websocket for its status.
    #[test]
    fn the_token_goes_in_the_query_as_cameras_send_it() {
        let token = AccessToken(Secret::new("a+b/c=="));
        for (base, url) in [
            (
                "https://api.frame.io",
                "wss://api.frame.io/devices/websocket?Authorization=Bearer%20a%2Bb%2Fc%3D%3D",
            ),
            (
                "http://127.0.0.1:7/",
                "ws://127.0.0.1:7/devices/websocket?Authorization=Bearer%20a%2Bb%2Fc%3D%3D",
            ),
        ] {
            let request = SocketRequest::at(&base.parse().unwrap(), &token, "1.2.3");
            assert_eq!(request.url.expose(), url);
            assert_eq!(request.headers, [("x-client-version", "1.2.3".to_owned())]);
            assert!(!format!("{request:?}").contains("a%2B"));
        }
    }

    #[test]
    fn a_device_joins_by_the_name_that_is_taken() {
        let (mut session, join) = Session::begin(&["d1".to_owned(), "p1".to_owned()], &token(), at(0));
        let join: Value = serde_json::from_str(&join).unwrap();
        assert_eq!(join, json!({ "topic": "devices:d1", "event": "phx_join", "payload": {}, "ref": "1" }));
        let join = sent(&session.heard(&reply("1", "error"), at(1)));
        assert_eq!((&join["topic"], &join["ref"]), (&json!("devices:p1"), &json!("2")));
        assert_eq!(session.heard(&reply("1", "ok"), at(1)), [], "a reply to what is not asked any more");
        assert_eq!(
            session.heard(&reply("2", "error"), at(2)),
            [Said::Refused("unmatched topic for [redacted]".to_owned())]
        );
    }

    #[test]
    fn it_is_kept_alive_and_given_up_when_nobody_replies() {
        let mut session = joined();
        assert_eq!(session.deadline(), at(15).boot);
        assert_eq!(session.timer(at(14)), []);
        let beat = sent(&session.timer(at(15)));
        assert_eq!(beat, json!({ "topic": "phoenix", "event": "heartbeat", "payload": {}, "ref": "2" }));
        assert_eq!(session.deadline(), at(25).boot);
        assert_eq!(session.timer(at(20)), []);
        // A number is as good as a text, and keep-alives that are refused are replies too.
        assert_eq!(session.heard(&reply("2", "error").replace("\"2\"", "2"), at(24)), []);
        assert_eq!(session.deadline(), at(30).boot);
        let _ = session.timer(at(30));
        assert_eq!(session.timer(at(40)), [Said::Dead("no reply in time")]);
        let (mut session, _) = Session::begin(&["d1".to_owned()], &token(), at(0));
        assert_eq!(session.timer(at(10)), [Said::Dead("no reply in time")], "nor to a join");
    }

    #[test]
    fn a_refusal_is_told_from_trouble() {
        let answer = |status: u16, body: &str| {
            SocketEnd::of(&Response { status, body: Zeroizing::new(body.into()), ..Response::default() })
        };
        let refused = |word: &str| SocketEnd::Refused(word.to_owned());
        for (status, body, end) in [
            (403, "", refused("HTTP 403")),
            (404, "", refused("HTTP 404")),
            (401, r#"{"error":"unauthorized"}"#, refused("unauthorized")),
            (403, r#"{"code":403,"errors":[{"title":"Forbidden","detail":"no"}]}"#, refused("Forbidden")),
        ] {
            assert_eq!(answer(status, body), end, "{status} {body}");
        }
        for (status, body, cause) in [
            (200, "", Cause::Provider),
            (200, "<html>", Cause::CaptivePortal),
            (403, "<html>", Cause::CaptivePortal),
            (302, "", Cause::CaptivePortal),
            (407, "", Cause::Proxy),
            (429, "", Cause::RateLimited),
            (503, "", Cause::Provider),
        ] {
            let SocketEnd::Trouble(trouble) = answer(status, body) else { panic!("{status} {body}") };
            assert_eq!(trouble.cause, cause, "{status} {body}");
        }
    }

    #[test]
    fn only_what_is_said_of_this_device_counts() {
        let push =
            |topic: &str, event: &str| json!({ "topic": topic, "event": event, "ref": null }).to_string();
        let mut session = joined();
        for (text, said) in [
            (push("devices:d1", "status_updated"), vec![Said::Updated]),
            (push("devices:d2", "status_updated"), vec![]),
            (push("devices:d1", "firmware_updated"), vec![]),
            (push("devices:d1", "phx_error"), vec![Said::Dead("the provider has closed the topic")]),
            (push("devices:d1", "phx_close"), vec![Said::Dead("the provider has closed the topic")]),
            (push("devices:d2", "phx_close"), vec![]),
            ("{".to_owned(), vec![]),
            ("[null,null,\"devices:d1\",\"status_updated\",{}]".to_owned(), vec![]),
            (json!({ "event": 7 }).to_string(), vec![]),
        ] {
            assert_eq!(session.heard(&text, at(1)), said, "{text}");
        }
        let (mut session, _) = Session::begin(&["d1".to_owned()], &token(), at(0));
        assert_eq!(session.heard(&push("devices:d1", "status_updated"), at(0)), [], "before it has joined");
    }
}
