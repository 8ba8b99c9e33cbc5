//! The table of keys: what is written from it, and that files are judged by it.
use std::fs;
use std::path::Path;

use rigpost_daemon::config::keys::{Key, LISTS, SECTIONS, TABLE};
use rigpost_daemon::config::rule::{Form, Kind, Of, Preset, Unit};
use rigpost_daemon::config::{ClientIdSource, Delivery, Settings};

use crate::load_text;

/// The table is in one order with its sections, says something of each key, and names it as code does.
#[test]
fn the_table_of_keys_is_whole() {
    let mut sections: Vec<&str> = Key::ALL.iter().map(|key| key.section()).collect();
    sections.dedup();
    assert_eq!(sections, SECTIONS.iter().map(|section| section.name).collect::<Vec<_>>());
    assert!(LISTS.iter().all(|list| sections.contains(list)));
    for (key, row) in Key::ALL.iter().zip(TABLE) {
        let name = row.rule.name;
        assert_eq!(format!("{key:?}").to_lowercase(), name.replace(['.', '_'], ""));
        assert_eq!((*key.rule(), Key::ALL.iter().filter(|key| key.name() == name).count()), (row.rule, 1));
        assert!(row.says.ends_with('.') && row.says.is_ascii(), "{name}");
        assert!(!row.example.is_empty() || row.rule.preset != Preset::Nothing, "{name} has nothing to show");
        for word in row.rule.kind.words().filter(|_| row.rule.name != "source.before_pairing") {
            assert!(row.says.contains(&format!("{word:?}")), "{name} does not explain {word}");
        }
    }
}

/// Values at the bounds of a kind, and values beyond them.
fn values(kind: Kind) -> (Vec<String>, Vec<String>) {
    let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let of = |good: &[&str], bad: &[&str]| (own(good), own(bad));
    match kind {
        Kind::Text(Form::RigName) => of(&["\"SN-1\""], &["\"\"", "\"a@b.example\"", "7"]),
        Kind::Text(Form::ClientId) => of(&["\"a\""], &["\"\"", "\"\\u0007\"", "7"]),
        Kind::Text(Form::Scope) => of(&["\"\"", "\"a b\""], &["\"a\\tb\"", "7"]),
        Kind::Text(Form::Line) => of(&["\"a\""], &["\"\"", "\"a\\nb\"", "7"]),
        Kind::Text(Form::Version) => of(&["\"1.2.3\""], &["\"1.2\"", "1.2"]),
        Kind::Text(Form::Label) => of(&["\"A camera\""], &["\"\"", "\"a/b\"", "7"]),
        Kind::Text(Form::ClipName) => {
            of(&["\"{parent}_{file}\""], &["\"\"", "\"clip\"", "\"{nonesuch}_{file}\"", "\"a/{file}\"", "7"])
        }
        Kind::Text(Form::Bucket) => of(
            &["\"abc\"", "\"a.b-1\""],
            &["\"\"", "\"ab\"", "\"Abc\"", "\"a..b\"", "\"-abc\"", "\"a/b\"", "7"],
        ),
        Kind::Text(Form::Region) => of(&["\"eu-central-1\""], &["\"\"", "\"a b\"", "\"a/b\"", "7"]),
        Kind::Text(Form::ObjectName) => of(
            &["\"{date}/{reel}/{id}-{name}\""],
            &["\"\"", "\"{name}\"", "\"{nonesuch}{id}\"", "\"../{id}\"", "7"],
        ),
        Kind::Text(Form::Class) => of(&["\"audio\""], &["\"nonesuch\"", "7"]),
        Kind::Word(_) => {
            (kind.words().map(|word| format!("{word:?}")).collect(), own(&["\"nonesuch\"", "\"\"", "7"]))
        }
        Kind::Path => of(&["\"/media/a\""], &["\"a\"", "\"/media/../a\"", "\"\"", "true"]),
        Kind::Url => of(
            &["\"https://a.example/b\"", "\"http://[::1]:8080\""],
            &[
                "\"http://a.example\"",
                "\"a.example\"",
                "\"https://u@a.example\"",
                "\"https://a.example/?b\"",
                "7",
            ],
        ),
        Kind::Proxy => of(
            &["\"none\"", "\"http://a.example:3128\"", "\"http://u:p@[::1]:8080/\""],
            &[
                "\"\"",
                "\"a.example:3128\"",
                "\"socks5://a.example\"",
                "\"https://a.example\"",
                "\"http://a/b\"",
                "7",
            ],
        ),
        Kind::Flag => of(&["true", "false"], &["\"yes\"", "1"]),
        Kind::Whole { least, most, unit } => {
            let (mut good, mut bad) = (vec![least, most], vec![least - 1]);
            bad.extend(most.checked_add(1));
            let zero = if unit == Unit::SecondsOrNone { &mut good } else { &mut bad };
            zero.extend((!(least..=most).contains(&0)).then_some(0));
            let written = |numbers: Vec<i64>| numbers.iter().map(i64::to_string).collect::<Vec<_>>();
            (written(good), [written(bad), own(&["\"1\"", "1.5"])].concat())
        }
        Kind::Channel { least, most } => {
            let model = "{ model = \"7b2b68e5-5ac0-4d3a-b9a3-6dd2a2a1d9b0\" }".to_owned();
            let odd = ["{ model = \"alexa\" }", "{ model = 7 }", "{ modell = \"a\" }", "{}", "\"1\"", "1.5"];
            let beyond = [least - 1, most + 1].map(|n| n.to_string());
            (vec![least.to_string(), most.to_string(), model], [beyond.to_vec(), own(&odd)].concat())
        }
        Kind::Span { least, most, .. } => {
            let mut good = own(&["\"10min\"", "\"1h 30min\""]);
            good.extend(kind.words().map(|word| format!("{word:?}")));
            good.extend([least, most].map(|seconds| format!("\"{seconds}s\"")));
            let beyond = [least - 1, most + 1].map(|seconds| format!("\"{seconds}s\""));
            (good, [beyond.to_vec(), own(&["\"soon\"", "\"\"", "\"10\"", "600"])].concat())
        }
        Kind::Paths => of(&["[\"/media\"]"], &["[]", "[\"a\"]", "[\"/a/..\"]", "[7]", "\"/media\""]),
        Kind::Patterns => of(&["[]", "[\"*.mov\", \"*/DCIM/*\"]"], &["[\"[a\"]", "[\"\"]", "\"*.mov\""]),
        Kind::Parameters => {
            of(&["[]", "[\"a=b\"]"], &["[\"a\"]", "[\"client_secret=x\"]", "[\"=b\"]", "\"a=b\""])
        }
    }
}

