//! Writes the man pages, the shell completions and the example of the configuration, tells the linker how to lay a release out, and fixes the time before which no clock can be right.
//!
//! The first three go to `man/`, `completions/` and `config/` of `$RIGPOST_DOCS_DIR`, for packagers, else of cargo's
//! `$OUT_DIR`.
//!
//! # Decisions
//!
//! - At build time from the definitions that the programs parse with, so that a page can't describe an option that does
//!   not exist. The sections that clap does not know (EXIT STATUS, FILES, SEE ALSO) are added here. The page of the
//!   configuration comes from the table that files are read by, in the same way, and that of the D-Bus interfaces from
//!   `dbus/*.xml`.
//! - The build time comes from `SOURCE_DATE_EPOCH`, else from the newest entry of `debian/changelog`, so that two builds
//!   of one release are the same, bit for bit.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

use clap::{Command, CommandFactory as _};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, italic, roman};

use rigpost_contract::exit::ExitCode;

#[path = "build/configuration.rs"]
mod configuration;
#[path = "build/interfaces.rs"]
mod interfaces;

#[path = "cli/args.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with the library")]
mod cli_args;
#[path = "daemon/run/args.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with the library")]
mod daemon_args;
#[path = "daemon/config/keys.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with the library")]
mod keys;
#[path = "daemon/config/rule.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with the library")]
mod rule;
#[path = "sim/args.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with the library")]
mod sim_args;

/// Files whose change calls for new pages.
const SOURCES: &[&str] = &[
    "src/build.rs",
    "src/build/configuration.rs",
    "src/build/interfaces.rs",
    "src/release.ld",
    "src/cli/args.rs",
    "src/cli/args/identity.rs",
    "src/cli/args/queue.rs",
    "src/contract/exit.rs",
    "src/daemon/config/keys.rs",
    "src/daemon/config/rule.rs",
    "src/daemon/run/args.rs",
    "src/sim/args.rs",
    "Cargo.toml",
];
const CHANGELOG: &str = "debian/changelog";

/// A program to be documented.
struct Program {
    command: Command,
    section: &'static str,
    exit: Vec<(u8, String)>,
    files: &'static [(&'static str, &'static str)],
    see_also: &'static [&'static str],
    completions: bool,
}

fn texts(codes: &[(u8, &str)]) -> Vec<(u8, String)> {
    codes.iter().map(|(code, meaning)| (*code, (*meaning).to_owned())).collect()
}

fn programs() -> Vec<Program> {
    vec![
        Program {
            command: cli_args::RigpostArgs::command(),
            section: "1",
            exit: ExitCode::ALL.iter().map(|code| (code.number(), code.meaning())).collect(),
            files: &[
                (
                    "/etc/rigpost/rigpost.toml",
                    "Configuration of the daemon; its drop-ins are in /etc/rigpost/conf.d.",
                ),
                ("/var/lib/rigpost", "State of the daemon: identity, sealed secrets, queue."),
            ],
            see_also: &[
                "rigpostd(8)",
                "rigpost.toml(5)",
                "org.rigpost.Rigpost1(5)",
                "journalctl(1)",
                "busctl(1)",
                "systemctl(1)",
            ],
            completions: true,
        },
        Program {
            command: daemon_args::DaemonArgs::command(),
            section: "8",
            exit: texts(&[
                (0, "Asked to stop, or, with --check-config, the configuration is good."),
                (1, "The bus is gone, or a part of the daemon ended; systemd starts it again."),
                (2, "Wrong usage."),
                (78, "The configuration has an error; systemd does not start it again."),
            ]),
            files: &[
                ("/etc/rigpost/rigpost.toml", "Main configuration."),
                ("/etc/rigpost/conf.d/*.toml", "Drop-ins, read in the order of their names."),
                ("/usr/lib/rigpost/conf.d/*.toml", "Defaults of the rig's maker."),
                ("/var/lib/rigpost/rigpost.db", "State: identity, sealed secrets, queue."),
                (
                    "/var/lib/rigpost/dpop.key",
                    "The rig's own key, sealed: bound pairings can't be renewed without it.",
                ),
            ],
            see_also: &[
                "rigpost(1)",
                "rigpost.toml(5)",
                "org.rigpost.Rigpost1(5)",
                "systemd.service(5)",
                "systemd-creds(1)",
                "journalctl(1)",
            ],
            completions: false,
        },
        Program {
            command: sim_args::Args::command(),
            section: "1",
            exit: texts(&[
                (0, "Asked to stop."),
                (1, "The address is taken, or a file can't be written."),
                (2, "Wrong usage."),
            ]),
            files: &[
                ("FILE", "What --ca-out writes: the certificate that devices are to trust."),
                (
                    "FILE.key",
                    "Its key, beside it; without it the authority is another one at the next start.",
                ),
            ],
            see_also: &["rigpost(1)", "rigpostd(8)"],
            completions: true,
        },
    ]
}

