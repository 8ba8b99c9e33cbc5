use zeroize::Zeroizing;

use super::headers::{CREATED, DEVICE, MARK};
use super::read::is_given_up;
use super::*;
use crate::delivery::keys::Authority;
use crate::queue::item::PartDigest;

const AT: i64 = 1_796_000_000;

fn bucket(path_style: bool) -> S3 {
    let endpoint = "https://s3.example:8333".parse().unwrap();
    let crc = Some(Algorithm::Crc64Nvme);
    S3::new(endpoint, path_style, "footage", "eu-central-1", Template::default(), crc).unwrap()
}

fn keys() -> Authority {
    let (secret, session) = (Secret::new("topsecret"), Some(Secret::new("session/+==")));
    Authority::Keys(Keys { id: "AKID".to_owned(), secret, session, ends: None })
}

fn object(size: u64) -> Object {
    Object {
        mark: "12ab-3".to_owned(),
        name: "Ä.mov".to_owned(),
        reel: "A001".to_owned(),
        filetype: "video/quicktime".to_owned(),
        size,
        device: "rig 7".to_owned(),
        made: AT,
    }
}

fn piece<'a>(address: &'a Secret, digest: Option<PartDigest>) -> Piece<'a> {
    Piece { address, mark: "12ab-3", filetype: "video/quicktime", from: 0, len: 1, digest }
}

fn answer(status: u16, body: &str) -> Response {
    Response { status, body: Zeroizing::new(body.into()), ..Response::default() }
}

fn error(code: &str) -> String {
    format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>m</Message></Error>")
}

