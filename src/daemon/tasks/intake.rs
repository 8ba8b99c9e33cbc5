//! The intake: a path becomes an item, or is refused by name. The store binds it to the project.
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::watch;

use crate::media::{
    Closed, Volume, closed_to_us, filetype, fingerprint, glance, made, may_reach, may_read, open_beneath,
};
use rigpost_core::command::{AddOptions, Refusal};
use rigpost_core::queue::channel::Channel;
use rigpost_core::queue::class::{Class, Classes};
use rigpost_core::queue::evidence::Sighting;
use rigpost_core::queue::handed::known_as;
use rigpost_core::queue::item::{BeforePairing, Clip, FileFacts, shown};
use rigpost_core::queue::sequence::Frame;
use rigpost_core::queue::source::Source;
use rigpost_core::time::{Now, WallTime};

/// From the configuration.
#[derive(Clone, Debug)]
pub struct Intake {
    /// Files are opened only beneath these.
    pub media_dirs: Vec<PathBuf>,
    /// Open files are accepted, wherever they lie.
    pub takes_open_files: bool,
    /// What goes first.
    pub classes: Classes,
    /// In the order in which they look at a file.
    pub sources: Vec<Source>,
    /// A file that did not change for this long is finished.
    pub settle: Duration,
    /// What becomes of clips that somebody adds and that were made before the pairing.
    pub before_pairing: BeforePairing,
    /// A wall clock before this was never set.
    pub earliest: WallTime,
}

/// A clip that passed the intake, and its file, of which no byte was read.
#[derive(Debug)]
pub struct Taken {
    /// Without a fingerprint.
    pub clip: Clip,
    /// Open.
    pub file: File,
}

/// Reads both ends of each file, all of which lie on this volume. A clip whose file can't be read, or does not answer, has
/// no fingerprint: it has one from its turn on, if it gets there.
pub async fn with_fingerprints(volume: &Volume, taken: Vec<Taken>) -> Vec<Clip> {
    let (mut clips, files): (Vec<Clip>, Vec<File>) =
        taken.into_iter().map(|Taken { clip, file }| (clip, file)).unzip();
    let facts: Vec<FileFacts> = clips.iter().map(|clip| clip.facts).collect();
    let read = volume.run(move || {
        let both = files.into_iter().zip(facts);
        both.map(|(file, facts)| fingerprint(&file, facts).ok()).collect::<Vec<_>>()
    });
    for (clip, read) in clips.iter_mut().zip(read.await.unwrap_or_default()) {
        clip.fingerprint = read;
    }
    clips
}

impl Intake {
    /// A file that somebody asked for. Blocks on the disk.
    ///
    /// # Errors
    /// It is refused, by name.
    pub fn asked(&self, path: &Path, options: &AddOptions, now: Now) -> Result<Taken, Refusal> {
        let Taken { clip, file } = self.allowed(path, options, now)?;
        Ok(Taken { clip: self.as_said(clip, options), file })
    }

    /// An open file that somebody has handed over, which looks like this.
    pub fn handed_over(&self, seen: Sighting, options: &AddOptions, now: Now) -> Clip {
        // What it is called is all that is said of it.
        let name = known_as(&seen.path);
        let path = options.name.as_ref().map_or_else(|| name.clone(), |said| name.with_file_name(said));
        let class = self.classes.of(&path);
        self.as_said(self.clip(&path, class, seen, options.closed, now), options)
    }

    fn as_said(&self, mut clip: Clip, options: &AddOptions) -> Clip {
        if let Some(name) = &options.name {
            clip.name.clone_from(name);
        }
        clip.priority = options.priority.unwrap_or(clip.priority);
        (clip.channel, clip.uid, clip.before_pairing) =
            (options.channel, options.user.uid, self.before_pairing);
        clip
    }

    /// One that who asks can read: what is hidden from them is not sent for them, nor do they hear whether it is there.
    fn allowed(&self, path: &Path, options: &AddOptions, now: Now) -> Result<Taken, Refusal> {
        let not_theirs =
            || Refusal::NotAllowed(format!("whoever asks for it can't read it themselves: {}", shown(path)));
        match may_reach(&options.user, path) {
            Ok(()) => {}
            Err(Closed::ToThem) => return Err(not_theirs()),
            Err(Closed::ToUs) => return Err(closed_to_us(path)),
        }
        let taken = self.item(path, options.closed, now)?;
        if may_read(&options.user, &taken.file) { Ok(taken) } else { Err(not_theirs()) }
    }

    /// A file that lies in a source and that the source wants. `closed`: its writer is done, or it was seen unchanged.
    /// Blocks on the disk.
    ///
    /// # Errors
    /// As [`Intake::asked`].
    pub fn found(&self, path: &Path, source: &Source, closed: bool, now: Now) -> Result<Taken, Refusal> {
        let Taken { clip: mut item, file } = self.item(path, closed, now)?;
        if let Some(class) = source.class.as_deref().and_then(|name| self.classes.named(name)) {
            (item.class, item.priority) = (class.name.clone(), class.priority);
        }
        item.priority = source.priority.unwrap_or(item.priority);
        (item.channel, item.before_pairing) = (source.channel, source.before_pairing);
        if let Some(template) = &source.clip_name {
            item.name = template.name(&item.path, &source.name);
        }
        item.source = Some(source.name.clone());
        Ok(Taken { clip: item, file })
    }

