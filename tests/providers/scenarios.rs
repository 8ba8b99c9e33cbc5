//! The columns of the table. A scenario sees a rig from outside, and a cloud of whatever dialect.
use crate::cloud::*;
use crate::common::*;

/// Hands the list to a macro, with a type.
macro_rules! columns {
    ($then:ident: $cloud:ty) => {
        $then! {
            $cloud:
            pairs_after_a_pending_phase,
            a_refusal_is_said_and_can_be_thought_over,
            a_code_that_runs_out_is_replaced,
            a_code_that_the_server_calls_expired_is_replaced,
            slow_down_adds_five_seconds_for_good,
            trouble_while_polling_ends_nothing,
            a_cancelled_pairing_collects_nothing,
            a_kill_while_a_code_is_shown_costs_nothing,
            a_kill_after_the_pairing_costs_nothing,
            tokens_are_renewed_again_and_again,
            trouble_while_renewing_ends_nothing,
            a_lost_answer_to_a_renewal_is_named,
            a_stolen_refresh_token_ends_the_pairing,
            an_end_upstream_ends_the_pairing_for_good,
            a_rejected_client_is_named_and_can_be_put_right,
            unpairing_is_told_upstream,
            an_end_that_nobody_heard_of_is_told_again
        }
    };
}
pub(crate) use columns;

/// Waits until a renewal was answered well after number `after`.
async fn renewed<C: Cloud>(rig: &Rig, cloud: &C, mut after: u64) -> u64 {
    loop {
        let answer = cloud.next(rig, Place::Refresh, after).await;
        after = answer.n;
        if answer.status == Some(200) {
            return after;
        }
    }
}

async fn shows(rig: &Rig, state: &str, reason: &str) {
    assert_eq!((rig.state().await.as_str(), rig.reason().await.as_str()), (state, reason));
}

pub(crate) async fn pairs_after_a_pending_phase<C: Cloud>() {
    let (rig, cloud) = started::<C>(LONG).await;
    assert_eq!(rig.state().await, "unpaired");
    let code = rig.start_pairing().await;
    shows(&rig, "waiting-for-user", "none").await;
    let first = cloud.next(&rig, Place::Poll, 0).await;
    assert_eq!(first.error.as_deref(), Some("authorization_pending"));
    assert_eq!(rig.code().await, code);
    cloud.approve(&rig, &code).await;
    rig.wait_project(&cloud.project()).await;
    let shown = rig.properties(PAIRING).await;
    assert_eq!((text(&shown, "UserCode").as_str(), text(&shown, "Reason").as_str()), ("", "none"));
    assert_ne!(text(&shown, "AuthorizedBy"), "");
    assert_ne!(text(&shown, "ProjectId"), "");
    assert_eq!(rig.ask_to_pair().await.unwrap_err().name, "AlreadyPaired");
    assert_eq!(cloud.answers(&rig, Place::Code).await.len(), 1);
}

pub(crate) async fn a_refusal_is_said_and_can_be_thought_over<C: Cloud>() {
    let (rig, cloud) = started::<C>(LONG).await;
    let code = rig.start_pairing().await;
    cloud.deny(&rig, &code).await;
    rig.wait_reason("denied").await;
    shows(&rig, "unpaired", "denied").await;
    pair(&rig, &cloud).await;
    shows(&rig, "paired", "none").await;
}

pub(crate) async fn a_code_that_runs_out_is_replaced<C: Cloud>() {
    let (rig, cloud) = started::<C>(Lives { code: 2, ..LONG }).await;
    let first = rig.start_pairing().await;
    cloud.live(&rig, LONG).await;
    let second = another_code(&rig, &first).await;
    cloud.approve(&rig, &second).await;
    rig.wait_project(&cloud.project()).await;
}

pub(crate) async fn a_code_that_the_server_calls_expired_is_replaced<C: Cloud>() {
    let (rig, cloud) = started::<C>(LONG).await;
    let first = rig.start_pairing().await;
    cloud.expire(&rig, &first).await;
    let second = another_code(&rig, &first).await;
    cloud.approve(&rig, &second).await;
    rig.wait_project(&cloud.project()).await;
}

