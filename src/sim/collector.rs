//! Finished parts, fetched back from real object storage: it tells nobody, so we look.
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;

use super::app::App;
use super::event::Event;
use super::model::asset::Asset;
use super::model::part::Arrival;
use super::s3::{self, Bucket};
use super::{clock, parts};

/// Pause between two looks while something is missing.
const PAUSE: Duration = Duration::from_millis(100);
/// Missing parts of one asset that are looked for at a time.
const AT_A_TIME: usize = 32;

/// Looks for parts in the bucket until the task is aborted.
pub(crate) async fn collect(app: Arc<App>) {
    let Some(bucket) = &app.bucket else { return };
    let mut news = app.journal.watch();
    let mut trouble = None;
    loop {
        let waiting = waiting(&app, &mut news);
        if waiting.is_empty() {
            if news.changed().await.is_err() {
                return;
            }
            continue;
        }
        let mut now_trouble = None;
        for asset in waiting {
            if let Err(error) = look(&app, bucket, &asset).await {
                now_trouble = Some(error.to_string());
            }
        }
        if let Some(said) = now_trouble.as_ref().filter(|_| now_trouble != trouble) {
            app.journal
                .record(Event::action(None, format!("cannot look into the bucket: {said}")), app.now().ms);
        }
        trouble = now_trouble;
        clock::sleep(PAUSE).await;
    }
}

/// The assets with missing parts, as of the newest event.
fn waiting(app: &App, news: &mut watch::Receiver<u64>) -> Vec<Asset> {
    news.borrow_and_update();
    let now = app.now();
    app.world(now).assets.values().filter(|asset| asset.waits(now)).cloned().collect()
}

async fn look(app: &Arc<App>, bucket: &Bucket, asset: &Asset) -> io::Result<()> {
    let missing = app.world(app.now()).missing(&asset.id, AT_A_TIME);
    let found = join_all(missing.iter().map(|n| bucket.has(&asset.id, *n))).await;
    for (n, there) in missing.into_iter().zip(found) {
        if there? {
            fetch(app, bucket, asset, n).await?;
        }
    }
    Ok(())
}

async fn fetch(app: &Arc<App>, bucket: &Bucket, asset: &Asset, n: u64) -> io::Result<()> {
    let mut answer = bucket.get(&asset.id, n).await?;
    let etag =
        answer.headers().get("etag").and_then(|etag| etag.to_str().ok()).unwrap_or_default().to_owned();
    let mut writer = app.storage.part(&asset.id, n, "fetched");
    while let Some(bytes) = answer.chunk().await.map_err(s3::silent)? {
        writer.push(bytes).await?;
    }
    let file = writer.finish(true).await?;
    let (now, wanted) = (app.now(), asset.part_size(n));
    if file.size != wanted {
        let text = format!(
            "part of the wrong size: asset {}, part {n}, {} bytes instead of {wanted}",
            asset.id, file.size
        );
        let mut world = app.world(now);
        if !world.violations.contains(&text) {
            world.violation(text);
        }
        return Ok(());
    }
    let event = Event::found(&asset.device, &asset.id, n, file.size, &file.sha256);
    let (_, last) = app.world(now).part_done(&asset.id, n, &Arrival { file, etag, damaged: false });
    app.journal.record(event, now.ms);
    if last {
        parts::assemble(app, &asset.id).await;
    }
    Ok(())
}
