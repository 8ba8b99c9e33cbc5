//! What belongs to what: every task and channel, made from the settings in one place.
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{broadcast, mpsc, watch};
use tracing::{error, info, warn};

use super::version::VERSION;
use crate::clock::Clock;
use crate::config::{self, Settings};
use crate::egress::Egress;
use crate::http::Http;
use crate::link::{DEPTH, Handle, ToQueue, ToRig};
use crate::media::{FdStore, Kept, Pacer, Workers};
use crate::store::{ClientKind, Limits, Location, Store};
use crate::tasks::{
    ChannelTask, Channels, CommentTask, CommentsDue, Deliverer, Deps, GrowingLinks, GrowingTask, InHand,
    Intake, Lines, Ping, PresenceTask, Recordings, RigLinks, RigTask, Source, SourceLinks, SourceTask,
    UploadSettings, UploadTask,
};
use crate::vault::KeySource;
use rigpost_core::delivery::s3::S3;
use rigpost_core::delivery::sts::{self, Sts};
use rigpost_core::delivery::tus::Tus;
use rigpost_core::identity::rig::{Presence, Rig};
use rigpost_core::oauth::{ClientAuth, SignIn};
use rigpost_core::provider::{self, FrameIo, OAuth, Provider, ProviderKey};
use rigpost_core::time::WallTime;
use rigpost_core::view::{QueueView, RigView};

/// Everything that runs, and the ends that the supervisor holds.
pub(super) struct Wired {
    pub(super) handle: Handle,
    pub(super) rig_task: RigTask<Http>,
    pub(super) uploads: UploadTask<Http>,
    pub(super) growing_task: GrowingTask<Http>,
    pub(super) comment_task: CommentTask<Http>,
    pub(super) channel_task: ChannelTask<Http>,
    pub(super) presence_task: PresenceTask<Http>,
    /// Where there are media sources.
    pub(super) source_task: Option<(SourceTask, mpsc::Sender<Ping>)>,
    pub(super) rig: watch::Receiver<RigView>,
    pub(super) queue: watch::Receiver<QueueView>,
    pub(super) transport: Arc<Http>,
}

/// Makes all of it; nothing runs yet. `client_id`: the identity that the configuration names, resolved.
pub(super) fn wire(
    settings: &Settings,
    client_id: Option<String>,
    upload_settings: watch::Receiver<UploadSettings>,
    clock: &Clock,
    built: WallTime,
    fd_store: FdStore,
) -> std::io::Result<Wired> {
    let seed = getrandom::u64().map_err(std::io::Error::other)?;
    let (provider, mut key, client) = provider(&settings.provider);
    key.takes_clips = settings.delivery != config::Delivery::None;
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    let location = Location {
        dir: settings.state.dir.clone(),
        key: KeySource::choose(credentials, settings.vault.key_file.clone()),
        client_id,
        provider: key,
        client,
    };
    let store = Store::at(location, clock.clone());
    let workers = Workers::new(clock.clone());
    let transport = Arc::new(Http::new(egress(&settings.provider, built), VERSION, clock.clone()));
    let (to_rig, rig_inbox) = mpsc::channel::<ToRig>(DEPTH);
    let (to_queue, queue_inbox) = mpsc::channel::<ToQueue>(DEPTH);
    let (rig_out, rig) = watch::channel(RigView::unread());
    let (queue_out, queue) = watch::channel(QueueView::default());
    let (access_out, access) = watch::channel(None);
    let (missing, missing_sources) = watch::channel(Vec::new());
    let (news, _) = broadcast::channel(DEPTH * 4);
    let (to_growing, growing_inbox) = mpsc::channel(DEPTH);
    let (again, let_go) = mpsc::channel(DEPTH);
    let (in_hand, lines, pacer) = (InHand::default(), Lines::default(), Pacer::new(clock.clone()));
    let intake = upload_settings.borrow().intake.clone();
    let source_task = (!intake.sources.is_empty()).then(|| {
        let (ping, pings) = mpsc::channel(1);
        let (store, to_queue, max_items) = (store.clone(), to_queue.clone(), settings.queue.max_items);
        let (workers, in_hand) = (workers.clone(), in_hand.clone());
        let recordings = Recordings { to: to_growing, in_hand, again: let_go };
        let source_task = SourceTask::new(
            intake.clone(),
            workers,
            max_items,
            store,
            clock.clone(),
            SourceLinks { queue: to_queue, view: queue.clone(), pings, missing, recordings },
        );
        (source_task, ping)
    });
    let (sign_in_out, sign_in) = watch::channel(None);
    let delivery = delivery(settings, &provider, &transport, (clock, &store), sign_in, to_rig.clone());
    let parts = Deps::new(provider, delivery, transport.clone(), store, clock.clone());
    let presence = Presence { heartbeat: settings.provider.heartbeat, socket: settings.provider.socket };
    let machine = Rig::new(settings.provider.kind, seed, built, presence);
    let (wish, wishes) = watch::channel(None);
    let links =
        RigLinks { inbox: rig_inbox, view: rig_out, access: access_out, socket: wish, sign_in: sign_in_out };
    let rig_task = RigTask::new(parts.clone(), machine, links);
    let presence_task = PresenceTask::new(parts.clone(), wishes, to_rig.clone());
    let (show_channels, sub_devices) = watch::channel(Vec::new());
    let channel_task =
        ChannelTask::new(parts.clone(), &intake.sources, access.clone(), to_rig.clone(), show_channels);
    let comments = CommentsDue::default();
    let comment_task = CommentTask::new(parts.clone(), comments.clone(), access.clone(), to_rig.clone());
    let growing_task = GrowingTask::new(
        parts.clone(),
        workers.clone(),
        upload_settings.clone(),
        GrowingLinks {
            inbox: growing_inbox,
            comments: comments.clone(),
            sub_devices: sub_devices.clone(),
            queue: to_queue.clone(),
            to_rig: to_rig.clone(),
            access: access.clone(),
            view: queue.clone(),
            news: news.subscribe(),
            lines: lines.clone(),
            pacer: pacer.clone(),
            in_hand,
            again,
        },
    );
    let channels = Channels {
        inbox: queue_inbox,
        to_rig: to_rig.clone(),
        access,
        missing_sources,
        view: queue_out,
        lines,
        comments,
        sub_devices,
        news: news.clone(),
    };
    let kept = Kept::new(&workers, fd_store);
    let uploads = UploadTask::new(parts, workers, kept, upload_settings, channels, pacer, seed ^ 3);
    let handle = Handle { to_rig, to_queue, rig_view: rig.clone(), queue_view: queue.clone(), news };
    Ok(Wired {
        handle,
        rig_task,
        uploads,
        growing_task,
        comment_task,
        channel_task,
        presence_task,
        source_task,
        rig,
        queue,
        transport,
    })
}

