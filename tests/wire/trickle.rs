//! Answers that never end: a byte at a time, or one interim answer after another. All are over in a bounded time.
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use rigpost_core::oauth::Cause;
use rigpost_core::provider::wire::{Connection, Request, Response};
use rigpost_daemon::http::PutError;

use crate::{Authority, Patience, Peer, Rig, Server, both, question};

const SHORT: Duration = Duration::from_millis(600);
const LONG: Duration = Duration::from_secs(60);
/// From one byte, or interim answer, to the next: never a time in which nothing comes.
const DRIP: Duration = Duration::from_millis(100);
const PART: u64 = 1 << 20;
const CODE: &str = "<Error><Code>AccessDenied</Code>";
const INTERIM: &str = "HTTP/1.1 102 Processing\r\n\r\n";

/// What a server says after it has the part, and what then goes on for ever.
#[derive(Clone, Copy, Debug)]
struct Endless {
    first: &'static str,
    drip: &'static str,
}

const HEAD: Endless = Endless { first: "HTTP/1.1 200 OK\r\nX-Slow: ", drip: "x" };
const BODY: Endless = Endless { first: "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", drip: "x" };
const CHUNKS: Endless =
    Endless { first: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", drip: "1\r\nx\r\n" };
const UNTIL_CLOSED: Endless = Endless { first: "HTTP/1.1 200 OK\r\n\r\n", drip: "x" };
const REFUSAL: Endless = Endless {
    first: "HTTP/1.1 403 Forbidden\r\nContent-Type: application/xml\r\nContent-Length: 100000\r\n\r\n\
            <Error><Code>AccessDenied</Code>",
    drip: "x",
};
const INTERIMS: Endless = Endless { first: INTERIM, drip: INTERIM };

fn patience(sending: Duration, answer: Duration) -> Patience {
    Patience { sending, answer, connecting: LONG }
}

#[expect(clippy::disallowed_methods, reason = "what is tested is what comes bit by bit")]
async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

/// Fails a test in which something goes on for ever.
async fn ends<T>(what: &str, goes: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG, goes).await.unwrap_or_else(|_| panic!("{what}: it never ends"))
}

/// Says it until the client has closed.
async fn drip(peer: &mut Peer, endless: Endless, closed: Arc<AtomicBool>) {
    peer.say(endless.first).await;
    while peer.says(endless.drip).await {
        pass(DRIP).await;
    }
    closed.store(true, Relaxed);
}

/// Takes `taken` bytes of the part and then answers without an end. True once the client has closed.
async fn dripping(
    endless: Endless,
    taken: usize,
    authority: Option<&Authority>,
) -> (Server, Arc<AtomicBool>) {
    let closed = Arc::new(AtomicBool::new(false));
    let tell = closed.clone();
    let server = Server::start(authority, move |mut peer: Peer| {
        let tell = tell.clone();
        async move {
            peer.head().await;
            peer.say("HTTP/1.1 100 Continue\r\n\r\n").await;
            peer.body(taken).await;
            drip(&mut peer, endless, tell).await;
        }
    })
    .await;
    (server, closed)
}

async fn outcome(endless: Endless, patience: Patience) -> Result<Response, PutError> {
    let (server, closed) = dripping(endless, PART as usize, None).await;
    let rig = Rig::patient(None, patience);
    let outcome = ends(endless.first, rig.put(&server.url(), PART)).await;
    let gone = async {
        while !closed.load(Relaxed) {
            tokio::task::yield_now().await;
        }
    };
    ends("the connection", gone).await;
    outcome
}

#[tokio::test]
async fn a_head_that_trickles_is_no_answer() {
    let failed = outcome(HEAD, patience(SHORT, SHORT)).await.unwrap_err();
    assert_eq!((failed.trouble.cause, failed.trouble.maybe_applied), (Cause::Network, true));
    assert!(failed.trouble.why.starts_with("no whole answer for "), "{}", failed.trouble.why);
    assert_eq!(failed.sent, PART);
}

#[tokio::test]
async fn a_body_that_trickles_is_no_answer() {
    for endless in [BODY, CHUNKS, UNTIL_CLOSED] {
        let failed = outcome(endless, patience(SHORT, SHORT)).await.unwrap_err();
        let what = format!("{endless:?}: {failed:?}");
        assert_eq!((failed.trouble.cause, failed.trouble.maybe_applied), (Cause::Network, true), "{what}");
        assert_eq!(failed.trouble.why, "the answer did not end in time", "{what}");
    }
}

