//! Every key there is: the one table that files are read by and judged by, and that the example, the manual page and the
//! rows in the README are written from.
//!
//! # Decisions
//! - A new key is a row here and a field in the settings. Its kind brings check and message, its place brings its place
//!   in the documents; a test tries every row with values at and beyond its bounds.
//! - The words for people are a constant that only the compiler sees; what the daemon keeps of a row is its rule.
//! - Secrets are provisioned, so no row says whether it takes one. The password of a proxy is the exception: it is the
//!   site's and not the rig's, and stands in an address by long custom.
use super::rule::{Form, Kind, Of, Preset, Row, Rule, Unit};

/// Sections that are written once for each thing of their kind, `[[like.this]]`; each has a key `name`.
pub const LISTS: [&str; 2] = ["source", "class"];

/// What people are told of a section.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Section {
    /// Before the point in its keys.
    pub name: &'static str,
    /// When a change is taken over.
    pub change: Change,
    /// What it is for; empty where its keys say it.
    pub says: &'static str,
}

/// When a change of a section is taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// By `systemctl reload`.
    Reload,
    /// By `systemctl reload`, but for what media sources find, which follows after a restart.
    ReloadButSources,
    /// By a restart.
    Restart,
}

/// In the order of the documents, which is that of the table.
pub const SECTIONS: &[Section] = &[
    Section { name: "device", change: Change::Restart, says: "" },
    Section { name: "provider", change: Change::Restart, says: "" },
    Section {
        name: "delivery",
        change: Change::Restart,
        says: "Where clips go, apart from whom the rig signs in with: to Frame.io with that provider, and with one of the kind \
               \"oauth\" nowhere, or to storage that you own. To a bucket (AWS, MinIO, Ceph, SeaweedFS, ...) the rig needs no key \
               of its own: its sign-in is exchanged for keys of an hour (AssumeRoleWithWebIdentity). To a tus server \
               (tusd, @tus/server, rustus, ...) it shows the sign-in's access token.",
    },
    Section { name: "tokens", change: Change::Restart, says: "" },
    Section { name: "state", change: Change::Restart, says: "" },
    Section { name: "vault", change: Change::Restart, says: "" },
    Section { name: "queue", change: Change::ReloadButSources, says: "" },
    Section {
        name: "source",
        change: Change::Restart,
        says: "Directories whose new files are queued by themselves, cards that come and go among them. Write one \
               section for each; a later file can change one by its name. Never taken are hidden \
               names, those of unfinished files (*.tmp, *.part, ...) and what systems keep for themselves (System Volume \
               Information, lost+found, Thumbs.db, ...), with everything in them.",
    },
    Section {
        name: "class",
        change: Change::ReloadButSources,
        says: "What goes first. Classes are told by names, and there are, with their priorities: proxy 300, metadata \
               250, audio 200, stills 100, originals 0. Your own patterns are tried before those that are built in, \
               the first that matches wins, and a class of a name that is built in changes that one.",
    },
    Section { name: "log", change: Change::Reload, says: "" },
];

/// Numbers the rows, so that code names a key and not its spelling.
macro_rules! keys {
    ($($key:ident = $row:expr;)*) => {
        /// A key of the configuration; the numbers are the places in the table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[allow(missing_docs, reason = "the table says what each is")]
        pub enum Key { $($key,)* }

        impl Key {
            /// In the order of the table.
            pub const ALL: &[Key] = &[$(Key::$key,)*];
        }

        /// The table.
        pub const TABLE: &[Row] = &[$($row,)*];
    };
}

/// What the daemon keeps of the table.
static RULES: [Rule; TABLE.len()] = {
    let mut rules = [TABLE[0].rule; TABLE.len()];
    let mut at = 1;
    while at < TABLE.len() {
        rules[at] = TABLE[at].rule;
        at += 1;
    }
    rules
};

impl Key {
    /// What it takes, and where it means something.
    pub fn rule(self) -> &'static Rule {
        &RULES[self as usize]
    }

    /// Section and key, `queue.max_items`.
    pub fn name(self) -> &'static str {
        self.rule().name
    }

    /// What stands before the point.
    pub fn section(self) -> &'static str {
        self.name().split_once('.').map_or("", |(section, _)| section)
    }
}

