//! Proxies, as the configuration and the environment name them.
//!
//! # Decisions
//! - Plain HTTP to the proxy, and through it a tunnel (CONNECT, RFC 9110 §9.3.6): what is in it stays between the rig and the
//!   provider. A proxy that wants TLS or SOCKS is refused by name, and not passed by.
//! - The key decides alone where it is set, `no_proxy` of the environment with the rest. Where it is not, the variables mean
//!   what they mean to curl: the lower case goes first, and `HTTP_PROXY` is not read, because a web server can be made to
//!   set it.
//! - What can't be used in the environment is said once and then passed over: it was set for all programs of the machine.
//! - The address of a proxy is shown without user and password, and everything that is said of it says that one.
use std::fmt;

use url::Url;

use rigpost_core::secret::Secret;

/// The key's word for none.
pub const NONE: &str = "none";

/// One proxy. Prints as `http://host:port`, whatever else stands in its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    shown: String,
    url: Secret,
}

/// What the configuration says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// Nothing: the environment is asked.
    #[default]
    Environment,
    /// There is none, whatever the environment says.
    Off,
    /// This one, for everything.
    This(Proxy),
}

/// Which proxy leads where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    /// For addresses of https.
    pub https: Option<Proxy>,
    /// For addresses of http.
    pub http: Option<Proxy>,
    /// Names, addresses and networks that are reached without, with commas between them.
    pub except: String,
}

impl Proxy {
    /// Reads `http://[user[:password]@]host[:port]`.
    ///
    /// # Errors
    /// It is something else; the sentence does not repeat what may be a password.
    pub fn parse(text: &str) -> Result<Proxy, String> {
        let form = format!("must be \"http://host:port\" or {NONE:?}");
        let quoted = if text.contains('@') { String::new() } else { format!(", not {text:?}") };
        let Some((scheme, _)) = text.split_once("://") else { return Err(format!("{form}{quoted}")) };
        if !scheme.eq_ignore_ascii_case("http") {
            let scheme = rigpost_core::provider::short(scheme);
            return Err(format!("{form}: {scheme:?} to a proxy is not supported"));
        }
        let url = Url::parse(text).map_err(|e| format!("{form}{quoted}: {e}"))?;
        let Some(host) = url.host_str() else { return Err(format!("{form}{quoted}")) };
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(format!("{form}, with nothing behind the port"));
        }
        if url.password().is_some() && url.username().is_empty() {
            return Err(format!("{form}: a password needs a user before it"));
        }
        let shown = format!("http://{host}:{}", url.port_or_known_default().unwrap_or(80));
        Ok(Proxy { shown, url: Secret::new(url.as_str()) })
    }

    /// With user and password, where it has them.
    pub fn url(&self) -> &Secret {
        &self.url
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl Choice {
    /// What that means where `variable` gives what a name is set to in the environment; and what there is wrong in it.
    pub fn resolve(&self, variable: impl Fn(&str) -> Option<String>) -> (Proxies, Vec<String>) {
        let mut wrong = Vec::new();
        let proxies = match self {
            Choice::Off => Proxies::default(),
            Choice::This(proxy) => {
                Proxies { https: Some(proxy.clone()), http: Some(proxy.clone()), except: String::new() }
            }
            Choice::Environment => {
                let mut first = |names: &[&str]| {
                    let (name, text) = names.iter().find_map(|name| Some((name, set(&variable, name)?)))?;
                    // Without a scheme it is http, as everywhere.
                    let text = if text.contains("://") { text } else { format!("http://{text}") };
                    Proxy::parse(&text).map_err(|why| wrong.push(format!("{name} {why}"))).ok()
                };
                let except = ["no_proxy", "NO_PROXY"].iter().find_map(|name| set(&variable, name));
                let except = except.unwrap_or_default();
                // Addresses too, which the matcher does not take it for.
                if except.split(',').any(|entry| entry.trim() == "*") {
                    return (Proxies::default(), Vec::new());
                }
                Proxies {
                    https: first(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]),
                    http: first(&["http_proxy", "all_proxy", "ALL_PROXY"]),
                    except,
                }
            }
        };
        wrong.dedup();
        (proxies, wrong)
    }
}