fn field(url: &Secret, name: &str) -> Option<String> {
    let url = Url::parse(url.expose()).unwrap();
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

fn known(s3: &S3, object: &Object) -> (String, Secret) {
    let keys = keys();
    match s3.begin(Signer { authority: &keys, at: AT }, s3.habits(), object).unwrap() {
        Beginning::Known(Begun { id, mut addresses }) => (id, addresses.remove(0)),
        Beginning::Ask(asked) => panic!("{asked:?}"),
    }
}

#[test]
fn a_clip_in_one_piece_overwrites_nothing_and_says_whose_it_is() {
    let (s3, keys) = (bucket(true), keys());
    let (key, address) = known(&s3, &object(1));
    assert_eq!(key, "2026-11-30/rig 7/12ab-3/Ä.mov");
    let at = "https://s3.example:8333/footage/2026-11-30/rig%207/12ab-3/%C3%84.mov";
    assert!(address.expose().starts_with(at), "{}", address.expose());
    let signer = Signer { authority: &keys, at: AT };
    let sum = Checksum::Crc64Nvme(1);
    let digest = PartDigest { md5: Some([0; 16]), xxh64: 1, checksum: Some(sum) };
    let part = s3.part(signer, piece(&address, Some(digest))).unwrap();
    let said = [
        ("content-md5", "AAAAAAAAAAAAAAAAAAAAAA=="),
        ("content-type", "video/quicktime"),
        ("x-amz-checksum-crc64nvme", "AAAAAAAAAAE="),
        (MARK, "12ab-3"),
        (CREATED, "2026-11-30T00:53:20Z"),
        (DEVICE, "rig+7"),
    ];
    let mut said = said.map(|(name, value)| (name, value.to_owned()));
    said.sort_unstable();
    assert_eq!(part.headers, said);
    let url = part.url;
    assert!(url.expose().starts_with(&format!("{at}?")) && !url.expose().contains('#'));
    let signed = field(&url, "X-Amz-SignedHeaders").unwrap();
    assert_eq!(
        signed,
        "content-md5;content-type;host;x-amz-checksum-crc64nvme;x-amz-meta-rigpost-clip;\
         x-amz-meta-rigpost-created;x-amz-meta-rigpost-device"
    );
    assert_eq!(field(&url, "X-Amz-Credential").unwrap(), "AKID/20261130/eu-central-1/s3/aws4_request");
    assert_eq!(field(&url, "X-Amz-Date").unwrap(), "20261130T005320Z");
    assert_eq!(field(&url, "X-Amz-Security-Token").unwrap(), "session/+==");
    assert_eq!(s3.complete(signer, &address, &[], 1, true), None, "nothing has to be said");
    assert_eq!(s3.give_up(signer, &address), None);
    assert_eq!(s3.upload(s3.habits(), &[address]).as_deref(), Some(""));
    let (_, elsewhere) = known(&bucket(false), &object(1));
    assert!(elsewhere.expose().starts_with("https://footage.s3.example:8333/2026-11-30/"));
}

#[test]
fn a_longer_one_goes_in_parts_of_an_upload() {
    let (s3, keys) = (bucket(true), keys());
    let signer = Signer { authority: &keys, at: AT };
    let long = object(3 * part_length(0) + 1);
    let Beginning::Ask(begin) = s3.begin(signer, s3.habits(), &long).unwrap() else { panic!("it is asked") };
    let at = "https://s3.example:8333/footage/2026-11-30/rig%207/12ab-3/%C3%84.mov";
    assert_eq!((begin.method, begin.url.as_str()), (Method::Post, at));
    assert_eq!(field(begin.signed.as_ref().unwrap(), "uploads").as_deref(), Some(""));
    for header in [("x-amz-checksum-algorithm", "CRC64NVME"), ("x-amz-checksum-type", "FULL_OBJECT")] {
        assert!(begin.headers.contains(&(header.0, header.1.to_owned())), "{:?}", begin.headers);
    }
    assert!(!format!("{begin:?}").contains("topsecret") && !format!("{begin:?}").contains("Signature"));
    let made = "<InitiateMultipartUploadResult><UploadId>up/1+2==</UploadId></InitiateMultipartUploadResult>";
    let parts = s3.read_begin(&answer(200, made), s3.habits(), &long).unwrap().addresses;
    assert_eq!(parts.len(), 4);
    assert_eq!(field(&parts[3], "uploadId").as_deref(), Some("up/1+2=="));
    let part = s3.part(signer, piece(&parts[3], None)).unwrap();
    assert_eq!((field(&part.url, "partNumber").as_deref(), part.headers), (Some("4"), vec![]));
    assert_eq!(s3.upload(s3.habits(), &parts).as_deref(), Some(parts[0].expose()));
    let give_up = s3.give_up(signer, &parts[0]).unwrap();
    assert_eq!((give_up.method, give_up.url.as_str()), (Method::Delete, at));
    for body in ["", "<a><UploadId> </UploadId></a>", "<a/>", "no xml"] {
        assert!(s3.read_begin(&answer(200, body), s3.habits(), &long).is_err(), "{body}");
    }
}

#[test]
fn an_upload_is_completed_by_what_the_storage_has_said_of_its_parts() {
    let (s3, keys) = (bucket(true), keys());
    let signer = Signer { authority: &keys, at: AT };
    let address = Secret::new("https://s3.example:8333/footage/a?partNumber=1&uploadId=up");
    let part = |etag: &str, checksum| SentPart { etag: etag.to_owned(), checksum };
    let plain = [part("\"aa\"", None), part("b<b>=+/1", None)];
    let completion = s3.complete(signer, &address, &plain, 2, true).unwrap();
    assert_eq!(field(completion.signed.as_ref().unwrap(), "uploadId").as_deref(), Some("up"));
    assert_eq!(field(completion.signed.as_ref().unwrap(), "partNumber"), None);
    assert_eq!(completion.headers, [("if-none-match", "*".to_owned())]);
    let xml = "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>\"aa\"</ETag></Part>\
               <Part><PartNumber>2</PartNumber><ETag>b&lt;b&gt;=+/1</ETag></Part></CompleteMultipartUpload>";
    assert_eq!(completion.body, Body::Xml(xml.to_owned()));
    let crc = |bytes: &[u8]| {
        Some(Checksum::Crc64Nvme(crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, bytes)))
    };
    let known = [part("a", crc(b"12345")), part("b", crc(b"6789"))];
    let without = s3.complete(signer, &address, &known, 9, false).unwrap();
    assert_eq!(without.headers, [("if-none-match", "*".to_owned())]);
    let completion = s3.complete(signer, &address, &known, 9, true).unwrap();
    let of_all = ("x-amz-checksum-crc64nvme", crc(b"123456789").unwrap().base64());
    assert!(completion.headers.contains(&of_all), "{:?}", completion.headers);
    let Body::Xml(xml) = completion.body else { panic!("{:?}", completion.body) };
    assert!(xml.contains(&format!("<ChecksumCRC64NVME>{}<", crc(b"6789").unwrap().base64())), "{xml}");
    // One of which it has said nothing: then nothing is said of the whole.
    let half = [part("a", crc(b"12345")), part("b", None)];
    let completion = s3.complete(signer, &address, &half, 9, true).unwrap();
    assert_eq!(completion.headers, [("if-none-match", "*".to_owned())]);
}

