//! What people and programs ask of a rig over the bus.
use std::collections::HashMap;
use std::io::Write as _;
use std::os::fd::AsFd;
use std::path::Path;

use futures_util::StreamExt as _;
use zbus::{DBusError as _, Fd, Message, OwnedVariant, Variant};

use super::{NAME, PATH, PROJECT, Rig, soon};

pub(crate) const DEVICE: &str = "org.rigpost.Rigpost1.Device";
pub(crate) const PAIRING: &str = "org.rigpost.Rigpost1.Pairing";
pub(crate) const QUEUE: &str = "org.rigpost.Rigpost1.Queue";

pub(crate) type Dict = HashMap<String, OwnedVariant>;

/// An error reply: the name without our prefix, and the sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) name: String,
    pub(crate) text: String,
}

impl From<zbus::Error> for Refused {
    fn from(e: zbus::Error) -> Refused {
        let (name, text) = if let zbus::Error::MethodError(name, text, _) = &e {
            (name.to_string(), text.clone().unwrap_or_default())
        } else if let zbus::Error::FDO(e) = &e {
            (e.name().to_string(), e.description().unwrap_or_default().to_owned())
        } else {
            panic!("neither an answer nor an error reply: {e}")
        };
        let ours = name.strip_prefix("org.rigpost.Rigpost1.Error.");
        let name =
            ours.or_else(|| name.strip_prefix("org.freedesktop.DBus.Error.")).unwrap_or(&name).to_owned();
        Refused { name, text }
    }
}

/// No options.
pub(crate) fn none() -> HashMap<&'static str, Variant<'static>> {
    HashMap::new()
}

/// A text in a dictionary; empty if it is not there.
pub(crate) fn text(dict: &Dict, key: &str) -> String {
    dict.get(key).map(|v| v.downcast_ref::<&str>().unwrap().to_owned()).unwrap_or_default()
}

impl Rig {
    /// Any method call on the object.
    pub(crate) async fn call<B>(&self, interface: &str, method: &str, body: &B) -> Result<Message, Refused>
    where
        B: serde::Serialize + zbus::DynamicType,
    {
        let call = self.ui.call_method(Some(NAME), PATH, Some(interface), method, body);
        Ok(soon(&format!("an answer to {method}"), call).await?)
    }

    /// All properties of an interface.
    pub(crate) async fn properties(&self, interface: &str) -> Dict {
        let answer = self.call("org.freedesktop.DBus.Properties", "GetAll", &(interface,)).await.unwrap();
        answer.body().deserialize().unwrap()
    }

    /// One property.
    pub(crate) async fn get<T: TryFrom<OwnedVariant>>(&self, interface: &str, name: &str) -> T {
        let mut all = self.properties(interface).await;
        let value = all.remove(name).unwrap_or_else(|| panic!("{interface} has no {name}"));
        T::try_from(value).unwrap_or_else(|_| panic!("{name} has another type"))
    }

    pub(crate) async fn text(&self, interface: &str, name: &str) -> String {
        self.get(interface, name).await
    }

    pub(crate) async fn state(&self) -> String {
        self.text(PAIRING, "State").await
    }

    pub(crate) async fn reason(&self) -> String {
        self.text(PAIRING, "Reason").await
    }

    pub(crate) async fn device_id(&self) -> String {
        self.text(DEVICE, "DeviceId").await
    }

    /// What a person reads of why nothing moves.
    pub(crate) async fn blocker_sentences(&self) -> Vec<String> {
        let all: Vec<(String, String, String)> = self.get(DEVICE, "Blockers").await;
        all.into_iter().map(|(_, sentence, _)| sentence).collect()
    }

    /// What support reads of it.
    pub(crate) async fn blocker_details(&self) -> Vec<String> {
        let all: Vec<(String, String, String)> = self.get(DEVICE, "Blockers").await;
        all.into_iter().map(|(_, _, detail)| detail).collect()
    }

    pub(crate) async fn blockers(&self) -> Vec<String> {
        let all: Vec<(String, String, String)> = self.get(DEVICE, "Blockers").await;
        all.into_iter().map(|(code, ..)| code).collect()
    }

    /// Looks at the properties at once and after each signal, until they are as wanted. A change that is not announced
    /// by a signal is not seen, and fails the test.
    pub(crate) async fn wait(&self, interface: &str, what: &str, wanted: impl Fn(&Dict) -> bool) -> Dict {
        let mut signals = self.bus.signals(&self.ui).await;
        let mut last = Dict::new();
        let look = async {
            loop {
                last = self.properties(interface).await;
                if wanted(&last) {
                    return;
                }
                signals.next().await.expect("the bus is there").unwrap();
            }
        };
        if tokio::time::timeout(super::PATIENCE, look).await.is_err() {
            panic!("waited for {what} in vain; the last properties were {last:#?}");
        }
        last
    }

    pub(crate) async fn wait_state(&self, state: &str) -> Dict {
        self.wait(PAIRING, &format!("state {state}"), |p| text(p, "State") == state).await
    }

    pub(crate) async fn wait_reason(&self, reason: &str) -> Dict {
        self.wait(PAIRING, &format!("reason {reason}"), |p| text(p, "Reason") == reason).await
    }

    pub(crate) async fn wait_blocker(&self, code: &str) {
        let has = |p: &Dict| {
            let all: Vec<(String, String, String)> = p["Blockers"].try_clone().unwrap().try_into().unwrap();
            all.iter().any(|(c, ..)| c == code)
        };
        self.wait(DEVICE, &format!("blocker {code}"), has).await;
    }

