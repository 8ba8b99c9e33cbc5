use super::*;

/// `struct ifinfomsg`.
const LINK: usize = 16;

fn message(kind: u16, body: &[u8]) -> Vec<u8> {
    let length = (HEADER + body.len()) as u32;
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.resize(HEADER, 0);
    bytes.extend(body);
    bytes.resize(aligned(bytes.len()), 0);
    bytes
}

fn attribute_of(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = (4 + value.len() as u16).to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(aligned(bytes.len()), 0);
    bytes
}

fn link(kind: u16, index: u32, flags: u32) -> Vec<u8> {
    let mut body = vec![0; 4];
    body.extend(index.to_ne_bytes());
    body.extend(flags.to_ne_bytes());
    body.resize(LINK, 0);
    body.extend(attribute_of(3, b"eth0\0"));
    message(kind, &body)
}

fn address(kind: u16, index: u32, flags: u8, scope: u8, address: &[u8]) -> Vec<u8> {
    let mut body = vec![if address.len() == 4 { 2 } else { 10 }, 24, flags, scope];
    body.extend(index.to_ne_bytes());
    // The life that a lease renews.
    body.extend(attribute_of(6, &[7; 16]));
    body.extend(attribute_of(IFA_ADDRESS, address));
    message(kind, &body)
}

fn route(kind: u16, index: u32, prefix: u8, gateway: &[u8]) -> Vec<u8> {
    let mut body = vec![2, prefix, 0, 0, 254, 3, 0, UNICAST];
    body.resize(ROUTE, 0);
    body.extend(attribute_of(RTA_GATEWAY, gateway));
    body.extend(attribute_of(RTA_OIF, &index.to_ne_bytes()));
    message(kind, &body)
}

const V6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

#[test]
fn what_appears_is_news_once_until_it_goes_away() {
    let up = link(NEW_LINK, 2, RUNNING | 1);
    let lease = address(NEW_ADDRESS, 2, 0, 0, &[10, 0, 0, 7]);
    let default = route(NEW_ROUTE, 2, 0, &[10, 0, 0, 1]);
    let mut seen = Seen::default();
    for announcement in [&up, &lease, &default] {
        assert!(seen.read(announcement));
        assert!(!seen.read(announcement), "renewed");
    }
    assert!(seen.read(&address(NEW_ADDRESS, 2, 0, 0, &V6)), "another address");
    assert!(seen.read(&route(NEW_ROUTE, 2, 0, &[10, 0, 0, 2])), "another router");
    assert!(seen.read(&link(NEW_LINK, 3, RUNNING)), "another link");
    for gone in [
        link(NEW_LINK, 2, 1),
        link(DEL_LINK, 2, 0),
        address(DEL_ADDRESS, 2, 0, 0, &[10, 0, 0, 7]),
        route(DEL_ROUTE, 2, 0, &[10, 0, 0, 1]),
    ] {
        assert!(!seen.read(&gone), "that something went away helps nobody");
        assert!(seen.read(&up) && seen.read(&lease) && seen.read(&default), "and it is back");
    }
    assert!(!seen.read(&link(NEW_LINK, 3, RUNNING)), "other links were there all the time");
}

#[test]
fn what_leads_nowhere_is_no_news() {
    let mut seen = Seen::default();
    for (name, announcement) in [
        ("no carrier", link(NEW_LINK, 2, 1)),
        ("loopback", link(NEW_LINK, 1, RUNNING | LOOPBACK)),
        ("an address that is not ours yet", address(NEW_ADDRESS, 2, TENTATIVE, 0, &V6)),
        ("an address of this link only", address(NEW_ADDRESS, 2, 0, SCOPE_LINK, &V6)),
        ("an address of this machine", address(NEW_ADDRESS, 1, 0, 254, &[127, 0, 0, 1])),
        ("a route to the next room", route(NEW_ROUTE, 2, 24, &[10, 0, 0, 1])),
        ("of another kind", message(28, &[0; 32])),
    ] {
        assert!(!seen.read(&announcement), "{name}");
    }
}

#[test]
fn several_in_one_datagram_are_all_read() {
    let both = [link(NEW_LINK, 2, 1), route(NEW_ROUTE, 2, 0, &[10, 0, 0, 1])].concat();
    assert!(Seen::default().read(&both));
}

#[test]
fn what_is_cut_or_broken_is_no_news_and_does_no_harm() {
    let whole = [link(NEW_LINK, 2, 1), address(NEW_ADDRESS, 2, 0, 0, &V6), route(NEW_ROUTE, 2, 0, &[1; 4])];
    let whole = whole.concat();
    for cut in 0..whole.len() {
        Seen::default().read(&whole[..cut]);
        for value in [0, 1, 3, 15, 255] {
            let mut broken = whole.clone();
            broken[cut] = value;
            Seen::default().read(&broken);
        }
    }
    assert!(!Seen::default().read(&whole[..HEADER + 8]), "half a message");
    let mut many = Seen::default();
    for index in 0..10_000 {
        assert!(many.read(&link(NEW_LINK, index + 2, RUNNING)));
        assert!(many.0.len() <= MOST);
    }
}
