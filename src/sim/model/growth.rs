//! A clip that grows while it is sent: which parts were registered, and in what order they came.
use std::collections::BTreeMap;

use serde::Serialize;

/// What is registered of a clip so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Growth {
    parts: BTreeMap<u64, Registered>,
    /// Every registration in its order, those of a part that was registered before among them.
    registered: Vec<u64>,
    /// Every part that arrived whole, in its order.
    put: Vec<u64>,
    /// The name is made up, since only an extension was given.
    pub(super) unnamed: bool,
}

#[derive(Clone, Debug)]
struct Registered {
    size: u64,
    is_final: bool,
    /// When each of its addresses stops working, oldest first.
    ends: Vec<u64>,
}

/// A part as a device registers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) number: u64,
    pub(super) size: u64,
    pub(super) is_final: bool,
}

impl Growth {
    pub(super) fn new(unnamed: bool) -> Self {
        Self { unnamed, ..Self::default() }
    }

    /// The numbers of the parts, rising.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u64> {
        self.parts.keys().copied()
    }

    /// Bytes of all parts.
    pub(super) fn size(&self) -> u64 {
        self.parts.values().map(|part| part.size).sum()
    }

    /// The final part is registered.
    pub(super) fn ended(&self) -> bool {
        self.parts.values().any(|part| part.is_final)
    }

    pub(super) fn part_size(&self, n: u64) -> u64 {
        self.parts.get(&n).map_or(0, |part| part.size)
    }

    /// The part as it was registered.
    pub(super) fn known(&self, number: u64) -> Option<Wanted> {
        let part = self.parts.get(&number)?;
        Some(Wanted { number, size: part.size, is_final: part.is_final })
    }

    /// When the addresses of a part stop working, oldest first.
    pub(super) fn addresses(&self, n: u64) -> &[u64] {
        self.parts.get(&n).map_or(&[], |part| &part.ends)
    }

    /// When the last address of all stops working.
    pub(super) fn last_end(&self) -> u64 {
        self.parts.values().flat_map(|part| &part.ends).max().copied().unwrap_or(0)
    }

    /// Takes in a part that was found right. Its new address works until `end`.
    pub(super) fn register(&mut self, part: Wanted, end: u64) {
        let Wanted { number, size, is_final } = part;
        let fresh = Registered { size, is_final, ends: Vec::new() };
        self.parts.entry(number).or_insert(fresh).ends.push(end);
        self.registered.push(number);
    }

    /// A part arrived whole.
    pub(super) fn arrived(&mut self, number: u64) {
        self.put.push(number);
    }

    pub(super) fn view(&self) -> GrowthView {
        let part = |(number, part): (&u64, &Registered)| RegisteredView {
            number: *number,
            size: part.size,
            is_final: part.is_final,
            addresses: part.ends.len() as u64,
        };
        GrowthView {
            parts: self.parts.iter().map(part).collect(),
            registered: self.registered.clone(),
            put: self.put.clone(),
            ended: self.ended(),
        }
    }
}

/// How a clip grew, as tests and the page see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GrowthView {
    /// The registered parts, by number.
    pub parts: Vec<RegisteredView>,
    /// The numbers in the order of their registrations; one that was registered again for a fresh address is there again.
    pub registered: Vec<u64>,
    /// The numbers in the order in which the parts arrived whole; one that was sent again is there again.
    pub put: Vec<u64>,
    /// The final part is registered: the clip grows no more.
    pub ended: bool,
}

/// A registered part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RegisteredView {
    /// Its number, which says where it belongs in the file.
    pub number: u64,
    /// Its bytes.
    pub size: u64,
    /// The file has its end with it.
    pub is_final: bool,
    /// How many addresses were handed out for it.
    pub addresses: u64,
}
