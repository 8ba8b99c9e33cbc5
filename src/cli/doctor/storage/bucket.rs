//! A bucket: whether the storage is there, has the bucket, and gives keys for sign-ins.

use super::seen::{Seen, is_well, untold};
use super::told::{ASK_NETWORK, PATIENCE, WAIT, is_between, said};
use crate::doctor::config::BucketFacts;
use crate::doctor::report::{Check, Report};
use crate::exit::Failure;
use rigpost_core::delivery::answer;
use rigpost_core::delivery::sts::{self, Sts};
use rigpost_core::oauth::IdToken;
use rigpost_core::provider::wire::{Method, Request, Response};
use rigpost_core::secret::Secret;
use rigpost_daemon::http::Http;

pub(super) async fn check(
    storage: &BucketFacts,
    http: &Http,
    seen: Option<&Seen>,
    report: &mut Report<'_>,
) -> Result<(), Failure> {
    let host = storage.bucket.host_str().unwrap_or_default();
    let question = Request::plain("bucket", Method::Get, storage.bucket.clone(), PATIENCE);
    match http.ask(question).await {
        Ok(response) => report.add(bucket(&response, storage, seen))?,
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
        Ok(response) => keys(&response, seen),
        Err(error) => Check::fail(
            "keys",
            format!("{} can't be reached: {}", at.host_str().unwrap_or_default(), error.root),
            "check `delivery.sts_endpoint` and the network",
        ),
    })
}

fn bucket(response: &Response, storage: &BucketFacts, seen: Option<&Seen>) -> Check {
    const NAME: &str = "bucket";
    let (name, said) = (&storage.name, said(response));
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
        (_, _) if is_between(response) => Check::fail(
            NAME,
            format!("something else answered in place of the storage ({said})"),
            ASK_NETWORK,
        ),
        (429 | 500..=599, _) => Check::warn(
            NAME,
            format!("the storage has trouble of its own (status {})", response.status),
            WAIT,
        ),
        (200..=299, None) => Check::warn(
            NAME,
            format!("the storage has the bucket {name}, and shows it to strangers"),
            "if that is not meant to be so, take public reading away from the bucket",
        ),
        (_, Some("AccessDenied")) => {
            Check::ok(NAME, format!("the storage answers, and keeps strangers out of {name}"))
        }
        (404 | 405 | 410, None) if !is_well(seen) => {
            Check::fail(NAME, format!("no storage answers there ({said})"), "check `delivery.endpoint`")
        }
        (_, _) => {
            let finding = format!("whether the storage has {name} can't be told from outside ({said})");
            untold(NAME, &finding, "delivery.endpoint", seen)
        }
    }
}

