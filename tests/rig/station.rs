//! The station for a line of boards that the package has as an example (`tests/station/station`).
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;

use tokio::process::Command;

use crate::common::*;

/// Runs it in the rig's directory. Each board is reached by a program that leaves the name of the host out.
async fn station(rigs: &[(&str, &Rig)], dir: &Path, args: &[&str]) -> Output {
    let shell = dir.join("reach");
    let boards: String = rigs
        .iter()
        .map(|(host, rig)| format!("{host}) export DBUS_SYSTEM_BUS_ADDRESS='{}' ;;\n", rig.bus.address))
        .collect();
    let bin = Path::new(env!("CARGO_BIN_EXE_rigpost")).parent().unwrap().display();
    let script = format!(
        "#!/bin/sh\ncase $1 in\n{boards}*) exit 255 ;;\nesac\nshift\nPATH={bin}:$PATH\nexec \"$@\"\n"
    );
    fs::write(&shell, script).unwrap();
    fs::set_permissions(&shell, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(dir.join("secret"), SECRET).unwrap();
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/station/station"));
    command.args(["--secret", "secret"]).args(args).current_dir(dir).env("STATION_SSH", &shell);
    soon("the station", command.output()).await.unwrap()
}

/// The host, the device and what was found, of each line.
fn log(dir: &Path) -> Vec<[String; 3]> {
    let text = fs::read_to_string(dir.join("station.log")).unwrap();
    text.lines()
        .map(|line| {
            let fields: Vec<&str> = line.split('\t').collect();
            assert_eq!(fields.len(), 6, "{line}");
            [1, 2, 5].map(|n| fields[n].to_owned())
        })
        .collect()
}

/// What a scanner reads from the picture.
fn scan(label: &str) -> String {
    const SCALE: usize = 4;
    let svg = roxmltree::Document::parse(label).unwrap();
    let code = svg.descendants().find(|node| node.attribute("id") == Some("QRcode")).unwrap();
    let number =
        |node: roxmltree::Node<'_, '_>, name: &str| node.attribute(name).unwrap().parse::<usize>().unwrap();
    let paper = code.children().find(|node| node.has_tag_name("rect")).unwrap();
    let margin = 4;
    let side = number(paper, "width");
    let mut dark = vec![false; side * side];
    for module in code.descendants().filter(|node| node.attribute("fill") == Some("#000000")) {
        dark[(number(module, "y") + margin) * side + number(module, "x") + margin] = true;
    }
    let pixel = |x: usize, y: usize| if dark[y / SCALE * side + x / SCALE] { 0u8 } else { 255 };
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(side * SCALE, side * SCALE, pixel);
    let grids = image.detect_grids();
    assert_eq!(grids.len(), 1, "one code is on the label");
    grids[0].decode().unwrap().1
}

#[tokio::test]
async fn a_line_of_boards_becomes_rigs_with_labels_and_a_log() {
    let (one, two) = (Setup::new().start().await, Setup::new().start().await);
    let dir = one.bus.dir().join("station");
    fs::create_dir(&dir).unwrap();
    let rigs = [("one", &one), ("two", &two)];
    let output = station(&rigs, &dir, &["one", "two", "three"]).await;
    assert_eq!(output.status.code(), Some(1), "a board is not there: {output:?}");

    let ids = [one.text(DEVICE, "DeviceId").await, two.text(DEVICE, "DeviceId").await];
    let row = |host: &str, id: &str, found: &str| [host, id, found].map(str::to_owned);
    let mut expected =
        vec![row("one", &ids[0], "ok"), row("two", &ids[1], "ok"), row("three", "-", "does not answer")];
    assert_eq!(log(&dir), expected);
    for ((_, rig), id) in rigs.iter().zip(&ids) {
        rig.wait_state("unpaired").await;
        let label = fs::read_to_string(dir.join("labels").join(format!("{id}.svg"))).unwrap();
        assert_eq!(scan(&label), *id);
        assert!(label.contains(&id[..18]) && label.contains(&id[18..]), "and in letters");
    }
    let all = fs::read_dir(dir.join("labels")).unwrap().count();
    assert_eq!(all, 2, "a board that is not there has no label");
    assert!(!fs::read_to_string(dir.join("station.log")).unwrap().contains(MARKER));

    // Once more does no harm; a board with the wrong seal, and a copy of another one, are found.
    let output = station(&rigs, &dir, &["one", "two"]).await;
    assert!(output.status.success(), "{output:?}");
    let output = station(&rigs, &dir, &["--seal", "tpm2", "one"]).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let output = station(&[("copy", &one)], &dir, &["copy"]).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    expected.extend([row("one", &ids[0], "ok"), row("two", &ids[1], "ok")]);
    let found = log(&dir);
    assert_eq!(found[..5], expected);
    assert!(found[5][2].starts_with("its root key is sealed with"), "{found:?}");
    assert_eq!(found[6][2], "has the identity of one: a copy of it");
}