#[test]
fn only_what_the_storage_names_itself_is_its_word() {
    let s3 = bucket(true);
    let address = Secret::new("https://s3.example/footage/a");
    let sum = Checksum::Crc64Nvme(7);
    let digest = PartDigest { checksum: Some(sum), ..PartDigest::default() };
    let named = |value: &str| Response {
        kept: vec![("x-amz-checksum-crc64nvme", value.to_owned())],
        ..answer(200, "")
    };
    let read = |digest, answer| s3.read_part(piece(&address, digest), &answer);
    assert_eq!(read(Some(digest), named(&sum.base64())).unwrap().checksum, Some(sum));
    assert_eq!(read(Some(digest), answer(200, "")).unwrap().checksum, None, "it has said nothing");
    assert!(matches!(read(Some(digest), named("AAAAAAAAAAE=")), Err(PartError::Damaged(_))));
    assert_eq!(read(None, named(&sum.base64())).unwrap().checksum, None, "it was not told");
}

#[test]
fn what_is_computed_of_a_part_is_what_the_storage_needs_to_vouch_for_it() {
    let s3 = bucket(true);
    let address = Secret::new("https://s3.example/footage/a");
    let (crc, sha) = (Some(Algorithm::Crc64Nvme), Some(Algorithm::Sha256));
    let ahead = |ahead, md5| Checks { ahead, md5, along: None };
    let along = |along| Checks { along, ..Checks::default() };
    let part = |sum: &str| Secret::new(format!("https://s3.example/footage/a?partNumber=1&uploadId=u{sum}"));
    for (vouches, names_unasked, address, md5, checks) in [
        (None, None, address.clone(), true, ahead(crc, true)),
        (Some(true), None, address.clone(), true, ahead(crc, false)),
        // One that is an object at once is checked before it is one.
        (Some(true), Some(true), address.clone(), true, ahead(crc, false)),
        (Some(false), None, address.clone(), false, ahead(None, true)),
        // An upload keeps to what it was begun with, whatever is known by now.
        (None, None, part("#crc64nvme"), true, ahead(crc, true)),
        (Some(true), None, part("#crc64nvme"), true, along(crc)),
        (Some(true), Some(true), part("#sha256"), true, along(sha)),
        (Some(true), Some(false), part("#sha256"), true, ahead(sha, false)),
        (Some(false), Some(true), part("#sha256"), false, ahead(sha, true)),
        (Some(true), None, part(""), true, ahead(None, true)),
        (None, None, part("#blake3"), false, ahead(None, false)),
    ] {
        let habits = Habits { vouches, names_unasked, ..s3.habits() };
        assert_eq!(s3.checks(habits, &address, md5), checks, "{habits:?} {}", address.expose());
    }
}

