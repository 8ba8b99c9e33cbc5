use zeroize::Zeroizing;

use super::*;
use crate::delivery::keys::Authority;
use crate::oauth::AccessToken;
use crate::queue::checksum::Checksum;
use crate::queue::item::PartDigest;

const SIZE: u64 = 20 << 20;

fn tus() -> Tus {
    Tus::new("https://tus.example:8443/files/".parse().unwrap())
}

fn token() -> Authority {
    Authority::Bearer(AccessToken(Secret::new("topsecret")))
}

fn object(name: &str) -> Object {
    Object {
        mark: "12ab-3".to_owned(),
        name: name.to_owned(),
        reel: String::new(),
        filetype: "video/quicktime".to_owned(),
        size: SIZE,
        device: "rig 7".to_owned(),
        made: 1_796_000_000,
    }
}

fn answer(status: u16, kept: &[(&'static str, &str)]) -> Response {
    let kept = kept.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Response { status, kept, ..Response::default() }
}

fn page(status: u16) -> Response {
    Response { body: Zeroizing::new(b"<html>log in".to_vec()), ..answer(status, &[]) }
}

fn made(location: &str) -> Response {
    Response { location: location.to_owned(), ..answer(201, &[]) }
}

fn kind<T: std::fmt::Debug>(value: &T) -> String {
    let text = format!("{value:?}");
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '(').collect()
}

#[test]
fn an_upload_is_created_with_what_is_known_of_the_clip() {
    let (tus, token) = (tus(), token());
    let signer = Signer { authority: &token, at: 0 };
    let said = |name: &str, habits| {
        let Ok(Beginning::Ask(asked)) = tus.begin(signer, habits, &object(name)) else {
            panic!("it is asked")
        };
        assert_eq!((asked.method, asked.url.as_str()), (Method::Post, "https://tus.example:8443/files/"));
        assert!(matches!(asked.authorization, Some(Authorization::Bearer(_))));
        assert!(!format!("{asked:?}").contains("topsecret"));
        let header = |name| asked.headers.iter().find(|(key, _)| *key == name).unwrap().1.clone();
        assert_eq!((header("tus-resumable"), header("upload-length")), ("1.0.0".into(), SIZE.to_string()));
        header("upload-metadata")
    };
    let decoded = |text: &str| -> Vec<(String, String)> {
        let pair = |pair: &str| {
            let (key, value) = pair.split_once(' ').unwrap();
            (key.to_owned(), String::from_utf8(BASE64_STANDARD.decode(value).unwrap()).unwrap())
        };
        text.split(',').map(pair).collect()
    };
    let all = [
        ("filename", "Ä 1.mov"),
        ("filetype", "video/quicktime"),
        ("rigpost-clip", "12ab-3"),
        ("rigpost-device", "rig 7"),
        ("rigpost-created", "2026-11-30T00:53:20Z"),
    ];
    let all = all.map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(decoded(&said("Ä 1.mov", Habits::default())), all);
    let (odd, plain) = (object("Ä 1.mov"), object("a.mov"));
    let asked = Asked::Upload(&odd);
    let refused = tus.learn(Habits::default(), asked, &answer(400, &[])).unwrap();
    assert_eq!(decoded(&said("Ä 1.mov", refused))[0].1, "_ 1.mov");
    assert_eq!(tus.learn(refused, asked, &answer(400, &[])), None, "once");
    assert_eq!(tus.learn(Habits::default(), asked, &page(400)), None);
    assert_eq!(
        tus.learn(Habits::default(), Asked::Upload(&plain), &answer(400, &[])),
        None,
        "no name's fault"
    );
    let small = Habits { most: Some(SIZE - 1), ..Habits::default() };
    assert!(matches!(tus.begin(signer, small, &object("a")), Err(CreateError::Conflict(_))));
}

#[test]
fn an_upload_is_where_the_server_says_and_nowhere_that_the_token_may_not_go() {
    for (location, at) in [
        ("https://tus.example:8443/files/24e5", Some("https://tus.example:8443/files/24e5")),
        ("/other/24e5", Some("https://tus.example:8443/other/24e5")),
        ("24e5", Some("https://tus.example:8443/files/24e5")),
        // Behind a proxy that it knows nothing of.
        ("http://tus.example/files/24e5?a=b#c", Some("https://tus.example:8443/files/24e5?a=b")),
        ("//tus.example:1080/files/24e5", Some("https://tus.example:8443/files/24e5")),
        ("https://user:pass@tus.example:8443/files/1", Some("https://tus.example:8443/files/1")),
        ("https://elsewhere.example/files/24e5", None),
        ("//elsewhere.example/24e5", None),
        ("data:,x", None),
        ("", None),
        ("https://tus.example:8443/files/", None),
    ] {
        match (tus().read_begin(&made(location), Habits::default(), &object("a")), at) {
            (Ok(begun), Some(at)) => {
                assert_eq!(begun.addresses.len(), 3);
                assert!(begun.addresses.iter().all(|address| address.expose() == at), "{location}");
                assert!(at.starts_with(&tus().base()), "{location}");
                assert!(at.contains(&begun.id), "{location}: {}", begun.id);
            }
            (Err(CreateError::Forbidden(_)), None) => {}
            (got, _) => panic!("{location}: {got:?}"),
        }
    }
}

#[test]
fn what_a_refusal_to_create_means() {
    for (answer, means) in [
        (answer(401, &[]), "Unauthorized"),
        (answer(403, &[]), "Forbidden("),
        (answer(404, &[]), "Forbidden("),
        (answer(405, &[]), "Forbidden("),
        (answer(412, &[]), "Forbidden("),
        (answer(413, &[]), "Conflict("),
        (answer(400, &[]), "Conflict("),
        (answer(200, &[]), "Transient(Trouble"),
        (answer(429, &[]), "Transient(Trouble"),
        (answer(503, &[]), "Transient(Trouble"),
        (answer(507, &[]), "Transient(Trouble"),
        (answer(302, &[]), "Transient(Trouble"),
        (Response { location: "/uploads".to_owned(), ..answer(307, &[]) }, "Forbidden("),
        (
            Response { location: "https://portal.example/".to_owned(), ..answer(302, &[]) },
            "Transient(Trouble",
        ),
        (answer(409, &[]), "Conflict("),
        (page(403), "Transient(Trouble"),
        (page(404), "Transient(Trouble"),
    ] {
        let got = tus().read_begin(&answer, Habits::default(), &object("a")).unwrap_err();
        assert_eq!(kind(&got), means, "{answer:?}");
    }
}

#[test]
fn where_an_upload_stands_is_the_servers_word() {
    let read = |status, offset: &str, length: &str| {
        let mut kept = vec![];
        kept.extend((!offset.is_empty()).then_some(("upload-offset", offset)));
        kept.extend((!length.is_empty()).then_some(("upload-length", length)));
        kept.push(("tus-resumable", "1.0.0"));
        tus().read_offset(&answer(status, &kept), 100)
    };
    for (status, offset, length, has) in [(200, "0", "100", 0), (204, "100", "100", 100), (200, "7", "", 7)] {
        assert_eq!(read(status, offset, length), Ok(has));
    }
    for (status, offset, length, means) in [
        (200, "7", "99", "UrlDead("),
        (200, "101", "", "UrlDead("),
        (200, "", "100", "Transient(Trouble"),
        (200, "seven", "100", "Transient(Trouble"),
        (401, "", "", "KeysOver("),
        (403, "", "", "Forbidden("),
        (404, "", "", "UrlDead("),
        (410, "", "", "UrlDead("),
        (423, "", "", "Damaged("),
        (500, "", "", "Transient(Trouble"),
    ] {
        let got = read(status, offset, length).unwrap_err();
        assert_eq!(kind(&got), means, "{status} {offset} {length}");
    }
    // Whoever stands before the server, and knows of nothing while that is away, says the same without its word.
    let someone = tus().read_offset(&answer(404, &[]), 100).unwrap_err();
    assert_eq!(kind(&someone), "Unfound(");
    let standing = |status, offset, length, its_own: bool| {
        let mut kept = vec![("upload-offset", offset), ("upload-length", length)];
        kept.extend(its_own.then_some(("tus-resumable", "1.0.0")));
        tus().standing(&answer(status, &kept))
    };
    for (status, offset, length, its_own, is) in [
        (200, "100", "100", true, Standing::Whole),
        (200, "99", "100", true, Standing::Open),
        (200, "", "100", true, Standing::Unknown),
        (200, "99", "", true, Standing::Unknown),
        (404, "", "", true, Standing::Gone),
        (410, "", "", true, Standing::Gone),
        (404, "", "", false, Standing::Unknown),
        (401, "", "", true, Standing::Unknown),
        (423, "", "", true, Standing::Unknown),
        (503, "", "", true, Standing::Unknown),
    ] {
        assert_eq!(standing(status, offset, length, its_own), is, "{status} {offset} {length} {its_own}");
    }
}

#[test]
fn a_part_is_there_when_the_upload_has_grown_by_it() {
    let (tus, token) = (tus(), token());
    let address = Secret::new("https://tus.example:8443/files/24e5");
    let digest = PartDigest { checksum: Some(Checksum::Sha1([1; 20])), ..PartDigest::default() };
    let piece = Piece {
        address: &address,
        mark: "12ab-3",
        filetype: "video/quicktime",
        from: 8,
        len: 4,
        digest: Some(digest),
    };
    let sent = tus.part(Signer { authority: &token, at: 0 }, piece).unwrap();
    assert_eq!((sent.method, sent.url.expose()), (Method::Patch, address.expose()));
    assert!(sent.bearer.is_some());
    let header = |name| sent.headers.iter().find(|(key, _)| *key == name).unwrap().1.as_str();
    assert_eq!(header("content-type"), "application/offset+octet-stream");
    assert_eq!((header("upload-offset"), header("tus-resumable")), ("8", "1.0.0"));
    assert_eq!(header("upload-checksum"), "sha1 AQEBAQEBAQEBAQEBAQEBAQEBAQE=");
    let read = |status, offset: &str| {
        let kept = [("upload-offset", offset), ("tus-resumable", "1.0.0")];
        tus.read_part(piece, &answer(status, &kept))
    };
    assert_eq!(read(204, "12").unwrap().checksum, digest.checksum);
    let untold = Piece { digest: None, ..piece };
    let taken = tus.read_part(untold, &answer(204, &[("upload-offset", "12")])).unwrap();
    assert_eq!(taken.checksum, None, "nobody has checked anything");
    for (status, offset, means) in [
        (204, "11", "Damaged("),
        (204, "", "Transient(Trouble"),
        (460, "", "Damaged("),
        (401, "", "KeysOver("),
        (403, "", "Forbidden("),
        (404, "", "UrlDead("),
        (409, "", "Damaged("),
        (410, "", "UrlDead("),
        (412, "", "Forbidden("),
        (413, "", "Refused("),
        (415, "", "Forbidden("),
        (423, "", "Damaged("),
        (502, "", "Transient(Trouble"),
    ] {
        assert_eq!(kind(&read(status, offset).unwrap_err()), means, "{status} {offset}");
    }
    assert_eq!(kind(&tus.read_part(piece, &page(404)).unwrap_err()), "Transient(Trouble");
}

#[test]
fn what_a_server_can_it_says_itself() {
    let told = |extensions: &str, algorithms: &str, most: &str| {
        let kept =
            [("tus-extension", extensions), ("tus-checksum-algorithm", algorithms), ("tus-max-size", most)];
        tus().read_discovery(&answer(204, &kept))
    };
    let all = told("creation,expiration, Checksum,termination", "md5,sha1,crc32", "1000").unwrap().unwrap();
    assert_eq!((all.checksum, all.gives_up, all.most), (Some(Algorithm::Sha1), true, Some(1000)));
    let none = told("creation", "sha1", "0").unwrap().unwrap();
    assert_eq!((none.checksum, none.gives_up, none.most), (None, false, None), "it is not offered");
    assert_eq!(
        told("creation,checksum", "sha1,sha256", "").unwrap().unwrap().checksum,
        Some(Algorithm::Sha256)
    );
    assert!(matches!(told("expiration", "", ""), Err(CreateError::Forbidden(_))));
    let silent = tus().read_discovery(&answer(204, &[("tus-version", "1.0.0")]));
    assert_eq!(silent, Ok(Some(Habits::default())), "it speaks tus, and can nothing more");
    // It may be somebody else who says that.
    for answer in
        [answer(204, &[]), answer(401, &[]), answer(404, &[]), answer(503, &[]), answer(302, &[]), page(200)]
    {
        assert_eq!(tus().read_discovery(&answer), Ok(None), "{answer:?}");
    }
}

#[test]
fn requests_that_something_takes_no_larger_get_smaller() {
    let tus = tus();
    let address = Secret::new("https://tus.example:8443/files/24e5");
    let mark = "12ab-3";
    let piece = |from, len| Piece { address: &address, mark, filetype: "video/mp4", from, len, digest: None };
    let told = |status, is_page: bool| if is_page { page(status) } else { answer(status, &[]) };
    for (from, len, status, is_page, part, means) in [
        (0, PART, 413, true, Some(PART / 9), "UrlDead("),
        (0, PART, 413, false, Some(PART / 9), "UrlDead("),
        // A framework's own page.
        (0, PART, 400, true, Some(PART / 9), "UrlDead("),
        (0, PART, 400, false, None, "Refused("),
        (0, 9 * LEAST, 413, true, Some(LEAST), "UrlDead("),
        (0, LEAST, 413, true, None, "Refused("),
        (0, LEAST, 400, true, None, "Transient(Trouble"),
        (0, PART, 503, true, None, "Transient(Trouble"),
        // What was sent is not thrown away for a page that may be anybody's.
        (PART, PART, 413, true, None, "Refused("),
        (PART, PART, 400, true, None, "Transient(Trouble"),
    ] {
        let (piece, answer) = (piece(from, len), told(status, is_page));
        let learned = tus.learn(Habits::default(), Asked::Part(piece), &answer);
        assert_eq!(learned.and_then(|habits| habits.part), part, "{from}+{len} {status}");
        assert_eq!(kind(&tus.read_part(piece, &answer).unwrap_err()), means, "{from}+{len} {status}");
    }
    let (token, habits) = (token(), |part| Habits { part, ..Habits::default() });
    for (size, part, parts) in [
        (10 * PART, None, Some(10)),
        (10 * PART, Some(PART / 8), Some(80)),
        (40_000 << 20, Some(1 << 20), Some(40_000)),
        ((40_000 << 20) + 1, Some(1 << 20), None),
    ] {
        let object = Object { size, ..object("a") };
        let made = Response { location: "/files/1".to_owned(), ..answer(201, &[]) };
        let asked = tus.begin(Signer { authority: &token, at: 0 }, habits(part), &object);
        assert_eq!(asked.is_ok(), parts.is_some(), "{size}");
        if let Some(parts) = parts {
            assert_eq!(tus.read_begin(&made, habits(part), &object).unwrap().addresses.len(), parts);
        }
    }
}

#[test]
fn only_what_can_be_is_given_up() {
    let (tus, token) = (tus(), token());
    let address = Secret::new("https://tus.example:8443/files/24e5");
    let can = Habits { gives_up: true, ..Habits::default() };
    assert_eq!(tus.upload(can, std::slice::from_ref(&address)).as_deref(), Some(address.expose()));
    assert_eq!(tus.upload(Habits::default(), std::slice::from_ref(&address)), None, "it is left for good");
    let asked = tus.give_up(Signer { authority: &token, at: 0 }, &address).unwrap();
    assert_eq!((asked.method, asked.url.as_str()), (Method::Delete, address.expose()));
    for (answer, gone) in [
        (answer(204, &[]), true),
        (answer(404, &[("tus-resumable", "1.0.0")]), true),
        (answer(410, &[("tus-resumable", "1.0.0")]), true),
        (answer(404, &[]), false),
        (answer(400, &[]), false),
        (answer(403, &[]), false),
        (answer(405, &[]), false),
        (page(404), false),
    ] {
        assert_eq!(tus.is_given_up(&answer), gone, "{answer:?}");
    }
}

#[test]
fn the_longest_clip_has_no_more_parts_than_there_may_be() {
    for (size, length) in [(0, PART), (PART + 1, PART), (10_000 * PART, PART), (10_000 * PART + 1, 9 << 20)] {
        assert_eq!(part_length(size, None), length, "{size}");
    }
    assert_eq!(
        (tus().binding().as_str(), tus().name().as_str()),
        ("https://tus.example:8443/files/", "tus.example")
    );
}
