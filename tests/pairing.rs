//! Pairing, from the wish to the grant, on a whole rig: what the person sees, and what the cloud and the network do.
mod common;

use common::*;

#[tokio::test]
async fn a_person_types_the_code_and_the_rig_is_paired() {
    let rig = Setup::new().provisioned().await;
    assert_eq!(rig.state().await, "unpaired");
    let code = rig.start_pairing().await;
    assert_eq!(code.len(), 6);
    assert_eq!(rig.state().await, "waiting-for-user");
    rig.sim.approve(&code, PROJECT).unwrap();
    let shown = rig.wait_state("paired").await;
    assert_eq!(text(&shown, "UserCode"), "");
    rig.wait_project(PROJECT).await;
    assert_eq!(rig.sim.devices().len(), 1);
    assert_eq!(rig.sim.devices()[0].client_id, rig.device_id().await);
}
