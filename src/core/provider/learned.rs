//! What is known of an issuer, and what of it the disk is to keep.
use url::Url;

use crate::provider::id_token::Keys;
use crate::provider::kept::{self, Document, Heard, KeptDocument, Way};
use crate::provider::metadata::Metadata;
use crate::time::{BootTime, Now};

/// Metadata and keys, with where and when they were had.
#[derive(Debug, Default)]
pub(super) struct Learned {
    metadata: Option<(Metadata, Heard)>,
    /// With where they are.
    keys: Option<(Url, Keys)>,
    /// The metadata may have changed.
    doubted: bool,
    /// When they were said; `None`: since the last [`Learned::news`], or never.
    said: Option<Now>,
    /// When those on disk were said; `None`: there are none, or they say something else.
    on_disk: Option<Now>,
    /// When they were last asked for though nobody waited.
    asked: Option<BootTime>,
    /// They are not what they were at the last [`Learned::news`], or younger.
    renewed: bool,
    /// What the keys' text is since then.
    new_keys: Option<String>,
}

impl Learned {
    /// How to ask at its endpoints.
    pub(super) fn way(&self) -> Way {
        kept::way(self.metadata.is_some(), self.doubted)
    }

    pub(super) fn metadata(&self) -> Option<(Metadata, Heard)> {
        self.metadata.clone()
    }

    /// Those from there.
    pub(super) fn keys(&self, at: &Url) -> Option<Keys> {
        self.keys.as_ref().filter(|(from, _)| from == at).map(|(_, keys)| keys.clone())
    }

    pub(super) fn doubt(&mut self) {
        self.doubted = true;
    }

    /// True once while it is time to ask anew though nobody waits for it.
    pub(super) fn is_due(&mut self, now: Now) -> bool {
        let Some((_, heard)) = self.metadata.as_ref().filter(|_| !self.doubted) else { return false };
        let age = self.said.and_then(|said| now.age_of(said));
        let is_due = kept::is_due(*heard, age, self.asked.map(|asked| now.boot.since(asked)));
        if is_due {
            self.asked = Some(now.boot);
        }
        is_due
    }

    /// `None`: what was said so far is not the issuer's.
    pub(super) fn hear(&mut self, metadata: Option<Metadata>) {
        let before = std::mem::replace(&mut self.metadata, metadata.map(|metadata| (metadata, Heard::Now)));
        let said = |known: &Option<(Metadata, Heard)>| known.as_ref().map(|(metadata, _)| metadata.clone());
        if said(&before) != said(&self.metadata) {
            self.on_disk = None;
        }
        if before.is_some_and(|(_, heard)| heard == Heard::Before) {
            // It answers: what is needed of its keys is asked for.
            self.keys = None;
        }
        (self.doubted, self.said, self.renewed) = (false, None, true);
    }

    pub(super) fn hear_keys(&mut self, from: Url, keys: Keys, text: String) {
        (self.keys, self.new_keys) = (Some((from, keys)), Some(text));
    }

    /// From the disk; what was heard since is better.
    pub(super) fn remember(&mut self, metadata: Metadata, said: Now) {
        if self.metadata.is_none() {
            (self.metadata, self.said, self.on_disk) =
                (Some((metadata, Heard::Before)), Some(said), Some(said));
        }
    }

    pub(super) fn remember_keys(&mut self, from: Url, keys: Keys) {
        self.keys.get_or_insert((from, keys));
    }

    /// What is to be written, of what was heard just now: a document that is too large is none. A write that comes to nothing
    /// leaves what was there, which is older or another's and no harm.
    pub(super) fn news(&mut self, issuer: &Url, now: Now) -> Vec<KeptDocument> {
        let mut news = Vec::new();
        let mut add = |document, from: &Url, text: Option<String>| {
            let text = text.filter(|text| text.len() <= kept::MOST);
            news.push(KeptDocument { document, from: from.to_string(), text, said: now });
        };
        if std::mem::take(&mut self.renewed) {
            self.said = Some(now);
            if kept::is_worth_writing(self.on_disk.and_then(|said| now.age_of(said))) {
                self.on_disk = Some(now);
                add(Document::Metadata, issuer, self.metadata.as_ref().map(|(metadata, _)| metadata.text()));
            }
        }
        if let (Some(text), Some((from, _))) = (self.new_keys.take(), &self.keys) {
            add(Document::Keys, from, Some(text));
        }
        news
    }
}
