//! Proxies between the rig and both its servers.
use std::sync::Arc;

use rigpost_core::oauth::Cause;
use rigpost_daemon::egress::proxy::{Choice, Proxies, Proxy};
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::*;

/// A proxy that connects to one server, whatever it is asked for, and gives what it was asked.
pub async fn leading_to(server: &Server) -> (Server, UnboundedReceiver<String>) {
    let (seen, asked) = unbounded_channel();
    let address = server.address;
    let proxy = Server::start(None, move |mut peer: Peer| {
        let seen = seen.clone();
        async move {
            let head = peer.head().await;
            seen.send(head).unwrap();
            peer.say("HTTP/1.1 200 Connection established\r\nVia: 1.1 proxy\r\n\r\n").await;
            let mut there = TcpStream::connect(address).await.unwrap();
            // Ends with whoever ends first.
            let _ = copy_bidirectional(&mut peer.io, &mut there).await;
        }
    })
    .await;
    (proxy, asked)
}

pub fn through(text: &str) -> Proxies {
    Choice::This(Proxy::parse(text).unwrap()).resolve(|_| None).0
}

pub fn rig(authority: Option<&Authority>, proxies: Proxies) -> Rig {
    let ca_file = authority.map(Authority::path);
    Rig::with(Egress { ca_file, proxies, ..Egress::default() }, Patience::default())
}

async fn serve(mut peer: Peer) {
    while let Some(head) = Some(peer.head().await).filter(|head| !head.is_empty()) {
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
        if head.contains("expect: 100-continue") {
            peer.say("HTTP/1.1 100 Continue\r\n\r\n").await;
        }
        peer.body(length.map_or(0, |length| length.parse().unwrap())).await;
        peer.say("HTTP/1.1 200 OK\r\nETag: \"abc\"\r\nContent-Length: 0\r\n\r\n").await;
    }
}

/// A name that only the proxy knows, and addresses of both families.
const HOSTS: [(&str, &str); 5] = [
    ("storage.example", "storage.example:443"),
    ("storage.example:8443", "storage.example:8443"),
    ("192.0.2.1", "192.0.2.1:443"),
    ("[2001:db8::1]", "[2001:db8::1]:443"),
    ("[2001:db8::1]:8443", "[2001:db8::1]:8443"),
];

#[tokio::test]
async fn both_clients_go_through_the_proxy_which_looks_names_up() {
    let names = ["storage.example", "192.0.2.1", "2001:db8::1"];
    let authority = Arc::new(Authority::named(&names));
    let server = Server::start(Some(&authority), serve).await;
    let (proxy, mut asked) = leading_to(&server).await;
    let rig = rig(Some(&authority), through(&format!("http://{}", proxy.address)));
    for (host, target) in HOSTS {
        let url = format!("https://{host}/parts/1?signature=topsecret");
        assert_eq!(rig.put(&url, 3 << 20).await.unwrap().status, 200, "{host}");
        rig.http.rest(Connection::Pooled);
        // reqwest takes the brackets for a part of the name that the certificate has to be for.
        let clients: &[&str] = if host.starts_with('[') { &["part"] } else { &["part", "question"] };
        if clients.len() > 1 {
            assert_eq!(rig.http.ask(question(&url)).await.unwrap().status, 200, "{host}");
        }
        for client in clients {
            let head = asked.recv().await.unwrap();
            assert!(
                head.starts_with(&format!("connect {target} http/1.1\r\nhost: {target}\r\n")),
                "{client}: {head}"
            );
            assert!(!head.contains("authorization") && !head.contains("topsecret"), "{client}: {head}");
        }
    }
}

#[tokio::test]
async fn parts_share_a_connection_through_a_proxy_too() {
    let authority = Authority::named(&["storage.example"]);
    let server = Server::start(Some(&authority), serve).await;
    let (proxy, _asked) = leading_to(&server).await;
    let rig = rig(Some(&authority), through(&format!("http://{}", proxy.address)));
    for _ in 0..3 {
        assert_eq!(rig.put("https://storage.example/1", 3 << 20).await.unwrap().status, 200);
    }
    assert_eq!((proxy.connections(), server.connections()), (1, 1));
    assert_ne!(rig.http.congestion(), Congestion::Untried, "the socket has its options");
}

#[tokio::test]
async fn an_address_of_http_is_asked_of_the_proxy_by_its_port() {
    let server = Server::start(None, serve).await;
    let (proxy, mut asked) = leading_to(&server).await;
    let rig = rig(None, through(&format!("http://{}", proxy.address)));
    for (host, target) in [("storage.example", "storage.example:80"), ("[2001:db8::1]", "[2001:db8::1]:80")] {
        assert_eq!(rig.put(&format!("http://{host}/1"), 10).await.unwrap().status, 200);
        assert!(asked.recv().await.unwrap().starts_with(&format!("connect {target} http/1.1\r\n")));
    }
}

