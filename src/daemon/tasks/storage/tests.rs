//! The driver against servers that say what no server here can be made to say.
use std::collections::VecDeque;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use http_body_util::BodyExt as _;
use tokio::sync::{mpsc, watch};

use super::*;
use crate::http::PutError;
use crate::media::{MediaFile, Pacer, PartBody, PartWatch, ReadPlan, Workers};
use crate::store::{Store, VaultState};
use crate::tasks::keys::Source;
use crate::vault::{KeySource, Vault};
use rigpost_core::delivery::keys::Keys;
use rigpost_core::delivery::s3::S3;
use rigpost_core::delivery::s3::template::Template;
use rigpost_core::delivery::tus::Tus;
use rigpost_core::oauth::{AccessToken, Cause, SignIn, Trouble};
use rigpost_core::provider::wire::{Connection, PartRequest, Request, trouble};
use rigpost_core::queue::checksum::{Algorithm, Checksum};
use rigpost_core::queue::item::PartDigest;
use rigpost_core::queue::upload::PartError;

/// Answers in order, of questions and of parts, and what was asked.
#[derive(Default)]
struct Script {
    answers: Mutex<VecDeque<Response>>,
    parts: Mutex<VecDeque<Option<Response>>>,
    asked: Mutex<Vec<String>>,
    /// Somebody writes to the clip before the next part leaves.
    writer: Mutex<Option<std::fs::File>>,
}

