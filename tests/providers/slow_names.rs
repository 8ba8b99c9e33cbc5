//! Nameservers that are dead or slow, with the system's own resolver: in a mount namespace with another resolv.conf.
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::UdpSocket;

use crate::common::*;
use crate::scripted::*;

/// Answers every question for an IPv4 address with that of this machine, and every other with nothing.
async fn answer_names(socket: UdpSocket) {
    let mut packet = [0; 512];
    while let Ok((length, from)) = socket.recv_from(&mut packet).await {
        let Some(mut reply) = reply_to(&packet[..length]) else { continue };
        reply.truncate(512);
        let _ = socket.send_to(&reply, from).await;
    }
}

/// RFC 1035 §4.1: the question again, and an address where one of IPv4 was asked for.
fn reply_to(question: &[u8]) -> Option<Vec<u8>> {
    let name = question.get(12..)?.iter().position(|byte| *byte == 0)?;
    let end = 12 + name + 5;
    let is_ipv4 = question.get(end - 4..end - 2)? == [0, 1];
    let mut reply = question.get(..end)?.to_vec();
    (reply[2], reply[3]) = (0x81, 0x80);
    reply[6..12].copy_from_slice(&[0, u8::from(is_ipv4), 0, 0, 0, 0]);
    if is_ipv4 {
        reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        reply.extend(Ipv4Addr::LOCALHOST.octets());
    }
    Some(reply)
}

/// Takes questions and says nothing: a nameserver that is gone.
async fn dead(address: &str) -> Option<UdpSocket> {
    UdpSocket::bind(format!("{address}:53")).await.ok()
}

/// The rig asks these, one after the other, for every name: `localhost` is in no file of it.
fn asking(cloud: &Scripted, nameservers: &[&str], dir: &std::path::Path) -> Setup {
    let lines: String = nameservers.iter().map(|at| format!("nameserver {at}\n")).collect();
    fs::write(dir.join("resolv.conf"), lines).unwrap();
    fs::write(dir.join("hosts"), "127.0.0.1 nobody\n").unwrap();
    let bind = |file: &str| format!("mount --bind {}/{file} /etc/{file}", dir.display());
    let script = format!("{} && {} && exec \"$@\"", bind("resolv.conf"), bind("hosts"));
    let named = cloud.rig().provider.unwrap().replace("127.0.0.1", "localhost");
    let wrapper = vec!["unshare", "--mount", "sh", "-c", script.leak(), "sh"];
    Setup { provider: Some(named), wrapper, ..Setup::new() }
}

#[tokio::test]
async fn a_dead_first_nameserver_costs_time_and_nothing_else() {
    let (Some(silent), Some(good)) = (dead("127.53.0.1").await, dead("127.53.0.2").await) else {
        return eprintln!("skipped: only root can be a nameserver");
    };
    let answering = tokio::spawn(answer_names(good));
    let cloud = Scripted::start().await;
    cloud.says(POLL, [tokens(1, 2)]);
    cloud.says(REFRESH, [tokens(2, 3600)]);
    let dir = tempfile::tempdir().unwrap();
    let rig = asking(&cloud, &["127.53.0.1", "127.53.0.2"], dir.path()).start().await;
    rig.ask_to_pair().await.unwrap_or_else(|e| panic!("{}: {}", e.name, e.text));
    rig.wait_state("paired").await;
    cloud.wait_asked(REFRESH, 1).await;
    rig.wait_reason("none").await;
    // That the first was asked, and was dead.
    let mut question = [0; 512];
    let asked: (usize, SocketAddr) = soon("a question", silent.recv_from(&mut question)).await.unwrap();
    assert!(asked.0 > 12);
    answering.abort();
}

#[tokio::test]
async fn a_look_up_that_outlives_its_request_is_there_for_the_next() {
    let silent = [dead("127.53.1.1").await, dead("127.53.1.2").await];
    let (true, Some(good)) = (silent.iter().all(Option::is_some), dead("127.53.1.3").await) else {
        return eprintln!("skipped: only root can be a nameserver");
    };
    let answering = tokio::spawn(answer_names(good));
    let cloud = Scripted::start().await;
    cloud.says(POLL, [tokens(1, 3600)]);
    let dir = tempfile::tempdir().unwrap();
    // Ten seconds for each look-up.
    let rig = asking(&cloud, &["127.53.1.1", "127.53.1.2", "127.53.1.3"], dir.path()).start().await;
    rig.ask_to_pair().await.unwrap_or_else(|e| panic!("{}: {}", e.name, e.text));
    rig.wait_state("paired").await;
    answering.abort();
}
