//! The pages and completions that are installed know everything there is, and the tools that read them take them; so
//! do those that write code from `dbus/*.xml`.
use std::fs;
use std::path::Path;
use std::process::Command;

use clap::CommandFactory as _;
use rigpost_contract::interface::Interface;
use rigpost_contract::method::METHODS;
use rigpost_contract::property::Property;
use rigpost_daemon::config::keys::{Key, LISTS, SECTIONS};

/// The commands beneath this one, with the names of their pages.
fn pages(command: &clap::Command, page: &str, found: &mut Vec<(String, clap::Command)>) {
    found.push((page.to_owned(), command.clone()));
    for sub in command.get_subcommands() {
        pages(sub, &format!("{page}-{}", sub.get_name()), found);
    }
}

#[test]
fn man_pages_and_completions_know_everything() {
    let docs = Path::new(env!("RIGPOST_DOCS"));
    let read = |path: String| {
        fs::read_to_string(docs.join(&path))
            .unwrap_or_else(|error| panic!("{path}: {error}"))
            .replace("\\-", "-")
    };
    let mut all = Vec::new();
    pages(&rigpost_cli::args::RigpostArgs::command(), "rigpost", &mut all);
    assert!(all.len() > 15);
    for (page, command) in all {
        let text = read(format!("man/{page}.1"));
        for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS", "FILES", "SEE ALSO"] {
            assert!(
                text.contains(&format!(".SH {section}")) || text.contains(&format!(".SH \"{section}\"")),
                "{page}: {section}"
            );
        }
        for sub in command.get_subcommands() {
            assert!(
                text.contains(&format!("{page}-{}(1)", sub.get_name())),
                "{page} does not name {}",
                sub.get_name()
            );
        }
        for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
            if let Some(long) = argument.get_long() {
                assert!(text.contains(&format!("--{long}")), "{page} does not explain --{long}");
            }
        }
        for word in command.get_arguments().filter(|argument| argument.is_hide_set()) {
            assert!(
                !text.contains(word.get_value_names().unwrap()[0].as_str()),
                "{page} shows a hidden argument"
            );
        }
    }
    assert!(read("man/rigpostd.8".into()).contains("--check-config"));
    for page in ["rigpost.1", "rigpostd.8"] {
        assert!(read(format!("man/{page}")).contains("rigpost.toml(5)"), "{page}");
        assert!(read(format!("man/{page}")).contains("org.rigpost.Rigpost1(5)"), "{page}");
    }
    let sim = read("man/rigpost-sim.1".into());
    for words in [".SH FAULTS", ".SH EXAMPLES", ".SH \"REAL STORAGE\"", "wrong-etag", "AWS_ACCESS_KEY_ID"] {
        assert!(sim.contains(words), "rigpost-sim: {words}");
    }
    for file in ["rigpost.bash", "_rigpost", "rigpost.fish"] {
        let text = read(format!("completions/{file}"));
        assert!(text.contains("provision") && text.contains("no-qr"), "{file}");
    }
}

/// A manual page, with its hyphens as they are read.
fn page(name: &str) -> String {
    let path = Path::new(env!("RIGPOST_DOCS")).join("man").join(name);
    fs::read_to_string(path).unwrap().replace("\\-", "-")
}

/// A part for each section in their order, with each key in its place and what it is by default.
#[test]
fn the_page_of_the_configuration_knows_every_key() {
    let text = page("rigpost.toml.5");
    let parts: Vec<&str> = text.split(".SH ").collect();
    let begin = ["NAME", "SYNOPSIS", "DESCRIPTION"].len() + 1;
    assert_eq!(parts.len(), begin + SECTIONS.len() + ["SEE ALSO"].len());
    for (section, part) in SECTIONS.iter().zip(&parts[begin..]) {
        let header = if LISTS.contains(&section.name) {
            format!("[[{}]]", section.name)
        } else {
            format!("[{}]", section.name)
        };
        assert!(part.starts_with(&format!("{header}\n")), "{header}: {part}");
        let keys = Key::ALL.iter().filter(|key| key.section() == section.name).map(|key| key.name());
        let named: Vec<String> = part
            .lines()
            .filter_map(|line| Some(line.strip_prefix("\\fB")?.split_once("\\fR")?.0.to_owned()))
            .map(|name| format!("{}.{name}", section.name))
            .collect();
        assert_eq!(named, keys.collect::<Vec<_>>(), "{header}");
    }
    assert!(text.contains("Between 60 and 290 seconds, or 0 for none. By default 120."));
    assert!(parts.last().unwrap().contains("rigpostd(8)"));
}

