//! The `a{sv}` at the end of every method, and the lists beside it: typed, bounded, and nothing unknown in it.
//!
//! # Decisions
//! - Read straight into the types that the contract names: a value of the library's own is a hundred bytes for each byte on
//!   the wire. What nobody knows ends the reading by its name, which the library answers with InvalidArgs.
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use zbus::{Signature, Type, Variant};

use rigpost_contract::method::MAX_MANY;
use rigpost_contract::option::OptionKey;
use rigpost_core::command::Refusal;

/// What is shown of a name that nobody knows.
const SHOWN: usize = 40;

/// A call's options; [`Options::finish`] refuses what nobody took.
#[derive(Debug, Default)]
pub struct Options {
    given: BTreeMap<OptionKey, Given>,
}

impl Options {
    /// Takes an option out.
    pub fn take<T: TryFrom<Given>>(&mut self, key: OptionKey) -> Result<Option<T>, Refusal> {
        let Some(value) = self.given.remove(&key) else { return Ok(None) };
        T::try_from(value).map(Some).map_err(|_| Refusal::InvalidArgs(mistyped(key)))
    }

    /// Refuses the call when something is left.
    pub fn finish(self) -> Result<(), Refusal> {
        match self.given.into_keys().map(OptionKey::as_str).min() {
            None => Ok(()),
            Some(name) => Err(Refusal::InvalidArgs(unknown(name))),
        }
    }
}

fn mistyped(key: OptionKey) -> String {
    let (meaning, signature) = (key.meaning(), key.signature());
    format!("option \"{key}\" must be {meaning} ({signature})")
}

fn unknown(name: &str) -> String {
    let shown: String = name.chars().filter(|c| !c.is_control()).take(SHOWN).collect();
    format!("unknown option \"{shown}\"")
}

/// For methods that take no options yet.
pub fn none(options: Options) -> Result<(), Refusal> {
    options.finish()
}

impl Type for Options {
    const SIGNATURE: &'static Signature = <BTreeMap<String, Variant<'_>> as Type>::SIGNATURE;
}

impl<'de> Deserialize<'de> for Options {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Options, D::Error> {
        deserializer.deserialize_map(OptionsVisitor)
    }
}

struct OptionsVisitor;

impl<'de> Visitor<'de> for OptionsVisitor {
    type Value = Options;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("options")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Options, A::Error> {
        let mut options = Options::default();
        while let Some(name) = map.next_key::<&str>()? {
            let key: OptionKey = name.parse().map_err(|_| A::Error::custom(unknown(name)))?;
            options.given.insert(key, map.next_value_seed(Value(key))?);
        }
        Ok(options)
    }
}

macro_rules! given {
    ($($signature:literal $variant:ident($type:ty))*) => {
        /// An option's value.
        #[derive(Debug)]
        pub enum Given {
            $(#[doc = concat!("Of signature `", $signature, "`.")] $variant($type),)*
        }

        impl Given {
            fn next<'de, A: SeqAccess<'de>>(seq: &mut A, key: OptionKey) -> Result<Option<Given>, A::Error> {
                match key.signature() {
                    $($signature => seq.next_element().map(|value| value.map(Given::$variant)),)*
                    _ => Ok(None),
                }
            }
        }

        $(impl TryFrom<Given> for $type {
            type Error = ();

            fn try_from(given: Given) -> Result<$type, ()> {
                if let Given::$variant(value) = given { Ok(value) } else { Err(()) }
            }
        })*
    };
}

given! {
    "y" Byte(u8)
    "b" Bool(bool)
    "i" I32(i32)
    "u" U32(u32)
    "t" U64(u64)
    "s" Text(String)
    "as" Texts(Many<String>)
    "at" Numbers(Many<u64>)
    "aay" Strings(Many<Bytes>)
}

/// The value of this option.
struct Value(OptionKey);

impl<'de> DeserializeSeed<'de> for Value {
    type Value = Given;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Given, D::Error> {
        deserializer.deserialize_struct("Variant", &["signature", "value"], self)
    }
}

impl<'de> Visitor<'de> for Value {
    type Value = Given;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a variant")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Given, A::Error> {
        let signature: Signature = seq.next_element()?.ok_or_else(|| A::Error::invalid_length(0, &self))?;
        if signature != self.0.signature() {
            return Err(A::Error::custom(mistyped(self.0)));
        }
        Given::next(&mut seq, self.0)?.ok_or_else(|| A::Error::invalid_length(1, &self))
    }
}

/// A byte string.
#[derive(Debug)]
pub struct Bytes(pub Vec<u8>);

impl Type for Bytes {
    const SIGNATURE: &'static Signature = <Vec<u8> as Type>::SIGNATURE;
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        deserializer.deserialize_bytes(BytesVisitor)
    }
}

struct BytesVisitor;

impl Visitor<'_> for BytesVisitor {
    type Value = Bytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
        Ok(Bytes(bytes.to_vec()))
    }
}

