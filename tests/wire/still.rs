//! Connections on which nothing moves, and those on which that is nobody's fault.
use std::sync::Arc;
use std::time::Duration;

use rigpost_core::oauth::Cause;
use tokio::sync::Notify;

use crate::{Patience, Peer, Rig, Server, both};

const SHORT: Duration = Duration::from_millis(600);
const LONG: Duration = Duration::from_secs(60);

fn patience(sending: Duration, answer: Duration) -> Patience {
    Patience { sending, answer, connecting: LONG }
}

#[expect(clippy::disallowed_methods, reason = "what is tested is how long nothing happens")]
async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

#[tokio::test]
async fn a_server_that_stops_reading_is_given_up() {
    for authority in both() {
        let closed = Arc::new(Notify::new());
        let tell = closed.clone();
        let server = Server::start(authority.as_ref(), move |mut peer: Peer| {
            let tell = tell.clone();
            async move {
                peer.head().await;
                peer.say("HTTP/1.1 100 Continue\r\n\r\n").await;
                peer.body(1000).await;
                pass(3 * SHORT).await;
                peer.gone().await;
                tell.notify_one();
            }
        })
        .await;
        let rig = Rig::patient(authority.as_ref(), patience(SHORT, LONG));
        let failed = rig.put(&server.url(), 8 << 20).await.unwrap_err();
        assert_eq!((failed.trouble.cause, failed.trouble.maybe_applied), (Cause::Network, true));
        assert!(failed.trouble.why.starts_with("nothing has moved for "), "{}", failed.trouble.why);
        closed.notified().await;
    }
}

#[tokio::test]
async fn an_answer_may_take_its_time_but_not_for_ever() {
    let server = Server::start(None, |mut peer: Peer| async move {
        peer.head().await;
        peer.say("HTTP/1.1 100 Continue\r\n\r\n").await;
        peer.body(1 << 20).await;
        if peer.number == 0 {
            pass(3 * SHORT).await;
            peer.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
        }
        peer.gone().await;
    })
    .await;
    let rig = Rig::patient(None, patience(SHORT, LONG));
    assert_eq!(rig.put(&server.url(), 1 << 20).await.unwrap().status, 200);
    let rig = Rig::patient(None, patience(SHORT, SHORT));
    let failed = rig.put(&server.url(), 1 << 20).await.unwrap_err();
    assert!(failed.trouble.why.starts_with("nothing has moved for "), "{}", failed.trouble.why);
    assert_eq!(failed.sent, 1 << 20);
}

#[tokio::test]
async fn a_part_that_is_held_is_not_taken_for_a_dead_connection() {
    for authority in both() {
        let server =
            Server::start(authority.as_ref(), |mut peer: Peer| async move { drop(peer.serve().await) }).await;
        let rig = Rig::patient(authority.as_ref(), patience(SHORT, LONG));
        rig.pacer.freeze(true);
        let url = server.url();
        let thaw = async {
            pass(4 * SHORT).await;
            assert_eq!(server.connections(), 1);
            rig.pacer.freeze(false);
        };
        let (answer, ()) = tokio::join!(rig.put(&url, 1 << 20), thaw);
        assert_eq!(answer.unwrap().status, 200);
        // A portion every second, and a patience of less.
        rig.pacer.set_limit(Some(1000));
        let (answer, ()) = tokio::join!(rig.put(&url, 3000), async {});
        assert_eq!(answer.unwrap().status, 200);
        assert_eq!(server.connections(), 2, "without a reconnect");
    }
}

#[tokio::test]
async fn a_host_that_takes_no_connection_is_given_up() {
    // Accepts nothing: TLS waits for a greeting.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let rig = Rig::patient(None, Patience { connecting: SHORT, ..Patience::default() });
    let failed = rig.put(&format!("https://{}/x", listener.local_addr().unwrap()), 1000).await.unwrap_err();
    assert_eq!(failed.trouble.why, "no connection in time");
    assert!(!failed.trouble.maybe_applied);
}