/// A part for each interface in their order, with each member and what it takes and answers.
#[test]
fn the_page_of_the_interfaces_knows_every_member() {
    let text = page("org.rigpost.Rigpost1.5");
    let parts: Vec<&str> = text.split(".SH ").collect();
    let begin = ["NAME", "SYNOPSIS", "DESCRIPTION"].len() + 1;
    assert_eq!(parts.len(), begin + Interface::ALL.len() + ["SEE ALSO"].len());
    for (interface, part) in Interface::ALL.iter().zip(&parts[begin..]) {
        assert!(part.starts_with(&format!("{interface}\n.PP\n")), "{interface}: {part}");
        let of = METHODS.iter().filter(|method| method.interface == *interface).map(|method| method.name);
        let wanted = Property::of(*interface).map(|property| property.as_str()).chain(of);
        for name in wanted {
            let says = part.split_once(&format!("\n.TP\n\\fB{name}\\fR ")).map(|(_, says)| says.lines());
            let mut says = says.unwrap_or_else(|| panic!("{interface}.{name} is not told of"));
            let (takes, text) = (says.next().unwrap(), says.next().unwrap());
            assert!(takes.ends_with(", read") || takes.ends_with(", readwrite") || takes.starts_with('('));
            assert!(text.len() > 20, "{interface}.{name}: {text}");
        }
    }
    assert!(text.contains("fBAdd\\fR (path s, options a{sv}) -> id t\n"), "{text}");
    assert!(text.contains("fBItemChanged\\fR (id t, item a{sv})\n"), "{text}");
}

/// Headings with nothing below them.
fn empty_sections(page: &str) -> Vec<&str> {
    let sections = page.split("\n.SH ").skip(1).filter_map(|section| section.split_once('\n'));
    sections
        .filter(|(_, body)| !body.lines().any(|line| !line.starts_with('.')))
        .map(|(name, _)| name)
        .collect()
}

#[test]
fn the_pages_are_good_roff() {
    assert_eq!(empty_sections(".TH A\n.SH NAME\na\n.SH FILES\n.TP\n.SH \"SEE ALSO\"\nb"), ["FILES"]);
    let pages = Path::new(env!("RIGPOST_DOCS")).join("man");
    let mut seen = 0;
    for page in fs::read_dir(pages).unwrap() {
        let page = page.unwrap().path();
        let groff = Command::new("groff").args(["-Kutf8", "-man", "-ww", "-z", "-Tutf8"]).arg(&page).output();
        let groff = groff.expect("groff (groff-base) is installed");
        let said = String::from_utf8_lossy(&groff.stderr);
        assert!(groff.status.success() && said.is_empty(), "{}: {said}", page.display());
        let text = fs::read_to_string(&page).unwrap();
        assert_eq!(empty_sections(&text), Vec::<&str>::new(), "{}", page.display());
        seen += 1;
    }
    assert!(seen > 15);
}

/// Its output, where it takes what it gets without a word.
#[track_caller]
fn written_by(tool: &mut Command) -> String {
    let output = tool.output().unwrap_or_else(|error| panic!("{tool:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{tool:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// What `qdbusxml2cpp` refuses are types of which Qt has no name of its own and the file gives none.
#[test]
fn tools_write_code_from_the_interfaces() {
    let dir = tempfile::tempdir().unwrap();
    for interface in Interface::ALL {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("dbus/{interface}.xml"));
        let header = dir.path().join("proxy.h");
        written_by(Command::new("qdbusxml2cpp").arg("-p").arg(header.with_extension("")).arg(&file));
        let header = fs::read_to_string(header).unwrap();
        let methods = METHODS.iter().filter(|method| method.interface == *interface);
        for method in methods {
            assert!(header.contains(&format!(" {}(", method.name)), "{interface}.{}", method.name);
        }
        let pages = dir.path().join("page");
        written_by(Command::new("gdbus-codegen").arg("--generate-docbook").arg(&pages).arg(&file));
        let page = fs::read_to_string(dir.path().join(format!("page-{interface}.xml"))).unwrap();
        assert!(page.contains("<refpurpose>"), "{interface}: {page}");
        for property in Property::of(*interface) {
            let body = page.split_once(&format!("\"{property}\" property</title>")).map(|(_, body)| body);
            let body =
                body.and_then(|body| body.split_once("<para>")).map_or("", |(_, body)| body.trim_start());
            assert!(!body.starts_with("</para>") && !body.is_empty(), "{interface}.{property} has no words");
        }
    }
}