//= https://www.rfc-editor.org/rfc/rfc8628#section-3.5
//= type=test
//# the interval MUST be increased by 5 seconds for this and all subsequent requests
pub(crate) async fn slow_down_adds_five_seconds_for_good<C: Cloud>() {
    let (rig, cloud) = started::<C>(LONG).await;
    let code = rig.start_pairing().await;
    cloud.trouble(&rig, Place::Poll, Trouble::SlowDown).await;
    let slowed = loop {
        let polls = cloud.answers(&rig, Place::Poll).await;
        let answer = cloud.next(&rig, Place::Poll, polls.last().map_or(0, |a| a.n)).await;
        if answer.error.as_deref() == Some("slow_down") {
            break answer;
        }
    };
    let second = cloud.next(&rig, Place::Poll, slowed.n).await;
    assert!(second.ms - slowed.ms >= 6000, "{} ms after slow_down", second.ms - slowed.ms);
    cloud.approve(&rig, &code).await;
    rig.wait_project(&cloud.project()).await;
    let third = cloud.next(&rig, Place::Poll, second.n).await;
    assert!(third.ms - second.ms >= 6000, "{} ms later", third.ms - second.ms);
}

pub(crate) async fn trouble_while_polling_ends_nothing<C: Cloud>() {
    let (rig, cloud) = started::<C>(LONG).await;
    let code = rig.start_pairing().await;
    let troubles = [
        (Trouble::Unavailable, "provider"),
        (Trouble::Page, "captive-portal"),
        (Trouble::Portal, "captive-portal"),
    ];
    for (trouble, reason) in troubles {
        cloud.trouble(&rig, Place::Poll, trouble).await;
        let shown = rig.wait_reason(reason).await;
        assert_eq!(text(&shown, "State"), "waiting-for-user", "{trouble:?}");
        assert_eq!(text(&shown, "UserCode"), code, "{trouble:?}");
        // The next answer says that it is over.
        rig.wait_reason("none").await;
    }
    cloud.approve(&rig, &code).await;
    rig.wait_project(&cloud.project()).await;
    assert_eq!(cloud.answers(&rig, Place::Code).await.len(), 1);
}

pub(crate) async fn a_cancelled_pairing_collects_nothing<C: Cloud>() {
    let (rig, cloud) = started::<C>(LONG).await;
    let code = rig.start_pairing().await;
    cloud.next(&rig, Place::Poll, 0).await;
    rig.cancel_pairing().await.unwrap();
    let shown = rig.properties(PAIRING).await;
    assert_eq!((text(&shown, "State").as_str(), text(&shown, "UserCode").as_str()), ("unpaired", ""));
    // A person who did not look up from the phone. The next pairing has a code of its own, which nobody has approved.
    cloud.approve(&rig, &code).await;
    let next = rig.start_pairing().await;
    assert_ne!(next, code);
    let last = cloud.answers(&rig, Place::Poll).await.last().map_or(0, |a| a.n);
    let poll = cloud.next(&rig, Place::Poll, last).await;
    assert_eq!(poll.error.as_deref(), Some("authorization_pending"));
    shows(&rig, "waiting-for-user", "none").await;
}

pub(crate) async fn a_kill_while_a_code_is_shown_costs_nothing<C: Cloud>() {
    let (mut rig, cloud) = started::<C>(LONG).await;
    let code = rig.start_pairing().await;
    rig.kill_and_start().await;
    shows(&rig, "waiting-for-user", "none").await;
    assert_eq!(rig.code().await, code);
    rig.kill().await;
    cloud.approve(&rig, &code).await;
    rig.start().await;
    rig.wait_project(&cloud.project()).await;
    assert_eq!(cloud.answers(&rig, Place::Code).await.len(), 1);
}

pub(crate) async fn a_kill_after_the_pairing_costs_nothing<C: Cloud>() {
    let (mut rig, cloud) = paired::<C>(SHORT).await;
    let by = rig.text(PAIRING, "AuthorizedBy").await;
    rig.kill_and_start().await;
    assert_eq!(rig.state().await, "paired");
    rig.wait_project(&cloud.project()).await;
    assert_eq!(rig.text(PAIRING, "AuthorizedBy").await, by);
    renewed(&rig, &cloud, 0).await;
    shows(&rig, "paired", "none").await;
    assert_eq!(cloud.answers(&rig, Place::Code).await.len(), 1);
}

pub(crate) async fn tokens_are_renewed_again_and_again<C: Cloud>() {
    let (rig, cloud) = paired::<C>(SHORT).await;
    let mut last = 0;
    for _ in 0..3 {
        last = renewed(&rig, &cloud, last).await;
    }
    assert!(cloud.answers(&rig, Place::Refresh).await.iter().all(|a| a.status == Some(200)));
    rig.wait_project(&cloud.project()).await;
    shows(&rig, "paired", "none").await;
    assert!(cloud.authorized(&rig).await);
}

