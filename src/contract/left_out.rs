//! Names that nobody means to send: one list for media sources and for `rigpost add`.
//!
//! Both look for clips in the same way: regular files that are not empty, never through a link, nothing that is left out
//! by name nor anything beneath it, into mounts, and down to [`MAX_DEPTH`], beyond which they complain.
//!
//! # Decisions
//! - By name alone, whatever lies under it: what systems keep for themselves is mostly a directory, and nothing beneath it
//!   is looked at.
//! - Only whole names, and endings that nothing but an unfinished copy has. A clip that is passed over is lost without a
//!   word, junk that is sent is only junk: where a name could be a clip's (`FOUND.000.mov`, `part1.mov`), it is taken.
//! - What a person names is not held against this list; what is merely found is.
use std::ffi::OsStr;

/// Levels of directories beneath the one in which a search begins. No camera comes near it.
pub const MAX_DEPTH: usize = 96;

/// What file systems, systems and other programs keep for themselves. Lower case.
const SYSTEM: &[&str] = &[
    // ext2 to ext4, and what fsck finds; exfatprogs has it in capitals. HFS+, whose name begins with four NUL that Linux
    // shows as pictures of them; NTFS, where its own files are shown.
    "lost+found",
    "\u{2400}\u{2400}\u{2400}\u{2400}hfs+ private data",
    "$extend",
    // Windows; ReadyBoost's cache, chkdsk's log, and pictures that Explorer and Media Center have made smaller.
    "system volume information",
    "$recycle.bin",
    "recycler",
    "recycled",
    "thumbs.db",
    "thumbs.db:encryptable",
    "ehthumbs.db",
    "ehthumbs_vista.db",
    "desktop.ini",
    "autorun.inf",
    "pagefile.sys",
    "hiberfil.sys",
    "swapfile.sys",
    "readyboost.sfcache",
    "bootex.log",
    // macOS, old and new; the icon of a directory; what archives bring along; Time Machine.
    "network trash folder",
    "temporary items",
    "thevolumesettingsfolder",
    "desktop db",
    "desktop df",
    "icon\r",
    "__macosx",
    "backups.backupdb",
    // Android's check of a card.
    "lost.dir",
    // Synology, QNAP, and snapshots of either; NetApp's.
    "@eadir",
    "@tmp",
    "@sharebin",
    "#recycle",
    "#snapshot",
    "@recycle",
    "@recently-snapshot",
    "~snapshot",
    // Canon's and Google's programs, in each directory that they have looked at.
    "zbthumbnail.info",
    "picasa.ini",
];

/// How the names of files end that are still being written, were left behind by that, or hold what a file system can't
/// keep inside a file. Lower case.
const UNFINISHED: &[&str] = &[
    "~",
    ".tmp",
    ".temp",
    ".swp",
    ".swo",
    ".swx",
    // Firefox, KDE, yt-dlp; rclone, Internet Explorer; WinSCP; Chrome; Opera; Safari; servers that take uploads.
    ".part",
    ".partial",
    ".filepart",
    ".crdownload",
    ".opdownload",
    ".download",
    ".incomplete",
    // aria2, yt-dlp, lftp, Aspera: what they note of a file that is not whole yet.
    ".aria2",
    ".ytdl",
    ".lftp-pget-status",
    ".aspera-ckpt",
    // uTorrent, qBittorrent, BitComet, BitLord, Vuze, Resilio; eMule, FlashGet, Xunlei, DownThemAll, Free Download Manager.
    ".!ut",
    ".!qb",
    ".bc!",
    ".bb!",
    ".az!",
    ".!sync",
    ".part.met",
    ".jc!",
    ".xltd",
    ".dtapart",
    ".fdmdownload",
    // Copies from cards; FreeFileSync; Google Drive.
    ".copying",
    ".ffs_tmp",
    ".driveupload",
    ".drivedownload",
    // Sony's cameras, while they record or when the power went.
    ".rsv",
    // Streams of NTFS and SMB beside their file: where it came from, and what macOS and Synology say of it.
    ":zone.identifier",
    ":afp_afpinfo",
    ":afp_resource",
    "@synoeastream",
    "@synoresource",
];