/// A file that sets this key in its second line, and what has to be there for it to mean something.
fn with(key: Key, value: &str) -> String {
    let section = key.section();
    let header = if LISTS.contains(&section) { format!("[[{section}]]") } else { format!("[{section}]") };
    let of_oauth = key.rule().of == Of::OAuth || (key == Key::ProviderKind && value == "\"oauth\"");
    let to_tus = section == "delivery" && value == "\"tus\"";
    let to_bucket = section == "delivery" && (key != Key::DeliveryKind || value == "\"s3\"");
    let beside: &[(Key, &str)] = match section {
        "delivery" if to_tus => &[(Key::DeliveryEndpoint, "\"https://tus.example/files\"")],
        "delivery" if to_bucket => &[
            (Key::DeliveryKind, "\"s3\""),
            (Key::DeliveryEndpoint, "\"https://s3.example\""),
            (Key::DeliveryBucket, "\"footage\""),
        ],
        "provider" if of_oauth => &[
            (Key::ProviderKind, "\"oauth\""),
            (Key::ProviderClientId, "\"a\""),
            (Key::ProviderIssuer, "\"https://a.example\""),
        ],
        "tokens" => &[(Key::TokensAllowFrameio, "true")],
        "source" => &[(Key::SourceName, "\"A\""), (Key::SourcePath, "\"/media/b\"")],
        "class" => &[(Key::ClassName, "\"rushes\""), (Key::ClassPatterns, "[\"*.mov\"]")],
        _ => &[],
    };
    let mut text = String::new();
    for (key, value) in [(key, value)].iter().chain(beside.iter().filter(|(other, _)| *other != key)) {
        let name = key.name().split_once('.').unwrap().1;
        text.push_str(&format!("{name} = {value}\n"));
    }
    // Clips go to storage of one's own for a sign-in that it takes.
    let provider = "[provider]\nkind = \"oauth\"\nclient_id = \"a\"\nissuer = \"https://a.example\"\n";
    format!("{header}\n{text}{}", if to_bucket || to_tus { provider } else { "" })
}

#[test]
fn every_key_takes_what_its_row_says_and_nothing_else() {
    for key in Key::ALL {
        let (good, bad) = values(key.rule().kind);
        for value in good {
            let text = with(*key, &value);
            assert!(load_text(&text).is_ok(), "{text}{:?}", load_text(&text));
        }
        for value in bad {
            let text = with(*key, &value);
            let said = load_text(&text).expect_err(&text);
            let blamed = format!("key `{}`: ", key.name());
            assert!(said.starts_with(&format!("/rigpost.toml:2: {blamed}")), "{text}{said}");
            assert!(said.lines().all(|line| line.contains(&blamed)), "nothing else is wrong: {text}{said}");
        }
        let misspelt = with(*key, "1").replacen(" = ", "_x = ", 1);
        let said = load_text(&misspelt).expect_err(&misspelt);
        assert!(
            said.starts_with(&format!("/rigpost.toml:2: key `{}_x`: there is no such key", key.name())),
            "{said}"
        );
    }
}