fn set(variable: impl Fn(&str) -> Option<String>, name: &str) -> Option<String> {
    let text = variable(name)?.trim().to_owned();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> (Proxies, Vec<String>) {
        let find =
            |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, text)| (*text).to_owned());
        Choice::Environment.resolve(find)
    }

    fn shown(proxy: Option<&Proxy>) -> String {
        proxy.map_or_else(|| NONE.to_owned(), ToString::to_string)
    }

    #[test]
    fn a_proxy_is_shown_without_its_user_and_password() {
        for (text, shown) in [
            ("http://proxy.example:3128", "http://proxy.example:3128"),
            ("HTTP://Proxy.Example:3128/", "http://proxy.example:3128"),
            ("http://proxy.example", "http://proxy.example:80"),
            ("http://[2001:db8::7]:8080", "http://[2001:db8::7]:8080"),
            ("http://anna:hunter2@proxy.example:3128", "http://proxy.example:3128"),
            ("http://anna@proxy.example:3128", "http://proxy.example:3128"),
        ] {
            let proxy = Proxy::parse(text).unwrap();
            assert_eq!(proxy.to_string(), shown);
            assert!(!format!("{proxy:?}").contains("hunter2"));
        }
        assert_eq!(Proxy::parse("http://a:b@c:1").unwrap().url().expose(), "http://a:b@c:1/");
    }

    #[test]
    fn what_is_no_proxy_is_told_without_a_password() {
        for (text, says) in [
            ("", "\"http://host:port\""),
            ("proxy.example:3128", "not \"proxy.example:3128\""),
            ("https://proxy.example:3128", "\"https\" to a proxy is not supported"),
            ("socks5h://proxy.example:1080", "\"socks5h\" to a proxy is not supported"),
            ("http://", "empty host"),
            ("http://proxy.example:port", "invalid port"),
            ("http://proxy.example:3128/pac", "nothing behind the port"),
            ("http://proxy.example:3128/?a=b", "nothing behind the port"),
            ("http://:hunter2@proxy.example:1", "a password needs a user"),
            ("socks5://anna:hunter2@proxy.example:1080", "not supported"),
            ("anna:hunter2@proxy.example:1080", "\"http://host:port\""),
            ("http://anna:hunter2@proxy.example:70000", "invalid port"),
        ] {
            let said = Proxy::parse(text).unwrap_err();
            assert!(said.contains(says) && !said.contains("hunter2"), "{text}: {said}");
        }
    }

    #[test]
    fn the_environment_means_what_it_means_to_curl() {
        let (proxies, wrong) = of(&[
            ("HTTPS_PROXY", "http://upper:1"),
            ("https_proxy", "lower:2"),
            ("HTTP_PROXY", "http://of-a-web-server:3"),
            ("ALL_PROXY", "http://all:4"),
            ("NO_PROXY", " localhost,.example "),
        ]);
        assert_eq!(wrong, [""; 0]);
        assert_eq!(shown(proxies.https.as_ref()), "http://lower:2");
        assert_eq!(shown(proxies.http.as_ref()), "http://all:4");
        assert_eq!(proxies.except, "localhost,.example");
        assert_eq!(of(&[]), (Proxies::default(), vec![]));
        assert_eq!(of(&[("https_proxy", " ")]), (Proxies::default(), vec![]));
        assert_eq!(of(&[("https_proxy", "p:1"), ("no_proxy", "a, *")]), (Proxies::default(), vec![]));
    }

    #[test]
    fn what_the_environment_has_wrong_is_named_by_its_variable() {
        let (proxies, wrong) = of(&[("all_proxy", "socks5://u:hunter2@p:1080"), ("http_proxy", "p:80")]);
        assert_eq!(
            (shown(proxies.https.as_ref()), shown(proxies.http.as_ref())),
            (NONE.into(), "http://p:80".into())
        );
        assert_eq!(wrong.len(), 1);
        assert!(wrong[0].starts_with("all_proxy must be") && !wrong[0].contains("hunter2"), "{wrong:?}");
    }

    #[test]
    fn the_key_decides_alone() {
        let environment = |_: &str| Some("http://other:1".to_owned());
        assert_eq!(Choice::Off.resolve(environment), (Proxies::default(), vec![]));
        let (proxies, _) = Choice::This(Proxy::parse("http://this:1").unwrap()).resolve(environment);
        assert_eq!(shown(proxies.https.as_ref()), "http://this:1");
        assert_eq!((shown(proxies.http.as_ref()), proxies.except.as_str()), ("http://this:1".into(), ""));
    }
}
