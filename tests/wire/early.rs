//! Answers that come before the part is through.
use std::sync::Arc;

use rigpost_core::oauth::Cause;

use crate::{Authority, Peer, Rig, Server, both};

/// In each of twenty ways.
const RUNS: usize = 20;
const PART: u64 = 4 << 20;
const REFUSAL: &str = "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>";

/// What the server does before it refuses.
#[derive(Clone, Copy, Debug)]
enum First {
    /// Not even reads.
    Nothing,
    /// Reads the head only.
    Head,
    /// Asks for the part, reads some of it.
    Some(usize),
    /// Takes one whole part, so that the next meets an open connection.
    Part,
}

fn refusal() -> String {
    format!(
        "HTTP/1.1 403 Forbidden\r\nContent-Type: application/xml\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{REFUSAL}",
        REFUSAL.len()
    )
}

async fn refusing(authority: Option<&Authority>, first: First, reset: bool) -> Server {
    Server::start(authority, move |mut peer: Peer| async move {
        match first {
            First::Nothing => {}
            First::Head => drop(peer.head().await),
            First::Some(bytes) => {
                peer.head().await;
                peer.say("HTTP/1.1 100 Continue\r\n\r\n").await;
                peer.body(bytes).await;
            }
            First::Part => {
                peer.serve().await.unwrap();
                peer.head().await;
            }
        }
        peer.say(&refusal()).await;
        // Unread bytes make the kernel reset the connection even where we don't.
        if reset { peer.reset() } else { drop(peer) }
    })
    .await
}

#[tokio::test]
async fn an_early_refusal_is_a_refusal_every_time() {
    for authority in both() {
        for first in [First::Nothing, First::Head, First::Some(1), First::Some(500_000), First::Part] {
            // Reset before the other side knows of its connection, that is one that could not be made.
            let ways: &[bool] = if matches!(first, First::Nothing) { &[false] } else { &[false, true] };
            for &reset in ways {
                let server = refusing(authority.as_ref(), first, reset).await;
                let rig = Rig::new(authority.as_ref());
                for run in 0..RUNS {
                    if matches!(first, First::Part) {
                        assert_eq!(rig.put(&server.url(), 10).await.unwrap().status, 200);
                    }
                    let what = format!("tls {}, {first:?}, reset {reset}, run {run}", authority.is_some());
                    let answer = rig.put(&server.url(), PART).await;
                    let answer = answer.unwrap_or_else(|e| panic!("{what}: {e:?}"));
                    assert_eq!(answer.status, 403, "{what}");
                    assert_eq!(answer.body.as_slice(), REFUSAL.as_bytes(), "{what}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_dead_url_costs_no_bytes_where_the_server_knows_the_question() {
    let server = refusing(None, First::Head, false).await;
    let rig = Rig::new(None);
    let (body, watch) = rig.part(0, PART);
    let answer =
        rigpost_daemon::http::Transport::put(&rig.http, crate::to(&server.url()), PART, body).await.unwrap();
    assert_eq!(answer.status, 403);
    assert_eq!(watch.sent.load(std::sync::atomic::Ordering::Relaxed), 0);
}

#[tokio::test]
async fn where_no_answer_came_the_error_says_how_much_had_left() {
    for authority in both() {
        let asked = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let asks = asked.clone();
        let server = Server::start(authority.as_ref(), move |mut peer: Peer| {
            let asks = asks.load(std::sync::atomic::Ordering::Relaxed);
            async move {
                peer.head().await;
                if asks {
                    peer.say("HTTP/1.1 100 Continue\r\n\r\n").await;
                    peer.body(200_000).await;
                }
                peer.reset();
            }
        })
        .await;
        let rig = Rig::new(authority.as_ref());
        let failed = rig.put(&server.url(), PART).await.unwrap_err();
        assert_eq!(
            (failed.trouble.cause, failed.trouble.maybe_applied, failed.sent),
            (Cause::Network, true, 0)
        );
        asked.store(true, std::sync::atomic::Ordering::Relaxed);
        let failed = rig.put(&server.url(), PART).await.unwrap_err();
        assert_eq!((failed.trouble.cause, failed.trouble.maybe_applied), (Cause::Network, true));
        assert!((200_000..=PART).contains(&failed.sent), "{}", failed.sent);
    }
}

#[tokio::test]
async fn a_server_that_does_not_know_the_question_gets_the_part_all_the_same() {
    // One is silent until it has the part, the other refuses the question.
    let silent = Server::start(None, |mut peer: Peer| async move {
        peer.head().await;
        let whole = peer.body(PART as usize).await.len();
        peer.say(&format!(
            "HTTP/1.1 {} OK\r\nContent-Length: 0\r\n\r\n",
            if whole == PART as usize { 200 } else { 400 }
        ))
        .await;
    })
    .await;
    let refusing = Server::start(None, |mut peer: Peer| async move {
        if peer.number == 0 {
            assert!(peer.head().await.contains("expect: 100-continue"));
            peer.say("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n").await;
            peer.gone().await;
        } else {
            let (head, _) = peer.serve().await.unwrap();
            assert!(!head.contains("expect"), "{head}");
        }
    })
    .await;
    let rig = Rig::new(None);
    assert_eq!(rig.put(&silent.url(), PART).await.unwrap().status, 200);
    assert_eq!(rig.put(&refusing.url(), PART).await.unwrap().status, 200);
    assert_eq!(refusing.connections(), 2);
}

#[tokio::test]
async fn a_success_for_a_part_that_has_not_left_is_none() {
    for authority in both() {
        // At once, as a box on the way does that knows no uploads; or when some of it is there.
        for taken in [0, 100_000] {
            let server = Server::start(authority.as_ref(), move |mut peer: Peer| async move {
                peer.head().await;
                if taken > 0 {
                    peer.say("HTTP/1.1 100 Continue\r\n\r\n").await;
                    peer.body(taken).await;
                }
                peer.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
                peer.gone().await;
            })
            .await;
            let rig = Rig::new(authority.as_ref());
            rig.pacer.set_limit(Some(200_000));
            let failed = rig.put(&server.url(), 5 << 20).await.unwrap_err();
            assert!(failed.trouble.why.contains("before all of the part had left"), "{failed:?}");
            assert!(!failed.trouble.maybe_applied, "{failed:?}");
        }
    }
}
