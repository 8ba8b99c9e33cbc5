//! What `Pairing.Unpair` and `Device.Forget` take and answer.
use std::collections::HashMap;

use crate::bus::options::Options;
use crate::bus::queue::Dict;
use rigpost_contract::ending::{EndedKey, Erased};
use rigpost_contract::option::OptionKey;
use rigpost_core::command::{Asking, Ended, Refusal};

/// Whether the provider is to be asked.
pub fn asking(options: Options) -> Result<Asking, Refusal> {
    let mut options = options;
    let offline: Option<bool> = options.take(OptionKey::Offline)?;
    options.finish()?;
    Ok(if offline == Some(true) { Asking::Nobody } else { Asking::Provider })
}

/// As the bus has it.
pub fn dict(ended: Ended) -> Dict {
    let erased: Vec<&'static str> = ended.erased.into_iter().map(Erased::as_str).collect();
    HashMap::from([
        (EndedKey::Revocation.as_str(), ended.revocation.as_str().into()),
        (EndedKey::Detail.as_str(), ended.detail.into()),
        (EndedKey::Kept.as_str(), ended.kept.into()),
        (EndedKey::Erased.as_str(), erased.into()),
        (EndedKey::At.as_str(), ended.at.0.into()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use rigpost_contract::ending::Revocation;
    use rigpost_core::time::WallTime;

    #[test]
    fn the_answer_has_every_key_with_its_type() {
        let ended = Ended {
            revocation: Revocation::Refused,
            detail: "invalid_client".to_owned(),
            kept: true,
            erased: vec![Erased::Tokens],
            at: WallTime(1),
        };
        let dict = dict(ended);
        assert_eq!(dict.len(), EndedKey::ALL.len());
        for key in EndedKey::ALL {
            assert_eq!(dict[key.as_str()].value_signature().to_string(), key.signature(), "{key}");
        }
    }
}