#[tokio::test]
async fn of_a_refusal_that_trickles_counts_what_was_said() {
    let refused = outcome(REFUSAL, patience(SHORT, SHORT)).await.unwrap();
    assert_eq!(refused.status, 403);
    assert!(refused.body.starts_with(CODE.as_bytes()), "{:?}", refused.body);
}

#[tokio::test]
async fn interim_answers_do_not_prolong_a_part() {
    let failed = outcome(INTERIMS, patience(SHORT, SHORT)).await.unwrap_err();
    assert_eq!((failed.trouble.cause, failed.trouble.maybe_applied), (Cause::Network, true));
    assert!(failed.trouble.why.starts_with("no whole answer for "), "{}", failed.trouble.why);
}

#[tokio::test]
async fn a_flood_of_interim_answers_is_given_up_at_once() {
    let server = Server::start(None, |mut peer: Peer| async move {
        peer.head().await;
        peer.say("HTTP/1.1 100 Continue\r\n\r\n").await;
        peer.body(PART as usize).await;
        while peer.says(INTERIM).await {}
    })
    .await;
    let failed = ends("a flood", Rig::patient(None, patience(LONG, LONG)).put(&server.url(), PART)).await;
    let failed = failed.unwrap_err();
    assert_eq!(failed.trouble.cause, Cause::Provider);
    assert_eq!(failed.trouble.why, "one interim answer after another");
}

#[tokio::test]
async fn an_answer_that_comes_early_and_trickles_has_an_end_too() {
    for authority in both() {
        let tls = authority.is_some();
        // Nobody reads the part any more, or the part is so slow that it goes on for long.
        for (sending, answer, limit) in [(SHORT, LONG, None), (LONG, SHORT, Some(20_000))] {
            let (server, _) = dripping(REFUSAL, 1000, authority.as_ref()).await;
            let rig = Rig::patient(authority.as_ref(), patience(sending, answer));
            rig.pacer.set_limit(limit);
            let refused = ends("early", rig.put(&server.url(), 8 << 20)).await.unwrap();
            assert_eq!(refused.status, 403, "tls {tls}, {limit:?}");
            assert!(refused.body.starts_with(CODE.as_bytes()), "tls {tls}, {limit:?}: {:?}", refused.body);
        }
    }
}

#[tokio::test]
async fn what_a_server_says_is_no_excuse_for_not_reading() {
    for endless in [HEAD, INTERIMS] {
        let (server, _) = dripping(endless, 1000, None).await;
        let rig = Rig::patient(None, patience(SHORT, LONG));
        let failed = ends(endless.first, rig.put(&server.url(), 8 << 20)).await.unwrap_err();
        assert!(failed.trouble.why.starts_with("no whole answer for "), "{endless:?}: {failed:?}");
        assert!(failed.sent < 8 << 20, "{endless:?}: {failed:?}");
    }
}

#[tokio::test]
async fn an_answer_in_pieces_that_ends_in_time_is_one() {
    let server = Server::start(None, |mut peer: Peer| async move {
        peer.head().await;
        peer.say("HTTP/1.1 100 Continue\r\n\r\n").await;
        peer.body(PART as usize).await;
        for piece in
            [INTERIM, INTERIM, "HTTP/1.1 200 OK\r\nETag: \"a", "bc\"\r\nContent-Length: 2\r\n\r\n", "o", "k"]
        {
            peer.say(piece).await;
            pass(DRIP).await;
        }
        peer.gone().await;
    })
    .await;
    let answer = Rig::patient(None, patience(SHORT, LONG)).put(&server.url(), PART).await.unwrap();
    assert_eq!((answer.status, answer.etag.as_str(), answer.body.as_slice()), (200, "\"abc\"", &b"ok"[..]));
}

#[tokio::test]
async fn no_answer_of_the_api_goes_on_for_ever() {
    for endless in [HEAD, BODY, CHUNKS, UNTIL_CLOSED, REFUSAL, INTERIMS] {
        let server = Server::start(None, move |mut peer: Peer| async move {
            peer.head().await;
            drip(&mut peer, endless, Arc::default()).await;
        })
        .await;
        for connection in [Connection::Fresh, Connection::Pooled] {
            let request = Request { timeout: SHORT, connection, ..question(&server.url()) };
            let failed = ends(endless.first, Rig::new(None).http.ask(request)).await.unwrap_err();
            assert_eq!(failed.trouble.cause, Cause::Network, "{endless:?}: {failed:?}");
            assert_eq!(failed.root, "no answer in time", "{endless:?}: {failed:?}");
        }
    }
}
