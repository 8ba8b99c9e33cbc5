//! What `doctor` needs to know from the configuration.

use std::path::{Path, PathBuf};

use super::report::Check;
use crate::start::{configured, stand_in};
use rigpost_core::delivery::s3;
use rigpost_daemon::config::{Bucket, Delivery, OAuth, Provider, Settings};
use rigpost_daemon::egress::proxy::Choice;

/// The settings that are checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    /// What the provider answers to anybody.
    pub(crate) probe: url::Url,
    pub(crate) expected: Expected,
    /// What Frame.io wants to know with every call.
    pub(crate) client_version: Option<String>,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) proxy: Choice,
    pub(crate) state_dir: PathBuf,
    pub(crate) key_file: Option<PathBuf>,
    pub(crate) media_dirs: Vec<PathBuf>,
    /// Name and path of each.
    pub(crate) sources: Vec<(String, PathBuf)>,
    /// Where clips go, where that is storage of one's own.
    pub(crate) storage: Option<Storage>,
}

/// What answers to it are good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// That Frame.io is well.
    Health,
    /// The same of a server in its place, which may not know the question.
    HealthIfKnown,
    /// That there is an answer is all that can be asked: whether there is a document is the provider's choice.
    Any,
}

/// Storage of one's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Storage {
    Bucket(BucketFacts),
    /// Where uploads are created.
    Tus(url::Url),
}

impl Storage {
    /// What clips are bound to that go there.
    pub(crate) fn binding(&self) -> &str {
        match self {
            Storage::Bucket(bucket) => &bucket.binding,
            Storage::Tus(endpoint) => endpoint.as_str(),
        }
    }
}

/// A bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BucketFacts {
    /// What clips are bound to.
    pub(crate) binding: String,
    /// Its address.
    pub(crate) bucket: url::Url,
    pub(crate) name: String,
    /// Where keys come from; `None`: out of the vault.
    pub(crate) sts: Option<url::Url>,
    pub(crate) role: Option<String>,
}

/// Reads the configuration. When it is not good, the other checks go on with the defaults.
pub(crate) fn check(path: &Path) -> (Facts, Check) {
    match configured(path) {
        Ok(settings) => {
            let file = path.display();
            let good = match path.exists() {
                true => format!("{file} is good"),
                false => format!("good, without {file}"),
            };
            (settings.into(), Check::ok("configuration", good))
        }
        Err(error) => (
            Settings::default().into(),
            Check::fail(
                "configuration",
                error.to_string().lines().collect::<Vec<_>>().join("; "),
                "correct that line, then: sudo systemctl restart rigpost; the checks below use the defaults",
            ),
        ),
    }
}

impl From<Settings> for Facts {
    fn from(settings: Settings) -> Self {
        let storage = match settings.delivery {
            Delivery::Bucket(bucket) => Some(Storage::Bucket(BucketFacts::from(*bucket))),
            Delivery::Tus(endpoint) => Some(Storage::Tus(endpoint)),
            Delivery::Frameio | Delivery::None => None,
        };
        let expected = match (&settings.provider.oauth, stand_in(&settings.provider)) {
            (Some(_), _) => Expected::Any,
            (None, Some(_)) => Expected::HealthIfKnown,
            (None, None) => Expected::Health,
        };
        Self {
            storage,
            probe: probe(&settings.provider),
            expected,
            client_version: settings.provider.oauth.is_none().then_some(settings.provider.client_version),
            ca_file: settings.provider.ca_file,
            proxy: settings.provider.proxy,
            state_dir: settings.state.dir,
            key_file: Some(settings.vault.key_file),
            media_dirs: settings.queue.media_dirs,
            sources: settings.sources.into_iter().map(|source| (source.name, source.path)).collect(),
        }
    }
}

impl From<Bucket> for BucketFacts {
    fn from(bucket: Bucket) -> Self {
        let mut url = bucket.endpoint;
        let binding = s3::binding(&url, &bucket.name);
        let host = url.host_str().unwrap_or_default().to_owned();
        // A name that can't stand there stays in the path.
        if bucket.path_style || url.set_host(Some(&format!("{}.{host}", bucket.name))).is_err() {
            url.set_path(&format!("{}/{}", url.path().trim_end_matches('/'), bucket.name));
        }
        Self {
            binding,
            bucket: url,
            name: bucket.name,
            sts: (!bucket.own_key).then_some(bucket.sts),
            role: bucket.role,
        }
    }
}

/// Frame.io's own check of health; the document that every issuer publishes; or where tokens come from.
fn probe(provider: &Provider) -> url::Url {
    let (base, path) = match &provider.oauth {
        None => (Some(&provider.base_url), "/health"),
        Some(OAuth { issuer: issuer @ Some(_), .. }) => {
            (issuer.as_ref(), "/.well-known/openid-configuration")
        }
        Some(OAuth { token_endpoint, .. }) => (token_endpoint.as_ref(), ""),
    };
    let mut url = base.unwrap_or(&provider.base_url).clone();
    url.set_path(&format!("{}{path}", url.path().trim_end_matches('/')));
    url
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::Verdict;

    #[test]
    fn an_error_names_file_and_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rigpost.toml");
        std::fs::write(&path, "[state]\ndir = \"/srv\"\n[provider]\nbase_url = 7\n").unwrap();
        let (facts, check) = check(&path);
        assert_eq!(check.verdict, Verdict::Fail);
        assert!(check.finding.starts_with(&format!("{}:4: ", path.display())), "{}", check.finding);
        assert_eq!(facts.state_dir, Path::new("/var/lib/rigpost"));
    }

    #[test]
    fn what_may_be_expected_is_known_by_the_provider() {
        for (lines, expected) in [
            ("", Expected::Health),
            ("[provider]\nbase_url = \"https://api.frame.io/\"\n", Expected::Health),
            ("[provider]\nbase_url = \"https://c2c.example/\"\n", Expected::HealthIfKnown),
            (
                "[provider]\nkind = \"oauth\"\nclient_id = \"a\"\nissuer = \"https://id.example\"\n",
                Expected::Any,
            ),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("rigpost.toml");
            std::fs::write(&path, lines).unwrap();
            let (facts, check) = check(&path);
            assert_eq!((check.verdict, facts.expected), (Verdict::Ok, expected), "{lines}");
        }
    }

    #[test]
    fn a_missing_file_is_said_to_be_missing() {
        let (_, check) = check(Path::new("/nonexistent/rigpost.toml"));
        assert_eq!(check.verdict, Verdict::Fail);
        assert!(check.finding.contains("No such file"), "{}", check.finding);
    }
}
