use zeroize::Zeroizing;

use super::*;

const AT: i64 = 1_796_000_000;

fn bucket(path_style: bool) -> S3 {
    let endpoint = "https://s3.example:8333".parse().unwrap();
    S3::new(endpoint, path_style, "footage", "eu-central-1", Template::default()).unwrap()
}

fn keys() -> Keys {
    let (secret, session) = (Secret::new("topsecret"), Some(Secret::new("session/+==")));
    Keys { id: "AKID".to_owned(), secret, session, ends: None }
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

#[test]
fn a_clip_in_one_piece_overwrites_nothing_and_says_whose_it_is() {
    let (s3, keys) = (bucket(true), keys());
    let address = s3.address("2026/rig 7/Ä.mov");
    assert_eq!(address.expose(), "https://s3.example:8333/footage/2026/rig%207/%C3%84.mov");
    let signer = Signer { keys: &keys, at: AT };
    let (url, headers) = s3.part(signer, &address, "video/quicktime", "12ab-3").unwrap();
    assert_eq!(headers, [("content-type", "video/quicktime".to_owned()), (MARK, "12ab-3".to_owned())]);
    assert!(url.expose().starts_with("https://s3.example:8333/footage/2026/rig%207/%C3%84.mov?"));
    let signed = field(&url, "X-Amz-SignedHeaders").unwrap();
    assert_eq!(signed, "content-type;host;x-amz-meta-rigpost-clip");
    assert_eq!(field(&url, "X-Amz-Credential").unwrap(), "AKID/20261130/eu-central-1/s3/aws4_request");
    assert_eq!(field(&url, "X-Amz-Date").unwrap(), "20261130T005320Z");
    assert_eq!(field(&url, "X-Amz-Security-Token").unwrap(), "session/+==");
    assert_eq!(s3.complete(signer, &address, &[]), None, "nothing has to be said");
    assert_eq!(s3.abort(signer, &address), None);
    assert!(bucket(false).address("a").expose().starts_with("https://footage.s3.example:8333/a"));
}

#[test]
fn a_longer_one_goes_in_parts_of_an_upload() {
    let (s3, keys) = (bucket(true), keys());
    let signer = Signer { keys: &keys, at: AT };
    let begin = s3.begin(signer, "a/b.mov", "video/quicktime", "12ab-3");
    assert_eq!((begin.method, begin.url.as_str()), (Method::Post, "https://s3.example:8333/footage/a/b.mov"));
    assert_eq!(field(begin.signed.as_ref().unwrap(), "uploads").as_deref(), Some(""));
    assert!(!format!("{begin:?}").contains("topsecret") && !format!("{begin:?}").contains("Signature"));
    let made = "<InitiateMultipartUploadResult><UploadId>up/1+2==</UploadId></InitiateMultipartUploadResult>";
    let size = 3 * part_length(0) + 1;
    let parts = s3.read_begin(&answer(200, made), "a/b.mov", size).unwrap();
    assert_eq!(parts.len(), 4);
    assert_eq!(field(&parts[3], "uploadId").as_deref(), Some("up/1+2=="));
    let (url, headers) = s3.part(signer, &parts[3], "video/quicktime", "12ab-3").unwrap();
    assert_eq!((field(&url, "partNumber").as_deref(), headers), (Some("4"), vec![]));
    let etags = ["\"aa\"".to_owned(), "b<b>=+/1".to_owned()];
    let completion = s3.complete(signer, &parts[0], &etags).unwrap();
    assert_eq!(field(completion.signed.as_ref().unwrap(), "uploadId").as_deref(), Some("up/1+2=="));
    assert_eq!(field(completion.signed.as_ref().unwrap(), "partNumber"), None);
    let xml = "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>\"aa\"</ETag></Part>\
               <Part><PartNumber>2</PartNumber><ETag>b&lt;b&gt;=+/1</ETag></Part></CompleteMultipartUpload>";
    assert_eq!(completion.body, Body::Xml(xml.to_owned()));
    let abort = s3.abort(signer, &parts[0]).unwrap();
    assert_eq!(
        (abort.method, abort.url.as_str()),
        (Method::Delete, "https://s3.example:8333/footage/a/b.mov")
    );
    for body in ["", "<a><UploadId> </UploadId></a>", "<a/>", "no xml"] {
        assert!(s3.read_begin(&answer(200, body), "k", 1).is_err(), "{body}");
    }
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
        s3.read_part(&part, &Response { etag: etag.clone(), ..answer(status, body) }).err()
    };
    let nameless = s3.read_part(&part, &answer(200, ""));
    assert!(matches!(nameless, Err(PartError::Damaged(_))), "it could not be completed: {nameless:?}");
    assert_eq!(s3.read_part(&s3.address("a"), &answer(200, "")), Ok(()));
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
    for (status, body) in [(200, error("InternalError")), (500, String::new()), (200, "<html>".to_owned())] {
        assert!(matches!(read(status, &body), Err(CreateError::Transient(_))), "{status} {body}");
    }
}

#[test]
fn what_lies_there_is_ours_by_its_mark() {
    let s3 = bucket(true);
    let found = |status, mark: &str| {
        s3.read_look(&Response { status, mark: mark.to_owned(), ..Response::default() }, "12ab-3")
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
    let odd = S3::new("data:,x".parse().unwrap(), true, "b", "r", Template::default());
    assert_eq!(odd.err(), Some(NoBucket));
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
        assert!(s3.address("a/b").expose().starts_with(base));
    }
}
