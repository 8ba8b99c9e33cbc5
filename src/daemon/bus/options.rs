//! The `a{sv}` at the end of every method, and the lists beside it: typed, bounded, and nothing unknown in it.
//!
//! # Decisions
//! - Read straight into the types that the contract names. A value of the library's own is a hundred bytes for each byte on
//!   the wire; what nobody asked for is passed over, and only its name is kept.
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
    unknown: Option<String>,
}

impl Options {
    /// Takes an option out; the wrong type is refused by name.
    pub fn take<T: TryFrom<Given>>(&mut self, key: OptionKey) -> Result<Option<T>, Refusal> {
        let Some(value) = self.given.remove(&key) else { return Ok(None) };
        T::try_from(value).map(Some).map_err(|_| {
            let (meaning, signature) = (key.meaning(), key.signature());
            Refusal::InvalidArgs(format!("option \"{key}\" must be {meaning} ({signature})"))
        })
    }

    /// Refuses the call when something is left.
    pub fn finish(self) -> Result<(), Refusal> {
        let left = self.given.into_keys().map(|key| key.as_str().to_owned());
        match left.chain(self.unknown).min() {
            None => Ok(()),
            Some(key) => Err(Refusal::InvalidArgs(format!("unknown option \"{key}\""))),
        }
    }
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
            let key = name.parse::<OptionKey>().ok();
            let value = map.next_value_seed(Value(key))?;
            match key {
                Some(key) => drop(options.given.insert(key, value)),
                None => {
                    let shown: String = name.chars().filter(|c| !c.is_control()).take(SHOWN).collect();
                    // The first of them in the order of names, however many there are.
                    options.unknown = options.unknown.into_iter().chain([shown]).min();
                }
            }
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
            /// Something else than the contract says; it was passed over.
            Other,
        }

        impl Given {
            fn next<'de, A: SeqAccess<'de>>(seq: &mut A, signature: Option<&str>) -> Result<Option<Given>, A::Error> {
                match signature {
                    $(Some($signature) => seq.next_element().map(|value| value.map(Given::$variant)),)*
                    _ => seq.next_element::<IgnoredAny>().map(|value| value.map(|_| Given::Other)),
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

/// The value of this option; of no option that is known, or of another type, it is passed over.
struct Value(Option<OptionKey>);

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
        let wanted = self.0.map(OptionKey::signature).filter(|wanted| signature == *wanted);
        let value = match wanted {
            // Bytes are passed over at once; anything else piece by piece.
            None if signature == "ay" => seq.next_element::<Passed>()?.map(|_| Given::Other),
            _ => Given::next(&mut seq, wanted)?,
        };
        value.ok_or_else(|| A::Error::invalid_length(1, &self))
    }
}

/// Bytes that nobody wants.
struct Passed;

impl<'de> Deserialize<'de> for Passed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Passed, D::Error> {
        deserializer.deserialize_bytes(BytesVisitor(|_| Passed))
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
        deserializer.deserialize_bytes(BytesVisitor(|bytes| Bytes(bytes.to_vec())))
    }
}

struct BytesVisitor<T>(fn(&[u8]) -> T);

impl<T> Visitor<'_> for BytesVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<T, E> {
        Ok((self.0)(bytes))
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

    /// What becomes of it, and of an argument that comes behind it.
    fn read(sent: Sent<'_>) -> Options {
        let data = to_bytes(Context::new(LE, 0), &(sent, 7u32)).unwrap();
        let (options, behind): (Options, u32) = data.deserialize().unwrap().0;
        assert_eq!(behind, 7, "it is read to its end");
        options
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
            let options = read(Sent::from([(key.as_str(), fitting)]));
            assert!(!matches!(options.given[&key], Given::Other), "{key}");
            let mut options = read(Sent::from([(key.as_str(), 1.5.into())]));
            assert!(matches!(options.given[&key], Given::Other), "{key}");
            let refused = options.take::<u8>(key).unwrap_err().to_string();
            assert!(refused.contains(key.as_str()) && refused.contains(key.signature()), "{refused}");
        }
    }

    #[test]
    fn what_nobody_knows_is_passed_over_whatever_it_is() {
        let nested =
            Variant::from(HashMap::from([("k", Variant::new(Variant::from((1u8, "x", vec![2.0]))))]));
        let all: [Variant<'_>; 9] = [
            vec![7u8; 1000].into(),
            vec![7u16; 3].into(),
            vec![true, false].into(),
            vec![(1u8, "a"), (2, "b")].into(),
            Vec::<u64>::new().into(),
            Variant::new(Variant::from(1u8)),
            nested,
            zbus::ObjectPath::try_from("/a").unwrap().into(),
            1.5.into(),
        ];
        for value in all {
            let said = format!("{value:?}");
            let sent = Sent::from([("zz", value), ("b\nogus", 1u8.into()), ("name", "x".into())]);
            let mut options = read(sent);
            assert_eq!(options.take::<String>(OptionKey::Name).unwrap().unwrap(), "x", "{said}");
            let refused = options.finish().unwrap_err().to_string();
            assert!(refused.contains("unknown option \"bogus\""), "{refused}");
        }
        let options = read(Sent::from([("name", "x".into())]));
        assert!(options.finish().unwrap_err().to_string().contains("unknown option \"name\""));
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
        let mut options = read(Sent::from([("paths_bytes", bytes.clone().into())]));
        let read = options.take::<Many<Bytes>>(OptionKey::PathsBytes).unwrap().unwrap();
        let read: Vec<Vec<u8>> = read.within("paths").unwrap().into_iter().map(|b| b.0).collect();
        assert_eq!(read, bytes);
    }
}
