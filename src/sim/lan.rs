//! By what this machine is called from elsewhere: for a phone, and for the certificate.
//!
//! # Decisions
//! `nix` lists the addresses (`getifaddrs`), because it is in the tree; std can't. Which of them a phone is most likely to
//! reach, the kernel says: the one that it would speak from to the world. A socket is connected for that, and nothing sent.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;

/// An address for documentation (RFC 5737), which is routed as the rest of the world is.
const WORLD: (Ipv4Addr, u16) = (Ipv4Addr::new(203, 0, 113, 1), 9);

/// The addresses of this machine's networks, the likeliest first. Empty where there is no network.
pub(crate) fn addresses() -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = Vec::new();
    for interface in getifaddrs().into_iter().flatten() {
        let Some(address) = interface.address else { continue };
        let ip = match (address.as_sockaddr_in(), address.as_sockaddr_in6()) {
            (Some(v4), _) => IpAddr::V4(v4.ip()),
            // Those of a link alone need its name beside them, which no address bar takes.
            (None, Some(v6)) if !v6.ip().is_unicast_link_local() => IpAddr::V6(v6.ip()),
            (None, Some(_) | None) => continue,
        };
        let there = interface.flags.contains(InterfaceFlags::IFF_UP);
        if there && !ip.is_loopback() && !found.contains(&ip) {
            found.push(ip);
        }
    }
    let first = outward();
    found.sort_by_key(|ip| (Some(*ip) != first, ip.is_ipv6()));
    found
}

fn outward() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect(WORLD).ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}

/// The names of this machine: its own, and the one that it has without a name server (mDNS).
pub(crate) fn names() -> Vec<String> {
    let name = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()).unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    if name.is_empty() || name == "localhost" || !name.chars().all(plain) {
        return Vec::new();
    }
    let host = name.split('.').next().unwrap_or_default();
    let local = format!("{host}.local");
    if name == local { vec![name] } else { vec![name, local] }
}
