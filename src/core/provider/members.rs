//! An answer's members, each read apart from the others.
//!
//! # Decisions
//! - What is read is what is there: a byte order mark before it, a form where JSON was expected, a number that is written as
//!   a text, a text that is written as a number. A member of an odd kind hides no other, and is as good as missing.
//! - A reader of our own, and no structs: those refuse the whole for one member that is not what they say, and
//!   `serde_json::Value` would leave tokens behind in memory that is not overwritten.
use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use url::form_urlencoded;
use zeroize::Zeroizing;

/// No answer of the flow has so many, and no more are kept of one that has.
const MOST: usize = 256;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The body behind its byte order mark, if it has one.
pub(super) fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body)
}

/// The members of an object that are texts, numbers or truth values, as texts. Overwritten when dropped.
#[derive(Default)]
pub struct Members(Vec<Member>);

struct Member {
    name: String,
    text: Zeroizing<String>,
    /// Written as a text, and not as a number.
    is_text: bool,
}

impl Members {
    /// Of a JSON object, or of a form; `None` for what is neither.
    pub fn read(body: &[u8]) -> Option<Members> {
        let body = without_mark(body);
        serde_json::from_slice(body).ok().or_else(|| Members::of_form(body))
    }

    /// RFC 6749 has JSON; some providers answer with a form (GitHub). Only what has a member of the protocol is taken for
    /// one: almost any text could be.
    fn of_form(body: &[u8]) -> Option<Members> {
        let known = ["error", "access_token", "device_code"];
        let plausible = body.first().is_some_and(u8::is_ascii_alphabetic) && body.contains(&b'=');
        let pairs = form_urlencoded::parse(plausible.then_some(body)?.trim_ascii_end());
        let member = |(name, text): (Cow<'_, str>, Cow<'_, str>)| Member {
            name: name.into_owned(),
            text: Zeroizing::new(text.into_owned()),
            is_text: true,
        };
        let members: Vec<_> = pairs.take(MOST).map(member).collect();
        members.iter().any(|member| known.contains(&member.name.as_str())).then_some(Members(members))
    }

    /// The first of that name that is no empty text.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.find(name, false).map(|at| self.0[at].text.as_str())
    }

    /// The same where it is written as a text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.find(name, true).map(|at| self.0[at].text.as_str())
    }

    /// As [`Members::get`], moved out.
    pub fn take(&mut self, name: &str) -> Option<Zeroizing<String>> {
        self.find(name, false).map(|at| self.0.remove(at).text)
    }

    /// As [`Members::text`], moved out: a token that was a number would be another's mistake.
    pub fn take_text(&mut self, name: &str) -> Option<Zeroizing<String>> {
        self.find(name, true).map(|at| self.0.remove(at).text)
    }

    fn find(&self, name: &str, as_text: bool) -> Option<usize> {
        self.0.iter().position(|m| m.name == name && !m.text.is_empty() && (m.is_text || !as_text))
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Members, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            //= https://www.rfc-editor.org/rfc/rfc6749#section-5.1
            //# The client MUST ignore unrecognized value names in the response.
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                    members.extend(member(name, value.get()).filter(|_| members.len() < MOST));
                }
                Ok(Members(members))
            }
        }

        from.deserialize_map(Object)
    }
}

/// Of a value as it is written; `None` for what is no text and no number.
fn member(name: String, value: &str) -> Option<Member> {
    let is_text = value.starts_with('"');
    let is_number = value.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    let text = if is_text { serde_json::from_str(value).ok()? } else { value.to_owned() };
    (is_text || is_number).then(|| Member { name, text: Zeroizing::new(text), is_text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_hides_no_other() {
        let odd = [
            r#"{"error":"invalid_grant","errors":null}"#,
            r#"{"message":["a","b"],"error":"invalid_grant"}"#,
            r#"{"errors":{"deep":[{"error":"x"}]},"error":"invalid_grant","code":true}"#,
            r#"{"error":null,"error":"invalid_grant"}"#,
            "\u{feff}{\"error\":\"invalid_grant\"}",
            " \n{\"error\":\"invalid_grant\"}\r\n",
            "error=invalid_grant&error_description=no+more",
            "state=1&error=invalid%5Fgrant\n",
        ];
        for body in odd {
            let members = Members::read(body.as_bytes()).unwrap_or_else(|| panic!("{body}"));
            assert_eq!(members.get("error"), Some("invalid_grant"), "{body}");
        }
        let mut numbers =
            Members::read(br#"{"user_code":1234567,"interval":"5","expires_in":1.5,"x":-3}"#).unwrap();
        assert_eq!((numbers.get("user_code"), numbers.get("interval")), (Some("1234567"), Some("5")));
        assert_eq!((numbers.get("expires_in"), numbers.get("x")), (Some("1.5"), Some("-3")));
        assert_eq!(numbers.take("interval").as_deref().map(String::as_str), Some("5"));
        assert_eq!(numbers.get("interval"), None);
    }

    #[test]
    fn what_has_no_members_is_not_read() {
        for body in
            ["", "null", "[]", "\"error\"", "{", "<html>error=1</html>", "sorry, error = 5", "a=b", "=error"]
        {
            assert!(Members::read(body.as_bytes()).is_none(), "{body}");
        }
    }
}