#[tokio::test]
async fn user_and_password_are_for_the_proxy_alone() {
    let authority = Authority::named(&["storage.example"]);
    let (seen, mut requests) = unbounded_channel();
    let server = Server::start(Some(&authority), move |mut peer: Peer| {
        let seen = seen.clone();
        async move {
            let head = peer.head().await;
            seen.send(head).unwrap();
            peer.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
        }
    })
    .await;
    let (proxy, mut asked) = leading_to(&server).await;
    // As it has to be written in an address: "se:cret".
    let rig = rig(Some(&authority), through(&format!("http://anna:se%3Acret@{}", proxy.address)));
    rig.http.ask(question("https://storage.example/")).await.unwrap();
    let _ = rig.put("https://storage.example/", 10).await;
    for _ in 0..2 {
        let head = asked.recv().await.unwrap();
        assert!(head.contains("proxy-authorization: basic yw5uytpzztpjcmv0"), "{head}");
        assert!(!requests.recv().await.unwrap().contains("proxy-authorization"));
    }
}

/// Whatever is wrong with a proxy, both clients say the same, and neither the password nor what was asked for.
#[tokio::test]
async fn what_a_proxy_refuses_is_told() {
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(9_000));
    let table = [
        (
            "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n",
            Cause::Proxy,
            "HTTP 407: the proxy wants",
        ),
        ("HTTP/1.1 503 Service Unavailable\r\n\r\n", Cause::Network, "the proxy refuses to connect"),
        ("HTTP/1.1 403 Forbidden\r\n\r\n", Cause::Network, "the proxy refuses to connect"),
        ("SSH-2.0-OpenSSH_9.2\r\n\r\n", Cause::Network, "the proxy refuses to connect"),
        ("", Cause::Network, "the proxy closed the connection"),
        ("HTTP/1.1 200", Cause::Network, "the proxy closed the connection"),
        (long.as_str(), Cause::Network, "not one of a proxy"),
    ];
    for (answer, cause, words) in table {
        let answer = answer.to_owned();
        let proxy = Server::start(None, move |mut peer: Peer| {
            let answer = answer.clone();
            async move {
                peer.head().await;
                peer.say(&answer).await;
            }
        })
        .await;
        refused(&format!("http://anna:hunter2@{}", proxy.address), cause, words).await;
    }
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    refused(&format!("http://anna:hunter2@{closed}"), Cause::Network, "the proxy can't be reached").await;
    let resetting = Server::start(None, |mut peer: Peer| async move {
        peer.head().await;
        peer.reset();
    })
    .await;
    refused(&format!("http://anna:hunter2@{}", resetting.address), Cause::Network, "the proxy broke off")
        .await;
}

async fn refused(proxy: &str, cause: Cause, words: &str) {
    let rig = rig(None, through(proxy));
    let url = "https://storage.example/secretpath?signature=topsecret";
    let part = rig.put(url, 10).await.unwrap_err();
    let asked = rig.http.ask(question(url)).await.unwrap_err();
    let said = format!("{part:?} {asked:?}");
    assert!(
        !said.contains("hunter2") && !said.contains("secretpath") && !said.contains("topsecret"),
        "{said}"
    );
    assert_eq!(part.trouble, asked.trouble);
    let trouble = asked.trouble;
    assert!(trouble.cause == cause && trouble.why.contains(words), "{trouble:?}");
    assert!(!trouble.maybe_applied && part.sent == 0, "nothing has arrived");
    assert_eq!(asked.root, trouble.why);
}

#[tokio::test]
async fn exceptions_of_the_environment_go_straight() {
    let authority = Authority::good();
    let server = Server::start(Some(&authority), serve).await;
    let (proxy, _asked) = leading_to(&server).await;
    let proxied = format!("http://{}", proxy.address);
    for (except, connections) in
        [("127.0.0.1", 0), ("10.0.0.0/8, 127.0.0.0/8", 0), ("*", 0), ("localhost,.example", 1), ("", 2)]
    {
        let variables = [("https_proxy", proxied.as_str()), ("no_proxy", except)];
        let find =
            |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, text)| (*text).to_owned());
        let rig = rig(Some(&authority), Choice::Environment.resolve(find).0);
        let url = server.url();
        let before = proxy.connections();
        rig.put(&url, 10).await.unwrap();
        rig.http.ask(question(&url)).await.unwrap();
        assert_eq!(proxy.connections() - before, if connections > 0 { 2 } else { 0 }, "{except}");
        assert_eq!(rig.http.proxy(&url.parse().unwrap()), (connections > 0).then(|| proxied.clone()));
    }
}

#[tokio::test]
async fn a_certificate_is_judged_behind_a_proxy_as_without_one() {
    let (serving, trusted) = (Authority::named(&["storage.example"]), Authority::good());
    let server = Server::start(Some(&serving), serve).await;
    let (proxy, _asked) = leading_to(&server).await;
    let rig = rig(Some(&trusted), through(&format!("http://{}", proxy.address)));
    let part = rig.put("https://storage.example/", 10).await.unwrap_err();
    let asked = rig.http.ask(question("https://storage.example/")).await.unwrap_err();
    assert_eq!(part.trouble, asked.trouble);
    assert!(asked.tls.is_some() && asked.trouble.cause == Cause::Certificate);
}
