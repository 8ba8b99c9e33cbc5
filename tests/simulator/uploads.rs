//! Creation, parts, pauses, completion.

use std::time::Duration;

use rigpost::sim::{EventKind, Fault, Lifetimes, Sim, SimOptions};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::client::{PATIENCE, Rig, quick};

fn hex_sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes that differ everywhere, so that swapped parts show.
fn media(size: usize) -> Vec<u8> {
    (0..size).map(|i| u8::try_from((i * 7 + i / 251) % 256).unwrap()).collect()
}

#[tokio::test]
async fn parts_sent_in_any_order_become_the_file() {
    let sim = Sim::start(quick()).await.unwrap();
    let rig = Rig::paired(&sim).await;
    let clip = media(3_000_001);
    let (id, urls) = rig.clip(clip.len(), 3).await;
    assert_eq!(urls.len(), 3);
    for url in &urls {
        assert!(url.starts_with(sim.url().as_str()), "{url}");
        assert!(url.contains("X-Amz-SignedHeaders=content-type%3Bhost%3Bx-amz-acl"), "{url}");
        assert!(url.contains("X-Amz-Expires=86400") && url.contains("SIMSECRET"), "{url}");
    }
    let chunks: Vec<&[u8]> = clip.chunks(1_000_001).collect();
    for n in [2, 0, 1] {
        assert!(!sim.assets()[0].complete);
        let answer = rig.put(&urls[n], chunks[n].to_vec()).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, ""));
        let etag = answer.headers["etag"].to_str().unwrap();
        assert_eq!(etag, format!("\"{}\"", &hex_sha256(chunks[n])[..32]));
    }
    let asset = sim.assets().remove(0);
    assert_eq!((asset.id.as_str(), asset.parts_done, asset.complete), (id.as_str(), 3, true));
    assert_eq!(asset.sha256, Some(hex_sha256(&clip)));
    assert_eq!((asset.project.as_str(), asset.device.as_str()), ("Testbed", "rig-1"));
    assert_eq!(std::fs::read(sim.asset_file(&asset)).unwrap(), clip);
    assert_eq!(sim.violations(), Vec::<String>::new());
}
