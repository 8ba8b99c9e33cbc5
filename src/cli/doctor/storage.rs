//! The way to a bucket: whether the storage is there, has the bucket, and gives keys for sign-ins.
//!
//! # Decisions
//!
//! - Asked as a stranger: the rig's sign-in is the daemon's, and what that comes to the daemon says itself (`rigpost status`,
//!   `rigpost queue`). A storage tells strangers enough to know one step from another.

use std::time::Duration;

use zbus::Variant;

use super::config::{BucketFacts, Facts, Storage};
use super::report::{Check, Report};
use crate::bus::{Daemon, Item, Options, Receipt};
use crate::exit::Failure;
use crate::text;
use rigpost_contract::item::ItemState;
use rigpost_contract::option::OptionKey;
use rigpost_core::delivery::answer;
use rigpost_core::delivery::dialect::Dialect as _;
use rigpost_core::delivery::sts::Sts;
use rigpost_core::delivery::tus::Tus;
use rigpost_core::oauth::IdToken;
use rigpost_core::provider::wire::{Method, Request, Response};
use rigpost_core::queue::upload::CreateError;
use rigpost_core::secret::Secret;
use rigpost_daemon::http::Http;

const PATIENCE: Duration = Duration::from_secs(10);
const ASK_NETWORK: &str = "check `delivery.endpoint` and the network";

/// Checks it, where clips go to one.
pub(super) async fn check(facts: &Facts, http: &Http, report: &mut Report<'_>) -> Result<(), Failure> {
    match &facts.storage {
        None => Ok(()),
        Some(Storage::Bucket(bucket)) => check_bucket(bucket, http, report).await,
        Some(Storage::Tus(endpoint)) => report.add(check_tus(endpoint, http).await),
    }
}

/// What the last clip came to that went there, and what keeps the next one: as the daemon has seen it.
pub(super) async fn seen(facts: &Facts, daemon: &Daemon) -> Vec<Check> {
    let Some(storage) = &facts.storage else { return vec![] };
    let last = last_of(daemon, ItemState::Done).await.filter(|item| item.project_id == storage.binding());
    let receipt = match &last {
        Some(item) => daemon.queue().get_receipt(item.id, Options::new()).await.ok(),
        None => None,
    };
    let receipt = receipt.map(|mut receipt| Receipt::read(&mut receipt));
    let waiting = last_of(daemon, ItemState::Queued).await.filter(|item| item.attempts > 0);
    sent(receipt.as_ref(), waiting.as_ref().map(|item| item.detail.as_str()))
}

async fn last_of(daemon: &Daemon, state: ItemState) -> Option<Item> {
    let queue = daemon.queue();
    let filter = || -> Options<'_> {
        [(OptionKey::State.as_str(), Variant::from(state.as_str()))].into_iter().collect()
    };
    let (_, total) = queue.list(filter(), 0, 1).await.ok()?;
    let (items, _) = queue.list(filter(), total.checked_sub(1)?, 1).await.ok()?;
    items.into_iter().next().map(|mut item| Item::read(&mut item))
}

fn sent(receipt: Option<&Receipt>, waits: Option<&str>) -> Vec<Check> {
    const PUT: &str = "put";
    const CHECKSUM: &str = "checksum";
    let put = match (waits.filter(|why| !why.is_empty()), receipt) {
        (Some(why), _) => Check::fail(
            PUT,
            format!("a clip waits: {}", text::clean(why)),
            "mend that; rigpost queue retry --all tries again at once",
        ),
        (None, Some(receipt)) => {
            Check::ok(PUT, format!("the last clip was taken there on {}", text::date(receipt.delivered)))
        }
        (None, None) => Check::skipped(PUT, "no clip has gone there that the queue still knows of"),
    };
    let checksum = match receipt {
        Some(receipt) if receipt.vouched.is_empty() => Check::warn(
            CHECKSUM,
            "the storage has named no checksum of it",
            "it is as safe as the line and the storage are; compare clips there, or use storage that names CRC64NVME",
        ),
        Some(receipt) => {
            let algorithm = receipt.vouched.split(':').next().unwrap_or_default();
            Check::ok(CHECKSUM, format!("the storage vouches for what arrives by {}", text::clean(algorithm)))
        }
        None => Check::skipped(CHECKSUM, "no clip has gone there that the queue still knows of"),
    };
    vec![put, checksum]
}

async fn check_tus(endpoint: &url::Url, http: &Http) -> Check {
    const NAME: &str = "uploads";
    let host = endpoint.host_str().unwrap_or_default();
    let tus = Tus::new(endpoint.clone());
    let asked = tus.question();
    match http.ask(Request { timeout: PATIENCE, ..asked }).await {
        Ok(response) => uploads(&tus, &response),
        Err(error) => Check::fail(NAME, format!("{host} can't be reached: {}", error.root), ASK_NETWORK),
    }
}

