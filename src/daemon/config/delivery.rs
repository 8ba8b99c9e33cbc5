//! `[delivery]`: where clips go, apart from whom the rig signs in with.
use super::check::{Checker, PRESET};
use super::keys::Key;
use super::settings::{Bucket, Delivery, Provider};
use rigpost_core::delivery::s3::S3;
use rigpost_core::delivery::s3::template::Template;
use rigpost_core::provider::ProviderKind;
use rigpost_core::queue::checksum::Algorithm;

/// What only a bucket has, and that is not preset.
const OF_BUCKET: [Key; 3] = [Key::DeliveryBucket, Key::DeliveryRole, Key::DeliveryStsEndpoint];

pub(super) fn section(c: &mut Checker<'_>, provider: &Provider) -> Delivery {
    let kind = c.word(Key::DeliveryKind, |word| Some(word.to_owned()));
    let own_key = c.word(Key::DeliveryKeys, |word| Some(word == "vault")).expect(PRESET);
    let (endpoint, bucket) = (c.url(Key::DeliveryEndpoint), bucket(c, own_key));
    let delivery = match (kind.as_deref(), provider.kind) {
        (None, ProviderKind::Frameio) | (Some("frameio"), ProviderKind::Frameio) => Delivery::Frameio,
        (None | Some("none"), _) => Delivery::None,
        (Some("s3"), ProviderKind::OAuth) => {
            demand(c, "s3", &[Key::DeliveryEndpoint, Key::DeliveryBucket]);
            bucket.map_or(Delivery::None, |bucket| Delivery::Bucket(Box::new(bucket)))
        }
        (Some("tus"), ProviderKind::OAuth) => {
            demand(c, "tus", &[Key::DeliveryEndpoint]);
            endpoint.map_or(Delivery::None, Delivery::Tus)
        }
        (Some(word), _) => {
            let why = match word {
                "s3" => "needs a provider of the kind \"oauth\", whose ID tokens the storage takes",
                "tus" => "needs a provider of the kind \"oauth\", whose access tokens the server takes",
                _ => "needs a provider of the kind \"frameio\"",
            };
            c.refuse(Key::DeliveryKind, why);
            Delivery::None
        }
    };
    if kind.as_deref() != Some("s3") {
        let own_key = own_key.then_some(Key::DeliveryKeys);
        let all = OF_BUCKET.into_iter().chain(own_key);
        all.for_each(|key| c.refuse(key, "means nothing without kind = \"s3\""));
    }
    if matches!(&delivery, Delivery::Bucket(bucket) if bucket.own_key) {
        let of_sign_in = [Key::DeliveryRole, Key::DeliveryStsEndpoint];
        of_sign_in.into_iter().for_each(|key| c.refuse(key, "means nothing with keys = \"vault\""));
    }
    if !matches!(kind.as_deref(), Some("s3" | "tus")) {
        c.refuse(Key::DeliveryEndpoint, "means nothing without kind = \"s3\" or \"tus\"");
    }
    delivery
}

fn demand(c: &mut Checker<'_>, kind: &str, keys: &[Key]) {
    let Some(setting) = c.keys.get(&Key::DeliveryKind) else { return };
    for key in keys {
        if !c.keys.contains_key(key) {
            c.wrong(*key, setting, setting.line, format!("is missing: kind = \"{kind}\" needs it"));
        }
    }
}

fn bucket(c: &mut Checker<'_>, own_key: bool) -> Option<Bucket> {
    let endpoint = c.url(Key::DeliveryEndpoint);
    let name = c.text(Key::DeliveryBucket);
    let region = c.text(Key::DeliveryRegion).expect(PRESET);
    let path_style = c.flag(Key::DeliveryPathStyle);
    let role = c.text(Key::DeliveryRole);
    let sts = c.url(Key::DeliveryStsEndpoint);
    let template = c.parsed(Key::DeliveryObjectName, Template::parse).expect(PRESET);
    let checksum = c
        .word(Key::DeliveryChecksum, |word| match word {
            "crc64nvme" => Some(Some(Algorithm::Crc64Nvme)),
            "sha256" => Some(Some(Algorithm::Sha256)),
            _ => Some(None),
        })
        .expect(PRESET);
    let (endpoint, name) = (endpoint?, name?);
    if let Err(e) = S3::new(endpoint.clone(), path_style, &name, &region, template.clone(), checksum) {
        c.refuse(Key::DeliveryEndpoint, format!("{e} whose name stands before it"));
    }
    Some(Bucket {
        sts: sts.unwrap_or_else(|| endpoint.clone()),
        endpoint,
        name,
        region,
        path_style,
        own_key,
        role,
        template,
        checksum,
    })
}
