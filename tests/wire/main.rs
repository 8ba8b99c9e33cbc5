//! Parts on real sockets: connections that are kept, answers that come early, connections on which nothing moves.
#![expect(clippy::unwrap_used, reason = "tests")]
mod certificates;
mod dead_link;
mod early;
mod proxies;
mod server;
mod socket;
mod still;
mod trickle;

use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use rigpost_core::oauth::{Cause, Trouble};
use rigpost_core::provider::wire::{Body, Connection, Method, PartRequest, Request, Response};
use rigpost_core::secret::Secret;
use rigpost_daemon::clock::Clock;
use rigpost_daemon::egress::Egress;
use rigpost_daemon::http::{Congestion, Http, Patience, PutError, Transport};
use rigpost_daemon::media::{MediaFile, Pacer, PartBody, PartWatch, ReadPlan, Workers};
use tokio::sync::mpsc;

use server::{Authority, Peer, Server};

/// A client, a file and the handle on its pace.
struct Rig {
    http: Http,
    file: Arc<MediaFile>,
    pacer: Pacer,
}

/// What is asked of an API.
fn question(url: &str) -> Request {
    Request {
        name: "health",
        method: Method::Get,
        signed: None,
        url: url.parse().unwrap(),
        headers: Vec::new(),
        authorization: None,
        proof: None,
        body: Body::Empty,
        timeout: Duration::from_secs(20),
        connection: Connection::Fresh,
    }
}

impl Rig {
    fn new(authority: Option<&Authority>) -> Rig {
        Rig::patient(authority, Patience::default())
    }

    fn patient(authority: Option<&Authority>, patience: Patience) -> Rig {
        let egress = Egress { ca_file: authority.map(Authority::path), ..Egress::default() };
        Rig::with(egress, patience)
    }

    fn with(egress: Egress, patience: Patience) -> Rig {
        let http = Http::with_patience(egress, "0.0.0", Clock::system(), patience);
        http.open();
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&bytes(8 << 20), 0).unwrap();
        let volume = Workers::new(Clock::system()).volumes().of(&std::env::temp_dir());
        Rig { http, file: Arc::new(MediaFile::new(file, volume)), pacer: Pacer::new(Clock::system()) }
    }

    fn part(&self, from: u64, len: u64) -> (PartBody, Arc<PartWatch>) {
        let watch = Arc::new(PartWatch::default());
        let (file, checks) = (self.file.clone(), ReadPlan::new(true, 4));
        (PartBody::new(file, from, len, checks, watch.clone(), self.pacer.clone()), watch)
    }

    async fn put(&self, url: &str, len: u64) -> Result<Response, PutError> {
        let (body, _) = self.part(0, len);
        self.http.put(to(url), len, body).await
    }
}

/// A part's way there.
fn to(url: &str) -> PartRequest {
    let headers = vec![("x-amz-acl", "private".to_owned())];
    PartRequest { method: Method::Put, url: Secret::new(url), headers, bearer: None }
}

fn bytes(len: usize) -> Vec<u8> {
    let pattern: Vec<u8> = (0..251 * 16).map(|i| (i * 31 % 251) as u8).collect();
    let mut bytes = pattern.repeat(len.div_ceil(pattern.len()));
    bytes.truncate(len);
    bytes
}

fn both() -> [Option<Authority>; 2] {
    [None, Some(Authority::good())]
}

//= frameio-c2c#5.2
//= type=test
//# A part carries no bearer token.
#[tokio::test]
async fn parts_share_a_connection_until_there_is_a_rest() {
    for authority in both() {
        let (seen, mut requests) = mpsc::unbounded_channel();
        let server = Server::start(authority.as_ref(), move |mut peer: Peer| {
            let seen = seen.clone();
            async move {
                while let Some(request) = peer.serve().await {
                    seen.send(request).unwrap();
                }
            }
        })
        .await;
        let rig = Rig::new(authority.as_ref());
        for n in 0..3 {
            let (body, watch) = rig.part(n * 1_000_000, 1_000_000);
            let answer = rig.http.put(to(&server.url()), 1_000_000, body).await.unwrap();
            assert_eq!((answer.status, answer.etag.as_str()), (200, "\"abc\""));
            let (head, body) = requests.recv().await.unwrap();
            let start = "put /parts/clip%20one.mov?x-amz-signature=topsecret&n=1 http/1.1\r\n";
            assert!(head.starts_with(start), "{head}");
            assert!(head.contains(&format!("\r\nhost: {}\r\n", server.address)), "{head}");
            assert!(head.contains("\r\nx-amz-acl: private\r\n"), "{head}");
            assert!(!head.contains("authorization"), "{head}");
            assert_eq!(head.contains("expect:"), n == 0, "only a fresh connection asks");
            let from = n as usize * 1_000_000;
            assert!(body == bytes(8 << 20)[from..from + 1_000_000]);
            assert_eq!(watch.sent.load(Relaxed), 1_000_000);
            assert!(watch.digest().is_some_and(|d| d.md5.is_some()));
        }
        assert_eq!(server.connections(), 1);
        rig.http.rest(Connection::Fresh);
        rig.http.rest(Connection::Pooled);
        rig.put(&server.url(), 10).await.unwrap();
        assert_eq!(server.connections(), 2, "a rest closes what is idle");
    }
}