fn uploads(tus: &Tus, response: &Response) -> Check {
    const NAME: &str = "uploads";
    const ASK_ENDPOINT: &str = "check that uploads are created at `delivery.endpoint`";
    match tus.read_discovery(response) {
        Ok(None) if answer::is_page(response) => {
            Check::fail(NAME, "a web page came in place of a tus server", ASK_NETWORK)
        }
        Ok(None) => Check::warn(
            NAME,
            format!("nobody there says to strangers that he speaks tus (status {})", response.status),
            ASK_ENDPOINT,
        ),
        Ok(Some(habits)) => {
            let checks = habits.checksum.map_or_else(
                || "checks no checksum".to_owned(),
                |algorithm| format!("checks what arrives by {}", algorithm.as_str()),
            );
            let gives_up =
                if habits.gives_up { "lets uploads be given up" } else { "keeps what is given up" };
            Check::ok(NAME, format!("a tus server answers; it {checks} and {gives_up}"))
        }
        Err(CreateError::Transient(trouble)) => {
            Check::fail(NAME, format!("no tus server answers there: {}", trouble.why), ASK_NETWORK)
        }
        Err(CreateError::Forbidden(why) | CreateError::Conflict(why) | CreateError::Refused(why)) => {
            Check::fail(NAME, why, ASK_ENDPOINT)
        }
        Err(CreateError::Unauthorized | CreateError::RecordedWhilePaused | CreateError::Storage) => {
            Check::fail(NAME, "the server tells strangers nothing", ASK_ENDPOINT)
        }
    }
}

async fn check_bucket(storage: &BucketFacts, http: &Http, report: &mut Report<'_>) -> Result<(), Failure> {
    let host = storage.bucket.host_str().unwrap_or_default();
    let question = Request::plain("bucket", Method::Get, storage.bucket.clone(), PATIENCE);
    match http.ask(question).await {
        Ok(response) => report.add(bucket(&response, storage))?,
        Err(error) => {
            report.add(Check::fail(
                "bucket",
                format!("{host} can't be reached: {}", error.root),
                ASK_NETWORK,
            ))?;
            return report.add(Check::skipped("keys", "the storage can't be reached"));
        }
    }
    let Some(at) = &storage.sts else {
        let why = "the bucket knows the rig by a key in the vault, and what becomes of that the daemon says";
        return report.add(Check::skipped("keys", why));
    };
    let sts = Sts { endpoint: at.clone(), role: storage.role.clone(), session: "doctor".to_owned() };
    // It is no token: what is told apart is a service that judges tokens from none.
    let asked = Request { timeout: PATIENCE, ..sts.request(&IdToken(Secret::new("none"))) };
    report.add(match http.ask(asked).await {
        Ok(response) => keys(&response),
        Err(error) => Check::fail(
            "keys",
            format!("{} can't be reached: {}", at.host_str().unwrap_or_default(), error.root),
            "check `delivery.sts_endpoint` and the network",
        ),
    })
}

fn bucket(response: &Response, storage: &BucketFacts) -> Check {
    const NAME: &str = "bucket";
    let name = &storage.name;
    match (response.status, answer::code(response).as_deref()) {
        (_, Some("NoSuchBucket")) => Check::fail(
            NAME,
            format!("the storage has no bucket {name}"),
            "make the bucket, or check `delivery.bucket` and `delivery.endpoint`",
        ),
        (
            301 | 307 | 400,
            Some(word @ ("PermanentRedirect" | "TemporaryRedirect" | "AuthorizationHeaderMalformed")),
        ) => Check::fail(
            NAME,
            format!("the bucket {name} is elsewhere ({word})"),
            "give the endpoint of the bucket's own region in `delivery.endpoint` and `delivery.region`",
        ),
        (500..=599, _) => Check::warn(
            NAME,
            format!("the storage has trouble of its own (status {})", response.status),
            "wait. Nothing is lost meanwhile",
        ),
        (_, _) if answer::is_page(response) => Check::fail(
            NAME,
            format!("a web page came in place of the storage (status {})", response.status),
            ASK_NETWORK,
        ),
        (200..=299, None) => Check::warn(
            NAME,
            format!("the storage has the bucket {name}, and shows it to strangers"),
            "if that is not meant to be so, take public reading away from the bucket",
        ),
        (_, Some("AccessDenied")) => {
            Check::ok(NAME, format!("the storage answers, and keeps strangers out of {name}"))
        }
        (status, word) => Check::fail(
            NAME,
            format!("no storage answers there (status {status} {})", word.unwrap_or_default()),
            "check `delivery.endpoint`",
        ),
    }
}