/// What the upload task may be told anew while it runs.
pub(super) fn for_uploads(settings: &Settings, built: WallTime) -> UploadSettings {
    let queue = &settings.queue;
    let intake = Intake {
        media_dirs: queue.media_dirs.clone(),
        takes_open_files: queue.take_open_files,
        classes: settings.classes.clone(),
        sources: settings.sources.clone(),
        settle: Duration::from_secs(queue.settle_seconds),
        before_pairing: queue.before_pairing,
        earliest: built,
    };
    let limits =
        Limits { max_items: queue.max_items, max_per_user: queue.max_items_per_user.min(queue.max_items) };
    UploadSettings { intake: Arc::new(intake), limits, parallel_parts: queue.parallel_parts }
}

/// The way out, and a line for what is wrong with it in the environment.
fn egress(settings: &config::Provider, built: WallTime) -> Egress {
    let (proxies, wrong) = settings.proxy.resolve(|name| std::env::var(name).ok());
    wrong.iter().for_each(|why| warn!("{why}: passed over; `provider.proxy` goes before the environment"));
    for (scheme, proxy) in [("https", &proxies.https), ("http", &proxies.http)] {
        if let Some(proxy) = proxy {
            info!("{scheme} goes through the proxy {proxy}");
        }
    }
    Egress { ca_file: settings.ca_file.clone(), proxies, built }
}

/// Where clips go.
fn delivery(
    settings: &Settings,
    provider: &Provider,
    transport: &Arc<Http>,
    (clock, store): (&Clock, &Store),
    sign_in: watch::Receiver<Option<SignIn>>,
    to_rig: mpsc::Sender<ToRig>,
) -> Option<Deliverer<Http>> {
    match &settings.delivery {
        config::Delivery::None => None,
        config::Delivery::Frameio => provider.clips().cloned().map(Deliverer::FrameIo),
        config::Delivery::Tus(endpoint) => {
            let (tus, device) = (Arc::new(Tus::new(endpoint.clone())), host_name());
            Some(Deliverer::storage(tus, Source::Bearer, transport, clock, sign_in, to_rig, device))
        }
        config::Delivery::Bucket(b) => {
            let device = host_name();
            let sts =
                Sts { endpoint: b.sts.clone(), role: b.role.clone(), session: sts::session_name(&device) };
            let (endpoint, template) = (b.endpoint.clone(), b.template.clone());
            // Tried when the configuration was judged.
            let s3 = S3::new(endpoint, b.path_style, &b.name, &b.region, template, b.checksum);
            let s3 = s3.inspect_err(|e| error!("`delivery.endpoint` {e}: no clip is sent")).ok()?;
            let source = if b.own_key { Source::Own(store.clone()) } else { Source::Sts(sts) };
            let s3 = Arc::new(s3);
            Some(Deliverer::storage(s3, source, transport, clock, sign_in, to_rig, device))
        }
    }
}

/// What this board is called.
fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The provider, what tells it from others, and what the rig is to it.
fn provider(settings: &config::Provider) -> (Provider, ProviderKey, ClientKind) {
    let Some(o) = &settings.oauth else {
        let provider = Provider::FrameIo(FrameIo {
            base_url: settings.base_url.clone(),
            client_version: settings.client_version.clone(),
            url_pairing: settings.url_pairing,
            secret_on_poll: settings.secret_on_poll,
        });
        return (provider, ProviderKey::frameio(&settings.base_url), ClientKind::default());
    };
    let configured = provider::ConfiguredEndpoints {
        issuer: o.issuer.clone(),
        device_authorization: o.device_authorization_endpoint.clone(),
        token: o.token_endpoint.clone(),
        revocation: o.revocation_endpoint.clone(),
        jwks: o.jwks_uri.clone(),
    };
    // The configuration names one of the two.
    let at = o.issuer.as_ref().or(o.token_endpoint.as_ref()).unwrap_or(&settings.base_url);
    let key = ProviderKey::oauth(at, &o.client_id);
    let client =
        ClientKind { client_id: Some(o.client_id.clone()), public: o.client_auth == ClientAuth::None };
    let fields = o.parameters.clone();
    let mut provider = OAuth::new(o.client_id.clone(), o.client_auth, o.scope.clone(), fields, configured);
    provider.binds = o.binds;
    (Provider::OAuth(Arc::new(provider)), key, client)
}