#[tokio::test]
async fn parts_at_the_same_time_have_a_connection_each_and_keep_them() {
    let server =
        Server::start(None, |mut peer: Peer| async move { while peer.serve().await.is_some() {} }).await;
    let rig = Rig::new(None);
    let url = server.url();
    for _ in 0..3 {
        let (a, b, c) = tokio::join!(rig.put(&url, 3 << 20), rig.put(&url, 3 << 20), rig.put(&url, 3 << 20));
        assert!([a, b, c].iter().all(|r| r.as_ref().is_ok_and(|r| r.status == 200)));
    }
    assert_eq!(server.connections(), 3);
}

#[tokio::test]
async fn a_connection_that_went_bad_while_idle_costs_nothing() {
    for authority in both() {
        // The first of each kind serves one part and then closes: before the second, or into its face.
        for into_its_face in [false, true] {
            let server = Server::start(authority.as_ref(), move |mut peer: Peer| async move {
                peer.serve().await.unwrap();
                if peer.number > 0 {
                    while peer.serve().await.is_some() {}
                }
                if into_its_face {
                    peer.head().await;
                    peer.reset();
                }
            })
            .await;
            let rig = Rig::new(authority.as_ref());
            for _ in 0..3 {
                assert_eq!(rig.put(&server.url(), 3 << 20).await.unwrap().status, 200);
            }
            assert_eq!(server.connections(), 2, "{into_its_face}");
        }
    }
}

#[tokio::test]
async fn a_file_that_became_shorter_is_no_reason_for_another_attempt() {
    let server =
        Server::start(None, |mut peer: Peer| async move { while peer.serve().await.is_some() {} }).await;
    let rig = Rig::new(None);
    assert!(rig.put(&server.url(), 10).await.is_ok());
    let (body, watch) = rig.part((8 << 20) - 1000, 2000);
    let failed = rig.http.put(to(&server.url()), 2000, body).await;
    assert!(failed.is_err() && watch.shorter.load(Relaxed));
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_certificate_of_another_time_is_told_from_one_of_another_authority() {
    let (good, over, not_yet) = (Authority::good(), Authority::new(2001, 2002), Authority::new(2098, 2099));
    let table = [
        (&good, &good, None),
        (&over, &over, Some(Cause::Clock)),
        (&not_yet, &not_yet, Some(Cause::Clock)),
        (&good, &over, Some(Cause::Certificate)),
    ];
    for (n, (serving, trusted, cause)) in table.into_iter().enumerate() {
        let server =
            Server::start(Some(serving), |mut peer: Peer| async move { drop(peer.serve().await) }).await;
        let outcome = Rig::new(Some(trusted)).put(&server.url(), 10).await;
        let failed = outcome.err().map(|e| (e.trouble.cause, e.trouble.maybe_applied, e.sent));
        assert_eq!(failed, cause.map(|cause| (cause, false, 0)), "line {n}");
    }
}

#[tokio::test]
async fn bbr_is_asked_for_and_its_refusal_is_known() {
    let server = Server::start(None, |mut peer: Peer| async move { drop(peer.serve().await) }).await;
    let rig = Rig::new(None);
    assert_eq!(rig.http.congestion(), Congestion::Untried);
    rig.put(&server.url(), 10).await.unwrap();
    let socket =
        std::net::UdpSocket::bind("127.0.0.1:0").and_then(|_| std::net::TcpStream::connect(server.address));
    let granted = rustix::net::sockopt::set_tcp_congestion(socket.unwrap(), "bbr").is_ok();
    let expected = if granted { Congestion::Bbr } else { Congestion::Default };
    assert_eq!(rig.http.congestion(), expected);
}

#[tokio::test]
async fn no_url_is_in_any_error() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let resetting = Server::start(None, |mut peer: Peer| async move {
        peer.head().await;
        peer.reset();
    })
    .await;
    let babbling = Server::start(None, |mut peer: Peer| async move {
        peer.head().await;
        peer.say("SSH-2.0-OpenSSH_9.2\r\n\r\n").await;
    })
    .await;
    let query = "?X-Amz-Signature=topsecret";
    let urls = [
        format!("http://{closed}/secretpath{query}"),
        format!("http://{}/secretpath{query}", resetting.address),
        format!("http://{}/secretpath{query}", babbling.address),
        format!("https://{}/secretpath{query}", babbling.address),
        format!("https://no-such-host.invalid/secretpath{query}"),
        format!("ftp://127.0.0.1/secretpath{query}"),
        format!("http:///secretpath{query}"),
        format!("secretpath topsecret {query}"),
    ];
    let rig = Rig::patient(None, Patience { connecting: Duration::from_secs(5), ..Patience::default() });
    for url in urls {
        let failed = rig.put(&url, 5 << 20).await.unwrap_err();
        let text = format!("{failed:?} {}", failed.trouble.why);
        assert!(!text.contains("topsecret") && !text.contains("secretpath"), "{text}");
        assert!(!failed.trouble.why.is_empty());
        let Trouble { maybe_applied, .. } = failed.trouble;
        assert_eq!(
            maybe_applied,
            url.contains(&resetting.address.to_string())
                || url.starts_with("http://") && url.contains(&babbling.address.to_string()),
            "{text}"
        );
    }
}
