//! Histories of cards (ASC MHL), held against the reference tool.
use std::path::{Path, PathBuf};

use crate::common::*;
use crate::place::{Kind, Place, Unusual};

const TOOLS: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/../python/bin");

/// A program's exit code, and what it said.
async fn run(mut command: tokio::process::Command) -> (i32, String) {
    let output = soon("the program", command.kill_on_drop(true).output()).await.unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8_lossy(&said).into_owned())
}

async fn reference(tool: &str, arguments: &[&str], dir: &Path) -> (i32, String) {
    let tool = format!("{TOOLS}/{tool}");
    assert!(std::fs::exists(&tool).unwrap(), "no reference tool: run tests/setup tests");
    let mut command = tokio::process::Command::new(tool);
    command.args(arguments).arg(dir).env("LC_ALL", "C.UTF-8");
    run(command).await
}

impl Place {
    async fn receipt(&self, dir: &Path) -> (i32, String) {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_rigpost"));
        command.args(["receipt", "--mhl"]).arg(dir).env("DBUS_SYSTEM_BUS_ADDRESS", &self.rig.bus.address);
        run(command).await
    }

    /// A card with three clips that were delivered: one of several parts, one in the root, one with a name for XML.
    async fn card(&self) -> PathBuf {
        let card = self.rig.path("media").join("A001");
        std::fs::create_dir_all(card.join("Clips/Take 1")).unwrap();
        for (name, size) in
            [("Clips/A001_C001.mov", 20 * MIB + 7), ("Clips/Take 1/Ä & <1>.mov", 4000), ("A001.wav", 3000)]
        {
            fill(&card.join(name), size, size as u64);
            let id = self.rig.add(card.join(name)).await.unwrap();
            self.rig.wait_item(id, "done").await;
        }
        card
    }
}

#[tokio::test]
async fn a_card_gets_a_history_that_the_reference_tool_verifies() {
    for kind in [Kind::Frameio, Kind::S3] {
        let place = Place::new(kind, Unusual::default()).await;
        let card = place.card().await;
        let (code, said) = place.receipt(&card).await;
        assert_eq!(code, 0, "{said}");
        assert!(said.contains("3 files as delivered"), "{said}");
        let (code, said) = reference("ascmhl", &["diff"], &card).await;
        assert_eq!(code, 0, "{said}");
        let (code, said) = reference("ascmhl-debug", &["verify"], &card).await;
        assert_eq!(code, 0, "{said}");
        // It goes on with ours, and we go on with its.
        let (code, said) = reference("ascmhl", &["create", "-h", "md5"], &card).await;
        assert_eq!(code, 0, "{said}");
        let (code, said) = place.receipt(&card).await;
        assert_eq!((code, said.matches("as its history has it").count()), (0, 3), "{said}");
        let (code, said) = reference("ascmhl", &["info"], &card).await;
        assert!(code == 0 && said.contains("Generation 3"), "{said}");
        let (code, said) = reference("ascmhl", &["create", "-h", "xxh64"], &card).await;
        assert_eq!(code, 0, "{said}");
    }
}

#[tokio::test]
async fn what_was_not_delivered_is_in_no_history_and_is_named() {
    let place = Place::new(Kind::Frameio, Unusual::default()).await;
    let card = place.card().await;
    std::fs::write(card.join("notes.txt"), b"scene 7").unwrap();
    let (code, said) = place.receipt(&card).await;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("1 file not in it") && said.contains("notes.txt"), "{said}");
    let (code, said) = reference("ascmhl", &["diff"], &card).await;
    assert!(code != 0 && said.contains("found new file notes.txt"), "{said}");
    // A copy of the card is as good, where it has the same bytes.
    let copy = place.rig.path("copy");
    std::fs::create_dir(&copy).unwrap();
    std::fs::copy(card.join("A001.wav"), copy.join("A001.wav")).unwrap();
    assert_eq!(place.receipt(&copy).await.0, 0);
    fill(&copy.join("A001.wav"), 3000, 99);
    let (code, said) = place.receipt(&copy).await;
    assert!(code == 1 && said.contains("it is not what was delivered under its name"), "{said}");
    let generations = std::fs::read_dir(copy.join("ascmhl")).unwrap().count();
    assert_eq!(generations, 2, "one generation and its chain: nothing was added for what differs");
    let (code, said) = place.receipt(&place.rig.path("nowhere")).await;
    assert!(code == 1 && said.contains("can't be read"), "{said}");
    let empty = place.rig.path("empty");
    std::fs::create_dir(&empty).unwrap();
    let (code, said) = place.receipt(&empty).await;
    assert!(code == 1 && said.contains("nothing there was delivered"), "{said}");
    assert!(!empty.join("ascmhl").exists());
}

#[tokio::test]
async fn a_file_that_its_history_knows_otherwise_is_not_called_delivered() {
    let place = Place::new(Kind::Frameio, Unusual::default()).await;
    let card = place.rig.path("media").join("B001");
    std::fs::create_dir_all(&card).unwrap();
    fill(&card.join("B001.mov"), 5000, 1);
    let (code, said) = reference("ascmhl", &["create", "-h", "sha1"], &card).await;
    assert_eq!(code, 0, "{said}");
    // It was changed after the history was made, and before it was sent.
    fill(&card.join("B001.mov"), 5000, 2);
    let id = place.rig.add(card.join("B001.mov")).await.unwrap();
    place.rig.wait_item(id, "done").await;
    let (code, said) = place.receipt(&card).await;
    assert!(code == 1 && said.contains("its history has sha1"), "{said}");
}
