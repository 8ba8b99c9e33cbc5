//! Parts: who may send one, and what came of it.
use axum::http::StatusCode;

use super::asset::{Address, Asset};
use super::part::{Arrival, PartRequest, PartState, PartTicket, PartView};
use super::world::World;
use crate::clock::Moment;
use crate::reply::Reply;

impl World {
    /// Judges a PUT by everything but its body.
    pub(crate) fn check_part(&mut self, put: &PartRequest<'_>, now: Moment) -> Result<PartTicket, Reply> {
        let forbidden = |code: &str, message: &str| Err(Reply::xml(StatusCode::FORBIDDEN, code, message));
        let bad = |code: &str, message: &str| Err(Reply::xml(StatusCode::BAD_REQUEST, code, message));
        if put.has_bearer {
            self.violation("sent a bearer token to the storage".to_owned());
            return bad("InvalidArgument", "Only one auth mechanism allowed");
        }
        let signed = "The request signature we calculated does not match the signature you provided";
        let Some(asset) = self.assets.get(put.asset) else {
            return forbidden("SignatureDoesNotMatch", signed);
        };
        match asset.address(put.n, put.signature, &self.rules.marker, now) {
            Address::Good => {}
            Address::Expired => return forbidden("AccessDenied", "Request has expired"),
            Address::Unknown => return forbidden("SignatureDoesNotMatch", signed),
        }
        if put.content_type != Some(asset.filetype.as_str()) || put.acl != Some("private") {
            let which = format!("part sent without the signed headers: asset {}, part {}", asset.id, put.n);
            self.violation(which);
            return forbidden("SignatureDoesNotMatch", signed);
        }
        let size = asset.part_size(put.n);
        let Some(length) = put.content_length else {
            let status = StatusCode::LENGTH_REQUIRED;
            return Err(Reply::xml(
                status,
                "MissingContentLength",
                "You must provide the Content-Length HTTP header",
            ));
        };
        if length != size {
            let which = format!(
                "part of the wrong size: asset {}, part {}, {length} bytes instead of {size}",
                asset.id, put.n
            );
            self.violation(which);
            let code = if length < size { "EntityTooSmall" } else { "EntityTooLarge" };
            return bad(code, "The part does not have the size its place in the file demands");
        }
        Ok(PartTicket { asset: asset.id.clone(), n: put.n, size })
    }

    /// Whether the parts of this asset are still to be put together.
    pub(crate) fn wants_part(&self, asset: &str) -> bool {
        self.assets.get(asset).is_some_and(|asset| !asset.closed())
    }

    /// The body of a part begins to arrive.
    pub(crate) fn part_begun(&mut self, ticket: &PartTicket) {
        let Some(asset) = self.assets.get_mut(&ticket.asset) else { return };
        let part = asset.received.entry(ticket.n).or_default();
        part.begun += 1;
        part.begun_again += u32::from(part.done());
    }

    /// So many bytes of it are here. `None` when the attempt is over, one way or the other.
    pub(crate) fn part_moves(&mut self, asset: &str, attempt: &str, bytes: Option<u64>) {
        let Some(asset) = self.assets.get_mut(asset) else { return };
        match bytes {
            Some(bytes) => asset.in_flight.insert(attempt.to_owned(), bytes),
            None => asset.in_flight.remove(attempt),
        };
    }

    /// A part arrived whole. Returns how often it has arrived by now, and whether it was the last one missing.
    pub(crate) fn part_done(&mut self, asset: &str, n: u64, arrival: &Arrival) -> (u32, bool) {
        let Some(asset) = self.assets.get_mut(asset) else { return (0, false) };
        let open = !asset.closed();
        let part = asset.received.entry(n).or_default();
        part.finished += 1;
        part.etag = Some(arrival.etag.clone());
        if open {
            part.size = arrival.file.size;
            part.sha256 = Some(arrival.file.sha256.clone());
            part.damaged = arrival.damaged;
        }
        let times = part.finished;
        if let Some(growth) = asset.growth_mut() {
            growth.arrived(n);
        }
        let last = open && asset.all_there();
        asset.assembling |= last;
        (times, last)
    }

    /// The numbers of the first `most` parts that are not there.
    pub(crate) fn missing(&self, asset: &str, most: usize) -> Vec<u64> {
        let Some(asset) = self.assets.get(asset) else { return Vec::new() };
        let there = |n: &u64| asset.received.get(n).is_some_and(PartState::done);
        asset.numbers().into_iter().filter(|n| !there(n)).take(most).collect()
    }

    /// Every part whose sending was ever begun, by asset (oldest first) and number.
    pub(crate) fn part_views(&self) -> Vec<PartView> {
        let of = |asset: &&Asset| {
            let (id, name) = (asset.id.clone(), asset.name.clone());
            let view = move |(n, part): (&u64, &PartState)| PartView {
                asset: id.clone(),
                name: name.clone(),
                part: *n,
                begun: part.begun,
                finished: part.finished,
                begun_again: part.begun_again,
                size: part.size,
                sha256: part.sha256.clone(),
                etag: part.etag.clone(),
                damaged: part.damaged,
            };
            asset.received.iter().map(view).collect::<Vec<_>>()
        };
        self.assets_by_age().iter().flat_map(of).collect()
    }
}
