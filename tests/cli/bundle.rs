//! The file for whoever helps: what is in it, and what is not.
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::fake::{self, Bus};
use super::{run, unpaired};

const CONFIG: &str =
    "[provider]\nproxy = \"http://ana:hunter2@127.0.0.1:1\"\n[queue]\nmedia_dirs = [\"/media/cam\"]\n";

fn unpack(bundle: &Path) -> std::path::PathBuf {
    let dir = bundle.with_extension("d");
    std::fs::create_dir(&dir).unwrap();
    let tar = Command::new("tar").arg("-xzf").arg(bundle).arg("-C").arg(&dir).output().unwrap();
    assert!(tar.status.success(), "{tar:?}");
    dir.join("rigpost-support")
}

/// All of its files, one behind the other.
fn all(dir: &Path) -> String {
    let files = std::fs::read_dir(dir).unwrap().map(|file| file.unwrap().path());
    files.map(|file| format!("{}\n{}", file.display(), std::fs::read_to_string(&file).unwrap())).collect()
}

fn read(dir: &Path, name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(dir.join(name)).unwrap()).unwrap()
}

#[tokio::test]
async fn it_has_what_helps_and_neither_secrets_nor_names() {
    let (bus, fake) = (Bus::new(), unpaired(vec![]));
    let config = bus.path("rigpost.toml");
    std::fs::write(&config, CONFIG).unwrap();
    {
        let mut world = fake.world();
        (world.state, world.project, world.authorized_by) =
            ("waiting-for-user".into(), "Moonrise S01".into(), "Ana Ruiz".into());
        (world.code, world.uri) = ("042137".into(), "https://cloud.example/device?hint=h1dden".into());
        world.uri_complete = "https://cloud.example/device?code=042137".into();
        world.items = vec![
            fake::item(1, Path::new("/media/cam/A001_C001.mov"), "failed", "A001_C001.mov can't be read"),
            fake::item(
                2,
                Path::new("/media/cam/A001_C002.mov"),
                "queued",
                "like /media/cam/gone/B007.mov: gone",
            ),
        ];
        world.held = 2;
        let held = "2 clips are of other projects, or older than the pairing with Moonrise S01.";
        world.blockers = vec![("held".into(), held.into(), String::new())];
    }
    let _service = fake.serve(&bus).await;
    let bundle = |name: &str| bus.path(name).to_str().unwrap().to_owned();
    let write = async |name: &str, more: &[&str]| {
        let (file, config) = (bundle(name), config.to_str().unwrap());
        let args = [&["support-bundle", "--output", file.as_str(), "--config", config], more].concat();
        run(&bus, &args).await
    };
    let (status, output, errors) = write("a.tar.gz", &["--json"]).await;
    assert_eq!((status, errors.as_str()), (0, ""), "{output}");
    let said: Value = serde_json::from_str(&output).unwrap();
    let meta = std::fs::metadata(bundle("a.tar.gz")).unwrap();
    assert_eq!((&said["file"], &said["bytes"]), (&json!(bundle("a.tar.gz")), &json!(meta.len())));
    assert_eq!(meta.permissions().mode() & 0o777, 0o600, "nobody else reads it");

    let dir = unpack(&bus.path("a.tar.gz"));
    let text = all(&dir);
    for secret in ["hunter2", "042137", "h1dden", "access-token"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    for name in ["Moonrise", "Ruiz", "A001", "B007"] {
        assert!(!text.contains(name), "{name}: {text}");
    }
    let queue = read(&dir, "queue.json");
    let clip = |n: usize, key: &str| queue["items"][n][key].as_str().unwrap().to_owned();
    assert_eq!(clip(0, "detail"), format!("{} can't be read", clip(0, "name")), "the same number everywhere");
    assert_eq!(clip(1, "detail"), "like [clip]: gone", "of a clip that nobody has told of");
    assert_ne!(clip(0, "name"), clip(1, "name"));
    let status = read(&dir, "status.json");
    assert_eq!(status["pairing"]["verification_uri"], "https://cloud.example/device");
    assert!(status["device"]["blockers"].to_string().contains("pairing with [project 1]."), "{status}");
    let about = read(&dir, "about.json");
    assert_eq!((&about["names"], &about["daemon_runs"]), (&json!(false), &json!(true)));
    assert!(read(&dir, "doctor.json")["checks"].is_array() && read(&dir, "config.json")["values"].is_array());
    assert!(
        text.contains("/media/cam") && text.contains("kernel: ") && text.contains("1024-blocks"),
        "{text}"
    );

    let (status, output, _) = write("b.tar.gz", &["--with-names"]).await;
    assert!(status == 0 && output.ends_with(&format!("people, to:\n{}\n", bundle("b.tar.gz"))), "{output}");
    let text = all(&unpack(&bus.path("b.tar.gz")));
    for name in ["Moonrise S01", "Ana Ruiz", "A001_C001.mov", "B007"] {
        assert!(text.contains(name), "{name}");
    }
    for secret in ["hunter2", "042137", "h1dden"] {
        assert!(!text.contains(secret), "{secret}");
    }
    let (status, _, errors) = write("b.tar.gz", &[]).await;
    assert!(status == 1 && errors.contains("can't be created: File exists"), "{errors}");
}

#[tokio::test]
async fn without_a_daemon_it_has_the_rest_and_starts_none() {
    let bus = Bus::new();
    let file = bus.path("a.tar.gz");
    let (status, output, errors) = run(&bus, &["support-bundle", "-o", file.to_str().unwrap()]).await;
    assert_eq!((status, errors.as_str()), (0, ""), "{output}");
    let dir = unpack(&file);
    assert_eq!(read(&dir, "about.json")["daemon_runs"], false);
    assert!(read(&dir, "doctor.json")["checks"].to_string().contains("does not run"));
    assert!(!dir.join("status.json").exists() && dir.join("mounts.txt").exists());
}