#[test]
fn a_storage_that_wants_to_be_told_is_told() {
    let s3 = bucket(true);
    let part = Secret::new("https://s3.example/footage/a?partNumber=1&uploadId=u#crc64nvme");
    let habits = Habits { vouches: Some(true), ..s3.habits() };
    let told = Some(Habits { names_unasked: Some(false), ..habits });
    for (status, code, message, learned) in [
        (400, "InvalidRequest", "Checksum Type mismatch occurred, expected crc64nvme", told),
        (400, "InvalidArgument", "no", told),
        (400, "Odd", "the checksum is missing", told),
        (501, "NotImplemented", "", told),
        (400, "ExpiredToken", "", None),
        (400, "RequestTimeout", "", None),
        (403, "InvalidRequest", "", None),
        (500, "InternalError", "checksum", None),
        (200, "", "", None),
    ] {
        let body = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
        assert_eq!(
            s3.learn(habits, Asked::Part(piece(&part, None)), &answer(status, &body)),
            learned,
            "{status} {code}"
        );
    }
}

#[test]
fn a_storage_that_knows_no_such_checksum_is_given_another_and_then_none() {
    let s3 = bucket(true);
    let said = |status, code: &str, message: &str| {
        answer(status, &format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>"))
    };
    let mut habits = s3.habits();
    for left in [Some(Algorithm::Sha256), None] {
        let answer = said(400, "InvalidRequest", "Checksum algorithm provided is unsupported.");
        habits = s3.learn(habits, Asked::Upload(&object(1)), &answer).unwrap();
        assert_eq!(habits.checksum, left);
    }
    let asked = object(1);
    let asked = Asked::Upload(&asked);
    assert_eq!(
        s3.learn(habits, asked, &said(501, "NotImplemented", "")),
        None,
        "there is nothing to take away"
    );
    // A part of an upload teaches nothing: that keeps to what it was begun with, or is begun anew.
    let part = Secret::new("https://s3.example/footage/a?partNumber=1&uploadId=u#sha256");
    let other = said(400, "InvalidRequest", "Checksum Type mismatch occurred");
    assert_eq!(s3.learn(s3.habits(), Asked::Part(piece(&part, None)), &other), None);
    // Unless it was begun by these.
    let ours = Secret::new(part.expose().replace("sha256", "crc64nvme"));
    assert!(s3.learn(s3.habits(), Asked::Part(piece(&ours, None)), &other).is_some());
    assert_eq!(s3.clock().map(|asked| (asked.method, asked.signed)), Some((Method::Head, None)));
    let read = s3.read_part(piece(&part, None), &other);
    assert!(matches!(read, Err(PartError::UrlDead(_))), "{read:?}");
    for (status, code, message) in [
        (400, "InvalidRequest", "no"),
        (403, "InvalidRequest", "checksum"),
        (200, "", ""),
        (400, "BadDigest", "The checksum did not match"),
    ] {
        assert_eq!(s3.learn(s3.habits(), asked, &said(status, code, message)), None, "{status} {code}");
    }
    let sha = S3 { checksum: Some(Algorithm::Sha256), ..s3 };
    let keys = keys();
    let signer = Signer { authority: &keys, at: AT };
    let Ok(Beginning::Ask(begin)) = sha.begin(signer, sha.habits(), &object(1 << 30)) else { panic!() };
    assert!(begin.headers.contains(&("x-amz-checksum-type", "COMPOSITE".to_owned())));
}

#[test]
fn the_longest_object_has_no_more_parts_than_there_may_be() {
    const MIB: u64 = 1 << 20;
    for (size, length) in [
        (0, 16 * MIB),
        (17 * MIB, 16 * MIB),
        (10_000 * 16 * MIB, 16 * MIB),
        (10_000 * 16 * MIB + 1, 17 * MIB),
        (5 << 40, 525 * MIB),
    ] {
        assert_eq!(part_length(size), length, "{size}");
        assert!(size.div_ceil(length) <= MOST_PARTS, "{size}");
    }
}

#[test]
fn what_an_answer_to_a_part_means() {
    let s3 = bucket(true);
    let part = Secret::new("https://s3.example/footage/a?partNumber=1&uploadId=u");
    let etag = "\"a\"".to_owned();
    let read = |status, body: &str| {
        let answer = Response { etag: etag.clone(), ..answer(status, body) };
        s3.read_part(piece(&part, None), &answer).err()
    };
    let nameless = s3.read_part(piece(&part, None), &answer(200, ""));
    assert!(matches!(nameless, Err(PartError::Damaged(_))), "it could not be completed: {nameless:?}");
    let whole = Secret::new("https://s3.example/footage/a");
    assert_eq!(s3.read_part(piece(&whole, None), &answer(200, "")), Ok(SentPart::default()));
    let kind = |e: Option<PartError>| {
        format!("{e:?}").chars().take_while(|c| c.is_alphanumeric() || *c == '(').collect::<String>()
    };
    for (status, body, means) in [
        (200, String::new(), "None"),
        (200, "<html>".to_owned(), "Some(Transient(Trouble"),
        (200, error("InternalError"), "Some(Transient(Trouble"),
        (404, error("NoSuchUpload"), "Some(UrlDead("),
        (404, error("NoSuchKey"), "Some(UrlDead("),
        (404, error("NoSuchBucket"), "Some(Forbidden("),
        (301, error("PermanentRedirect"), "Some(Forbidden("),
        (307, String::new(), "Some(Transient(Trouble"),
        (400, error("ExpiredToken"), "Some(KeysOver("),
        (403, error("InvalidAccessKeyId"), "Some(KeysOver("),
        (403, error("RequestTimeTooSkewed"), "Some(KeysOver("),
        (403, error("AccessDenied"), "Some(Forbidden("),
        (403, error("AccessDenied").replace("<Message>m", "<Message>Request has expired"), "Some(KeysOver("),
        (403, error("SignatureDoesNotMatch"), "Some(Forbidden("),
        (403, "<html>".to_owned(), "Some(Transient(Trouble"),
        (400, error("BadDigest"), "Some(Damaged("),
        (400, error("RequestTimeout"), "Some(Transient(Trouble"),
        (400, error("EntityTooLarge"), "Some(Refused("),
        (400, String::new(), "Some(Transient(Trouble"),
        (503, error("SlowDown"), "Some(Transient(Trouble"),
        (507, error("InsufficientStorage"), "Some(Transient(Trouble"),
    ] {
        assert_eq!(kind(read(status, &body)), means, "{status} {body}");
    }
}

#[test]
fn what_an_answer_to_a_completion_means() {
    let s3 = bucket(true);
    let read = |status, body: &str| s3.read_completion(&answer(status, body));
    let done = "<CompleteMultipartUploadResult><ETag>\"a-2\"</ETag></CompleteMultipartUploadResult>";
    assert_eq!(read(200, done), Ok(Completion::Done));
    assert_eq!(read(200, &format!("   \n{done}")), Ok(Completion::Done), "blanks keep the line alive");
    for (status, word) in [(404, "NoSuchUpload"), (404, "NoSuchKey"), (412, "PreconditionFailed")] {
        assert_eq!(read(status, &error(word)), Ok(Completion::Doubtful(word.to_owned())));
    }
    assert_eq!(read(403, &error("ExpiredToken")), Err(CreateError::Unauthorized));
    assert!(matches!(read(403, &error("AccessDenied")), Err(CreateError::Forbidden(_))));
    assert_eq!(read(400, &error("InvalidPart")), Ok(Completion::Unusable("InvalidPart".to_owned())));
    assert!(matches!(read(409, &error("ConditionalRequestConflict")), Err(CreateError::Transient(_))));
    for body in [error("BadDigest"), error("InvalidRequest").replace("<Message>m", "<Message>checksum mode")]
    {
        assert!(matches!(read(400, &body), Ok(Completion::AnotherSum(_))), "{body}");
    }
    assert!(matches!(read(400, &error("InvalidRequest")), Err(CreateError::Conflict(_))));
    for (status, body) in [(200, error("InternalError")), (500, String::new()), (200, "<html>".to_owned())] {
        assert!(matches!(read(status, &body), Err(CreateError::Transient(_))), "{status} {body}");
    }
}

#[test]
fn what_lies_there_is_ours_by_its_mark() {
    let s3 = bucket(true);
    let found = |status, mark: &str| {
        let kept = vec![(MARK, mark.to_owned())];
        s3.read_look(&Response { status, kept, ..Response::default() }, "12ab-3")
    };
    for (status, mark, is) in [
        (200, "12ab-3", Found::Ours),
        (200, "12ab-4", Found::Another),
        (200, "", Found::Another),
        (404, "", Found::Nothing),
        (403, "", Found::Hidden),
    ] {
        assert_eq!(found(status, mark), Ok(is), "{status} {mark}");
    }
    assert!(found(503, "").is_err() && found(302, "").is_err());
}

#[test]
fn clips_are_bound_to_where_they_go() {
    assert_eq!(bucket(true).binding(), "https://s3.example:8333/footage");
    assert_eq!(bucket(true).name(), "footage");
    let odd = S3::new("data:,x".parse().unwrap(), true, "b", "r", Template::default(), None);
    assert_eq!(odd.err(), Some(NoBucket));
}

#[test]
fn uploads_that_nobody_heard_of_are_those_of_the_same_object() {
    let (s3, keys) = (bucket(true), keys());
    let key = "2026-11-30/rig 7/12ab-3/Ä.mov";
    let asked = s3.strays(Signer { authority: &keys, at: AT }, key).unwrap();
    assert_eq!((asked.method, asked.url.path()), (Method::Get, "/footage/"));
    assert_eq!(field(asked.signed.as_ref().unwrap(), "prefix").as_deref(), Some(key));
    let upload = |key: &str, id: &str| {
        format!(
            "<Upload><Initiator><ID>me</ID></Initiator><Key>{key}</Key><UploadId>{id}</UploadId></Upload>"
        )
    };
    let list =
        [upload(key, "one/+"), upload(key, "ours"), upload(&format!("{key}.bak"), "two"), upload(key, "")];
    let body = format!("<R xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{}</R>", list.concat());
    let ours = Secret::new("https://s3.example:8333/footage/a?partNumber=1&uploadId=ours#crc64nvme");
    let [stray] = &s3.read_strays(&answer(200, &body), key, &ours)[..] else { panic!("one of them") };
    assert_eq!(field(stray, "uploadId").as_deref(), Some("one/+"));
    let given_up = s3.give_up(Signer { authority: &keys, at: AT }, stray).unwrap();
    assert_eq!(given_up.url.path(), "/footage/2026-11-30/rig%207/12ab-3/%C3%84.mov");
    for (status, body) in [(403, error("AccessDenied")), (501, body.clone()), (200, "<html>".to_owned())] {
        assert_eq!(s3.read_strays(&answer(status, &body), key, &ours), [], "{status}");
    }
}

#[test]
fn an_upload_is_gone_only_where_the_storage_says_so() {
    for (status, body, gone) in [
        (204, String::new(), true),
        (200, String::new(), true),
        (404, error("NoSuchUpload"), true),
        (404, error("NoSuchKey"), true),
        (404, error("NoSuchBucket"), false),
        (404, String::new(), false),
        (200, "<html>log in".to_owned(), false),
        (403, error("AccessDenied"), false),
        (503, error("SlowDown"), false),
    ] {
        assert_eq!(is_given_up(&answer(status, &body)), gone, "{status} {body}");
    }
}

#[test]
fn no_bucket_is_taken_for_another_whose_name_begins_like_it() {
    for (path_style, base) in
        [(true, "https://s3.example:8333/footage/"), (false, "https://footage.s3.example:8333/")]
    {
        let s3 = bucket(path_style);
        assert_eq!(s3.base(), base);
        assert!(known(&s3, &object(1)).1.expose().starts_with(base));
    }
}
