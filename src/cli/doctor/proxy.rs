//! Which proxy the daemon uses, and whether it seems to need one.
//!
//! # Decisions
//! - Where the configuration is silent, the environment of the *unit* counts, and not that of this shell: systemd is asked
//!   for it. What files of `EnvironmentFile=` bring it does not tell.
//! - What this shell and `/etc/environment` say is only a hint, for where the direct way is closed: a person who has it in the
//!   shell has not always thought of the services.
use std::time::Duration;
use std::{env, fs};

use url::Url;
use zbus::Connection;
use zbus::proxy::CacheProperties;

use super::report::Check;
use rigpost_daemon::egress::proxy::{Choice, Proxies};

pub(super) const LOG_IN: &str = "put user and password into `provider.proxy` (http://user:password@host:port), or have the rig let through";

const NAME: &str = "proxy";
const PATIENCE: Duration = Duration::from_secs(3);
const SYSTEMD: &str = "org.freedesktop.systemd1";
/// Where systemd keeps environments: of everything, and before it of the daemon.
const PLACES: [(&str, &str); 2] = [
    ("/org/freedesktop/systemd1/unit/rigpost_2eservice", "org.freedesktop.systemd1.Service"),
    ("/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"),
];
const EVERYBODYS: &str = "/etc/environment";

/// What the daemon goes by.
pub(super) struct Found {
    pub(super) proxies: Proxies,
    /// Who says so.
    pub(super) says: &'static str,
    /// What is wrong with it.
    pub(super) checks: Vec<Check>,
}

/// Finds out what the daemon does.
pub(super) async fn find(choice: &Choice) -> Found {
    let (says, units) = match choice {
        Choice::Environment => ("the unit's environment", environment().await),
        Choice::Off | Choice::This(_) => ("`provider.proxy`", Vec::new()),
    };
    let (proxies, wrong) = choice.resolve(|name| value(units.iter().map(String::as_str), name));
    let checks = wrong
        .into_iter()
        .map(|why| Check::warn(NAME, format!("{why}: the daemon passes over it"), "set `provider.proxy`"));
    Found { proxies, says, checks: checks.collect() }
}

/// `NAME=value` for each variable of the unit; none where nobody can tell.
async fn environment() -> Vec<String> {
    let asked = async {
        let connection = Connection::system().await?;
        let mut all: Vec<String> = Vec::new();
        for (path, interface) in PLACES {
            let place = zbus::proxy::Builder::<zbus::Proxy<'_>>::new(&connection)
                .destination(SYSTEMD)
                .path(path)
                .interface(interface)
                .cache_properties(CacheProperties::No)
                .build()
                .await?;
            all.extend(place.get_property::<Vec<String>>("Environment").await?);
        }
        zbus::Result::Ok(all)
    };
    tokio::time::timeout(PATIENCE, asked).await.ok().and_then(Result::ok).unwrap_or_default()
}

/// Of lines as `NAME=value`, in quotes or not, the first that is about this name.
fn value<'a>(mut lines: impl Iterator<Item = &'a str>, name: &str) -> Option<String> {
    lines.find_map(|line| {
        let line = line.trim();
        let (of, value) = line.strip_prefix("export ").unwrap_or(line).split_once('=')?;
        (of.trim() == name).then(|| value.trim().trim_matches(['"', '\'']).to_owned())
    })
}

/// What to do where the direct way is closed, and this shell or everybody's environment knows a proxy.
pub(super) fn hint(probe: &Url) -> Option<String> {
    let everybodys = fs::read_to_string(EVERYBODYS).unwrap_or_default();
    let shells = |name: &str| env::var(name).ok();
    let of_all = |name: &str| value(everybodys.lines(), name);
    [
        ("this shell", Choice::Environment.resolve(shells).0),
        (EVERYBODYS, Choice::Environment.resolve(of_all).0),
    ]
    .into_iter()
    .find_map(|(whose, proxies)| advice(whose, &proxies, probe))
}

fn advice(whose: &str, proxies: &Proxies, probe: &Url) -> Option<String> {
    let proxy = if probe.scheme() == "https" { &proxies.https } else { &proxies.http };
    let proxy = proxy.as_ref()?;
    Some(format!(
        "the rig may need a proxy: {whose} has {proxy}; if that is the way, set `provider.proxy = \"{proxy}\"` and: sudo \
         systemctl restart rigpost"
    ))
}

#[cfg(test)]
mod tests {
    use rigpost_daemon::egress::proxy::Proxy;

    use super::*;

    #[test]
    fn lines_of_an_environment_are_read_as_shells_and_systemd_write_them() {
        let lines = "# a comment\nLANG=C\nexport https_proxy=\"http://a:1\"\nno_proxy='localhost'\nhttps_proxy=http://b:2\n";
        assert_eq!(value(lines.lines(), "https_proxy").as_deref(), Some("http://a:1"));
        assert_eq!(value(lines.lines(), "no_proxy").as_deref(), Some("localhost"));
        assert_eq!(value(lines.lines(), "http_proxy"), None);
    }

    #[test]
    fn advice_shows_no_password() {
        let proxy = Proxy::parse("http://anna:hunter2@proxy.example:3128").unwrap();
        let proxies = Proxies { https: Some(proxy), ..Proxies::default() };
        let said = advice("this shell", &proxies, &"https://api.frame.io".parse().unwrap()).unwrap();
        assert!(said.contains("http://proxy.example:3128") && !said.contains("hunter2"), "{said}");
        assert_eq!(advice("this shell", &proxies, &"http://localhost".parse().unwrap()), None);
    }
}