impl Script {
    fn say(&self, status: u16, kept: &[(&'static str, &str)]) {
        self.answers.lock().unwrap().push_back(answer(status, kept, ""));
    }

    /// `None`: the bytes leave, and nothing is heard.
    fn part(&self, said: Option<Response>) {
        self.parts.lock().unwrap().push_back(said);
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

impl Transport for Script {
    async fn send(&self, request: Request) -> Result<Response, Trouble> {
        self.asked.lock().unwrap().push(format!("{} {}", request.method.as_str(), request.name));
        Ok(self.answers.lock().unwrap().pop_front().expect("no more is asked"))
    }

    async fn put(&self, part: PartRequest, length: u64, body: PartBody) -> Result<Response, PutError> {
        let told: Vec<&str> = part.headers.iter().map(|(name, _)| *name).collect();
        self.asked.lock().unwrap().push(format!("{} {length} {}", part.method.as_str(), told.join(" ")));
        // Others begin while it is on its way.
        tokio::task::yield_now().await;
        if let Some(file) = self.writer.lock().unwrap().take() {
            file.write_all_at(b"patched", 10).unwrap();
        }
        let bytes = body.collect().await.unwrap().to_bytes();
        assert_eq!(bytes.len() as u64, length);
        let lost = PutError { trouble: trouble(Cause::Network, "no answer", None), sent: length };
        self.parts.lock().unwrap().pop_front().expect("no more is sent").ok_or(lost)
    }

    fn rest(&self, _: Connection) {}
}

fn answer(status: u16, kept: &[(&'static str, &str)], body: &str) -> Response {
    let mut kept: Vec<_> = kept.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    kept.push(("tus-resumable", "1.0.0".to_owned()));
    Response {
        status,
        kept,
        etag: "\"e\"".to_owned(),
        body: body.as_bytes().to_vec().into(),
        ..Response::default()
    }
}

const SIZE: u64 = 100;

struct Desk {
    storage: Storage<Script>,
    script: Arc<Script>,
    file: std::fs::File,
    media: Arc<MediaFile>,
    clip: Clip,
    _sign_in: watch::Sender<Option<SignIn>>,
    _rig: mpsc::Receiver<crate::link::ToRig>,
    _dir: Option<tempfile::TempDir>,
}

fn desk(dialect: Arc<dyn Dialect>, source: Source) -> Desk {
    let (script, clock) = (Arc::new(Script::default()), Clock::system());
    let access = AccessToken(Secret::new("token"));
    let sign_in = SignIn { access, id_token: None, renews: true, is_bound: false, grant: 1 };
    let (signed_in, sign_in) = watch::channel(Some(sign_in));
    let (to_rig, rig) = mpsc::channel(4);
    let keys = KeyRing::new(source, script.clone(), clock.clone(), sign_in, to_rig);
    let storage = Storage::new(dialect, script.clone(), clock.clone(), keys, "rig 7".to_owned());
    let file = tempfile::tempfile().unwrap();
    file.write_all_at(&[7; SIZE as usize], 0).unwrap();
    let volume = Workers::new(clock).volumes().of(Path::new("/"));
    let media = Arc::new(MediaFile::new(file.try_clone().unwrap(), volume));
    let mut clip = Clip { name: "a.mov".to_owned(), filetype: "video/mp4".to_owned(), ..Clip::default() };
    clip.facts.size = SIZE;
    Desk { storage, script, file, media, clip, _sign_in: signed_in, _rig: rig, _dir: None }
}

fn tus() -> Desk {
    desk(Arc::new(Tus::new("https://tus.example/files/".parse().unwrap())), Source::Bearer)
}

async fn s3() -> Desk {
    let endpoint = "https://s3.example/".parse().unwrap();
    let crc = Some(Algorithm::Crc64Nvme);
    let s3 = S3::new(endpoint, true, "footage", "r", Template::default(), crc).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let vault = Vault::open(&KeySource::File { path: dir.path().join("key") }, true).unwrap();
    assert_eq!(store.attach(Some(vault)).await, Ok(VaultState::Ready));
    store.save_storage_key(&Keys::of_user(&Secret::new("k:s")).unwrap()).await.unwrap();
    Desk { _dir: Some(dir), ..desk(Arc::new(s3), Source::Own(store)) }
}

impl Desk {
    /// Sends all of the clip as one part to this address; and the digest that is known then.
    async fn send(
        &self,
        address: &Secret,
    ) -> (Result<Result<Taken, PartError>, PutError>, Option<PartDigest>) {
        let watch = Arc::new(PartWatch::default());
        let (plan, pacer) = (ReadPlan::new(false, 1), Pacer::new(Clock::system()));
        let body = PartBody::new(self.media.clone(), 0, SIZE, plan, watch.clone(), pacer);
        let part =
            Sending { address, mark: "m".to_owned(), clip: &self.clip, from: 0, len: SIZE, md5: false };
        (self.storage.send(part, body).await, watch.digest())
    }

    /// The server says what it can.
    fn offers(&self, extensions: &str) {
        self.script.say(204, &[("tus-extension", extensions), ("tus-checksum-algorithm", "sha1")]);
    }

    fn at(&self, offset: &str) {
        self.script.say(200, &[("upload-offset", offset), ("upload-length", "100")]);
    }
}

/// Of the clip.
fn sum() -> Checksum {
    let mut crc = crc64fast_nvme::Digest::new();
    crc.write(&[7; SIZE as usize]);
    Checksum::Crc64Nvme(crc.sum64())
}

fn there() -> Secret {
    Secret::new("https://tus.example/files/1")
}

#[tokio::test]
async fn a_checksum_of_the_rest_of_a_part_vouches_for_no_part() {
    for (has, sent, is_vouched) in [("0", "100", true), ("60", "40", false)] {
        let desk = tus();
        desk.offers("creation,checksum");
        desk.at(has);
        desk.script.part(Some(answer(204, &[("upload-offset", "100")], "")));
        let (taken, digest) = desk.send(&there()).await;
        assert_eq!(taken.unwrap().unwrap().checksum.is_some(), is_vouched, "{has}");
        assert!(digest.is_some(), "of the part as a whole");
        let patch = format!("PATCH {sent} content-type tus-resumable upload-offset upload-checksum");
        assert_eq!(desk.script.asked(), ["OPTIONS extensions", "HEAD offset", &patch]);
    }
}

#[tokio::test]
async fn what_has_left_is_what_it_was_though_the_file_is_another_by_now() {
    let desk = tus();
    desk.offers("creation");
    desk.at("0");
    desk.script.part(None);
    let (lost, left) = desk.send(&there()).await;
    assert!(lost.is_err());
    desk.file.write_all_at(b"patched", 10).unwrap();
    desk.at("100");
    let (taken, digest) = desk.send(&there()).await;
    assert!(taken.unwrap().is_ok());
    assert_eq!(digest.unwrap().xxh64, left.unwrap().xxh64);
    // Of what left in another run the file tells.
    let other = tus();
    other.offers("creation");
    other.at("100");
    assert!(other.send(&there()).await.0.unwrap().is_ok());
}

#[tokio::test]
async fn bytes_that_are_lost_there_are_named() {
    let desk = tus();
    desk.offers("creation");
    desk.at("30");
    let watch = Arc::new(PartWatch::default());
    let (plan, pacer) = (ReadPlan::new(false, 1), Pacer::new(Clock::system()));
    let body = PartBody::new(desk.media.clone(), 50, 50, plan, watch, pacer);
    let address = there();
    let part =
        Sending { address: &address, mark: "m".to_owned(), clip: &desk.clip, from: 50, len: 50, md5: false };
    let sent = desk.storage.send(part, body).await.unwrap();
    assert_eq!(sent.map(drop), Err(PartError::Behind(30)));
}

#[tokio::test]
async fn nothing_is_taken_away_that_may_be_finished() {
    let asked_twice = ["HEAD offset", "DELETE giving up"];
    for (status, offset, given_up, asked) in [
        (200, "100", GivenUp::Gone, &asked_twice[..1]),
        (200, "40", GivenUp::Gone, &asked_twice[..]),
        (404, "", GivenUp::Gone, &asked_twice[..1]),
        (200, "", GivenUp::Kept, &asked_twice[..1]),
        (423, "", GivenUp::Kept, &asked_twice[..1]),
        (429, "", GivenUp::Kept, &asked_twice[..1]),
        (503, "", GivenUp::Kept, &asked_twice[..1]),
    ] {
        let desk = tus();
        desk.script.say(status, &[("upload-offset", offset), ("upload-length", "100")]);
        desk.script.say(204, &[]);
        assert_eq!(desk.storage.give_up(&there()).await, given_up, "{status} {offset}");
        assert_eq!(desk.script.asked(), asked, "{status} {offset}");
    }
}

#[tokio::test]
async fn of_parts_that_left_together_one_refusal_teaches() {
    let desk = s3().await;
    let address = Secret::new("https://s3.example/footage/a.mov");
    let refusal = "<Error><Code>InvalidRequest</Code><Message>no such checksum</Message></Error>";
    (0..3).for_each(|_| desk.script.part(Some(answer(400, &[], refusal))));
    let (one, two, three) = tokio::join!(desk.send(&address), desk.send(&address), desk.send(&address));
    for (sent, _) in [one, two, three] {
        assert!(matches!(sent.unwrap(), Err(PartError::Damaged(_))), "each is sent once more");
    }
    assert_eq!(desk.storage.habits().checksum, Some(Algorithm::Sha256), "one step");
    desk.script.part(Some(answer(200, &[], "")));
    assert!(desk.send(&address).await.0.unwrap().is_ok());
    let asked = desk.script.asked();
    assert!(asked[3].contains("x-amz-checksum-sha256"), "{asked:?}");
    assert_eq!(desk.storage.habits().vouches, Some(false), "it has named none");
}

#[tokio::test]
async fn a_part_that_a_storage_no_longer_vouches_for_goes_once_more() {
    let desk = s3().await;
    let whole = Secret::new("https://s3.example/footage/a.mov");
    let part = Secret::new("https://s3.example/footage/a.mov?partNumber=1&uploadId=u#crc64nvme");
    let named = sum().base64();
    // Told, not told, and then known of what was read.
    for (address, named, goes) in [
        (&whole, &*named, true),
        (&part, &*named, true),
        (&whole, &*named, true),
        (&whole, "", false),
        (&whole, "", true),
    ] {
        desk.script.part(Some(answer(200, &[("x-amz-checksum-crc64nvme", named)], "")));
        let (sent, digest) = desk.send(address).await;
        let sent = sent.unwrap();
        assert_eq!(sent.is_ok(), goes, "{named}: {sent:?}");
        assert_eq!(digest.unwrap().xxh64, xxh64(&[7; SIZE as usize], 0));
        assert_eq!(sent.ok().and_then(|taken| taken.checksum), (!named.is_empty()).then_some(sum()));
        assert_eq!(desk.storage.habits().vouches, Some(!named.is_empty()));
    }
    let asked = desk.script.asked();
    assert!(asked[4].contains("content-md5"), "what is left to check it by: {asked:?}");
}

#[tokio::test]
async fn an_echo_vouches_for_nothing_that_was_written_to_on_its_way() {
    let desk = s3().await;
    let address = Secret::new("https://s3.example/footage/a.mov");
    let named = || Some(answer(200, &[("x-amz-checksum-crc64nvme", &sum().base64())], ""));
    desk.script.part(named());
    assert!(desk.send(&address).await.0.unwrap().is_ok());
    *desk.script.writer.lock().unwrap() = Some(desk.file.try_clone().unwrap());
    desk.script.part(named());
    let sent = desk.send(&address).await.0.unwrap();
    assert!(matches!(sent, Err(PartError::Damaged(_))), "{sent:?}");
}

#[tokio::test]
async fn a_storage_that_names_checksums_unasked_is_told_none_of_parts() {
    let refusal = "<Error><Code>InvalidRequest</Code><Message>Checksum Type mismatch</Message></Error>";
    let (right, wrong) = (sum().base64(), Checksum::Crc64Nvme(1).base64());
    let named = |sum: &str| Some(answer(200, &[("x-amz-checksum-crc64nvme", sum)], ""));
    // What comes of a part that is told nothing, and whether the next one is.
    for (said, goes, names) in [
        (named(&right), true, Some(true)),
        (named(&wrong), false, Some(false)),
        (Some(answer(200, &[], "")), false, Some(false)),
        (Some(answer(400, &[], refusal)), false, Some(false)),
        (None, false, None),
    ] {
        let desk = s3().await;
        let address = Secret::new("https://s3.example/footage/a.mov?partNumber=1&uploadId=u#crc64nvme");
        desk.script.part(named(&right));
        assert_eq!(desk.send(&address).await.0.unwrap().unwrap().checksum, Some(sum()), "it is told");
        desk.script.part(said.clone());
        let sent = desk.send(&address).await.0;
        let vouched = sent.ok().and_then(Result::ok).map(|taken| taken.checksum);
        assert_eq!(vouched, goes.then_some(Some(sum())), "{said:?}");
        assert_eq!(desk.storage.habits().names_unasked, names, "{said:?}");
        desk.script.part(named(&right));
        assert_eq!(desk.send(&address).await.0.unwrap().unwrap().checksum, Some(sum()), "{said:?}");
        let told = desk.script.asked().iter().map(|asked| asked.contains("checksum")).collect::<Vec<_>>();
        assert_eq!(told, [true, false, names == Some(false)], "{said:?}");
    }
}

#[tokio::test]
async fn one_part_tries_whether_a_storage_has_to_be_told() {
    let desk = s3().await;
    let address = Secret::new("https://s3.example/footage/a.mov?partNumber=1&uploadId=u#crc64nvme");
    let named = answer(200, &[("x-amz-checksum-crc64nvme", &sum().base64())], "");
    (0..4).for_each(|_| desk.script.part(Some(named.clone())));
    assert!(desk.send(&address).await.0.unwrap().is_ok());
    desk.script.asked();
    let (one, two, three) = tokio::join!(desk.send(&address), desk.send(&address), desk.send(&address));
    assert!([one, two, three].into_iter().all(|(sent, _)| sent.unwrap().is_ok()));
    let told = desk.script.asked().iter().filter(|asked| asked.contains("checksum")).count();
    assert_eq!(told, 2);
    assert_eq!(desk.storage.habits().names_unasked, Some(true));
}

#[tokio::test]
async fn names_are_spelled_out_only_where_that_helps() {
    for (second, name, ascii) in [(201, "Ä.mov", true), (400, "Ä.mov", false), (201, "a.mov", false)] {
        let mut desk = tus();
        desk.clip.name = name.to_owned();
        desk.script.say(400, &[]);
        let made = Response { location: "/files/1".to_owned(), ..answer(second, &[], "") };
        desk.script.answers.lock().unwrap().push_back(made);
        let begun = desk.storage.begin(ItemId(1), &desk.clip, Duration::ZERO).await;
        assert_eq!(begun.is_ok(), ascii, "{name} {second}");
        assert_eq!(desk.storage.habits().ascii, ascii, "{name} {second}");
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_of_itself_is_asked_again_and_kept_waiting_for_nobody() {
    let desk = tus();
    desk.script.say(405, &[]);
    desk.storage.ready().await.unwrap();
    desk.storage.ready().await.unwrap();
    assert_eq!(desk.script.asked(), ["OPTIONS extensions"]);
    assert_eq!(desk.storage.habits(), Habits::default());
}

#[tokio::test]
async fn a_sum_of_all_that_the_storage_computes_otherwise_is_left_out_once() {
    let desk = s3().await;
    let address = Secret::new("https://s3.example/footage/a.mov?partNumber=1&uploadId=u#crc64nvme");
    let sum = Checksum::Crc64Nvme(7);
    let part = SentPart { etag: "e".to_owned(), checksum: Some(sum) };
    let refusal = "<Error><Code>BadDigest</Code></Error>";
    let gone = Completed::Gone("BadDigest".to_owned());
    for (second, completed) in [("", Completed::Done), (refusal, gone)] {
        let status = if second.is_empty() { 200 } else { 400 };
        for (status, body) in [(400, refusal), (status, second)] {
            desk.script.answers.lock().unwrap().push_back(answer(status, &[], body));
        }
        let parts = std::slice::from_ref(&part);
        let told = desk.storage.complete(&address, parts, SIZE, "m").await.unwrap();
        assert_eq!(told, (completed, false), "nothing is vouched for");
        assert_eq!(desk.script.asked(), ["POST completion", "POST completion"]);
    }
}