    /// The sequence of which this file is a frame that `source` leaves out. Blocks on the disk.
    pub fn left_out(&self, path: &Path, source: &Source) -> Option<PathBuf> {
        let frame = Frame::of(path).filter(|_| source.without_sequences)?;
        self.is_of_sequence(&frame).then(|| frame.sequence())
    }

    fn is_of_sequence(&self, frame: &Frame<'_>) -> bool {
        frame.is_of_sequence(|other| glance(&self.media_dirs, other).is_some())
    }

    /// The first source that wants this file.
    pub fn source_of(&self, path: &Path) -> Option<&Source> {
        self.sources.iter().find(|source| source.wants(path))
    }

    /// The source whose channel a clip is sent as, where that is a sub-device's; and where all of them stand.
    pub fn channel_of(
        &self,
        clip: &Clip,
        channels: &watch::Receiver<Vec<Channel>>,
    ) -> Option<(String, watch::Receiver<Vec<Channel>>)> {
        let is_its = |source: &&Source| source.model.is_some() && clip.source.as_ref() == Some(&source.name);
        self.sources.iter().find(is_its).map(|source| (source.name.clone(), channels.clone()))
    }

    /// A source whose recordings are sent while they are written, by name.
    pub fn sent_while_recording(&self) -> Option<&str> {
        self.sources.iter().find(|source| source.while_recording).map(|source| source.name.as_str())
    }

    /// How long ago a file with these facts changed, to the second, as far as clocks can tell. One that has no date, or
    /// one from the future, tells nothing.
    pub fn age(&self, facts: &FileFacts, now: Now) -> Option<Duration> {
        let age = now.wall.0.saturating_sub(facts.mtime_ns.div_euclid(1_000_000_000));
        let sane = now.wall >= self.earliest && facts.mtime_ns.div_euclid(1_000_000_000) >= WallTime::FIRST.0;
        u64::try_from(age).ok().filter(|_| sane).map(Duration::from_secs)
    }

    /// Whether a file with these facts has been left alone for the settle time, as far as clocks can tell.
    pub fn has_settled(&self, facts: &FileFacts, now: Now) -> bool {
        // Both dates are cut to the second.
        self.age(facts, now).is_some_and(|age| age.as_secs() > self.settle.as_secs())
    }

    /// With this source where it really lies: its path leads there by links.
    pub fn with_source_at(&self, name: &str, real: &Path) -> Intake {
        let mut intake = self.clone();
        let ours = intake.sources.iter_mut().filter(|source| source.name == name);
        ours.for_each(|source| source.path = real.to_owned());
        intake
    }

    fn item(&self, path: &Path, closed: bool, now: Now) -> Result<Taken, Refusal> {
        let (file, seen) = open_beneath(&self.media_dirs, path, now.boot_id)?;
        // The other formats of frames are originals anyhow.
        let frame = Frame::of(path).filter(Frame::is_photograph);
        let class = match frame.filter(|frame| self.is_of_sequence(frame)) {
            Some(_) => self.classes.of_frame(path),
            None => self.classes.of(path),
        };
        // What is behind a link is called as the link is.
        Ok(Taken { clip: self.clip(path, class, seen, closed, now), file })
    }

