//! Configuration files as people write them, and what they are told.
#![allow(clippy::unwrap_used, reason = "a test that can't go on shall end")]
mod table;

use std::fs;
use std::path::Path;
use std::time::Duration;

use rigpost_core::identity::socket::SocketUse;
use rigpost_core::oauth::ClientAuth;
use rigpost_core::provider::ProviderKind;
use rigpost_core::queue::item::BeforePairing;
use rigpost_daemon::config::*;
use tempfile::TempDir;

fn at(dir: &TempDir) -> Roots {
    Roots { vendor: dir.path().join("vendor"), main: dir.path().join("etc/rigpost.toml"), state_dir: None }
}

/// The installed layout, with these files in it.
fn layout(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

fn load_text(text: &str) -> Result<Settings, String> {
    let dir = layout(&[("etc/rigpost.toml", text)]);
    load(None, &at(&dir)).map_err(|e| e.to_string().replace(dir.path().join("etc").to_str().unwrap(), ""))
}

/// The text, and what is said about it.
const MISTAKES: &[(&str, &str)] = &[
    // Keys.
    (
        "[provider]\n\nbase_ulr = \"https://x\"",
        "/rigpost.toml:3: key `provider.base_ulr`: there is no such key; did you mean `provider.base_url`?",
    ),
    ("[queue]\nmedia = 1", "/rigpost.toml:2: key `queue.media`: there is no such key"),
    ("dir = \"/x\"", "/rigpost.toml:1: key `dir`: there is no such key; did you mean `state.dir`?"),
    (
        "[vault]\nlevel = \"info\"",
        "/rigpost.toml:2: key `vault.level`: there is no such key; did you mean `log.level`?",
    ),
    ("[providers]", "/rigpost.toml:1: key `providers`: there is no such section; did you mean `provider`?"),
    ("[telemetry]\nx = 1", "/rigpost.toml:1: key `telemetry`: there is no such section"),
    ("log = \"info\"", "/rigpost.toml:1: key `log`: is a section: write [log] on a line of its own"),
    // Kinds.
    ("[provider]\nkind = 1", "/rigpost.toml:2: key `provider.kind`: must be a text in quotes, not a number"),
    (
        "# a\n# b\n[provider]\nurl_pairing = \"yes\"",
        "/rigpost.toml:4: key `provider.url_pairing`: must be true or false, not a text",
    ),
    (
        "queue = { parallel_parts = 1.5 }",
        "/rigpost.toml:1: key `queue.parallel_parts`: must be a whole number, not a number with a fraction",
    ),
    (
        "[queue]\nmax_items = 99999999999999999999",
        "/rigpost.toml:2: key `queue.max_items`: must be a whole number, not a number",
    ),
    (
        "queue.media_dirs = \"/media\"",
        "/rigpost.toml:1: key `queue.media_dirs`: must be a list of texts, [\"...\", \"...\"], not a text",
    ),
    (
        "queue.media_dirs = [\"/media\", 3]",
        "/rigpost.toml:1: key `queue.media_dirs`: must be a list of texts, [\"...\", \"...\"], not this list",
    ),
    ("[log]\nlevel = 2026-01-01", "/rigpost.toml:2: key `log.level`: must be a text in quotes, not a date"),
    // No TOML.
    (
        "[provider]\nkind = frameio",
        "/rigpost.toml:2: key `provider.kind`: is not valid TOML: a text must stand in quotes",
    ),
    (
        "[state]\ndir = \"/a\"\ndir = \"/b\"",
        "/rigpost.toml:3: key `state.dir`: is not valid TOML: duplicate key",
    ),
    ("[state", "/rigpost.toml:1: is not valid TOML: unclosed table, expected `]`"),
    // The rig's name.
    (
        "device.client_id = \"\"",
        "/rigpost.toml:1: key `device.client_id`: must have 1 to 128 characters, not 0",
    ),
    (
        "device.client_id = \"a@b.example\"",
        "/rigpost.toml:1: key `device.client_id`: \"a@b.example\" looks like a mail address: the name of a rig must not be a person's",
    ),
    (
        "device.client_id = \"rig\\t7\"",
        "/rigpost.toml:1: key `device.client_id`: \"rig\\t7\" must be printable ASCII without blanks around it",
    ),
    (
        "[device]\nclient_id = \"SN-1\"\nclient_id_file = \"/serial\"",
        "/rigpost.toml:3: key `device.client_id_file`: can't stand beside `device.client_id`: remove one of them",
    ),
    (
        "device.client_id_file = \"serial\"",
        "/rigpost.toml:1: key `device.client_id_file`: must be an absolute path, not \"serial\"",
    ),
    // The cloud.
    (
        "provider.kind = \"auth0\"",
        "/rigpost.toml:1: key `provider.kind`: there is no provider \"auth0\"; this version knows \"frameio\" and \"oauth\"",
    ),
    (
        "[provider]\nkind = \"oauth\"\nissuer = \"https://login.example\"",
        "/rigpost.toml:2: key `provider.client_id`: is missing: what the provider calls this application",
    ),
    (
        "[provider]\nkind = \"oauth\"\nclient_id = \"a\"\ntoken_endpoint = \"https://login.example/t\"",
        "/rigpost.toml:2: key `provider.issuer`: is missing: or name both its endpoints instead",
    ),
    (
        "[provider]\nkind = \"oauth\"\nclient_id = \"a\"\nissuer = \"https://login.example\"\nurl_pairing = true",
        "/rigpost.toml:5: key `provider.url_pairing`: means nothing to a provider of the kind \"oauth\"",
    ),
    (
        "provider.issuer = \"https://login.example\"",
        "/rigpost.toml:1: key `provider.issuer`: means nothing to a provider of the kind \"frameio\"",
    ),
    (
        "[provider]\nkind = \"oauth\"\nclient_id = \"a\"\nissuer = \"http://login.example\"",
        "/rigpost.toml:4: key `provider.issuer`: must begin with https:// unless the host is this machine, not \"http://login.example\"",
    ),
    (
        "[provider]\nkind = \"oauth\"\nclient_id = \"a\"\nissuer = \"https://login.example\"\nclient_auth = \"basic\"",
        "/rigpost.toml:5: key `provider.client_auth`: must be \"none\", \"client_secret_post\" or \"client_secret_basic\", not \"basic\"",
    ),
    (
        "[provider]\nkind = \"oauth\"\nclient_id = \"a\"\nissuer = \"https://login.example\"\nparameters = [\"client_secret=x\"]",
        "/rigpost.toml:5: key `provider.parameters`: \"client_secret\" has a key of its own, or is not for a file",
    ),
    (
        "[provider]\nkind = \"oauth\"\nclient_id = \"a\"\nissuer = \"https://login.example\"\nparameters = [\"prompt=a\",\n\"prompt=b\"]",
        "/rigpost.toml:6: key `provider.parameters`: \"prompt\" is there twice",
    ),
    (
        "[provider]\nkind = \"oauth\"\nclient_id = \"a\"\nissuer = \"https://login.example\"\nparameters = [\"prompt\"]",
        "/rigpost.toml:5: key `provider.parameters`: must be \"name=value\", not \"prompt\"",
    ),
    (
        "[provider]\nkind = \"oauth\"\nclient_id = \"a\"\nissuer = \"https://login.example\"\n[[source]]\nname = \"A\"\npath = \"/media/a\"",
        "/rigpost.toml:5: key `source`: no clips go anywhere here: remove this section, or say where in [delivery]",
    ),
    (
        "[delivery]\nkind = \"s3\"\nendpoint = \"https://s3.example\"\nbucket = \"footage\"",
        "/rigpost.toml:2: key `delivery.kind`: needs a provider of the kind \"oauth\", whose ID tokens the storage takes",
    ),
    (
        "[delivery]\nendpoint = \"https://tus.example\"",
        "/rigpost.toml:2: key `delivery.endpoint`: means nothing without kind = \"s3\" or \"tus\"",
    ),
    (
        "[provider]\nkind = \"oauth\"\nclient_id = \"a\"\nissuer = \"https://login.example\"\n[delivery]\nkind = \"tus\"",
        "/rigpost.toml:6: key `delivery.endpoint`: is missing: kind = \"tus\" needs it",
    ),
    (
        "[provider]\nkind = \"oauth\"\nclient_id = \"a\"\nissuer = \"https://login.example\"\n[delivery]\nkind = \"tus\"\nendpoint = \"https://tus.example\"\nrole = \"r\"",
        "/rigpost.toml:8: key `delivery.role`: means nothing without kind = \"s3\"",
    ),
    (
        "[provider]\nkind = \"oauth\"\nclient_id = \"a\"\nissuer = \"https://login.example\"\n[delivery]\nkind = \"tus\"\nendpoint = \"https://tus.example\"\nkeys = \"vault\"",
        "/rigpost.toml:8: key `delivery.keys`: means nothing without kind = \"s3\"",
    ),
    (
        "[provider]\nkind = \"oauth\"\nclient_id = \"a\"\nissuer = \"https://login.example\"\n[delivery]\nkind = \"s3\"\nendpoint = \"https://s3.example\"\nbucket = \"footage\"\nkeys = \"vault\"\nrole = \"r\"",
        "/rigpost.toml:10: key `delivery.role`: means nothing with keys = \"vault\"",
    ),
    (
        "[delivery]\nbucket = \"footage\"",
        "/rigpost.toml:2: key `delivery.bucket`: means nothing without kind = \"s3\"",
    ),
    (
        "[provider]\nkind = \"oauth\"\nclient_id = \"a\"\nissuer = \"https://login.example\"\n[delivery]\nkind = \"frameio\"",
        "/rigpost.toml:6: key `delivery.kind`: needs a provider of the kind \"frameio\"",
    ),
    (
        "[provider]\nkind = \"oauth\"\nclient_id = \"a\"\nissuer = \"https://login.example\"\n[delivery]\nkind = \"s3\"\nbucket = \"footage\"",
        "/rigpost.toml:6: key `delivery.endpoint`: is missing: kind = \"s3\" needs it",
    ),
    (
        "[provider]\nkind = \"oauth\"\nclient_id = \"a\"\nissuer = \"https://login.example\"\n[delivery]\nkind = \"s3\"\nbucket = \"footage\"\nendpoint = \"https://s3.example\"\n[[source]]\nname = \"A\"\npath = \"/media/a\"\nwhile_recording = true",
        "/rigpost.toml:12: key `source.while_recording`: is of projects only: a bucket takes finished clips of one rig",
    ),
    (
        "tokens.allow = true",
        "/rigpost.toml:1: key `tokens.allow`: is against Frame.io's rules for devices, which keep tokens out of the user's reach; if you mean it, set `tokens.allow_frameio` too",
    ),
    (
        "provider.base_url = \"api.frame.io\"",
        "/rigpost.toml:1: key `provider.base_url`: \"api.frame.io\" is not a URL: relative URL without a base",
    ),
    (
        "provider.base_url = \"http://api.frame.io\"",
        "/rigpost.toml:1: key `provider.base_url`: must begin with https:// unless the host is this machine, not \"http://api.frame.io\"",
    ),
    (
        "provider.base_url = \"http://localhost.example\"",
        "/rigpost.toml:1: key `provider.base_url`: must begin with https:// unless the host is this machine, not \"http://localhost.example\"",
    ),
    (
        "provider.base_url = \"ftp://api.frame.io\"",
        "/rigpost.toml:1: key `provider.base_url`: must begin with https://, not \"ftp://api.frame.io\"",
    ),
    (
        "provider.base_url = \"https://u:hunter2@api.frame.io\"",
        "/rigpost.toml:1: key `provider.base_url`: must not contain a user or a password",
    ),
    (
        "provider.base_url = \"https://api.frame.io/?a=1\"",
        "/rigpost.toml:1: key `provider.base_url`: must not contain a query or a fragment",
    ),
    (
        "provider.client_version = \"1.2\"",
        "/rigpost.toml:1: key `provider.client_version`: must be a semantic version such as \"1.2.3\", not \"1.2\"",
    ),
    (
        "provider.proxy = \"socks5://anna:hunter2@proxy.example\"",
        "/rigpost.toml:1: key `provider.proxy`: must be \"http://host:port\" or \"none\": \"socks5\" to a proxy is not supported",
    ),
    (
        "provider.proxy = \"proxy.example:3128\"",
        "/rigpost.toml:1: key `provider.proxy`: must be \"http://host:port\" or \"none\", not \"proxy.example:3128\"",
    ),
    (
        "provider.ca_file = \"/\"",
        "/rigpost.toml:1: key `provider.ca_file`: / is a directory: name one file with certificates in PEM",
    ),
    (
        "provider.ca_file = \"ca.pem\"",
        "/rigpost.toml:1: key `provider.ca_file`: must be an absolute path, not \"ca.pem\"",
    ),
    // Paths and numbers.
    ("state.dir = \"\"", "/rigpost.toml:1: key `state.dir`: must be an absolute path, not \"\""),
    (
        "vault.key_file = \"/a/../b\"",
        "/rigpost.toml:1: key `vault.key_file`: must be a path without \"..\", not \"/a/../b\"",
    ),
    (
        "[queue]\nmedia_dirs = [\n  \"/media\",\n  \"/mnt/..\",\n]",
        "/rigpost.toml:4: key `queue.media_dirs`: must be a path without \"..\", not \"/mnt/..\"",
    ),
    ("queue.media_dirs = []", "/rigpost.toml:1: key `queue.media_dirs`: must name at least one directory"),
    ("queue.max_items = 0", "/rigpost.toml:1: key `queue.max_items`: must be at least 1, not 0"),
    (
        "queue.parallel_parts = 17",
        "/rigpost.toml:1: key `queue.parallel_parts`: must be between 1 and 16, not 17",
    ),
    (
        "provider.heartbeat = 30",
        "/rigpost.toml:1: key `provider.heartbeat`: must be between 60 and 290 seconds, or 0 for none, not 30",
    ),
    (
        "provider.heartbeat = -1",
        "/rigpost.toml:1: key `provider.heartbeat`: must be between 60 and 290 seconds, or 0 for none, not -1",
    ),
    (
        "queue.parallel_parts = -1",
        "/rigpost.toml:1: key `queue.parallel_parts`: must be between 1 and 16, not -1",
    ),
    (
        "queue.settle_seconds = 0",
        "/rigpost.toml:1: key `queue.settle_seconds`: must be between 1 and 3600 seconds, not 0",
    ),
    (
        "queue.before_pairing = \"hold\"",
        "/rigpost.toml:1: key `queue.before_pairing`: must be \"queue\", \"ask\" or \"ignore\", not \"hold\"",
    ),
    // What can be there several times.
    (
        "[source]\nname = \"card\"\npath = \"/media\"",
        "/rigpost.toml:1: key `source`: can be there several times: write [[source]] on a line of its own",
    ),
    (
        "source = [\"/media\"]",
        "/rigpost.toml:1: key `source`: can be there several times: write [[source]] on a line of its own",
    ),
    (
        "[[sources]]\nname = \"card\"",
        "/rigpost.toml:1: key `sources`: there is no such section; did you mean `source`?",
    ),
    (
        "[[queue]]\nmax_items = 1",
        "/rigpost.toml:1: key `queue`: is a section: write [queue] on a line of its own",
    ),
    (
        "[log]\n\n[[source]]\npath = \"/media\"",
        "/rigpost.toml:3: key `source.name`: is missing: each [[source]] needs a name",
    ),
    ("[[source]]\nname = 7", "/rigpost.toml:2: key `source.name`: must be a text in quotes, not a number"),
    (
        "[[source]]\nname = \"a/b\"\npath = \"/media\"",
        "/rigpost.toml:2: key `source.name`: must have 1 to 64 letters, digits, \"-\", \"_\", \".\" or blanks, not \"a/b\"",
    ),
    (
        "[[source]]\nname = \"card\"",
        "/rigpost.toml:1: key `source.path`: is missing in the [[source]] named \"card\": where shall it look?",
    ),
    (
        "[[source]]\nname = \"card\"\npath = \"/srv/card\"",
        "/rigpost.toml:3: key `source.path`: must lie beneath one of `queue.media_dirs` (/media, /mnt), not \"/srv/card\"",
    ),
    (
        "[[source]]\nname = \"card\"\npath = \"/media/../etc\"",
        "/rigpost.toml:3: key `source.path`: must be a path without \"..\", not \"/media/../etc\"",
    ),
    (
        "[[source]]\nname = \"a\"\npath = \"/media\"\n\n[[source]]\nname = \"a\"\npath = \"/mnt\"",
        "/rigpost.toml:5: key `source.name`: \"a\" is the name of the [[source]] in line 1 already",
    ),
    (
        "[[source]]\nname = \"a\"\npath = \"/media\"\npattern = [\"*.mov\"]",
        "/rigpost.toml:4: key `source.pattern`: there is no such key; did you mean `source.patterns`?",
    ),
    (
        "[[source]]\nname = \"a\"\npath = \"/media\"\npatterns = \"*.mov\"",
        "/rigpost.toml:4: key `source.patterns`: must be a list of texts, [\"...\", \"...\"], not a text",
    ),
    (
        "[[source]]\nname = \"a\"\npath = \"/media\"\nexclude = [\n \"*.xml\",\n \"[a\"]",
        "/rigpost.toml:6: key `source.exclude`: \"[a\" is no pattern: invalid range pattern",
    ),
    (
        "[[source]]\nname = \"a\"\npath = \"/media\"\nclass = \"rushes\"",
        "/rigpost.toml:4: key `source.class`: there is no class \"rushes\"; there are proxy, metadata, audio, stills, originals",
    ),
    (
        "[[source]]\nname = \"a\"\npath = \"/media\"\nclip_name = \"{date}_{file}\"",
        "/rigpost.toml:4: key `source.clip_name`: knows no {date}; there are {file}, {stem}, {ext}, {parent}, {source}",
    ),
    (
        "[[source]]\nname = \"a\"\npath = \"/media\"\nclip_name = \"{parent}_{stem}\"",
        "/rigpost.toml:4: key `source.clip_name`: must end with {file} or {ext}: by the ending the cloud knows what a clip is",
    ),
    (
        "[[source]]\nname = \"a\"\npath = \"/media\"\nclip_name = \"{parent}{ext}\"",
        "/rigpost.toml:4: key `source.clip_name`: must have {file} or {stem}, or all clips of a folder have the same name",
    ),
    (
        "[[source]]\nname = \"a\"\npath = \"/media\"\nclip_name = \"{file\"",
        "/rigpost.toml:4: key `source.clip_name`: has a brace that is alone, in \"{file\"",
    ),
    (
        "[[source]]\nname = \"a\"\npath = \"/media\"\nsequences = \"no\"",
        "/rigpost.toml:4: key `source.sequences`: must be true or false, not a text",
    ),
    (
        "[[source]]\nname = \"a\"\npath = \"/media\"\nchannel = 101",
        "/rigpost.toml:4: key `source.channel`: must be between 0 and 100, or { model = \"...\" } with the id of a device model, not 101",
    ),
    (
        "[[source]]\nname = \"a\"\npath = \"/media\"\npriority = 3000000000",
        "/rigpost.toml:4: key `source.priority`: must be between -2147483648 and 2147483647, not 3000000000",
    ),
    (
        "[[source]]\nname = \"a\"\npath = \"/media\"\nbefore_pairing = true",
        "/rigpost.toml:4: key `source.before_pairing`: must be a text in quotes, not true or false",
    ),
    (
        "[[class]]\nname = \"rushes\"\npriority = 5",
        "/rigpost.toml:1: key `class.patterns`: is missing in the [[class]] named \"rushes\": it matches nothing without them",
    ),
    (
        "[[class]]\nname = \"proxy\"\npatterns = [\"\"]",
        "/rigpost.toml:3: key `class.patterns`: an empty pattern matches nothing",
    ),
    (
        "log.level = \"INFO\"",
        "/rigpost.toml:1: key `log.level`: must be \"error\", \"warn\", \"info\", \"debug\" or \"trace\", not \"INFO\"",
    ),
];

//= https://www.rfc-editor.org/rfc/rfc8628#section-3.1
//= type=test
//# All requests from the device MUST use the Transport Layer Security (TLS) protocol
//= https://www.rfc-editor.org/rfc/rfc8628#section-3.1
//= type=test
//# Request and response parameters MUST NOT be included more than once.
//= frameio-c2c#2
//= type=test
//# The client_id is no mail address and no MAC address.
#[test]
fn every_mistake_is_named_with_file_line_and_key() {
    for (text, said) in MISTAKES {
        assert_eq!(load_text(text).unwrap_err(), *said, "\n{text}");
    }
}

//= frameio-c2c#2
//= type=test
//# The client_id is no mail address and no MAC address.
#[test]
fn a_mac_address_is_no_name_but_a_serial_number_is() {
    for mac in ["B8:27:EB:12:34:56", "b8-27-eb-12-34-56", "b827.eb12.3456", "b827eb123456"] {
        let said = load_text(&format!("device.client_id = \"{mac}\"")).unwrap_err();
        assert!(
            said.starts_with("/rigpost.toml:1: key `device.client_id`: ") && said.contains("MAC address"),
            "{said}"
        );
    }
    for name in
        ["SN-0001", "000000123456", "10000000abcdef12", "b827eb12345", "Rig 7 (left)", &"x".repeat(128)]
    {
        let settings = load_text(&format!("device.client_id = \"{name}\"")).unwrap();
        assert_eq!(settings.device.client_id, Some(ClientIdSource::Literal(name.to_owned())));
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let dir = layout(&[
        ("vendor/10.toml", "[log]\nlevle = \"info\""),
        ("etc/rigpost.toml", "[queue]\nparallel_parts = 99\n[provider]\nkind = true"),
        ("etc/conf.d/10.toml", "[log\nlevel = 3\n[queue]\nmax_items = \"many"),
    ]);
    let e = load(None, &at(&dir)).unwrap_err();
    let places: Vec<_> = e
        .problems
        .iter()
        .map(|p| (p.file.strip_prefix(dir.path()).unwrap().to_str().unwrap(), p.line))
        .collect();
    let expected = [
        ("vendor/10.toml", Some(2)),
        ("etc/rigpost.toml", Some(4)),
        ("etc/conf.d/10.toml", Some(1)),
        ("etc/conf.d/10.toml", Some(4)),
        ("etc/rigpost.toml", Some(2)),
    ];
    assert_eq!(places, expected, "{e}");
    assert_eq!(e.to_string().lines().count(), 5);
}

#[test]
fn later_files_win_key_by_key() {
    let dir = layout(&[
        ("vendor/10-a.toml", "[log]\nlevel = \"error\"\n[queue]\nparallel_parts = 2\nmax_items = 7"),
        ("vendor/20-b.toml", "[device]\nclient_id_file = \"/serial\"\n[log]\nlevel = \"warn\""),
        ("vendor/30.toml.bak", "not TOML"),
        ("etc/rigpost.toml", "[queue]\nparallel_parts = 3\nmedia_dirs = [\"/main\"]"),
        ("etc/conf.d/.hidden.toml", "not TOML"),
        ("etc/conf.d/10.toml", "[queue]\nmedia_dirs = [\"/site/\", \"/b\"]\n[device]\nclient_id = \"SN-1\""),
    ]);
    let s = load(None, &at(&dir)).unwrap();
    assert_eq!(s.log.level, Level::Warn);
    assert_eq!((s.queue.parallel_parts, s.queue.max_items), (Some(3), 7));
    assert_eq!(s.queue.media_dirs, [Path::new("/site"), Path::new("/b")]);
    assert_eq!(s.device.client_id, Some(ClientIdSource::Literal("SN-1".into())));
}

#[test]
fn a_later_file_changes_a_source_by_its_name() {
    let card = "[[source]]\nname = \"card\"\npath = \"/media/card\"\nchannel = 2\nclass = \"rushes\"\n";
    let recorder = "[[source]]\nname = \"sound recorder\"\npath = \"/mnt/sd\"\npriority = -1\n";
    let dir = layout(&[
        ("vendor/10.toml", &format!("{card}{recorder}")),
        ("etc/rigpost.toml", "[[class]]\nname = \"rushes\"\npatterns = [\"*.mov\"]\npriority = 7"),
        (
            "etc/conf.d/10.toml",
            "[[source]]\nname = \"card\"\npatterns = [\"*.MOV\", \"*/DCIM/*\"]\nbefore_pairing = \"ignore\"\nchannel = 3",
        ),
        (
            "etc/conf.d/20.toml",
            "[[class]]\nname = \"rushes\"\npriority = 8\n[[class]]\nname = \"audio\"\npriority = 9",
        ),
    ]);
    let s = load(None, &at(&dir)).unwrap();
    let names: Vec<&str> = s.sources.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["card", "sound recorder"]);
    let (card, recorder) = (&s.sources[0], &s.sources[1]);
    assert_eq!((card.path.as_path(), card.channel), (Path::new("/media/card"), 3));
    assert_eq!((card.class.as_deref(), card.before_pairing), (Some("rushes"), BeforePairing::Ignore));
    assert!(card.wants(Path::new("/media/card/DCIM/1.jpg")) && !card.wants(Path::new("/media/card/1.jpg")));
    assert_eq!((recorder.priority, recorder.before_pairing), (Some(-1), BeforePairing::Ask));
    let priority = |path: &str| s.classes.of(Path::new(path)).unwrap().priority;
    assert_eq!((priority("/media/a.mov"), priority("/media/a.wav"), priority("/media/a.mp4")), (8, 9, 0));
}

#[test]
fn a_mistake_that_a_later_file_overrides_is_none() {
    let dir = layout(&[
        ("vendor/10.toml", "queue.parallel_parts = 99"),
        ("etc/rigpost.toml", "queue.parallel_parts = 9"),
    ]);
    assert_eq!(load(None, &at(&dir)).unwrap().queue.parallel_parts, Some(9));
}

#[test]
fn a_main_file_may_be_missing_unless_it_is_named() {
    let dir = layout(&[]);
    assert_eq!(load(None, &at(&dir)).unwrap(), Settings::default());
    let named = dir.path().join("mine.toml");
    let e = load(Some(&named), &at(&dir)).unwrap_err().to_string();
    assert_eq!(e, format!("{}: can't be read: No such file or directory (os error 2)", named.display()));
    fs::write(&named, "log.level = \"debug\"").unwrap();
    assert_eq!(load(Some(&named), &at(&dir)).unwrap().log.level, Level::Debug);
    fs::write(&named, b"a = 1\n\xff = 2").unwrap();
    let e = load(Some(&named), &at(&dir)).unwrap_err().to_string();
    assert_eq!(e, format!("{}:2: can't be read: not UTF-8", named.display()));
}

#[test]
fn the_state_directory_moves_with_systemd_and_the_key_with_it() {
    let dir = layout(&[]);
    let mut roots = at(&dir);
    roots.state_dir = Some("/var/lib/private/rigpost".into());
    let s = load(None, &roots).unwrap();
    assert_eq!(s.state.dir, Path::new("/var/lib/private/rigpost"));
    assert_eq!(s.vault.key_file, Path::new("/var/lib/private/rigpost/root.key"));
    fs::create_dir(dir.path().join("etc")).unwrap();
    fs::write(&roots.main, "state.dir = \"/data\"").unwrap();
    assert_eq!(load(None, &roots).unwrap().vault.key_file, Path::new("/data/root.key"));
}

#[test]
fn good_values_are_taken_over() {
    let s = load_text(
        "[provider]\nbase_url = \"http://[::1]:8080/c2c\"\nclient_version = \"1.2.3-rc.1+x86-64\"\nurl_pairing = false\n\
         secret_on_poll = true\nca_file = \"/etc/ca.pem\"\n[vault]\nkey_file = \"/k\"\n[queue]\nmax_items = 1_000\n\
         parallel_parts = 0x10",
    )
    .unwrap();
    assert_eq!(s.provider.base_url.as_str(), "http://[::1]:8080/c2c");
    assert_eq!(s.provider.client_version, "1.2.3-rc.1+x86-64");
    assert!(!s.provider.url_pairing && s.provider.secret_on_poll);
    let source = |more: &str| {
        let text = format!("[[source]]\nname = \"a\"\npath = \"/media/a\"\n{more}");
        let source = load_text(&text).unwrap().sources.remove(0);
        (source.incomplete, source.scan)
    };
    let seconds = |n| Some(Duration::from_secs(n));
    assert_eq!(source(""), (seconds(600), seconds(30)));
    assert_eq!(source("incomplete = \"hold\"\nscan = \"off\""), (None, None));
    assert_eq!(source("incomplete = \"send\"\nscan = \"2min\""), (seconds(0), seconds(120)));
    assert_eq!(source("incomplete = \"1h 30min\""), (seconds(5400), seconds(30)));
    assert_eq!(s.provider.ca_file.as_deref(), Some(Path::new("/etc/ca.pem")));
    assert_eq!(s.vault.key_file, Path::new("/k"));
    assert_eq!((s.queue.max_items, s.queue.parallel_parts), (1000, Some(16)));
    for url in ["http://127.0.0.1:1", "http://localhost/", "https://10.0.0.1"] {
        assert!(load_text(&format!("provider.base_url = \"{url}\"")).is_ok(), "{url}");
    }
    for (seconds, heartbeat) in [(0, None), (60, Some(60)), (290, Some(290))] {
        let read = load_text(&format!("provider.heartbeat = {seconds}")).unwrap().provider.heartbeat;
        assert_eq!(read.map(|h| h.as_secs()), heartbeat);
    }
    for (word, heartbeat, socket) in [
        ("auto", Some(120), SocketUse::WhenBusy),
        ("socket", Some(120), SocketUse::Always),
        ("heartbeat", Some(120), SocketUse::Never),
        ("none", None, SocketUse::Never),
    ] {
        let read = load_text(&format!("provider.presence = {word:?}")).unwrap().provider;
        assert_eq!((read.heartbeat.map(|h| h.as_secs()), read.socket), (heartbeat, socket), "{word}");
    }
    for version in ["01.2.3", "1.2.3-", "1.2.3-01", "1.2.3+", "v1.2.3", "1.2.3.4", ""] {
        assert!(load_text(&format!("provider.client_version = \"{version}\"")).is_err(), "{version}");
    }
}

#[test]
fn a_name_from_a_file_is_checked_when_it_is_read() {
    let dir = layout(&[("serial", "10000000abcdef12\0"), ("mac", "b8:27:eb:12:34:56\n"), ("empty", "\n")]);
    let source = |name: &str| ClientIdSource::File(dir.path().join(name));
    assert_eq!(source("serial").resolve().unwrap(), "10000000abcdef12");
    for (name, reason) in [("mac", "MAC address"), ("empty", "1 to 128"), ("missing", "can't be read")] {
        let e = source(name).resolve().unwrap_err().to_string();
        let begin = format!("{}: key `device.client_id_file`: ", dir.path().join(name).display());
        assert!(e.starts_with(&begin) && e.contains(reason), "{e}");
    }
    assert_eq!(ClientIdSource::Literal("SN-1".into()).resolve().unwrap(), "SN-1");
}

#[test]
fn a_file_of_certificates_is_judged_when_it_is_there() {
    let dir = layout(&[
        ("ca/empty.pem", "\n"),
        ("ca/key.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
    ]);
    let certificate = rcgen::generate_simple_self_signed(["rig.example".to_owned()]).unwrap().cert;
    fs::write(dir.path().join("ca/good.pem"), certificate.pem()).unwrap();
    fs::write(dir.path().join("ca/der.crt"), certificate.der()).unwrap();
    let ca = |name: &str| dir.path().join("ca").join(name);
    let said = |name: &str| load_text(&format!("[provider]\nca_file = {:?}", ca(name)));
    for (name, reason) in [
        ("empty.pem", "is empty".to_owned()),
        ("key.pem", "holds a private key and no certificate".to_owned()),
        (
            "der.crt",
            format!(
                "is DER and not PEM: openssl x509 -inform der -in {0} -out {0}.pem",
                ca("der.crt").display()
            ),
        ),
    ] {
        let begin = format!("/rigpost.toml:2: key `provider.ca_file`: {} {reason}", ca(name).display());
        let error = said(name).unwrap_err();
        assert!(error.starts_with(&begin), "{error}");
    }
    assert_eq!(said("good.pem").unwrap().provider.ca_file, Some(ca("good.pem")));
    assert_eq!(said("not-yet.pem").unwrap().provider.ca_file, Some(ca("not-yet.pem")), "it may come");
}

#[test]
fn the_password_of_a_proxy_is_in_no_message() {
    let s = load_text("provider.proxy = \"http://anna:hunter2@proxy.example:3128\"").unwrap();
    assert!(!format!("{s:?}").contains("hunter2"));
    for wrong in [
        "provider.proxy = \"http://anna:hunter2@proxy.example:99999\"",
        "provider.proxy = \"http://anna:hunter2@/\"",
        "provider.proxy = http://anna:hunter2@proxy.example:3128",
        "provider.proxie = \"http://anna:hunter2@proxy.example:3128\"",
        "provider.proxy = [\"http://anna:hunter2@proxy.example:3128\"]",
    ] {
        let said = load_text(wrong).unwrap_err();
        assert!(!said.contains("hunter2"), "{said}");
    }
}

#[test]
fn a_site_may_choose_another_kind_than_its_maker() {
    let vendor = "[provider]\nclient_version = \"1.2.3\"\nurl_pairing = false\n";
    let site = "[provider]\nkind = \"oauth\"\nclient_id = \"a\"\nissuer = \"https://login.example\"\n";
    let dir = layout(&[("vendor/10-maker.toml", vendor), ("etc/rigpost.toml", site)]);
    assert_eq!(load(None, &at(&dir)).unwrap().provider.kind, ProviderKind::OAuth);
}

#[test]
fn without_a_word_it_is_so() {
    let s = Settings::default();
    assert_eq!(s, load_text("").unwrap());
    assert_eq!(
        (s.provider.kind, s.provider.base_url.as_str()),
        (ProviderKind::Frameio, "https://api.frame.io/")
    );
    assert_eq!(s.provider.client_version, env!("CARGO_PKG_VERSION"));
    assert_eq!((s.provider.url_pairing, s.provider.secret_on_poll, s.tokens.allow), (true, false, false));
    assert_eq!(s.provider.heartbeat.map(|every| every.as_secs()), Some(120));
    assert_eq!(
        (s.state.dir.to_str(), s.vault.key_file.to_str()),
        (Some("/var/lib/rigpost"), Some("/var/lib/rigpost/root.key"))
    );
    assert_eq!(s.queue.media_dirs, [Path::new("/media"), Path::new("/mnt")]);
    assert_eq!((s.queue.max_items, s.queue.max_items_per_user), (1_000_000, 100_000));
    assert_eq!((s.queue.parallel_parts, s.queue.settle_seconds), (None, 3));
    assert_eq!((s.queue.before_pairing, s.log.level), (BeforePairing::Queue, Level::Info));
    assert!(s.device.client_id.is_none() && s.provider.ca_file.is_none() && s.sources.is_empty());
    let s = load_text("[provider]\nkind = \"oauth\"\nclient_id = \"a\"\nissuer = \"https://login.example\"")
        .unwrap();
    let o = s.provider.oauth.unwrap();
    assert_eq!((o.scope.as_str(), o.client_auth), ("openid profile offline_access", ClientAuth::None));
    assert_eq!(s.provider.heartbeat, None, "nobody waits for it");
    let s = load_text("[[source]]\nname = \"a\"\npath = \"/media/a\"").unwrap();
    assert_eq!((s.sources[0].channel, s.sources[0].before_pairing), (0, BeforePairing::Ask));
}

#[test]
fn what_the_readme_writes_for_each_provider_is_taken_as_it_stands() {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let blocks: Vec<&str> =
        readme.split("```").skip(1).step_by(2).filter(|block| block.contains("[provider]\nkind")).collect();
    // What a person has to fill in is an ellipsis or a word in capitals.
    let filled = |block: &str| block.replace('…', "id").replace("TENANT", "tenant").replace("REALM", "realm");
    for block in &blocks {
        let settings = load_text(filled(block).trim_start()).unwrap_or_else(|e| panic!("{block}\n{e}"));
        let frameio = block.contains("kind = \"frameio\"");
        let kind = if frameio { ProviderKind::Frameio } else { ProviderKind::OAuth };
        assert_eq!(settings.provider.kind, kind, "{block}");
    }
    let hosts = [
        "auth0.com",
        "accounts.google.com",
        "login.microsoftonline.com",
        "id.example",
        "github.com",
        "c2c.example",
    ];
    for host in hosts {
        assert!(blocks.iter().any(|block| block.contains(host)), "{host}");
    }
    assert_eq!(blocks.len(), hosts.len());
}

/// What it writes of storage of one's own is taken with any provider whose tokens that takes.
#[test]
fn what_the_readme_writes_of_storage_is_taken_as_it_stands() {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let provider = "[provider]\nkind = \"oauth\"\nclient_id = \"a\"\nissuer = \"https://login.example\"\n";
    let mut kinds = 0;
    for block in readme.split("```").skip(1).step_by(2).filter(|block| block.contains("[delivery]\n")) {
        let settings = load_text(&format!("{provider}{block}")).unwrap_or_else(|e| panic!("{block}\n{e}"));
        assert!(matches!(settings.delivery, Delivery::Bucket(_) | Delivery::Tus(_)), "{block}");
        kinds += 1;
    }
    assert!(kinds >= 2, "{kinds}");
}