const fn whole(least: i64, most: i64, unit: Unit) -> Kind {
    Kind::Whole { least, most, unit }
}

const PRIORITY: Kind = whole(i32::MIN as i64, i32::MAX as i64, Unit::Things);
/// Seconds.
const DAY: u64 = 24 * 3600;
const BEFORE_PAIRING: Kind = Kind::Word("queue ask ignore");

keys! {
    DeviceClientId = Row::new("device.client_id", Kind::Text(Form::RigName),
        "The name by which the cloud knows this rig, for life. Never a MAC address, never a person's. By default a \
         random one is made once and kept.")
        .example("\"SN-000123\"");
    DeviceClientIdFile = Row::new("device.client_id_file", Kind::Path,
        "A file that holds the name instead, such as a serial number. Of the two keys only one may be set in a file; \
         that of a later file wins.")
        .example("\"/proc/device-tree/serial-number\"");

    ProviderKind = Row::new("provider.kind", Kind::Word("frameio oauth"),
        "Which cloud: \"frameio\" for Frame.io Camera to Cloud, or \"oauth\" for any provider with the device flow of \
         RFC 8628, such as Auth0. Each kind has keys of its own. \"oauth\" keeps the rig signed in for other \
         programs on it, and to post its clips to storage of your own ([delivery]).")
        .preset(Preset::Text("frameio"));
    ProviderCaFile = Row::new("provider.ca_file", Kind::Path,
        "Certificates (PEM) to trust besides the system's, for a proxy, a private authority or a simulator.")
        .example("\"/etc/rigpost/ca.pem\"");
    ProviderProxy = Row::new("provider.proxy", Kind::Proxy,
        "The HTTP proxy through which the cloud is reached (CONNECT), or \"none\". Without this key the unit's environment \
         says so: https_proxy, http_proxy, all_proxy and no_proxy. A user and a password may stand before the host \
         (http://user:password@host:port); then let only root and the group rigpost read the file.")
        .example("\"http://proxy.example:3128\"");

    ProviderBaseUrl = Row::new("provider.base_url", Kind::Url,
        "Where Frame.io is, or a simulator of it. A secret and a pairing belong to one address: another one never sees \
         them, and they work again when it is back.")
        .preset(Preset::Text("https://api.frame.io")).of(Of::Frameio);
    ProviderClientVersion = Row::new("provider.client_version", Kind::Text(Form::Version),
        "The version of the device that the cloud is told. By default the daemon's own.")
        .example("\"1.2.3\"").of(Of::Frameio);
    ProviderUrlPairing = Row::new("provider.url_pairing", Kind::Flag,
        "Ask for a web address beside the six digits, so that a QR code can be shown.")
        .preset(Preset::Flag(true)).of(Of::Frameio);
    ProviderSecretOnPoll = Row::new("provider.secret_on_poll", Kind::Flag,
        "Send the client secret with each request for tokens, not only with the request for a code.")
        .preset(Preset::Flag(false)).of(Of::Frameio);
    ProviderPresence = Row::new("provider.presence", Kind::Word("auto socket heartbeat none"),
        "How the project sees that the rig is there: by \"heartbeat\"; by \"socket\" beside it, which is always open and says at \
         once that somebody has paused the rig, and costs a board on battery its sleep; by \"none\" of them; or \"auto\": by \
         heartbeats, and while clips are sent, or a program on the bus asks for something, by a socket too, if the cloud \
         takes one.")
        .preset(Preset::Text("auto")).of(Of::Frameio);
    ProviderHeartbeat = Row::new("provider.heartbeat", whole(60, 290, Unit::SecondsOrNone),
        "Every how many seconds the cloud hears from a rig that has nothing else to say, so that the project shows it \
         as online. With it the rig notices that somebody has paused it in the project, or renamed the project.")
        .preset(Preset::Number(120)).of(Of::Frameio);

    ProviderIssuer = Row::new("provider.issuer", Kind::Url,
        "Where the provider publishes its endpoints and keys (OpenID Connect Discovery, or RFC 8414). What it says there is \
         kept for 30 days, for a start at which it is slow or away.")
        .example("\"https://YOUR-TENANT.eu.auth0.com/\"").of(Of::OAuth);
    ProviderClientId = Row::new("provider.client_id", Kind::Text(Form::ClientId),
        "What the provider calls this application. The application's grants must include the device code, and refresh \
         tokens.")
        .example("\"AbCdEf0123456789\"").of(Of::OAuth);
    ProviderClientAuth = Row::new("provider.client_auth", Kind::Word("none client_secret_post client_secret_basic"),
        "How the application shows who it is: \"none\" (a public client; nothing to provision), \"client_secret_post\" \
         or \"client_secret_basic\" (with \"rigpost provision\").")
        .preset(Preset::Text("none")).of(Of::OAuth);
    ProviderDpop = Row::new("provider.dpop", Kind::Word("auto always never"),
        "Whether a new pairing is bound to a key that only this rig has (DPoP, RFC 9449), so that a copy of the database \
         can't renew it: \"auto\" where the provider's metadata offers that, \"always\" with a provider that publishes none, or \
         \"never\". Programs that ask the rig for access tokens then ask for proofs \
         too (GetDPoPProof). A pairing that exists stays as it was made.")
        .preset(Preset::Text("auto")).of(Of::OAuth);
    ProviderScope = Row::new("provider.scope", Kind::Text(Form::Scope),
        "What to ask for; a change of this and the next two takes effect with the next pairing. With \"openid\" the \
         screen can say who has signed in; with \"offline_access\" they sign in once.")
        .preset(Preset::Text("openid profile offline_access")).of(Of::OAuth);
    ProviderAudience = Row::new("provider.audience", Kind::Text(Form::Line),
        "Which API the access tokens are for (Auth0).")
        .example("\"https://leaderboard.example/api\"").of(Of::OAuth);
    ProviderParameters = Row::new("provider.parameters", Kind::Parameters,
        "Whatever else the request for a code has to say.")
        .example("[\"resource=https://leaderboard.example/api\"]").of(Of::OAuth);
    ProviderDeviceAuthorizationEndpoint = Row::new("provider.device_authorization_endpoint", Kind::Url,
        "This and the next three: endpoints that the issuer does not publish, or all of them without an issuer; then \
         nobody vouches for an ID token. Here the rig asks for a code.")
        .example("\"https://login.example/device/code\"").of(Of::OAuth);
    ProviderTokenEndpoint = Row::new("provider.token_endpoint", Kind::Url, "Where tokens come from.")
        .example("\"https://login.example/token\"").of(Of::OAuth);
    ProviderRevocationEndpoint = Row::new("provider.revocation_endpoint", Kind::Url,
        "Where a rig that is unpaired gives its tokens back.")
        .example("\"https://login.example/revoke\"").of(Of::OAuth);
    ProviderJwksUri = Row::new("provider.jwks_uri", Kind::Url, "The keys that ID tokens are signed with.")
        .example("\"https://login.example/keys\"").of(Of::OAuth);

    DeliveryKind = Row::new("delivery.kind", Kind::Word("frameio s3 tus none"),
        "\"frameio\", \"s3\", \"tus\" or \"none\". By default \"frameio\" with that provider, else \"none\".")
        .example("\"s3\"");
    DeliveryEndpoint = Row::new("delivery.endpoint", Kind::Url,
        "Where the storage is; of kind = \"tus\", where uploads are created. The next eight are of kind = \"s3\".")
        .example("\"https://s3.eu-central-1.amazonaws.com\"");
    DeliveryBucket = Row::new("delivery.bucket", Kind::Text(Form::Bucket),
        "The bucket. Clips are bound to it and to the endpoint: those of another one wait, as those of another project do.")
        .example("\"footage\"");
    DeliveryRegion = Row::new("delivery.region", Kind::Text(Form::Region),
        "Its region; servers of your own mostly take any.")
        .preset(Preset::Text("us-east-1"));
    DeliveryPathStyle = Row::new("delivery.path_style", Kind::Flag,
        "The bucket's name stands in the path, and not before the host.")
        .preset(Preset::Flag(true));
    DeliveryKeys = Row::new("delivery.keys", Kind::Word("sign-in vault"),
        "By what the bucket knows the rig: \"sign-in\", which is exchanged for keys of an hour; or \"vault\", for storage without \
         OpenID Connect: the key of a user, given by rigpost provision --s3-key and sealed. That lives until somebody takes it \
         back: give its user no right but those of the role below.")
        .preset(Preset::Text("sign-in"));
    DeliveryRole = Row::new("delivery.role", Kind::Text(Form::Line),
        "The role to assume. It needs no right but to put objects and to give uploads up (s3:PutObject, \
         s3:AbortMultipartUpload); with s3:GetObject the rig can look at what lies at a name when an answer was lost.")
        .example("\"arn:aws:iam::123456789012:role/rig\"");
    DeliveryStsEndpoint = Row::new("delivery.sts_endpoint", Kind::Url,
        "Where keys come from. By default the endpoint, as with MinIO, Ceph and SeaweedFS; AWS has its own.")
        .example("\"https://sts.eu-central-1.amazonaws.com\"");
    DeliveryObjectName = Row::new("delivery.object_name", Kind::Text(Form::ObjectName),
        "What objects are called: {date} of the clip (UTC), {device} (the board's host name), {reel} (A001 of \
         A001_C002.mov, else the clip's directory), {name} of the clip, and {id}, \
         which no two clips of a rig share and which must be in it.")
        .preset(Preset::Text("{date}/{device}/{id}/{name}"));
    DeliveryChecksum = Row::new("delivery.checksum", Kind::Word("crc64nvme sha256 none"),
        "By which the storage checks what arrives: \"crc64nvme\", which costs least, \"sha256\", or \"none\". Computed before a \
         part leaves and sent ahead of it, until the storage has shown that it names it by itself. A storage that does not \
         know the one is asked for the other.")
        .preset(Preset::Text("crc64nvme"));

    TokensAllow = Row::new("tokens.allow", Kind::Flag,
        "Let members of the group rigpost-token fetch access tokens over D-Bus (org.rigpost.Rigpost1.Tokens), to call \
         an API of their own.")
        .preset(Preset::Flag(false));
    TokensAllowFrameio = Row::new("tokens.allow_frameio", Kind::Flag,
        "Frame.io's rules for devices keep tokens out of the user's reach. With \"frameio\", \"allow\" needs this too.")
        .preset(Preset::Flag(false)).of(Of::Frameio);

    StateDir = Row::new("state.dir", Kind::Path,
        "Where the database is. Without this key it is the directory that systemd has made, if it has made one.")
        .preset(Preset::Text("/var/lib/rigpost"));

    VaultKeyFile = Row::new("vault.key_file", Kind::Path,
        "The root key, where systemd brings none as a credential: 32 bytes, mode 0600. By default root.key beside the \
         database.")
        .example("\"/var/lib/rigpost/root.key\"");

    QueueMediaDirs = Row::new("queue.media_dirs", Kind::Paths,
        "Only files beneath these directories are ever opened and sent.")
        .preset(Preset::Texts(&["/media", "/mnt"]));
    QueueTakeOpenFiles = Row::new("queue.take_open_files", Kind::Flag,
        "Take clips too that a member of rigpost-ui hands over as an open file (AddFd, rigpost add): from a desktop's card that \
         only this person may look into, or from anywhere else where they can read. With \"false\" nothing is sent but what \
         lies beneath media_dirs.")
        .preset(Preset::Flag(true));
    QueueMaxItems = Row::new("queue.max_items", whole(1, i64::MAX, Unit::Things),
        "How many items that are not sent yet the queue holds at most.")
        .preset(Preset::Number(1_000_000));
    QueueMaxItemsPerUser = Row::new("queue.max_items_per_user", whole(1, i64::MAX, Unit::Things),
        "How many of them one user may have added. Root, and what media sources find, are not counted.")
        .preset(Preset::Number(100_000));
    QueueParallelParts = Row::new("queue.parallel_parts", whole(1, 16, Unit::Things),
        "How many parts are sent at once, by default 4, or 12 where the kernel has no BBR congestion control. What is set \
         here is never exceeded: what matters more then waits for the next part of others to be through. Where it is not \
         set, what matters more, and comes while others are sent, may have two more.")
        .example("4");
    QueueSettleSeconds = Row::new("queue.settle_seconds", whole(1, 3600, Unit::Seconds),
        "A clip is finished when its writer has closed it and did not open it again for so many seconds. Who opens it \
         again and again is waited for up to twenty times as long, and a file that was there before the rig looked \
         for half of that; neither for more than a minute.")
        .preset(Preset::Number(3));
    QueueBeforePairing = Row::new("queue.before_pairing", BEFORE_PAIRING,
        "What becomes of clips that were made before the pairing they would be sent under, when somebody adds them: \
         \"queue\" (they are sent like the others), \"ask\" (they are held until a person releases them) or \"ignore\" \
         (they are listed as cancelled).")
        .preset(Preset::Text("queue"));

    SourceName = Row::new("source.name", Kind::Text(Form::Label), "Which one.").example("\"A camera\"");
    SourcePath = Row::new("source.path", Kind::Path,
        "Beneath one of media_dirs; need not be there yet.")
        .example("\"/media/a-cam\"");
    SourcePatterns = Row::new("source.patterns", Kind::Patterns,
        "Only these; case does not matter. One with \"/\" is held against the whole path. By default everything.")
        .example("[\"*.mov\", \"*.mxf\", \"*/DCIM/*\"]");
    SourceExclude = Row::new("source.exclude", Kind::Patterns, "Not these.")
        .example("[\"*.thm\", \"*/private/*\"]");
    SourceClass = Row::new("source.class", Kind::Text(Form::Class),
        "The class of everything it finds, whatever the names say. By default each file's own.")
        .example("\"audio\"");
    SourceChannel = Row::new("source.channel", Kind::Channel { least: 0, most: 100 },
        "Which camera or recorder behind this rig: its number, where somebody has connected it in the project, or the id that \
         Frame.io has given its model, { model = \"...\" }. Then this rig connects it as a channel of its own, and its clips \
         wait until that is done.")
        .preset(Preset::Number(0)).example("1");
    SourcePriority = Row::new("source.priority", PRIORITY, "Instead of the class's; larger goes first.")
        .example("210");
    SourceBeforePairing = Row::new("source.before_pairing", BEFORE_PAIRING,
        "As in [queue], for what this source finds.")
        .preset(Preset::Text("ask"));
    SourceIncomplete = Row::new("source.incomplete", Kind::Span { words: "hold send", least: 1, most: 30 * DAY },
        "What becomes of a clip that is visibly cut, such as after a battery died: it is sent as it is after so long \
         without a change, or at once (\"send\"), or when a person says so (\"hold\").")
        .preset(Preset::Text("10min"));
    SourceScan = Row::new("source.scan", Kind::Span { words: "off", least: 1, most: DAY },
        "How often it is looked through where others may write and this system is not told: NFS, SMB, FUSE, overlays. \
         Not at all with \"off\": then only what is written from here is found, and what lies there at a start or a mount.")
        .preset(Preset::Text("30s"));
    SourceSequences = Row::new("source.sequences", Kind::Flag,
        "Take the frames of sequences too (CinemaDNG, ARRIRAW, DPX, OpenEXR, numbered TIFF). To the cloud each frame is a \
         clip. It takes five new ones a second from all devices of one person, and this rig asks for four: 86400 frames, \
         which are an hour at 24 a second, need at least 6 hours on any line. With false they stay on the card, and the \
         journal says how many.")
        .preset(Preset::Flag(true));
    SourceWhileRecording = Row::new("source.while_recording", Kind::Flag,
        "Send what is recorded here while it is recorded, so that it is in the cloud seconds after the stop. What can't go \
         on so goes as every clip does, once its recorder is done. Not together with \"rigpost pause --while-recording\".")
        .preset(Preset::Flag(false)).example("true");
    SourceClipName = Row::new("source.clip_name", Kind::Text(Form::ClipName),
        "What the cloud shall call what this source finds, where the files' names repeat from card to card. By default as \
         the file is called.")
        .example("\"{parent}_{file}\"");

    ClassName = Row::new("class.name", Kind::Text(Form::Label), "Which one.").example("\"proxy\"");
    ClassPatterns = Row::new("class.patterns", Kind::Patterns,
        "Files that match one of these are of this class; as in [[source]].")
        .example("[\"*_low.*\", \"*/Offline/*\"]");
    ClassPriority = Row::new("class.priority", PRIORITY,
        "Larger goes first. By default 0, or as it is built in.")
        .example("350");

    LogLevel = Row::new("log.level", Kind::Word("error warn info debug trace"),
        "The least important messages that are written to the journal: \"error\", \"warn\", \"info\", \"debug\" or \
         \"trace\".")
        .preset(Preset::Text("info"));
}