/// How names begin that programs make beside a file that is open: Office, Syncthing on Windows, uTorrent. Lower case.
const BESIDE: &[&str] = &["~$", "~lock.", "~syncthing~", "~utorrentpartfile_"];

/// Whether a file or directory of this name is passed over with everything in it. A name, and not a path.
///
/// Hidden ones are: `.DS_Store`, `._A001.mov`, `.Trashes`, `.Spotlight-V100`, `.fseventsd`, `.fuse_hidden…`, `.nfs…`,
/// `.~lock.x#`, `.syncthing.x.tmp`, rsync's `.x.Ab12Cd`.
pub fn is_left_out(name: &OsStr) -> bool {
    let hidden = is_hidden(name);
    let name = name.as_encoded_bytes();
    let is = |whole: &&str| name.eq_ignore_ascii_case(whole.as_bytes());
    let begins =
        |head: &&str| name.get(..head.len()).is_some_and(|n| n.eq_ignore_ascii_case(head.as_bytes()));
    let ends = |tail: &&str| {
        let at = name.len().checked_sub(tail.len());
        at.is_some_and(|at| name[at..].eq_ignore_ascii_case(tail.as_bytes()))
    };
    hidden
        || UNFINISHED.iter().any(ends)
        || BESIDE.iter().any(begins)
        || SYSTEM.iter().any(is)
        || is_recovered(name)
}

/// Whether a shell passes over it.
pub fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

