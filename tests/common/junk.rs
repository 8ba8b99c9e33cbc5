//! What lies on cards and in folders that nobody means to send, beside clips.

/// Files, by their paths from the card on: unfinished copies, and what systems and programs keep for themselves.
pub(crate) const JUNK: &[&str] = &[
    ".DS_Store",
    "._A001.mov",
    ".Trash-0/files/a.mov",
    ".A001.mov.Xy12Zz",
    "Thumbs.db",
    "desktop.ini",
    "System Volume Information/WPSettings.dat",
    "$RECYCLE.BIN/S-1-5-21/a.mov",
    "lost+found/#12345",
    "LOST.DIR/17.mov",
    "FOUND.000/FILE0000.CHK",
    "found.012/file0001.mov",
    "DCIM/@eaDir/A001.mov/SYNOINDEX_MEDIA_INFO",
    "a.filepart",
    "b.swp",
    "c.mov.part",
    "d.mov.PARTIAL",
    "e.mov.crdownload",
    "f.mov.!sync",
    "g.mov.aria2",
    "h.mov.copying",
    "C0001.RSV",
    "i.tmp",
    "j.mov~",
];

/// Clips whose names come near to those.
pub(crate) const CLIPS: &[&str] = &[
    "A001.MOV",
    "DCIM/FOUND.000.mov",
    "DCIM/LOST.DIR.mov",
    "DCIM/part1.mov",
    "DCIM/c.part.mov",
    "DCIM/Thumbs.db.mov",
    "DCIM/GX010001.LRV",
    "found/a.mov",
    "~A002.mov",
];
