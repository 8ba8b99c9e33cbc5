//! Who is told: a person who looks at a board or reads lines, or a program.

use std::io;

use super::board::Board;
use super::lines::Lines;
use crate::bus::{Item, Snapshot};
use crate::out::Out;

/// One of the two ways to tell it.
pub(super) enum Teller<'a> {
    Board(Box<Board<'a>>),
    Lines(Lines<'a>),
}

impl<'a> Teller<'a> {
    /// As the arguments ask for it.
    pub(super) fn new(is_json: bool, out: &'a mut Out) -> Self {
        if is_json { Self::Lines(Lines::new(out)) } else { Self::Board(Box::new(Board::new(out))) }
    }

    /// How the rig is at the beginning.
    pub(super) fn begin(&mut self, now: &Snapshot) -> io::Result<()> {
        match self {
            Self::Board(board) => board.begin(now),
            Self::Lines(lines) => lines.status(now),
        }
    }

    /// What is different.
    pub(super) fn changed(&mut self, before: &Snapshot, now: &Snapshot) -> io::Result<()> {
        match self {
            Self::Board(board) => board.changed(before, now),
            Self::Lines(_) if before == now => Ok(()),
            Self::Lines(lines) => lines.status(now),
        }
    }

    /// An item entered a new state.
    pub(super) fn item(&mut self, item: &Item) -> io::Result<()> {
        match self {
            Self::Board(board) => board.item(item),
            Self::Lines(lines) => lines.item(item),
        }
    }

    /// The daemon came or went.
    pub(super) fn daemon(&mut self, is_here: bool) -> io::Result<()> {
        match self {
            Self::Board(board) => board.daemon(is_here),
            Self::Lines(lines) => lines.daemon(is_here),
        }
    }

    /// Time passes. For a person who looks.
    pub(super) fn draw(&mut self, now: &Snapshot) {
        if let Self::Board(board) = self {
            board.draw(now);
        }
    }

    /// Leaves what was last seen where it is.
    pub(super) fn end(&mut self) -> io::Result<()> {
        match self {
            Self::Board(board) => board.end(),
            Self::Lines(_) => Ok(()),
        }
    }
}