/// What checks of a disk put fragments into: Windows `FOUND.000`, and in it, or beside everything else, `FILE0000.CHK`;
/// Linux `FSCK0000.REC`.
fn is_recovered(name: &[u8]) -> bool {
    const FORMS: [(&[u8], usize, &[u8]); 3] =
        [(b"found.", 3, b""), (b"file", 4, b".chk"), (b"fsck", 4, b".rec")];
    FORMS.iter().any(|(head, digits, tail)| {
        let (from, to) = (head.len(), head.len() + digits);
        name.len() == to + tail.len()
            && name[..from].eq_ignore_ascii_case(head)
            && name[from..to].iter().all(u8::is_ascii_digit)
            && name[to..].eq_ignore_ascii_case(tail)
    })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    use super::{BESIDE, SYSTEM, UNFINISHED, is_left_out};

    #[test]
    #[rustfmt::skip]
    fn what_systems_and_unfinished_copies_leave_on_a_card_is_left_out() {
        for name in [
            // Hidden.
            ".hidden", ".DS_Store", "._A001.mov", ".Trashes", ".Trash-1000", ".Spotlight-V100", ".fseventsd",
            ".TemporaryItems", ".fuse_hidden0000000a00000001", ".nfs000000000000000100000001", ".~lock.notes.odt#",
            ".A001.mov.Xy12Zz", ".syncthing.A001.mov.tmp", ".stfolder", ".in.A001.mov.", ".goutputstream-ABC123",
            // Systems.
            "lost+found", "System Volume Information", "$RECYCLE.BIN", "RECYCLER", "Thumbs.db", "THUMBS.DB",
            "ehthumbs.db", "desktop.ini", "LOST.DIR", "FOUND.000", "found.017", "@eaDir", "#recycle", "@Recycle",
            "__MACOSX", "Icon\r", "pagefile.sys", "autorun.inf", "LOST+FOUND", "ReadyBoost.sfcache", "BOOTEX.LOG",
            "Thumbs.db:encryptable", "Temporary Items", "TheVolumeSettingsFolder", "Desktop DF", "Backups.backupdb",
            "\u{2400}\u{2400}\u{2400}\u{2400}HFS+ Private Data", "$Extend", "~snapshot", "@sharebin", "ZbThumbnail.info",
            "Picasa.ini", ".@__thumb", ".apdisk", ".TimeMachine.supported", ".nomedia", ".android_secure",
            ".VolumeIcon.icns", ".DocumentRevisions-V100", ".metadata_never_index", ".snapshots", ".zfs", ".dropbox.cache",
            "FILE0000.CHK", "file0017.chk", "FSCK0003.REC",
            // Unfinished.
            "x.tmp", "X.TMP", "x.temp", "a.mov.part", "a.mov.PART", "a.partial", "a.mov.1a2b3c4d.partial",
            "a.filepart", "a.mov.crdownload", "Unconfirmed 4711.crdownload", "a.mov.opdownload", "a.mov.download",
            "a.mov.aria2", "a.mov.ytdl", "a.mov.!ut", "a.mov.!qB", "a.mov.bc!", "a.mov.!sync", "a.mov.copying",
            "b.swp", "a.swo", "a.ffs_tmp", "C0001.RSV", "e~", "a.mov~", "x.tmp.driveupload",
            // Beside a file that is open.
            "~$shotlist.xlsx", "~lock.notes.odt#", "~syncthing~A001.mov.tmp", "~uTorrentPartFile_17A.dat",
            // More of the same.
            "a.mov.bb!", "a.mov.az!", "001.part.met", "a.mov.jc!", "a.mov.xltd", "a.mov.dtapart", "a.mov.fdmdownload",
            "a.mov.incomplete", "a.mov.lftp-pget-status", "a.mov.aspera-ckpt", "a.swx",
            "A001.mov:Zone.Identifier", "A001.mov:AFP_AfpInfo", "A001.mov@SynoEAStream",
        ] {
            assert!(is_left_out(OsStr::new(name)), "{name}");
        }
    }

    #[test]
    #[rustfmt::skip]
    fn what_could_be_a_clip_is_taken() {
        for name in [
            "a.mov", "tmp", "part", "partial", "download", "rsv", "a.tmp.mov", "a.part.mov", "part1.mov", "copying.mov",
            "lost+found.mov", "FOUND.000.mov", "FOUND.0000", "FOUND.00a", "found", "found.mov", "LOST.DIR.mxf",
            "Thumbs.db.mov", "thumbs.mov", "desktop.ini.mov", "C0001.RSV.mov", "A001~1.MOV", "~A001.mov", "$A001.mov",
            "@A001.mov", "#1.wav", "Icon.mov", "clip.swp.wav", "A001.MOV", "GX010001.LRV", "DJI_0001.LRF", "C0001.THM",
            "FILE0001.MOV", "FILE0000.CHK.mov", "FILE00001.CHK", "FSCK.REC", "file0001.mp4", "Incomplete", "Desktop DB.mov",
            "temporary.mov", "C0001M01.XML", "C0001R01.BIM", "C0001.PPN", "C0001.SIF", "00001.CPI", "00001.MPL", "00001.MTS",
            "DJI_0001.SRT", "A001.ari", "A001_000001.dng", "REC.001.mov", "a.met", "extend.mov", "Backups",
            "MEDIAPRO.XML", "STATUS.BIN", "INDEX.BDM", "A001_C001.RDC", "DCIM", "PRIVATE", "Scratch", "Recycled.mov",
            "", "é.mov",
        ] {
            assert!(!is_left_out(OsStr::new(name)), "{name}");
        }
        assert!(!is_left_out(OsStr::from_bytes(b"clip\xff.mov")));
        assert!(is_left_out(OsStr::from_bytes(b"clip\xff.mov.Part")));
    }

    #[test]
    fn the_lists_are_in_the_spelling_that_they_are_compared_in() {
        for word in SYSTEM.iter().chain(UNFINISHED).chain(BESIDE) {
            assert_eq!(*word, word.to_ascii_lowercase());
            assert!(is_left_out(OsStr::new(&word.to_ascii_uppercase())), "{word}");
        }
    }
}