    /// Gives the secret through a pipe, as `rigpost provision` does.
    pub(crate) async fn provision(&self, secret: &str) -> Result<(), Refused> {
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(secret.as_bytes()).unwrap();
        drop(writer);
        let fd = Fd::from(reader.as_fd());
        self.call(DEVICE, "Provision", &(fd, none())).await.map(drop)
    }

    pub(crate) async fn forget(&self) -> Result<(), Refused> {
        self.call(DEVICE, "Forget", &(none(),)).await.map(drop)
    }

    /// Pairing.Start, with nobody at the other end yet.
    pub(crate) async fn ask_to_pair(&self) -> Result<(), Refused> {
        self.call(PAIRING, "Start", &(none(),)).await.map(drop)
    }

    /// Pairing.Start with a time limit.
    pub(crate) async fn ask_to_pair_for(&self, seconds: u32) -> Result<(), Refused> {
        let options = HashMap::from([("limit", Variant::from(seconds))]);
        self.call(PAIRING, "Start", &(options,)).await.map(drop)
    }

    pub(crate) async fn cancel_pairing(&self) -> Result<(), Refused> {
        self.call(PAIRING, "Cancel", &(none(),)).await.map(drop)
    }

    pub(crate) async fn unpair(&self) -> Result<(), Refused> {
        self.call(PAIRING, "Unpair", &(none(),)).await.map(drop)
    }

    /// The same, and what became of it at the provider.
    pub(crate) async fn unpair_and_hear(&self) -> String {
        let answer = self.call(PAIRING, "Unpair", &(none(),)).await.unwrap();
        text(&answer.body().deserialize::<Dict>().unwrap(), "revocation")
    }

    /// The code on the screen.
    pub(crate) async fn code(&self) -> String {
        self.text(PAIRING, "UserCode").await
    }

    /// Asks for a code and answers with it.
    pub(crate) async fn start_pairing(&self) -> String {
        self.ask_to_pair().await.unwrap();
        self.code().await
    }

    /// The whole pairing with the first project.
    pub(crate) async fn pair(&self) -> String {
        self.pair_with(PROJECT).await
    }

    /// The whole pairing; answers when the project is known.
    pub(crate) async fn pair_with(&self, project: &str) -> String {
        let code = self.start_pairing().await;
        self.sim.approve(&code, project).unwrap();
        self.wait_project(project).await;
        code
    }

    pub(crate) async fn wait_project(&self, project: &str) {
        let ready = |p: &Dict| text(p, "State") == "paired" && text(p, "ProjectName") == project;
        self.wait(PAIRING, &format!("the pairing with {project}"), ready).await;
    }

    pub(crate) async fn add(&self, path: impl AsRef<Path>) -> Result<u64, Refused> {
        let path = path.as_ref().to_str().expect("a path that the bus can carry");
        let answer = self.call(QUEUE, "Add", &(path, none())).await?;
        Ok(answer.body().deserialize().unwrap())
    }

    /// Hands over an open file: the number of the item, and what it was.
    pub(crate) async fn hand_over(&self, file: impl AsFd, name: &str) -> Result<(u64, String), Refused> {
        let answer = self.call(QUEUE, "AddFd", &(Fd::from(file.as_fd()), name, none())).await?;
        Ok(answer.body().deserialize().unwrap())
    }

    pub(crate) async fn add_many(&self, paths: &[&str]) -> Result<Vec<u64>, Refused> {
        let answer = self.call(QUEUE, "AddMany", &(paths, none())).await?;
        Ok(answer.body().deserialize().unwrap())
    }

    /// Every item of the queue.
    pub(crate) async fn items(&self) -> Vec<Dict> {
        let answer = self.call(QUEUE, "List", &(none(), 0u32, 1000u32)).await.unwrap();
        let (items, _): (Vec<Dict>, u32) = answer.body().deserialize().unwrap();
        items
    }

    pub(crate) async fn item(&self, id: u64) -> Dict {
        let items = self.items().await;
        let wanted = |i: &Dict| i["id"].downcast_ref::<u64>().unwrap() == id;
        items.into_iter().find(wanted).unwrap_or_else(|| panic!("there is no item {id}"))
    }

    pub(crate) async fn wait_item(&self, id: u64, state: &str) -> Dict {
        self.wait_item_that(id, state, |i| text(i, "state") == state).await
    }

    /// Looks at the item at once and after each signal.
    pub(crate) async fn wait_item_that(&self, id: u64, what: &str, wanted: impl Fn(&Dict) -> bool) -> Dict {
        let mut signals = self.bus.signals(&self.ui).await;
        let mut last = Dict::new();
        let look = async {
            loop {
                last = self.item(id).await;
                if wanted(&last) {
                    return;
                }
                signals.next().await.expect("the bus is there").unwrap();
            }
        };
        if tokio::time::timeout(super::PATIENCE, look).await.is_err() {
            panic!("waited for item {id}: {what}; it was {last:#?}");
        }
        last
    }

    /// Pause, Resume, and the methods that take item numbers.
    pub(crate) async fn queue(&self, method: &str) -> Result<(), Refused> {
        self.call(QUEUE, method, &(none(),)).await.map(drop)
    }

    pub(crate) async fn queue_items(&self, method: &str, ids: &[u64]) -> Result<(), Refused> {
        self.call(QUEUE, method, &(ids, none())).await.map(drop)
    }
}
