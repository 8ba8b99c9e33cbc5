//! Whom a rig trusts: the daemon and `rigpost doctor` give one answer, wherever the authority's certificate lies.
use std::fs;
use std::path::Path;

use crate::common::*;

/// How an authority is made known, in words of the environment and of the configuration.
struct Case {
    what: &'static str,
    /// Lays out files in a directory, given the certificate of the provider's authority.
    files: fn(&Path, &str),
    /// `{dir}` for that directory.
    env: &'static [(&'static str, &'static str)],
    ca_file: Option<&'static str>,
    /// What both say where the authority is not trusted; empty where it is.
    refused: &'static str,
}

const STRANGER: &str = "from an issuer that this rig does not trust (\"rigpost-sim authority\")";
const ALONE: &[(&str, &str)] = &[("SSL_CERT_FILE", "{dir}/empty.pem")];

const CASES: &[Case] = &[
    Case { what: "nowhere", files: nothing, env: &[], ca_file: None, refused: STRANGER },
    Case {
        what: "in a hashed directory",
        files: hashed,
        env: &[("SSL_CERT_DIR", "{dir}/hashed")],
        ca_file: None,
        refused: "",
    },
    Case {
        what: "in the second of two directories, and the first is empty",
        files: hashed,
        env: &[("SSL_CERT_DIR", "{dir}/nothing:{dir}/hashed")],
        ca_file: None,
        refused: "",
    },
    Case {
        what: "in a directory beside a bundle with another authority",
        files: hashed,
        env: &[("SSL_CERT_DIR", "{dir}/hashed"), ("SSL_CERT_FILE", "{dir}/other.pem")],
        ca_file: None,
        refused: "",
    },
    Case {
        what: "in a directory that is not asked for, beside a bundle that takes the system's place",
        files: hashed,
        env: &[("SSL_CERT_FILE", "{dir}/other.pem")],
        ca_file: None,
        refused: STRANGER,
    },
    Case {
        what: "nowhere, and the directory is empty",
        files: nothing,
        env: &[("SSL_CERT_DIR", "{dir}/nothing")],
        ca_file: None,
        refused: STRANGER,
    },
    Case {
        what: "in a bundle",
        files: bundle,
        env: &[("SSL_CERT_FILE", "{dir}/bundle.pem")],
        ca_file: None,
        refused: "",
    },
    Case {
        what: "in a bundle with bad certificates before it",
        files: odd_bundle,
        env: &[("SSL_CERT_FILE", "{dir}/bundle.pem")],
        ca_file: None,
        refused: "",
    },
    Case {
        what: "in the configured file, beside the system's",
        files: bundle,
        env: &[],
        ca_file: Some("{dir}/bundle.pem"),
        refused: "",
    },
    Case {
        what: "in the configured file alone",
        files: bundle,
        env: ALONE,
        ca_file: Some("{dir}/bundle.pem"),
        refused: "",
    },
    Case {
        what: "in a configured file that is not there",
        files: nothing,
        env: &[],
        ca_file: Some("{dir}/bundle.pem"),
        refused: "certificate file ",
    },
    Case {
        what: "nowhere, and nobody is trusted",
        files: nothing,
        env: ALONE,
        ca_file: None,
        refused: "there are no certificates to trust",
    },
];

fn nothing(dir: &Path, _: &str) {
    fs::create_dir(dir.join("nothing")).unwrap();
    fs::write(dir.join("empty.pem"), "").unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let other = rcgen::CertificateParams::new(vec!["other.example".to_owned()]).unwrap();
    fs::write(dir.join("other.pem"), other.self_signed(&key).unwrap().pem()).unwrap();
}

/// As `openssl rehash` leaves it: the file, a link by the hash of its subject, and one to nowhere.
fn hashed(dir: &Path, pem: &str) {
    nothing(dir, pem);
    let hashed = dir.join("hashed");
    fs::create_dir(&hashed).unwrap();
    fs::write(dir.join("studio.pem"), pem).unwrap();
    std::os::unix::fs::symlink("../studio.pem", hashed.join("0a1b2c3d.0")).unwrap();
    std::os::unix::fs::symlink("../gone.pem", hashed.join("4e5f6a7b.0")).unwrap();
}

fn bundle(dir: &Path, pem: &str) {
    nothing(dir, pem);
    fs::write(dir.join("bundle.pem"), pem).unwrap();
}

