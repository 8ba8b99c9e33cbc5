//! A link that dies under a part: no reset, no error, just silence. On a real one, in a network namespace.
use std::fs::File;
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use rigpost_core::oauth::Cause;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::sync::Notify;

use crate::{Patience, Peer, Rig, Server, bytes};

const OURS: &str = "198.18.213.1/30";
const THEIRS: &str = "198.18.213.2";

/// A namespace with one end of a cable in it; gone when dropped.
struct OtherEnd(String);

impl OtherEnd {
    fn ip(arguments: &str) -> Result<(), String> {
        let output =
            Command::new("ip").args(arguments.split(' ')).output().map_err(|e| format!("ip: {e}"))?;
        let said = String::from_utf8_lossy(&output.stderr);
        output.status.success().then_some(()).ok_or_else(|| format!("ip {arguments}: {}", said.trim()))
    }

    fn new() -> Result<OtherEnd, String> {
        let name = format!("rigpost-{}", std::process::id());
        OtherEnd::ip(&format!("netns add {name}"))?;
        let end = OtherEnd(name);
        let (name, ours) = (&end.0, end.ours());
        OtherEnd::ip(&format!("link add {ours} type veth peer name far netns {name}"))?;
        OtherEnd::ip(&format!("addr add {OURS} dev {ours}"))?;
        OtherEnd::ip(&format!("link set {ours} up"))?;
        OtherEnd::ip(&format!("-n {name} addr add {THEIRS}/30 dev far"))?;
        OtherEnd::ip(&format!("-n {name} link set far up"))?;
        Ok(end)
    }

    fn ours(&self) -> String {
        // 15 characters at most.
        format!("rp{}", std::process::id())
    }

    /// A listener that lives there.
    fn listen(&self) -> Result<std::net::TcpListener, String> {
        let space = File::open(format!("/run/netns/{}", self.0)).map_err(|e| e.to_string())?;
        let listening = std::thread::spawn(move || {
            move_into_link_name_space(space.as_fd(), Some(LinkNameSpaceType::Network))?;
            let listener = std::net::TcpListener::bind((THEIRS, 0))?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        });
        listening.join().unwrap().map_err(|e: std::io::Error| e.to_string())
    }

    fn cut(&self) {
        OtherEnd::ip(&format!("-n {} link set far down", self.0)).unwrap();
    }
}

impl Drop for OtherEnd {
    fn drop(&mut self) {
        // Takes the cable with it.
        let _ = OtherEnd::ip(&format!("netns del {}", self.0));
    }
}

#[tokio::test]
async fn a_link_that_dies_under_a_part_is_noticed() {
    let (end, listener) = match OtherEnd::new().and_then(|end| end.listen().map(|listener| (end, listener))) {
        Ok(both) => both,
        Err(why) => return eprintln!("skipped, no network namespace to be had here: {why}"),
    };
    let begun = Arc::new(Notify::new());
    let tell = begun.clone();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let server = Server::on(listener, None, move |mut peer: Peer| {
        let tell = tell.clone();
        async move {
            peer.head().await;
            peer.say("HTTP/1.1 100 Continue\r\n\r\n").await;
            assert!(peer.body(100_000).await == bytes(100_000));
            tell.notify_one();
            peer.gone().await;
        }
    });
    let patience = Patience { sending: Duration::from_secs(2), ..Patience::default() };
    let rig = Rig::patient(None, patience);
    // So much of it that the cut comes in the middle.
    rig.pacer.set_limit(Some(1 << 20));
    let cut = async {
        begun.notified().await;
        end.cut();
    };
    let url = server.url();
    let (outcome, ()) = tokio::join!(rig.put(&url, 8 << 20), cut);
    let failed = outcome.unwrap_err();
    assert_eq!((failed.trouble.cause, failed.trouble.maybe_applied), (Cause::Network, true));
    assert!(failed.trouble.why.starts_with("nothing has moved for "), "{}", failed.trouble.why);
    assert!((100_000..8 << 20).contains(&failed.sent), "{}", failed.sent);
}
