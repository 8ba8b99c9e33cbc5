//! What `rigpost status` says where the daemon does not run and can't be started.
use std::sync::{Arc, Mutex};
use std::time::Duration;

use zbus::{Connection, OwnedObjectPath, interface};

use super::fake::Bus;
use super::{run, unpaired};

/// Soon enough for whoever waits before a dark screen; a bus that starts a daemon waits for it 25 times as long.
const SOON: Duration = Duration::from_secs(10);

/// What the service manager says of the unit.
#[derive(Clone)]
struct Unit {
    load: &'static str,
    active: &'static str,
    sub: &'static str,
    result: &'static str,
    status: i32,
    restarts: u32,
}

const FINE: Unit =
    Unit { load: "loaded", active: "inactive", sub: "dead", result: "success", status: 0, restarts: 0 };
/// A daemon that crashes.
const CRASHED: Unit =
    Unit { active: "activating", sub: "auto-restart", result: "signal", status: 11, ..FINE };

type Shared = Arc<Mutex<Unit>>;

struct Manager;
struct OfUnit(Shared);
struct OfService(Shared);

const PATH: &str = "/org/freedesktop/systemd1/unit/rigpost_2eservice";

#[interface(name = "org.freedesktop.systemd1.Manager")]
impl Manager {
    fn load_unit(&self, name: &str) -> OwnedObjectPath {
        assert_eq!(name, "rigpost.service");
        PATH.try_into().unwrap()
    }
}

#[interface(name = "org.freedesktop.systemd1.Unit")]
impl OfUnit {
    #[zbus(property)]
    fn load_state(&self) -> &'static str {
        self.0.lock().unwrap().load
    }
    #[zbus(property)]
    fn active_state(&self) -> &'static str {
        self.0.lock().unwrap().active
    }
    #[zbus(property)]
    fn sub_state(&self) -> &'static str {
        self.0.lock().unwrap().sub
    }
}

#[interface(name = "org.freedesktop.systemd1.Service")]
impl OfService {
    #[zbus(property)]
    fn result(&self) -> &'static str {
        self.0.lock().unwrap().result
    }
    #[zbus(property)]
    fn exec_main_status(&self) -> i32 {
        self.0.lock().unwrap().status
    }
    #[zbus(property)]
    fn exec_main_exit_timestamp_monotonic(&self) -> u64 {
        7
    }
    #[zbus(property, name = "NRestarts")]
    fn n_restarts(&self) -> u32 {
        self.0.lock().unwrap().restarts
    }
}

async fn systemd(bus: &Bus, unit: &Shared) -> Connection {
    zbus::connection::Builder::address(bus.address.as_str())
        .serve_at("/org/freedesktop/systemd1", Manager)
        .serve_at(PATH, OfUnit(unit.clone()))
        .serve_at(PATH, OfService(unit.clone()))
        .name("org.freedesktop.systemd1")
        .build()
        .await
        .unwrap()
}

/// The code and what is said of the failure, with this configuration.
async fn status(bus: &Bus, config: &str) -> (i32, String) {
    let path = bus.path("rigpost.toml");
    std::fs::write(&path, config).unwrap();
    let begun = tokio::time::Instant::now();
    let (status, output, errors) = run(bus, &["status", "--config", path.to_str().unwrap()]).await;
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    assert_eq!(output, "");
    (status, errors)
}

#[tokio::test]
async fn a_mistake_in_the_configuration_is_named_with_its_line() {
    let bus = Bus::new();
    let (code, errors) = status(&bus, "[provider]\nheartbeat = 120\n\n[queue]\nmax_itmes = 7\n").await;
    assert_eq!(code, 3);
    let line = format!("the daemon can't start: {}:5: ", bus.path("rigpost.toml").display());
    assert!(errors.contains(&line) && errors.contains("max_itmes"), "{errors}");
    assert!(errors.contains("next: correct that line, then: sudo systemctl restart rigpost"), "{errors}");
    // The identity that the file names is read by the daemon before anything else, too.
    let (code, errors) = status(&bus, "[device]\nclient_id_file = \"/nonexistent/serial\"\n").await;
    assert!(code == 3 && errors.contains("/nonexistent/serial: key `device.client_id_file`"), "{errors}");
}

#[tokio::test]
async fn without_a_mistake_it_is_what_the_service_manager_says() {
    let bus = Bus::new();
    let unit = Shared::new(Mutex::new(FINE));
    let (code, errors) = status(&bus, "").await;
    assert!(code == 3 && errors.contains("the bus does not know how to start it"), "{errors}");
    let _systemd = systemd(&bus, &unit).await;
    for (now, said) in [
        (FINE, "the bus does not know how to start it"),
        (Unit { load: "masked", ..FINE }, "rigpost.service is masked"),
        (
            Unit { active: "failed", sub: "failed", result: "exit-code", status: 78, ..FINE },
            "the daemon can't start: it did not take its configuration (exit status 78)\n  next: systemctl status rigpost",
        ),
        // Once is no reason: it is on its way.
        (Unit { restarts: 1, ..CRASHED }, "the bus does not know how to start it"),
        (
            Unit { restarts: 2, ..CRASHED },
            "the daemon can't start: it was killed by signal 11; it is started again and again\n",
        ),
    ] {
        *unit.lock().unwrap() = now;
        let (code, errors) = status(&bus, "").await;
        assert!(code == 3 && errors.contains(said), "{said}: {errors}");
    }
}

#[tokio::test]
async fn a_daemon_that_runs_is_asked_whatever_the_file_says_by_now() {
    let bus = Bus::new();
    let _service = unpaired(vec![]).serve(&bus).await;
    let path = bus.path("rigpost.toml");
    std::fs::write(&path, "[queue]\nmax_itmes = 7\n").unwrap();
    let (code, output, errors) = run(&bus, &["status", "--config", path.to_str().unwrap()]).await;
    assert!(code == 0 && output.starts_with("● Not paired"), "{output}{errors}");
}