/// One that is cut, one that is no base64, one that is no certificate, and then the good one.
fn odd_bundle(dir: &Path, pem: &str) {
    nothing(dir, pem);
    let (begin, end) = ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----");
    let odd = format!("{begin}\n????\n{end}\n{begin}\naGVsbG8=\n{end}\n{pem}");
    fs::write(dir.join("bundle.pem"), odd).unwrap();
}

/// What doctor finds about the encryption: its verdict and its words.
async fn doctor(rig: &Rig) -> (String, String) {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_rigpost"));
    command.args(["doctor", "--json", "--config"]).arg(rig.config()).env_clear();
    command.env("DBUS_SYSTEM_BUS_ADDRESS", &rig.bus.address);
    command.envs(rig.setup.env.iter().map(|(k, v)| (k, v))).kill_on_drop(true);
    let output = soon("doctor's report", command.output()).await.unwrap();
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let check = json["checks"].as_array().unwrap().iter().find(|check| check["check"] == "encryption");
    let text = |key: &str| check.unwrap()[key].as_str().unwrap().to_owned();
    (text("verdict"), text("finding"))
}

/// The rig of a case, provisioned and about to ask the provider.
async fn rig(case: &Case) -> Rig {
    let mut rig = Setup::cloud(|sim| sim.tls = true).build().await;
    let dir = rig.path("trust");
    fs::create_dir(&dir).unwrap();
    (case.files)(&dir, rig.sim.ca_pem().unwrap());
    let place = |text: &str| text.replace("{dir}", dir.to_str().unwrap());
    rig.setup.env = case.env.iter().map(|(key, value)| ((*key).to_owned(), place(value))).collect();
    let config = fs::read_to_string(rig.config()).unwrap();
    let ca_file = case.ca_file.map(|file| format!("ca_file = {:?}", place(file))).unwrap_or_default();
    let lines = config.lines().map(|line| if line.starts_with("ca_file") { &ca_file } else { line });
    fs::write(rig.config(), lines.collect::<Vec<_>>().join("\n")).unwrap();
    rig.start().await;
    rig.provision(SECRET).await.unwrap();
    rig
}

#[tokio::test]
async fn daemon_and_doctor_trust_the_same_authorities() {
    // All at once: where the daemon can't pair, it tries for a while before it says so.
    futures_util::future::join_all(CASES.iter().map(check)).await;
}

/// A configured file with something wrong in it is a mistake of the configuration, by whoever reads it.
#[tokio::test]
async fn daemon_check_and_doctor_find_the_same_wrong_with_a_configured_file() {
    let case = Case { what: "", files: odd_bundle, env: &[], ca_file: None, refused: "" };
    let rig = rig(&case).await;
    let bundle = rig.path("trust/bundle.pem");
    let config = rig.path("wrong.toml");
    fs::write(&config, format!("[provider]\nca_file = {bundle:?}\n")).unwrap();
    let key = "key `provider.ca_file`";
    let wrong =
        format!("{}:2: {key}: {} can't be read at certificate 1: ", config.display(), bundle.display());
    for check in [&["--check-config"][..], &[]] {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_rigpostd"));
        command.args(check).arg("--config").arg(&config).kill_on_drop(true);
        let output = soon("the daemon's end", command.output()).await.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{said}");
        assert!(said.starts_with(&wrong), "{said}");
    }
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_rigpost"));
    command.args(["doctor", "--config"]).arg(&config).env("DBUS_SYSTEM_BUS_ADDRESS", &rig.bus.address);
    let output = soon("doctor's report", command.kill_on_drop(true).output()).await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("FAIL  configuration") && said.contains("certificate 1"), "{said}");
}

async fn check(case: &Case) {
    let (rig, Case { what, refused, .. }) = (rig(case).await, case);
    let (daemon, (verdict, finding)) = (rig.ask_to_pair().await, doctor(&rig).await);
    if refused.is_empty() {
        daemon.unwrap_or_else(|e| panic!("{what}: the daemon: {e:?}"));
        let trusted = ("ok", "the provider's certificate is trusted");
        assert_eq!((verdict.as_str(), finding.as_str()), trusted, "{what}");
        return;
    }
    let said = daemon.map_err(|e| e.text).expect_err(what);
    assert!(said.contains(refused), "{what}: the daemon: {said}");
    assert!(verdict == "fail" && finding.contains(refused), "{what}: doctor: {finding}");
    // Word for word, but for the host of which doctor speaks, and the numbers of errors that it leaves to us.
    let words = said.split_once(refused).unwrap().1.replace(" (os error 2)", "");
    assert!(finding.ends_with(&words), "{what}: {said:?}, {finding:?}");
}