fn main() -> Result<(), Box<dyn Error>> {
    pack_relocations();
    lay_out_release();
    for source in SOURCES {
        println!("cargo:rerun-if-changed={source}");
    }
    // A path that does not exist would make cargo run this script at every build.
    if Path::new(CHANGELOG).exists() {
        println!("cargo:rerun-if-changed={CHANGELOG}");
    }
    for variable in ["SOURCE_DATE_EPOCH", "RIGPOST_DOCS_DIR"] {
        println!("cargo:rerun-if-env-changed={variable}");
    }
    let epoch = build_time()?;
    println!("cargo:rustc-env=RIGPOST_BUILD_EPOCH={}", epoch.as_second());

    let root =
        env::var_os("RIGPOST_DOCS_DIR").or_else(|| env::var_os("OUT_DIR")).ok_or("cargo sets OUT_DIR")?;
    println!("cargo:rustc-env=RIGPOST_DOCS={}", PathBuf::from(&root).display());
    let [man, completions, config] =
        ["man", "completions", "config"].map(|name| PathBuf::from(&root).join(name));
    for dir in [&man, &completions, &config] {
        fs::create_dir_all(dir)?;
    }
    let date = epoch.strftime("%Y-%m-%d").to_string();
    for program in programs() {
        if program.completions {
            for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
                let name = program.command.get_name().to_owned();
                clap_complete::generate_to(shell, &mut program.command.clone(), name, &completions)?;
            }
        }
        let mut command = program.command.clone().disable_help_subcommand(true);
        command.build();
        write_pages(&program, command, &[], &man, &date)?;
    }
    fs::write(man.join("rigpost.toml.5"), configuration::page(&date))?;
    fs::write(man.join("org.rigpost.Rigpost1.5"), interfaces::page(&date)?)?;
    fs::write(config.join("rigpost.toml"), configuration::example())?;
    fs::write(config.join("rows.md"), configuration::readme_rows())?;
    Ok(())
}

/// Unix time of this build, for people who want the same result twice.
fn build_time() -> Result<jiff::Timestamp, Box<dyn Error>> {
    if let Some(seconds) = env::var_os("SOURCE_DATE_EPOCH") {
        let seconds = seconds.to_str().ok_or("SOURCE_DATE_EPOCH is not a number")?;
        return Ok(jiff::Timestamp::from_second(seconds.trim().parse()?)?);
    }
    let changelog = fs::read_to_string(CHANGELOG).unwrap_or_default();
    // The first line of the form " -- Name <mail>  Sun, 22 Nov 2026 07:00:00 +0000" is the newest.
    let trailer = changelog.lines().find_map(|line| line.strip_prefix(" -- ")?.split_once(">  "));
    match trailer {
        Some((_, date)) => Ok(jiff::fmt::rfc2822::parse(date.trim())?.timestamp()),
        None => Ok(jiff::Timestamp::now()),
    }
}