/// A list of at most [`MAX_MANY`]; what is beyond is passed over and remembered.
#[derive(Debug)]
pub struct Many<T> {
    list: Vec<T>,
    over: bool,
}

impl<T> Many<T> {
    /// The list, or a refusal where there were more; `what` they are.
    pub fn within(self, what: &str) -> Result<Vec<T>, Refusal> {
        match self.over {
            false => Ok(self.list),
            true => Err(too_many(what)),
        }
    }
}

/// More than [`MAX_MANY`] of these.
pub fn too_many(what: &str) -> Refusal {
    Refusal::LimitsExceeded(format!("at most {MAX_MANY} {what} at once"))
}

impl<T> From<Vec<T>> for Many<T> {
    fn from(list: Vec<T>) -> Many<T> {
        Many { over: list.len() > MAX_MANY, list }
    }
}

impl<T: Type> Type for Many<T> {
    const SIGNATURE: &'static Signature = <Vec<T> as Type>::SIGNATURE;
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Many<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Many<T>, D::Error> {
        deserializer.deserialize_seq(ManyVisitor(PhantomData))
    }
}

struct ManyVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ManyVisitor<T> {
    type Value = Many<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Many<T>, A::Error> {
        let mut list = Vec::new();
        while list.len() < MAX_MANY {
            match seq.next_element()? {
                Some(one) => list.push(one),
                None => return Ok(Many { list, over: false }),
            }
        }
        let mut over = false;
        while seq.next_element::<IgnoredAny>()?.is_some() {
            over = true;
        }
        Ok(Many { list, over })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use zbus::wire::serialized::Context;
    use zbus::wire::{LE, to_bytes};

    use super::*;

    type Sent<'a> = HashMap<&'a str, Variant<'a>>;

    /// The options, read before an argument that comes behind them; or the sentence that refuses them.
    fn read(sent: Sent<'_>) -> Result<Options, String> {
        let data = to_bytes(Context::new(LE, 0), &(sent, 7u32)).unwrap();
        let ((options, behind), _): ((Options, u32), _) = data.deserialize().map_err(|e| e.to_string())?;
        assert_eq!(behind, 7, "they are read to their end");
        Ok(options)
    }

    #[test]
    fn every_option_of_the_contract_is_read_and_another_type_is_refused_by_name() {
        for key in OptionKey::ALL.iter().copied() {
            let fitting: Variant<'_> = match key.signature() {
                "y" => 1u8.into(),
                "b" => true.into(),
                "i" => (-1i32).into(),
                "u" => 1u32.into(),
                "t" => 1u64.into(),
                "s" => "a".into(),
                "as" => vec!["a"].into(),
                "at" => vec![1u64].into(),
                "aay" => vec![vec![1u8]].into(),
                other => panic!("{other}"),
            };
            let options = read(Sent::from([(key.as_str(), fitting)])).unwrap();
            let refused = options.finish().unwrap_err().to_string();
            assert!(refused.contains(&format!("unknown option \"{key}\"")), "{refused}");
            let refused = read(Sent::from([(key.as_str(), 1.5.into())])).unwrap_err();
            assert_eq!(refused, mistyped(key));
        }
    }

    #[test]
    fn what_nobody_knows_is_refused_by_name_whatever_it_is() {
        let all: [Variant<'_>; 4] =
            [vec![7u8; 1000].into(), vec![(1u8, "a")].into(), Variant::new(Variant::from(1u8)), 1.5.into()];
        for value in all {
            let refused = read(Sent::from([("b\nogus", value)])).unwrap_err();
            assert_eq!(refused, "unknown option \"bogus\"");
        }
        let long = "x".repeat(5000);
        assert!(read(Sent::from([(long.as_str(), 1u8.into())])).unwrap_err().len() < 100);
    }

    #[test]
    fn lists_are_bounded_and_read_to_their_end() {
        for (n, over) in [(0, false), (MAX_MANY, false), (MAX_MANY + 1, true), (MAX_MANY * 3, true)] {
            let data = to_bytes(Context::new(LE, 0), &(vec!["a"; n], 7u32)).unwrap();
            let (many, behind): (Many<String>, u32) = data.deserialize().unwrap().0;
            assert_eq!((many.list.len(), behind), (n.min(MAX_MANY), 7));
            assert_eq!(many.within("paths").is_err(), over, "{n}");
        }
        let bytes: Vec<Vec<u8>> = vec![b"/a".to_vec(), vec![], vec![0xff, 0]];
        let mut options = read(Sent::from([("paths_bytes", bytes.clone().into())])).unwrap();
        let read = options.take::<Many<Bytes>>(OptionKey::PathsBytes).unwrap().unwrap();
        let read: Vec<Vec<u8>> = read.within("paths").unwrap().into_iter().map(|b| b.0).collect();
        assert_eq!(read, bytes);
    }
}
