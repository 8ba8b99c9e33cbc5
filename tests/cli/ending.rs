//! `rigpost unpair` and `rigpost forget`: what they say of the provider, and how they end.

use serde_json::Value;

use crate::fake::{Bus, Fake};
use crate::{run, unpaired};

/// The word, what is said with it, and whether it is tried again.
fn paired(revocation: (&'static str, &'static str, bool)) -> Fake {
    let fake = unpaired(vec![]);
    {
        let mut world = fake.world();
        (world.state, world.project) = ("paired".into(), "Moonrise S01".into());
        world.revocation = revocation;
    }
    fake
}

#[tokio::test]
async fn unpairing_says_what_became_of_it_at_the_provider() {
    let told = [
        (
            ("revoked", "", false),
            0,
            "Unpaired from Moonrise S01; the provider has revoked the authorization.",
        ),
        (("not-offered", "", false), 0, "the provider offers no way to revoke the authorization from here"),
        (("nothing", "", false), 0, "Unpaired from Moonrise S01; there was no authorization to revoke."),
        (("refused", "invalid_request", false), 11, "refused to revoke the authorization: invalid_request"),
        (("refused", "invalid_client", true), 11, "refused to revoke the authorization: invalid_client"),
        (("not-reached", "HTTP 503", true), 11, "could not be told that the authorization is over: HTTP 503"),
    ];
    for (revocation, code, said) in told {
        let (bus, fake) = (Bus::new(), paired(revocation));
        let _service = fake.serve(&bus).await;
        let (status, output, errors) = run(&bus, &["unpair", "--yes"]).await;
        assert_eq!(status, code, "{output}{errors}");
        let text = if code == 0 { &output } else { &errors };
        assert!(text.contains(said), "{text}");
        if code != 0 {
            assert!(errors.starts_with("rigpost: unpaired from Moonrise S01, but "), "{errors}");
            assert_eq!(errors.contains("tries again"), revocation.2, "{errors}");
            assert_eq!(errors.contains("in your account at the provider"), !revocation.2, "{errors}");
        }
    }
}

#[tokio::test]
async fn nobody_is_asked_offline_and_that_is_said() {
    for (command, call) in [("unpair", "Unpair offline"), ("forget", "Forget offline")] {
        let (bus, fake) = (Bus::new(), paired(("revoked", "", false)));
        let _service = fake.serve(&bus).await;
        let (status, output, _) = run(&bus, &[command, "--yes", "--offline"]).await;
        assert_eq!((status, fake.world().calls.as_slice()), (0, &[call.to_owned()][..]));
        assert!(output.contains("the provider was not asked"), "{output}");
        assert!(output.contains("in force there until somebody ends it"), "{output}");
    }
}

#[tokio::test]
async fn a_rig_that_is_not_paired_says_so_or_what_became_of_a_former_authorization() {
    let (bus, fake) = (Bus::new(), unpaired(vec![]));
    fake.world().revocation = ("nothing", "", false);
    let _service = fake.serve(&bus).await;
    let (status, output, _) = run(&bus, &["unpair", "--yes"]).await;
    assert_eq!((status, output.as_str()), (0, "This rig was not paired.\n"));
    fake.world().revocation = ("revoked", "", false);
    let (status, output, _) = run(&bus, &["unpair", "--yes"]).await;
    assert_eq!(status, 0);
    assert_eq!(output, "This rig was not paired any more; the provider has revoked the authorization.\n");
}

#[tokio::test]
async fn forgetting_says_what_stays() {
    let (bus, fake) = (Bus::new(), paired(("not-reached", "HTTP 503", true)));
    let _service = fake.serve(&bus).await;
    let (status, output, errors) = run(&bus, &["forget", "--yes"]).await;
    assert_eq!((status, output.as_str()), (11, ""));
    assert!(
        errors.contains("identity and secrets are erased, but the provider could not be told"),
        "{errors}"
    );
    assert!(errors.contains("a sealed copy") && errors.contains("forget --offline"), "{errors}");
    fake.world().revocation = ("revoked", "", false);
    let (status, output, _) = run(&bus, &["forget", "--yes"]).await;
    assert_eq!(status, 0);
    assert!(output.starts_with("Identity and secrets are erased; the provider has revoked"), "{output}");
}

#[tokio::test]
async fn a_receipt_says_what_was_revoked_and_erased_and_when() {
    let (bus, fake) = (Bus::new(), paired(("revoked", "", false)));
    let _service = fake.serve(&bus).await;
    let (status, output, errors) = run(&bus, &["forget", "--yes", "--receipt"]).await;
    assert_eq!((status, errors.as_str()), (0, ""));
    let lines: Vec<&str> = output.lines().collect();
    for line in [
        "device:     3f0c9a5e-0000-4000-8000-00000000c0de",
        "project:    Moonrise S01",
        "there:      the provider has revoked the authorization",
        "erased:     tokens, client secret, identity",
        "at:         2026-09-21T14:13:20Z",
    ] {
        assert!(lines.contains(&line), "{line:?} in {output}");
    }
    // It is printed, too, where that is bad news.
    fake.world().revocation = ("not-reached", "HTTP 503", true);
    let (status, output, errors) = run(&bus, &["forget", "--yes", "--receipt", "--json"]).await;
    assert_eq!((status, errors.is_empty()), (11, false));
    let json: Value = serde_json::from_str(&output).unwrap();
    assert_eq!(
        (&json["revocation"], &json["detail"], &json["kept"]),
        (&"not-reached".into(), &"HTTP 503".into(), &true.into())
    );
    assert_eq!(
        (&json["at"], &json["project_name"]),
        (&"2026-09-21T14:13:20Z".into(), &"Moonrise S01".into())
    );
    assert_eq!(json["erased"], serde_json::json!(["tokens", "client-secret", "identity"]));
    let (status, output, _) = run(&bus, &["forget", "--yes", "--json"]).await;
    let alone: serde_json::Value = serde_json::from_str(&output).unwrap();
    assert_eq!((status, alone), (11, json), "the receipt is what there is to print");
}

#[tokio::test]
async fn at_another_provider_a_receipt_names_an_account() {
    let (bus, fake) = (Bus::new(), paired(("revoked", "", false)));
    (fake.world().provider, fake.world().project) = ("oauth".into(), "login.example".into());
    let _service = fake.serve(&bus).await;
    let (status, output, errors) = run(&bus, &["forget", "--yes", "--receipt"]).await;
    assert_eq!((status, errors.as_str()), (0, ""));
    assert!(output.lines().any(|line| line == "account at: login.example"), "{output}");
    assert!(!output.contains("project"), "{output}");
}

#[tokio::test]
async fn the_status_tells_how_much_the_provider_has_not_heard() {
    let (bus, fake) = (Bus::new(), unpaired(vec![]));
    let _service = fake.serve(&bus).await;
    assert!(!run(&bus, &["status"]).await.1.contains("to revoke"));
    fake.world().revocations_pending = 2;
    let (_, output, _) = run(&bus, &["status"]).await;
    assert!(output.contains("2 former authorizations, of which the provider has not heard yet"), "{output}");
    let json: Value = serde_json::from_str(&run(&bus, &["status", "--json"]).await.1).unwrap();
    assert_eq!(json["pairing"]["revocations_pending"], 2);
}