pub(crate) async fn trouble_while_renewing_ends_nothing<C: Cloud>() {
    let (rig, cloud) = started::<C>(SHORT).await;
    cloud.trouble(&rig, Place::Refresh, Trouble::Unavailable).await;
    pair(&rig, &cloud).await;
    let shown = rig.wait_reason("provider").await;
    assert_eq!(text(&shown, "State"), "paired");
    rig.wait_reason("none").await;
    cloud.trouble(&rig, Place::Refresh, Trouble::Page).await;
    let shown = rig.wait_reason("captive-portal").await;
    assert_eq!(text(&shown, "State"), "paired");
    rig.wait_reason("none").await;
    renewed(&rig, &cloud, 0).await;
    assert_eq!(rig.state().await, "paired");
}

pub(crate) async fn a_lost_answer_to_a_renewal_is_named<C: Cloud>() {
    let (rig, cloud) = started::<C>(SHORT).await;
    cloud.trouble(&rig, Place::Refresh, Trouble::LostAnswer).await;
    pair(&rig, &cloud).await;
    rig.wait_state("needs-pairing").await;
    shows(&rig, "needs-pairing", "interrupted-refresh").await;
    assert_eq!(cloud.answers(&rig, Place::Refresh).await.len(), 2, "once more, and no storm");
    cloud.live(&rig, LONG).await;
    pair(&rig, &cloud).await;
    shows(&rig, "paired", "none").await;
}

pub(crate) async fn a_stolen_refresh_token_ends_the_pairing<C: Cloud>() {
    let (mut rig, cloud) = paired::<C>(SHORT).await;
    cloud.steal(&rig).await;
    rig.wait_state("needs-pairing").await;
    shows(&rig, "needs-pairing", "revoked").await;
    rig.kill_and_start().await;
    shows(&rig, "needs-pairing", "revoked").await;
    cloud.live(&rig, LONG).await;
    pair(&rig, &cloud).await;
    shows(&rig, "paired", "none").await;
}

//= https://www.rfc-editor.org/rfc/rfc7009#section-2.1
//= type=test
//# A client compliant with [RFC6749] must be prepared to handle unexpected token invalidation at any time.
pub(crate) async fn an_end_upstream_ends_the_pairing_for_good<C: Cloud>() {
    let (mut rig, cloud) = paired::<C>(SHORT).await;
    cloud.revoke(&rig).await;
    rig.wait_state("needs-pairing").await;
    shows(&rig, "needs-pairing", "revoked").await;
    let asked = cloud.answers(&rig, Place::Refresh).await.len();
    rig.restart().await;
    shows(&rig, "needs-pairing", "revoked").await;
    assert_eq!(cloud.answers(&rig, Place::Refresh).await.len(), asked, "nobody asks again");
    cloud.live(&rig, LONG).await;
    pair(&rig, &cloud).await;
    shows(&rig, "paired", "none").await;
}

pub(crate) async fn a_rejected_client_is_named_and_can_be_put_right<C: Cloud>() {
    let (mut rig, cloud) = C::rejected().await;
    assert_eq!(rig.ask_to_pair().await.unwrap_err().name, "ClientRejected");
    shows(&rig, "unpaired", "client-rejected").await;
    assert!(rig.blockers().await.contains(&"client-rejected".to_owned()));
    cloud.accepted(&mut rig).await;
    pair(&rig, &cloud).await;
    shows(&rig, "paired", "none").await;
}

pub(crate) async fn unpairing_is_told_upstream<C: Cloud>() {
    let (rig, cloud) = paired::<C>(LONG).await;
    assert!(cloud.authorized(&rig).await);
    rig.unpair().await.unwrap();
    let shown = rig.wait_state("unpaired").await;
    assert_eq!((text(&shown, "ProjectName").as_str(), text(&shown, "AuthorizedBy").as_str()), ("", ""));
    assert_eq!(cloud.next(&rig, Place::Revoke, 0).await.status, Some(200));
    assert!(!cloud.authorized(&rig).await);
    pair(&rig, &cloud).await;
}

pub(crate) async fn an_end_that_nobody_heard_of_is_told_again<C: Cloud>() {
    let (rig, cloud) = paired::<C>(LONG).await;
    for trouble in [Trouble::Unavailable, Trouble::Page] {
        cloud.trouble(&rig, Place::Revoke, trouble).await;
        assert_eq!(rig.unpair_and_hear().await, "not-reached", "{trouble:?}");
        assert!(cloud.authorized(&rig).await);
    }
    shows(&rig, "unpaired", "none").await;
    assert_eq!(rig.unpair_and_hear().await, "revoked");
    assert!(!cloud.authorized(&rig).await);
    assert_eq!(rig.unpair_and_hear().await, "nothing");
}