fn keys(response: &Response, seen: Option<&Seen>) -> Check {
    const NAME: &str = "keys";
    let said = said(response);
    match (response.status, answer::code(response)) {
        (200..=299, _) if sts::read(response).is_ok() => Check::warn(
            NAME,
            "somebody there gives keys to anybody who asks, whatever they show",
            "fit for a storage on this desk, nowhere else",
        ),
        (429 | 500..=510 | 512..=599, _) => Check::warn(
            NAME,
            format!("whoever gives keys has trouble of its own (status {})", response.status),
            WAIT,
        ),
        (400..=403, Some(_)) if !answer::is_page(response) => {
            Check::ok(NAME, "somebody there judges sign-ins; what becomes of this rig's, the daemon says")
        }
        // Ceph says nothing else to a token that it does not like.
        (401 | 403, None) if !answer::is_page(response) => {
            let finding = format!("whether somebody there gives keys can't be told from outside ({said})");
            untold(NAME, &finding, "delivery.sts_endpoint", seen)
        }
        (_, _) => Check::fail(
            NAME,
            format!("nobody there gives keys for sign-ins ({said})"),
            "check `delivery.sts_endpoint`, and that the storage has AssumeRoleWithWebIdentity",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::seen::tests::seen;
    use super::*;
    use crate::doctor::report::Verdict;

    fn plain(status: u16, body: &str) -> Response {
        Response { status, body: body.as_bytes().to_vec().into(), ..Response::default() }
    }

    fn answered(status: u16, code: &str) -> Response {
        match code {
            "" => plain(status, ""),
            code => plain(status, &format!("<Error><Code>{code}</Code></Error>")),
        }
    }

    fn footage() -> BucketFacts {
        BucketFacts {
            binding: "https://s3.example/footage".to_owned(),
            bucket: "https://s3.example/footage".parse().unwrap(),
            name: "footage".to_owned(),
            sts: "https://s3.example/".parse().ok(),
            role: None,
        }
    }

    #[test]
    fn a_bucket_is_judged_by_what_strangers_are_told() {
        let nothing = seen(None, None);
        for (status, code, verdict, word) in [
            (403, "AccessDenied", Verdict::Ok, "keeps strangers out of footage"),
            (404, "NoSuchBucket", Verdict::Fail, "no bucket footage"),
            (301, "PermanentRedirect", Verdict::Fail, "elsewhere (PermanentRedirect)"),
            (200, "", Verdict::Warn, "shows it to strangers"),
            (503, "SlowDown", Verdict::Warn, "(status 503)"),
            (429, "", Verdict::Warn, "(status 429)"),
            (404, "", Verdict::Fail, "no storage answers there (status 404)"),
            (405, "MethodNotAllowed", Verdict::Warn, "(status 405 MethodNotAllowed)"),
            (302, "", Verdict::Fail, "in place of the storage (status 302)"),
            (407, "", Verdict::Fail, "in place of the storage (status 407)"),
            (511, "", Verdict::Fail, "in place of the storage (status 511)"),
        ] {
            let check = bucket(&answered(status, code), &footage(), Some(&nothing));
            assert_eq!(check.verdict, verdict, "{status} {code}: {}", check.finding);
            assert!(check.finding.contains(word), "{status} {code}: {}", check.finding);
        }
    }

    #[test]
    fn a_page_is_a_portal_s_only_where_it_does_not_refuse() {
        let (well, nothing, waits) =
            (seen(Some(""), None), seen(None, None), seen(Some(""), Some("HTTP 403")));
        for (status, seen, verdict, word) in [
            (200, &well, Verdict::Fail, "in place of the storage (status 200)"),
            (302, &well, Verdict::Fail, "in place of the storage (status 302)"),
            (511, &well, Verdict::Fail, "in place of the storage (status 511)"),
            // As OpenStack Swift answers whoever does not sign.
            (412, &well, Verdict::Ok, "can't be told from outside (status 412); but the last clip"),
            (412, &nothing, Verdict::Warn, "can't be told from outside (status 412)"),
            (412, &waits, Verdict::Warn, "can't be told from outside (status 412)"),
            (404, &well, Verdict::Ok, "the last clip was taken on"),
            (404, &nothing, Verdict::Fail, "no storage answers there (status 404)"),
        ] {
            let check = bucket(&plain(status, "<html>Bad URL"), &footage(), Some(seen));
            assert_eq!(check.verdict, verdict, "{status}: {}", check.finding);
            assert!(check.finding.contains(word), "{status}: {}", check.finding);
        }
    }

    #[test]
    fn whoever_judges_tokens_gives_keys() {
        let nothing = seen(None, None);
        for (status, code, verdict, word) in [
            (400, "InvalidIdentityToken", Verdict::Ok, "judges sign-ins"),
            (400, "InvalidParameterValue", Verdict::Ok, "judges sign-ins"),
            (403, "AccessDenied", Verdict::Ok, "judges sign-ins"),
            (403, "", Verdict::Warn, "can't be told from outside (status 403)"),
            (405, "MethodNotAllowed", Verdict::Fail, "(status 405 MethodNotAllowed)"),
            (501, "NotImplemented", Verdict::Warn, "(status 501)"),
            (404, "", Verdict::Fail, "(status 404)"),
            (200, "", Verdict::Fail, "(status 200)"),
        ] {
            let check = keys(&answered(status, code), Some(&nothing));
            assert_eq!(check.verdict, verdict, "{status} {code}: {}", check.finding);
            assert!(check.finding.contains(word), "{status} {code}: {}", check.finding);
        }
        let page = keys(&plain(403, "<html>blocked"), Some(&nothing));
        assert_eq!(page.verdict, Verdict::Fail, "{}", page.finding);
    }

    #[test]
    fn keys_for_anybody_are_not_called_none() {
        let some = "<a><Credentials><AccessKeyId>id</AccessKeyId><SecretAccessKey>hidden</SecretAccessKey>\
                    <SessionToken>hidden</SessionToken></Credentials></a>";
        let check = keys(&plain(200, some), None);
        assert_eq!(check.verdict, Verdict::Warn);
        assert!(check.finding.contains("to anybody who asks"), "{}", check.finding);
        assert!(!format!("{check:?}").contains("hidden"), "{check:?}");
    }
}
