//! What is said to a storage, and what its answers mean: what every dialect has, however it writes it.
//!
//! # Decisions
//! - A trait, and a new dialect is a file: whoever drives one knows none. What one has no word for has a default that asks
//!   nothing.
//! - A dialect keeps nothing. What is learned of a server is [`Habits`], and whoever drives it keeps that for as long as it
//!   runs.
use std::fmt::Debug;

use super::keys::Authority;
use crate::oauth::Trouble;
use crate::provider::wire::{PartRequest, Request, Response};
use crate::queue::checksum::{Algorithm, Checksum};
use crate::queue::item::PartDigest;
use crate::queue::promises::Promises;
use crate::queue::upload::{CreateError, PartError};
use crate::secret::Secret;

/// Who asks, and when, by the server's clock.
#[derive(Clone, Copy, Debug)]
pub struct Signer<'a> {
    /// In force.
    pub authority: &'a Authority,
    /// Unix seconds.
    pub at: i64,
}

/// What a clip becomes there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// The clip's own: no other clip of this rig has it, nor had this one before somebody wrote to it.
    pub mark: String,
    /// The clip's name, for people.
    pub name: String,
    /// The reel that it is of; may be empty.
    pub reel: String,
    /// MIME type.
    pub filetype: String,
    /// Bytes.
    pub size: u64,
    /// What the rig is called.
    pub device: String,
    /// When the clip was made, by the server's clock, Unix seconds.
    pub made: i64,
}

/// What is known of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Habits {
    /// By which it checks what arrives, as far as is known.
    pub checksum: Option<Algorithm>,
    /// It has named the checksum of what arrived; `None`: nothing has arrived yet.
    pub vouches: Option<bool>,
    /// It names that of a part, too, of which it was told none; `None`: it was not tried.
    pub names_unasked: Option<bool>,
    /// What is not finished can be taken away.
    pub gives_up: bool,
    /// Bytes of the largest clip that it takes.
    pub most: Option<u64>,
    /// It may take names of ASCII letters only.
    pub ascii: bool,
    /// Bytes of the largest request that it, or something before it, may take.
    pub part: Option<u64>,
}

impl Habits {
    /// These, with what `others` have learned since `before`. Of two that learned together, the first one teaches the kind of
    /// checksum, and the smaller request counts.
    #[must_use]
    pub fn learned(self, before: Habits, others: Habits) -> Habits {
        let is_new = others.checksum != before.checksum && self.checksum == before.checksum;
        let told = others.names_unasked != before.names_unasked;
        let part = others.part.filter(|_| others.part != before.part);
        Habits {
            checksum: if is_new { others.checksum } else { self.checksum },
            names_unasked: if told { others.names_unasked } else { self.names_unasked },
            ascii: if others.ascii != before.ascii { others.ascii } else { self.ascii },
            part: part.into_iter().chain(self.part).min(),
            ..self
        }
    }
}

/// What was asked.
#[derive(Clone, Copy, Debug)]
pub enum Asked<'a> {
    /// For an upload.
    Upload(&'a Object),
    /// To take a part.
    Part(Piece<'a>),
}

/// How an upload stands that is to be given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing is missing: it is nobody's to take away.
    Whole,
    /// Bytes are missing.
    Open,
    /// It is not there.
    Gone,
    /// Nobody knows.
    Unknown,
}

/// A part on its way.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    /// Where it goes, as [`Dialect::read_begin`] gave it.
    pub address: &'a Secret,
    /// Of its clip ([`Object`]).
    pub mark: &'a str,
    /// Of its clip.
    pub filetype: &'a str,
    /// The first byte that is sent, counted from the clip's.
    pub from: u64,
    /// Bytes that are sent.
    pub len: u64,
    /// What is known of these bytes before they leave.
    pub digest: Option<PartDigest>,
}

/// What is computed of a part, so that the storage's word on it can be compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checks {
    /// The storage is told this before the bytes: they are read once more for it.
    pub ahead: Option<Algorithm>,
    /// And their MD5.
    pub md5: bool,
    /// Computed of the bytes as they leave. The storage is not told, and has to say it itself.
    pub along: Option<Algorithm>,
}

/// How an upload begins.
#[derive(Debug)]
pub enum Beginning {
    /// By nothing: it is known what it is.
    Known(Begun),
    /// By a question, which [`Dialect::read_begin`] reads the answer of.
    Ask(Box<Request>),
}

/// An upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    /// The storage's name for it, for people.
    pub id: String,
    /// Where its parts go, in byte order.
    pub addresses: Vec<Secret>,
}

/// A part that the storage has confirmed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SentPart {
    /// As the storage wrote it.
    pub etag: String,
    /// Which the storage has named, or checked.
    pub checksum: Option<Checksum>,
}

/// What completing an upload came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completion {
    /// The object is there.
    Done,
    /// An object of that name is there, or the upload is not: it may be ours, whose answer was lost.
    Doubtful(String),
    /// The storage can't make an object of what was sent. Holds its word.
    Unusable(String),
    /// The checksum of all is another to the storage. Holds its word.
    AnotherSum(String),
}

/// What lies at an object's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// This clip.
    Ours,
    /// Nothing.
    Nothing,
    /// Something else.
    Another,
    /// The role may not look.
    Hidden,
}