/// What the build has written of the table is in the repository too; with UPDATE=1 it is put there.
fn held(path: &str, written: &str, replace: impl Fn(&str) -> String) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let wanted = replace(&fs::read_to_string(&file).unwrap());
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&file, &wanted).unwrap();
    }
    let there = fs::read_to_string(&file).unwrap();
    assert!(
        there == wanted,
        "{path} is not what the table of keys says; write it with: UPDATE=1 cargo test --test config\n{written}"
    );
    there
}

/// Each key with the line that shows it.
fn shown(example: &str) -> Vec<(Key, &str)> {
    let (mut section, mut found) = ("", Vec::new());
    for line in example.lines() {
        let bare = line.strip_prefix("#   ").or_else(|| line.strip_prefix('#')).unwrap_or(line);
        if bare.starts_with('[') {
            section = bare.trim_matches(['[', ']']);
        } else if let Some((name, _)) = bare.split_once(" = ") {
            let full = format!("{section}.{name}");
            found.extend(Key::ALL.iter().find(|key| key.name() == full).map(|key| (*key, bare)));
        }
    }
    found
}

/// What the example shows as defaults are the defaults, and everything else in it is good as well.
#[test]
fn the_example_is_the_default() {
    let written = fs::read_to_string(Path::new(env!("RIGPOST_DOCS")).join("config/rigpost.toml")).unwrap();
    let example = held("config/rigpost.toml", &written, |_| written.clone());
    assert_eq!(load_text(&example).unwrap(), Settings::default(), "as it is installed");
    let key =
        |line: &str| line.strip_prefix('#').is_some_and(|l| l.starts_with(|c: char| c.is_ascii_lowercase()));
    let defaults: Vec<&str> = example.lines().map(|l| if key(l) { &l[1..] } else { l }).collect();
    assert_eq!(load_text(&defaults.join("\n")).unwrap(), Settings::default(), "with every default spelt out");
    assert_eq!(example.lines().filter(|l| key(l)).count(), 21);
    assert!(example.lines().all(|line| line.chars().count() <= 118));

    let shown = shown(&example);
    assert_eq!(shown.iter().map(|(key, _)| *key).collect::<Vec<_>>(), Key::ALL, "each key is shown once");
    let (delivery, shown): (Vec<_>, Vec<_>) =
        shown.into_iter().partition(|(key, _)| key.section() == Key::DeliveryKind.section());
    let (oauth, others): (Vec<_>, Vec<_>) =
        shown.into_iter().partition(|(key, _)| key.rule().of == Of::OAuth);
    let (mut text, mut section) = (String::new(), "");
    // Of the two ways to name a rig only one can be set.
    for (key, line) in others.into_iter().filter(|(key, _)| *key != Key::DeviceClientId) {
        if key.section() != section {
            section = key.section();
            let header =
                if LISTS.contains(&section) { format!("[[{section}]]") } else { format!("[{section}]") };
            text.push_str(&format!("{header}\n"));
        }
        text.push_str(&format!("{line}\n"));
    }
    let s = load_text(&text).unwrap();
    assert_eq!(s.device.client_id, Some(ClientIdSource::File("/proc/device-tree/serial-number".into())));
    assert_eq!((s.provider.client_version.as_str(), s.provider.ca_file.is_some()), ("1.2.3", true));
    let sources: Vec<_> =
        s.sources.iter().map(|s| (s.name.as_str(), s.class.as_deref(), s.priority)).collect();
    assert_eq!(sources, [("A camera", Some("audio"), Some(210))]);
    assert_eq!(s.classes.of(Path::new("/media/x/a_LOW.mov")).map(|c| c.priority), Some(350));
    let oauth: Vec<&str> = oauth.into_iter().map(|(_, line)| line).collect();
    let delivery: Vec<&str> = delivery.into_iter().map(|(_, line)| line).collect();
    let (oauth_lines, delivery_lines) = (oauth.join("\n"), delivery.join("\n"));
    let text = format!("[provider]\nkind = \"oauth\"\n{oauth_lines}\n[delivery]\n{delivery_lines}");
    let s = load_text(&text).unwrap();
    assert!(matches!(s.delivery, Delivery::Bucket(_)), "a bucket is what is shown");
    let o = s.provider.oauth.unwrap();
    assert_eq!((oauth.len(), o.parameters.len()), (11, 2), "every key of this kind is shown");
    assert!(o.issuer.is_some() && o.revocation_endpoint.is_some() && o.jwks_uri.is_some());
}

#[test]
fn the_readme_shows_the_rows_of_the_table() {
    let rows = fs::read_to_string(Path::new(env!("RIGPOST_DOCS")).join("config/rows.md")).unwrap();
    assert_eq!(rows.lines().count(), 2 + 8);
    let head = rows.lines().next().unwrap();
    held("README.md", &rows, |readme| {
        let (before, rest) = readme.split_once(&format!("{head}\n")).expect("the table is there");
        let after: String = rest.split_inclusive('\n').skip_while(|line| line.starts_with('|')).collect();
        format!("{before}{rows}{after}")
    });
}