/// Writes the page of a command, and those of the commands beneath it.
fn write_pages(
    program: &Program,
    command: Command,
    parents: &[String],
    dir: &Path,
    date: &str,
) -> Result<(), Box<dyn Error>> {
    let mut names = parents.to_vec();
    names.push(command.get_name().to_owned());
    let page = names.join("-");
    let subcommands: Vec<Command> =
        command.get_subcommands().filter(|sub| !sub.is_hide_set()).cloned().collect();
    let siblings = match subcommands.is_empty() {
        true => vec![format!("{}({})", parents.join("-"), program.section)],
        false => {
            subcommands.iter().map(|sub| format!("{page}-{}({})", sub.get_name(), program.section)).collect()
        }
    };

    let man = Man::new(command.clone().display_name(page.clone()))
        .title(page.to_uppercase())
        .section(program.section)
        .date(date)
        .source(format!("rigpost {}", env!("CARGO_PKG_VERSION")))
        .manual("rigpost");
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    if command.get_arguments().any(|argument| !argument.is_hide_set()) {
        man.render_options_section(&mut text)?;
    }
    if !subcommands.is_empty() {
        man.render_subcommands_section(&mut text)?;
    }
    if let Some(more) = command.get_after_help() {
        further_sections(&more.to_string()).to_writer(&mut text)?;
    }
    closing_sections(program, &siblings, parents.is_empty()).to_writer(&mut text)?;
    fs::write(dir.join(format!("{page}.{}", program.section)), text)?;

    for sub in subcommands {
        write_pages(program, sub, &names, dir, date)?;
    }
    Ok(())
}

/// What help ends with: a line of capitals begins a section, and all others stay as they are.
fn further_sections(help: &str) -> Roff {
    let mut roff = Roff::new();
    for line in help.lines() {
        if !line.is_empty() && line.chars().all(|c| c.is_ascii_uppercase() || c == ' ') {
            roff.control("fi", []);
            roff.control("SH", [line]);
            roff.control("nf", []);
        } else {
            roff.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
        }
    }
    roff.control("fi", []);
    roff
}

fn closing_sections(program: &Program, siblings: &[String], is_top: bool) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["EXIT STATUS"]);
    for (code, meaning) in &program.exit {
        roff.control("TP", ["4"]);
        roff.text([bold(code.to_string())]);
        roff.text([roman(meaning.as_str())]);
    }
    roff.control("SH", ["FILES"]);
    for (file, meaning) in program.files {
        roff.control("TP", []);
        roff.text([italic(*file)]);
        roff.text([roman(*meaning)]);
    }
    roff.control("SH", ["SEE ALSO"]);
    let near = siblings.iter().map(String::as_str).filter(|name| !name.starts_with('('));
    let far = program.see_also.iter().copied().filter(|name| is_top || *name != siblings.concat());
    roff.text([roman(near.chain(far).collect::<Vec<_>>().join(", "))]);
    roff
}

/// Relative relocations in the packed form (`DT_RELR`): a twentieth of the daemon's size on a disk, and none of its
/// speed. Understood by glibc 2.36 and binutils 2.38 or newer, which Debian 12 has.
fn pack_relocations() {
    let (env, arch) = (env::var("CARGO_CFG_TARGET_ENV"), env::var("CARGO_CFG_TARGET_ARCH"));
    let packs = env.is_ok_and(|env| env == "gnu") && arch.is_ok_and(|arch| arch == "x86_64");
    if packs {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// Gives the linker of a release the rules in `src/release.ld`, which GNU's and LLVM's understand. Two things:
///
/// The tables for unwinding are a seventh of the daemon, and in a release, where a panic aborts, nobody reads them. The
/// standard library brings its own, so that a flag of the compiler would leave half of them: the linker drops all. What
/// is lost is the list of calls that `RUST_BACKTRACE` asks for; a panic still prints its place. 32-bit ARM has tables of
/// another kind.
///
/// Code that an idle daemon has not run is laid together, which leaves a fifth of the daemon out of its memory.
fn lay_out_release() {
    let (env, width) = (env::var("CARGO_CFG_TARGET_ENV"), env::var("CARGO_CFG_TARGET_POINTER_WIDTH"));
    let has_them = env.is_ok_and(|env| env == "gnu") && width.is_ok_and(|width| width == "64");
    if has_them && env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        println!("cargo:rustc-link-arg-bins=-Wl,-T,{}/src/release.ld", env!("CARGO_MANIFEST_DIR"));
        println!("cargo:rustc-link-arg-bins=-Wl,--no-eh-frame-hdr");
    }
}
