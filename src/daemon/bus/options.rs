//! The `a{sv}` at the end of every method: typed, and nothing unknown in it.
use std::collections::HashMap;

use zbus::OwnedVariant;

use rigpost_contract::option::OptionKey;
use rigpost_core::command::Refusal;

/// A call's options; [`Options::finish`] refuses what nobody took.
#[derive(Debug)]
pub struct Options(HashMap<String, OwnedVariant>);

impl Options {
    /// At most a few are ever sent.
    pub fn new(options: HashMap<String, OwnedVariant>) -> Options {
        Options(options)
    }

    /// Takes an option out; the wrong type is refused by name.
    pub fn take<T: TryFrom<OwnedVariant>>(&mut self, key: OptionKey) -> Result<Option<T>, Refusal> {
        let Some(value) = self.0.remove(key.as_str()) else { return Ok(None) };
        T::try_from(value).map(Some).map_err(|_| {
            let (meaning, signature) = (key.meaning(), key.signature());
            Refusal::InvalidArgs(format!("option \"{key}\" must be {meaning} ({signature})"))
        })
    }

    /// Refuses the call when something is left.
    pub fn finish(self) -> Result<(), Refusal> {
        match self.0.into_keys().min() {
            None => Ok(()),
            Some(key) => {
                let key: String = key.chars().filter(|c| !c.is_control()).take(40).collect();
                Err(Refusal::InvalidArgs(format!("unknown option \"{key}\"")))
            }
        }
    }
}

/// For methods that take no options yet.
pub fn none(options: HashMap<String, OwnedVariant>) -> Result<(), Refusal> {
    Options::new(options).finish()
}
