//! Reading the kernel's announcements: what has appeared that was not there before. `rtnetlink(7)`, `netlink(7)`.
use std::collections::BTreeSet;

const NEW_LINK: u16 = 16;
const DEL_LINK: u16 = 17;
const NEW_ADDRESS: u16 = 20;
const DEL_ADDRESS: u16 = 21;
const NEW_ROUTE: u16 = 24;
const DEL_ROUTE: u16 = 25;

/// `struct nlmsghdr`.
const HEADER: usize = 16;
/// `struct ifaddrmsg`, `struct rtmsg`.
const ADDRESS: usize = 8;
const ROUTE: usize = 12;

/// `IFF_LOOPBACK`, `IFF_RUNNING`.
const LOOPBACK: u32 = 0x8;
const RUNNING: u32 = 0x40;
/// `IFA_F_TENTATIVE`: not to be used before nobody else has claimed it.
const TENTATIVE: u8 = 0x40;
/// `RT_SCOPE_LINK`: from here on inwards no address leads to the provider.
const SCOPE_LINK: u8 = 253;
/// `RTN_UNICAST`.
const UNICAST: u8 = 1;
/// `IFA_ADDRESS`, `RTA_OIF`, `RTA_GATEWAY`.
const IFA_ADDRESS: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;

/// More than a rig ever has; beyond it everything is news again.
const MOST: usize = 256;

/// What is there, as far as it was announced: interface, kind, and what tells it from others of its kind.
#[derive(Debug, Default)]
pub(super) struct Seen(BTreeSet<(u32, u16, Vec<u8>)>);

impl Seen {
    /// Reads one datagram; true when something has appeared in it. What can't be read is no news.
    pub(super) fn read(&mut self, mut datagram: &[u8]) -> bool {
        let mut news = false;
        while let (Some(length), Some(kind)) = (u32_at(datagram, 0), u16_at(datagram, 4)) {
            let length = length as usize;
            if length < HEADER {
                break;
            }
            let body = datagram.get(HEADER..length.min(datagram.len())).unwrap_or_default();
            news |= self.message(kind, body).unwrap_or(false);
            datagram = datagram.get(aligned(length)..).unwrap_or_default();
        }
        news
    }

    fn message(&mut self, kind: u16, body: &[u8]) -> Option<bool> {
        match kind {
            NEW_LINK => {
                let (index, flags) = (u32_at(body, 4)?, u32_at(body, 8)?);
                // Bridges announce their ports once more, under a family of their own.
                if *body.first()? != 0 || flags & LOOPBACK != 0 {
                    return None;
                }
                if flags & RUNNING == 0 {
                    self.gone(index);
                    return None;
                }
                Some(self.appeared(index, kind, Vec::new()))
            }
            NEW_ADDRESS => {
                let [family, prefix, flags, scope] = *body.first_chunk::<4>()?;
                if flags & TENTATIVE != 0 || scope >= SCOPE_LINK {
                    return None;
                }
                let mut known_by = vec![family, prefix];
                known_by.extend(attribute(body.get(ADDRESS..)?, IFA_ADDRESS).unwrap_or_default());
                Some(self.appeared(u32_at(body, 4)?, kind, known_by))
            }
            NEW_ROUTE => {
                let (&family, &prefix, &sort) = (body.first()?, body.get(1)?, body.get(7)?);
                if prefix != 0 || sort != UNICAST {
                    return None;
                }
                let attributes = body.get(ROUTE..)?;
                let mut known_by = vec![family];
                known_by.extend(attribute(attributes, RTA_GATEWAY).unwrap_or_default());
                Some(self.appeared(route_index(attributes), kind, known_by))
            }
            DEL_LINK if *body.first()? == 0 => self.gone(u32_at(body, 4)?),
            DEL_ADDRESS => self.gone(u32_at(body, 4)?),
            DEL_ROUTE if *body.get(1)? == 0 => self.gone(route_index(body.get(ROUTE..)?)),
            _ => None,
        }
    }

    fn appeared(&mut self, index: u32, kind: u16, known_by: Vec<u8>) -> bool {
        if self.0.len() >= MOST {
            self.0.clear();
        }
        self.0.insert((index, kind, known_by))
    }

    /// The kernel does not announce everything that goes away with something else.
    fn gone(&mut self, index: u32) -> Option<bool> {
        self.0.retain(|(of, ..)| *of != index);
        None
    }
}

/// Zero where there are several, and for routes that lead nowhere.
fn route_index(attributes: &[u8]) -> u32 {
    attribute(attributes, RTA_OIF).and_then(|index| u32_at(index, 0)).unwrap_or(0)
}

/// The value of the first attribute of that kind: `struct rtattr`.
fn attribute(mut attributes: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let (length, kind) = (usize::from(u16_at(attributes, 0)?), u16_at(attributes, 2)?);
        let value = attributes.get(4..length)?;
        if kind == wanted {
            return Some(value);
        }
        attributes = attributes.get(aligned(length)..)?;
    }
}

fn aligned(length: usize) -> usize {
    length.saturating_add(3) & !3
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests;