fn keys(response: &Response) -> Check {
    const NAME: &str = "keys";
    match (response.status, answer::code(response).as_deref()) {
        (500..=599, _) => Check::warn(
            NAME,
            format!("whoever gives keys has trouble of its own (status {})", response.status),
            "wait. Nothing is lost meanwhile",
        ),
        (400..=403, Some(_)) if !answer::is_page(response) => {
            Check::ok(NAME, "somebody there judges sign-ins; what becomes of this rig's, the daemon says")
        }
        (status, word) => Check::fail(
            NAME,
            format!("nobody there gives keys for sign-ins (status {status} {})", word.unwrap_or_default()),
            "check `delivery.sts_endpoint`, and that the storage has AssumeRoleWithWebIdentity",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::Verdict;

    fn answered(status: u16, code: &str) -> Response {
        let body =
            if code.is_empty() { String::new() } else { format!("<Error><Code>{code}</Code></Error>") };
        Response { status, body: body.into_bytes().into(), ..Response::default() }
    }

    #[test]
    fn a_bucket_is_judged_by_what_strangers_are_told() {
        let storage = BucketFacts {
            binding: "https://s3.example/footage".to_owned(),
            bucket: "https://s3.example/footage".parse().unwrap(),
            name: "footage".to_owned(),
            sts: "https://s3.example/".parse().ok(),
            role: None,
        };
        for (status, code, verdict) in [
            (403, "AccessDenied", Verdict::Ok),
            (404, "NoSuchBucket", Verdict::Fail),
            (301, "PermanentRedirect", Verdict::Fail),
            (200, "", Verdict::Warn),
            (503, "SlowDown", Verdict::Warn),
            (404, "", Verdict::Fail),
        ] {
            let check = bucket(&answered(status, code), &storage);
            assert_eq!(check.verdict, verdict, "{status} {code}: {}", check.finding);
        }
        let page = Response { body: b"<html>log in".to_vec().into(), status: 200, ..Response::default() };
        assert_eq!(bucket(&page, &storage).verdict, Verdict::Fail);
    }

    #[test]
    fn a_tus_server_is_one_that_says_so() {
        let tus = Tus::new("https://tus.example/files/".parse().unwrap());
        let says = |status, extensions: &str| {
            let kept =
                vec![("tus-extension", extensions.to_owned()), ("tus-checksum-algorithm", "sha1".to_owned())];
            uploads(&tus, &Response { status, kept, ..Response::default() })
        };
        for (status, extensions, verdict, word) in [
            (204, "creation,termination", Verdict::Ok, "no checksum and lets"),
            (200, "creation,checksum", Verdict::Ok, "by sha1 and keeps"),
            (204, "expiration", Verdict::Fail, "lets nobody create uploads"),
            (204, "", Verdict::Warn, "status 204"),
            (404, "", Verdict::Warn, "status 404"),
            (503, "", Verdict::Warn, "status 503"),
        ] {
            let check = says(status, extensions);
            assert_eq!(check.verdict, verdict, "{status} {extensions}: {}", check.finding);
            assert!(check.finding.contains(word), "{}", check.finding);
        }
    }

    #[test]
    fn what_was_sent_tells_of_the_last_steps() {
        let receipt = |vouched: &str| Receipt {
            item: Item::default(),
            delivered: 1_796_000_000,
            algorithm: String::new(),
            chunk_size: 1,
            parts: vec![],
            digest: String::new(),
            vouched: vouched.to_owned(),
        };
        for (receipt, waits, verdicts) in [
            (Some(receipt("crc64nvme:rosUhgp5mIg=")), None, [Verdict::Ok, Verdict::Ok]),
            (Some(receipt("")), Some(""), [Verdict::Ok, Verdict::Warn]),
            (Some(receipt("md5")), Some("HTTP 403 AccessDenied"), [Verdict::Fail, Verdict::Ok]),
            (None, None, [Verdict::Skipped, Verdict::Skipped]),
        ] {
            let checks = sent(receipt.as_ref(), waits);
            assert_eq!(checks.iter().map(|check| check.verdict).collect::<Vec<_>>(), verdicts, "{waits:?}");
        }
    }

    #[test]
    fn whoever_judges_tokens_gives_keys() {
        for (status, code, verdict) in [
            (400, "InvalidIdentityToken", Verdict::Ok),
            (400, "InvalidParameterValue", Verdict::Ok),
            (403, "AccessDenied", Verdict::Ok),
            (405, "MethodNotAllowed", Verdict::Fail),
            (501, "NotImplemented", Verdict::Warn),
            (404, "", Verdict::Fail),
            (200, "", Verdict::Fail),
        ] {
            let check = keys(&answered(status, code));
            assert_eq!(check.verdict, verdict, "{status} {code}: {}", check.finding);
        }
    }
}