/// One way to speak to a storage.
pub trait Dialect: Debug + Send + Sync {
    /// What the queue may count on.
    fn promises(&self) -> Promises;

    /// What clips are bound to: as long as it stays the same, so does where they go.
    fn binding(&self) -> String;

    /// For the screen.
    fn name(&self) -> String;

    /// What all addresses of it begin with.
    fn base(&self) -> String;

    /// What a server is taken for before it has said anything.
    fn habits(&self) -> Habits {
        Habits::default()
    }

    /// Asks for nothing but the time, where that may not be known when an upload is named.
    fn clock(&self) -> Option<Request> {
        None
    }

    /// Asks the server what it can, before the first upload.
    fn discover(&self, signer: Signer<'_>) -> Option<Request> {
        let _ = signer;
        None
    }

    /// What it can; `None`: it has not said so, and is asked again before long.
    ///
    /// # Errors
    /// It can't do what it takes.
    fn read_discovery(&self, answer: &Response) -> Result<Option<Habits>, CreateError> {
        let _ = answer;
        Ok(None)
    }

    /// Other habits, where this answer to what was asked by these shows that it has others: then the same is asked once more.
    fn learn(&self, habits: Habits, asked: Asked<'_>, answer: &Response) -> Option<Habits> {
        let _ = (habits, asked, answer);
        None
    }

    /// Something is asked before the bytes of a clip of this size leave.
    fn asks(&self, size: u64) -> bool {
        let _ = size;
        true
    }

    /// Begins an upload.
    ///
    /// # Errors
    /// It would be refused.
    fn begin(&self, signer: Signer<'_>, habits: Habits, object: &Object) -> Result<Beginning, CreateError>;

    /// The upload. `habits`: those that it was asked for by.
    ///
    /// # Errors
    /// There is none.
    fn read_begin(&self, answer: &Response, habits: Habits, object: &Object) -> Result<Begun, CreateError>;

    /// Asks for the uploads that there are of the object `id`. `None`: that can't be asked.
    fn strays(&self, signer: Signer<'_>, id: &str) -> Option<Request> {
        let _ = (signer, id);
        None
    }

    /// Where they are, but for the one at `ours`; none where it is not told.
    fn read_strays(&self, answer: &Response, id: &str, ours: &Secret) -> Vec<Secret> {
        let _ = (answer, id, ours);
        Vec::new()
    }

    /// Asks how many bytes are there, where parts go one after the other.
    fn offset(&self, signer: Signer<'_>, address: &Secret) -> Option<Request> {
        let _ = (signer, address);
        None
    }

    /// How many are. `size`: of the clip.
    ///
    /// # Errors
    /// Nothing can be added to it, or nobody knows.
    fn read_offset(&self, answer: &Response, size: u64) -> Result<u64, PartError> {
        let _ = (answer, size);
        Err(PartError::UrlDead("it has no end that could grow".to_owned()))
    }

    /// What the same answer says of an upload that nobody wants.
    fn standing(&self, answer: &Response) -> Standing {
        let _ = answer;
        Standing::Unknown
    }

    /// What is computed of a part that goes there. `md5`: that is wished for by whoever compares it afterwards.
    fn checks(&self, habits: Habits, address: &Secret, md5: bool) -> Checks {
        let _ = (address, md5);
        Checks { ahead: habits.checksum, ..Checks::default() }
    }

    /// Where a part goes, and with what; `None`: its address is none.
    fn part(&self, signer: Signer<'_>, piece: Piece<'_>) -> Option<PartRequest>;

    /// What the answer to a part means.
    ///
    /// # Errors
    /// It was not taken.
    fn read_part(&self, piece: Piece<'_>, answer: &Response) -> Result<SentPart, PartError>;

    /// Says that all parts are there, and with `sum` what the checksum of all is, where it is known. `None`: nothing has to
    /// be said.
    fn complete(
        &self,
        signer: Signer<'_>,
        address: &Secret,
        parts: &[SentPart],
        size: u64,
        sum: bool,
    ) -> Option<Request> {
        let _ = (signer, address, parts, size, sum);
        None
    }

    /// What came of that.
    ///
    /// # Errors
    /// It is not known what became of it, or it was refused.
    fn read_completion(&self, answer: &Response) -> Result<Completion, CreateError> {
        let _ = answer;
        Ok(Completion::Done)
    }

    /// Looks at what lies at an object's name.
    fn look(&self, signer: Signer<'_>, address: &Secret) -> Option<Request> {
        let _ = (signer, address);
        None
    }

    /// Whether it is this clip, by its mark.
    ///
    /// # Errors
    /// Nobody knows: try again later.
    fn read_look(&self, answer: &Response, mark: &str) -> Result<Found, Trouble> {
        let _ = (answer, mark);
        Ok(Found::Nothing)
    }

    /// What of these addresses can be given up, later and by whoever knows it; `None`: what is left of it is left for good;
    /// empty: nothing ever is.
    fn upload(&self, habits: Habits, addresses: &[Secret]) -> Option<String>;

    /// Gives an upload up: what lies there costs its owner. `None`: there is none to give up.
    fn give_up(&self, signer: Signer<'_>, address: &Secret) -> Option<Request>;

    /// What the answer says: nothing of it is left.
    fn is_given_up(&self, answer: &Response) -> bool;
}
