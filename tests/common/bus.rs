//! A system bus of one test's own: everything denied but what a policy allows, and the policy is ours.
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use futures_util::StreamExt as _;
use zbus::fdo::MonitoringProxy;
use zbus::message::Type;
use zbus::{Connection, MatchRule, MessageStream};

use super::{NAME, soon};

/// Debian's policy for the system bus, as far as it concerns services.
const SYSTEM_POLICY: &str = r#"
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus.Introspectable"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus.Properties"/>
    <allow send_destination="org.freedesktop.systemd1" send_interface="org.freedesktop.systemd1.Manager"
           send_member="GetUnitByPID"/>
  </policy>
  <policy user="root">
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus.Monitoring"/>
    <allow own="org.freedesktop.systemd1"/>
  </policy>
"#;

/// A bus daemon; it ends with this.
pub(crate) struct Bus {
    daemon: Child,
    dir: tempfile::TempDir,
    pub(crate) address: String,
}

impl Bus {
    /// With the policy file of this repository, its user replaced by this one, or by the one that runs the test.
    pub(crate) fn start(user: Option<&str>) -> Bus {
        let dir = tempfile::tempdir().unwrap();
        // Other users connect too.
        std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
        // The policy names them; where they can't be made the bus only warns.
        for group in ["rigpost-ui", "rigpost-token"] {
            let _ = Command::new("groupadd").args(["-r", "-f", group]).status();
        }
        let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/dbus/org.rigpost.Rigpost1.conf");
        let policy = std::fs::read_to_string(shipped).unwrap();
        assert!(policy.contains(r#"user="rigpost""#), "the policy names the daemon's user");
        let policy = policy
            .replace(r#"user="rigpost""#, &format!("user=\"{}\"", user.map_or_else(myself, str::to_owned)));
        let (ours, config) = (dir.path().join("ours.conf"), dir.path().join("bus.conf"));
        std::fs::write(&ours, policy).unwrap();
        let text = format!(
            r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
            "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
            <busconfig><type>system</type><listen>unix:path={}</listen><auth>EXTERNAL</auth>
            {SYSTEM_POLICY}<include>{}</include></busconfig>"#,
            dir.path().join("socket").display(),
            ours.display(),
        );
        std::fs::write(&config, text).unwrap();
        let mut daemon = Command::new("dbus-daemon")
            .args(["--nofork", "--nopidfile", "--nosyslog", "--print-address=1", "--config-file"])
            .arg(&config)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("dbus-daemon is installed");
        let mut address = String::new();
        BufReader::new(daemon.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Bus { daemon, dir, address: address.trim().to_owned() }
    }

    /// A directory that every user can reach.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) async fn connect(&self) -> Connection {
        let builder = zbus::connection::Builder::address(self.address.as_str());
        soon("the bus", builder.build()).await.unwrap()
    }

    /// The bus goes away, as at a crash.
    pub(crate) fn kill(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }

    /// Sees every message from now on.
    pub(crate) async fn monitor(&self) -> Monitor {
        let connection = self.connect().await;
        let mut stream = MessageStream::from(&connection);
        MonitoringProxy::new(&connection).await.unwrap().become_monitor(&[], 0).await.unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let all = seen.clone();
        let task = tokio::spawn(async move {
            while let Some(Ok(message)) = stream.next().await {
                let kind = message.message_type();
                all.lock().unwrap().push((kind, message.data().to_vec()));
            }
        });
        Monitor { seen, task }
    }

    /// A program run as another user of the bus, in the groups named.
    pub(crate) fn as_user(&self, user: &str, groups: &str, program: &str) -> tokio::process::Command {
        let mut command = tokio::process::Command::new("setpriv");
        let groups =
            if groups.is_empty() { "--clear-groups".to_owned() } else { format!("--groups={groups}") };
        command.args([&format!("--reuid={user}"), "--regid=nogroup", &groups, "--", program]);
        command.env("DBUS_SYSTEM_BUS_ADDRESS", &self.address).current_dir("/").kill_on_drop(true);
        command
    }

    /// Signals of our object, on a connection that a screen might have.
    pub(crate) async fn signals(&self, connection: &Connection) -> MessageStream {
        let rule = MatchRule::builder().msg_type(Type::Signal).path(super::PATH).build().unwrap();
        MessageStream::for_match_rule(rule, connection, std::num::NonZeroUsize::new(4096)).await.unwrap()
    }

    /// True while somebody owns our name.
    pub(crate) async fn owned(&self, connection: &Connection) -> bool {
        let bus = zbus::fdo::DBusProxy::new(connection).await.unwrap();
        bus.name_has_owner(NAME.try_into().unwrap()).await.unwrap()
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Who runs this test.
fn myself() -> String {
    let id = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(id.stdout).unwrap().trim().to_owned()
}

/// A message's kind and its bytes.
type Seen = (Type, Vec<u8>);

/// What went over the bus.
pub(crate) struct Monitor {
    seen: Arc<Mutex<Vec<Seen>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Monitor {
    /// The raw messages of a kind that hold these bytes.
    pub(crate) fn find(&self, kind: Option<Type>, needle: &[u8]) -> Vec<String> {
        let holds = |m: &[u8]| m.windows(needle.len()).any(|w| w == needle);
        let seen = self.seen.lock().unwrap();
        let found = seen.iter().filter(|(k, m)| kind.is_none_or(|wanted| wanted == *k) && holds(m));
        found.map(|(k, m)| format!("{k:?}: {}", String::from_utf8_lossy(m))).collect()
    }

    /// How many messages of a kind were seen.
    pub(crate) fn count(&self, kind: Type) -> usize {
        self.seen.lock().unwrap().iter().filter(|(k, _)| *k == kind).count()
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Puts a built program where every user can run it. By a process of its own: a file that this one has open for writing is
/// inherited by whatever another test starts at that moment, and can't be run as long as that is there.
pub(crate) fn install(program: &str, place: &Path) {
    assert!(Command::new("cp").arg(program).arg(place).status().unwrap().success());
}

/// The first of these programs' names that is there, as a path.
pub(crate) fn program(name: &str) -> PathBuf {
    let dirs = ["/usr/bin", "/usr/sbin", "/bin", "/sbin"];
    let found = dirs.iter().map(|d| Path::new(d).join(name)).find(|p| p.exists());
    found.unwrap_or_else(|| panic!("{name} is not installed"))
}
