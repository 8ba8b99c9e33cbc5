//! Dictionaries on the bus.
use std::collections::BTreeMap;

use zbus::{OwnedVariant, Variant};

/// Options of a method: none unless said otherwise.
pub(crate) type Options<'a> = BTreeMap<&'a str, Variant<'a>>;
/// Properties of an interface, or keys of an item.
pub(crate) type Dict = BTreeMap<String, OwnedVariant>;

/// What the key says, taken out; the default where it is missing or of another type.
pub(super) fn take<T: TryFrom<OwnedVariant> + Default>(all: &mut Dict, key: &str) -> T {
    all.remove(key).and_then(|value| T::try_from(value).ok()).unwrap_or_default()
}