    fn clip(&self, path: &Path, class: Option<&Class>, seen: Sighting, closed: bool, now: Now) -> Clip {
        Clip {
            name: path.file_name().map(|n| shown(Path::new(n))).unwrap_or_default(),
            filetype: filetype(path).to_owned(),
            class: class.map(|c| c.name.clone()).unwrap_or_default(),
            priority: class.map_or(0, |c| c.priority),
            settled: closed || self.has_settled(&seen.facts, now),
            created: made(&seen.facts, now),
            added: now,
            path: seen.path,
            facts: seen.facts,
            volume: seen.volume,
            fingerprint: seen.fingerprint,
            ..Clip::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::SystemTime;

    use super::*;
    use rigpost_core::queue::clip_name::NameTemplate;
    use rigpost_core::queue::rights::User;
    use rigpost_core::time::{BootId, BootTime};

    const TODAY: i64 = 1_790_000_000;

    fn now(wall: i64) -> Now {
        Now { boot_id: BootId(1), boot: BootTime(Duration::from_secs(1000)), wall: WallTime(wall) }
    }

    fn intake(dir: &Path) -> Intake {
        Intake {
            media_dirs: vec![dir.to_owned()],
            takes_open_files: true,
            classes: Classes::default(),
            sources: vec![],
            settle: Duration::from_secs(3),
            before_pairing: BeforePairing::Ignore,
            earliest: WallTime(1_700_000_000),
        }
    }

    /// A clip that was changed then.
    fn clip(dir: &Path, name: &str, mtime: i64) -> PathBuf {
        let path = dir.join(name);
        fs::write(&path, "x").unwrap();
        let mtime = SystemTime::UNIX_EPOCH + Duration::from_secs(mtime as u64);
        fs::File::options().write(true).open(&path).unwrap().set_modified(mtime).unwrap();
        path
    }

    #[test]
    fn what_somebody_asked_for_is_as_they_said() {
        let dir = tempfile::tempdir().unwrap();
        let path = clip(dir.path(), "A001_proxy.mov", TODAY - 60);
        let item = intake(dir.path()).asked(&path, &AddOptions::default(), now(TODAY)).unwrap().clip;
        let made = (item.name.as_str(), item.filetype.as_str(), item.class.as_str(), item.priority);
        assert_eq!(made, ("A001_proxy.mov", "video/quicktime", "proxy", 300));
        assert_eq!((item.source, item.before_pairing, item.settled), (None, BeforePairing::Ignore, true));
        assert_eq!(item.created.boot.0.as_secs(), 940);
        let options = AddOptions {
            priority: Some(-7),
            name: Some("B".into()),
            channel: 3,
            user: User { uid: 1000, groups: vec![1000] },
            closed: true,
            ..AddOptions::default()
        };
        let item = intake(dir.path()).asked(&path, &options, now(TODAY)).unwrap().clip;
        assert_eq!((item.name.as_str(), item.class.as_str(), item.priority), ("B", "proxy", -7));
        assert_eq!((item.channel, item.uid), (3, 1000));
    }

    #[test]
    fn what_a_source_found_is_as_the_source_says() {
        let dir = tempfile::tempdir().unwrap();
        let mut intake = intake(dir.path());
        let plain = Source { name: "card".into(), path: dir.path().into(), channel: 2, ..Source::default() };
        let sound = Source { name: "sound".into(), class: Some("audio".into()), ..plain.clone() };
        let first = Source { name: "first".into(), priority: Some(9), ..sound.clone() };
        let path = clip(dir.path(), "notes", TODAY);
        for (source, class, priority) in [(&plain, "", 0), (&sound, "audio", 200), (&first, "audio", 9)] {
            let item = intake.found(&path, source, true, now(TODAY)).unwrap().clip;
            let made = (item.class.as_str(), item.priority, item.channel, item.uid, item.settled);
            assert_eq!(made, (class, priority, 2, 0, true));
            assert_eq!(
                (item.source.as_deref(), item.before_pairing),
                (Some(&*source.name), source.before_pairing)
            );
        }
        intake.sources = vec![plain, sound];
        assert_eq!(intake.source_of(&path).unwrap().name, "card");
        assert_eq!(intake.source_of(&dir.path().join(".notes")), None);
    }

    #[test]
    fn frames_of_a_sequence_are_originals_and_a_source_may_leave_them_out() {
        let dir = tempfile::tempdir().unwrap();
        let intake = intake(dir.path());
        let [one, two, alone] =
            ["A01_000001.dng", "A01_000002.dng", "B01_000009.dng"].map(|name| clip(dir.path(), name, TODAY));
        for (path, class, priority) in
            [(&one, "originals", 0), (&two, "originals", 0), (&alone, "stills", 100)]
        {
            let item = intake.asked(path, &AddOptions::default(), now(TODAY)).unwrap().clip;
            assert_eq!((item.class.as_str(), item.priority), (class, priority), "{path:?}");
        }
        let takes = Source { path: dir.path().into(), ..Source::default() };
        let leaves = Source { without_sequences: true, ..takes.clone() };
        assert_eq!(intake.left_out(&one, &takes), None);
        assert_eq!(intake.left_out(&one, &leaves), Some(dir.path().join("A01_######.dng")));
        assert_eq!(intake.left_out(&alone, &leaves), None);
    }

    #[test]
    fn a_source_names_its_clips() {
        let dir = tempfile::tempdir().unwrap();
        let path = clip(dir.path(), "C0001.MP4", TODAY);
        let template = NameTemplate::parse("{source}_{file}").unwrap();
        let source = Source { name: "A".into(), clip_name: Some(template), ..Source::default() };
        let name =
            |source: &Source| intake(dir.path()).found(&path, source, true, now(TODAY)).unwrap().clip.name;
        assert_eq!((name(&source), name(&Source::default())), ("A_C0001.MP4".into(), "C0001.MP4".into()));
    }

    #[test]
    fn a_file_has_settled_when_a_clock_that_is_right_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let intake = intake(dir.path());
        for (mtime, wall, settled) in [
            (TODAY - 60, TODAY, true),
            (TODAY - 4, TODAY, true),
            (TODAY - 3, TODAY, false),
            (TODAY, TODAY, false),
            (TODAY + 3600, TODAY, false),
            (100, 200, false),
            (315_532_800, TODAY, false),
            (TODAY - 60, 200, false),
            (1_500_000_000, 1_600_000_000, false),
        ] {
            let path = clip(dir.path(), "a.mov", mtime);
            let item = intake.asked(&path, &AddOptions::default(), now(wall)).unwrap().clip;
            assert_eq!(item.settled, settled, "{mtime} {wall}");
        }
    }
}
