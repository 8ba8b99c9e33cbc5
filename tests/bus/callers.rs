//! Who called what is said in the journal, before it is done.
use zbus::{Connection, ObjectPath, Variant, fdo};

use crate::common::*;

const SYSTEMD: &str = "org.freedesktop.systemd1";

/// systemd as far as it is asked: one process is part of this unit, the rest of none.
struct Manager {
    pid: u32,
    unit: &'static str,
}

#[zbus::interface(name = "org.freedesktop.systemd1.Manager")]
impl Manager {
    #[zbus(name = "GetUnitByPID")]
    async fn get_unit_by_pid(&self, pid: u32) -> fdo::Result<ObjectPath<'static>> {
        if self.unit.is_empty() {
            std::future::pending::<()>().await;
        }
        if pid != self.pid {
            return Err(fdo::Error::Failed(format!("PID {pid} does not belong to any loaded unit")));
        }
        Ok(ObjectPath::try_from(format!("/org/freedesktop/systemd1/unit/{}", self.unit)).unwrap())
    }
}

/// `unit`: as a path has it; an empty one keeps whoever asks waiting.
async fn systemd(rig: &Rig, unit: &'static str) -> Connection {
    let builder = zbus::connection::Builder::address(rig.bus.address.as_str());
    let builder = builder.serve_at("/org/freedesktop/systemd1", Manager { pid: std::process::id(), unit });
    soon("the bus", builder.name(SYSTEMD).build()).await.unwrap()
}

async fn limit(rig: &Rig, limit: u64) {
    let body = (QUEUE, "BandwidthLimit", Variant::from(limit));
    rig.call("org.freedesktop.DBus.Properties", "Set", &body).await.unwrap();
}

#[tokio::test]
async fn whatever_changes_something_is_said_with_who_called_it() {
    let rig = Setup::new().start().await;
    let _systemd = systemd(&rig, "camera_2dui_2eservice").await;
    let who = format!("caller_uid=0 caller_pid={} caller_unit=\"camera-ui.service\"", std::process::id());
    let said = async |before: usize, called: &str| {
        let line = rig.log.wait(before, &format!("called {called} caller")).await;
        assert!(line.contains(&who), "{line}");
    };
    let before = rig.log.len();
    rig.provision(SECRET).await.unwrap();
    said(before, "Device.Provision").await;
    for (interface, method) in
        [(PAIRING, "Start"), (PAIRING, "Cancel"), (QUEUE, "Pause"), (QUEUE, "Resume"), (QUEUE, "Clear")]
    {
        let before = rig.log.len();
        rig.call(interface, method, &(none(),)).await.unwrap();
        said(before, &format!("{}.{method}", interface.rsplit('.').next().unwrap())).await;
    }
    let before = rig.log.len();
    limit(&rig, 50_000).await;
    said(before, "Queue.BandwidthLimit of 50000").await;
    rig.pair().await;
    let before = rig.log.len();
    rig.call(PAIRING, "Unpair", &(none(),)).await.unwrap();
    said(before, "Pairing.Unpair").await;
    let lines = rig.log.all();
    let at = |words: &str| lines.iter().skip(before).position(|line| line.contains(words)).unwrap();
    assert!(
        at("called Pairing.Unpair") < at("pairing_state=\"unpaired\""),
        "first who, then what: {lines:#?}"
    );

    let mut ids = vec![];
    for name in ["a.mov", "b.mov"] {
        ids.push(rig.add(rig.clip(name, 5000)).await.unwrap());
    }
    let of = format!("{}, {}", ids[0], ids[1]);
    for method in ["Retry", "Cancel"] {
        let before = rig.log.len();
        rig.call(QUEUE, method, &(&ids, none())).await.unwrap();
        said(before, &format!("Queue.{method} of {of}")).await;
    }
    let before = rig.log.len();
    rig.call(QUEUE, "Release", &(&ids, none())).await.unwrap_err();
    said(before, &format!("Queue.Release of {of}")).await;
    rig.log.wait(before, "refused Release: this rig is not paired").await;
    let before = rig.log.len();
    rig.call(QUEUE, "SetPriority", &(&ids, 5, none())).await.unwrap();
    said(before, &format!("Queue.SetPriority of {of}")).await;
    let before = rig.log.len();
    rig.forget().await.unwrap();
    said(before, "Device.Forget").await;
}

/// The hold of a camera must not wait for a service manager that is busy with itself.
#[tokio::test]
async fn nobody_waits_long_for_a_systemd_that_does_not_answer() {
    let rig = Setup::new().provisioned().await;
    let _systemd = systemd(&rig, "").await;
    let (before, begun) = (rig.log.len(), tokio::time::Instant::now());
    let hold = std::collections::HashMap::from([("while_recording", Variant::from(true))]);
    rig.call(QUEUE, "Pause", &(hold,)).await.unwrap();
    assert!(begun.elapsed() < std::time::Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!(rig.get::<bool>(QUEUE, "Recording").await);
    let line = rig.log.wait(before, "called Queue.Pause while recording").await;
    let who = format!("caller_uid=0 caller_pid={}", std::process::id());
    assert!(line.contains(&who) && !line.contains("caller_unit"), "{line}");
}
