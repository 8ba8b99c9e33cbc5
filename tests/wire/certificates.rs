//! Certificates of every kind, by the API's client and by that for parts, in both versions of TLS.
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use rigpost_core::oauth::Cause;
use rigpost_core::time::WallTime;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, SupportedProtocolVersion};
use tempfile::TempDir;
use tokio_rustls::TlsAcceptor;

use crate::*;

/// A certificate with its key.
struct Made {
    der: CertificateDer<'static>,
    pem: String,
    key: KeyPair,
    params: CertificateParams,
}

/// What is not as usual in a certificate.
#[derive(Clone, Copy, Default)]
struct Odd {
    authority: bool,
    years: Option<(i32, i32)>,
    names: Option<&'static [&'static str]>,
}

fn params(common: &str, odd: Odd) -> CertificateParams {
    let names = odd.names.unwrap_or(&["127.0.0.1"]).iter().map(|name| (*name).to_owned());
    let mut params = CertificateParams::new(names.collect::<Vec<_>>()).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common);
    let (from, to) = odd.years.unwrap_or((2020, 2099));
    (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
    if odd.authority {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    }
    params
}

fn alone(common: &str, odd: Odd) -> Made {
    let (params, key) = (params(common, odd), KeyPair::generate().unwrap());
    let cert = params.self_signed(&key).unwrap();
    Made { der: cert.der().clone(), pem: cert.pem(), key, params }
}

impl Made {
    fn signs(&self, common: &str, odd: Odd) -> Made {
        let (params, key) = (params(common, odd), KeyPair::generate().unwrap());
        let issuer = Issuer::from_params(&self.params, &self.key);
        let cert = params.signed_by(&key, &issuer).unwrap();
        Made { der: cert.der().clone(), pem: cert.pem(), key, params }
    }
}

const CA: Odd = Odd { authority: true, years: None, names: None };
const BOTH: &[&[&SupportedProtocolVersion]] = &[&[&TLS12], &[&TLS13]];

/// Serves with this chain; parts and questions of the API alike.
async fn serving(chain: &[&Made], versions: &[&'static SupportedProtocolVersion]) -> Server {
    let key = PrivateKeyDer::Pkcs8(chain[0].key.serialize_der().into());
    let config = ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain.iter().map(|made| made.der.clone()).collect(), key)
        .unwrap();
    Server::encrypting(TlsAcceptor::from(Arc::new(config)), |mut peer: Peer| async move {
        while let Some(head) = Some(peer.head().await).filter(|head| !head.is_empty()) {
            let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
            peer.say("HTTP/1.1 100 Continue\r\n\r\n").await;
            peer.body(length.map_or(0, |length| length.parse().unwrap())).await;
            peer.say("HTTP/1.1 200 OK\r\nETag: \"abc\"\r\nContent-Length: 0\r\n\r\n").await;
        }
    })
    .await
}

/// Trusts these.
fn trusting(made: &[&Made], built: WallTime) -> (Rig, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ca.pem");
    std::fs::write(&file, made.iter().map(|made| made.pem.as_str()).collect::<String>()).unwrap();
    let ca_file = (!made.is_empty()).then_some(file);
    (Rig::with(Egress { ca_file, built, ..Egress::default() }, Patience::default()), dir)
}

/// What both clients say of a server, which is one thing: nothing, or the class and the words.
async fn said(rig: &Rig, server: &Server) -> Option<(Cause, String)> {
    let part = rig.put(&server.url(), 10).await.err().map(|e| e.trouble);
    let asked = rig.http.ask(question(&format!("https://{}/health", server.address))).await.err();
    if let Some(error) = &asked {
        assert_eq!(error.tls.as_ref().map(ToString::to_string), Some(error.trouble.why.clone()));
    }
    let asked = asked.map(|e| e.trouble);
    assert_eq!(part, asked);
    asked.map(|trouble| (trouble.cause, trouble.why))
}

fn now() -> i64 {
    Clock::system().now().wall.0
}

#[tokio::test]
async fn a_certificate_that_is_its_own_authority_is_trusted_where_the_configuration_has_it() {
    for odd in [CA, Odd::default()] {
        let own = alone("camera desk", odd);
        for versions in BOTH {
            let server = serving(&[&own], versions).await;
            let (rig, _dir) = trusting(&[&own], WallTime(0));
            assert_eq!(said(&rig, &server).await, None, "authority {}", odd.authority);
            let (rig, _dir) = trusting(&[&alone("another", CA), &own], WallTime(0));
            assert_eq!(said(&rig, &server).await, None, "the second of two");
        }
    }
    let root = alone("studio", CA);
    let pinned = root.signs("storage", Odd::default());
    let server = serving(&[&pinned], BOTH[1]).await;
    assert_eq!(said(&trusting(&[&pinned], WallTime(0)).0, &server).await, None, "signed by somebody unknown");
}

//= https://www.rfc-editor.org/rfc/rfc6749#section-10.9
//= type=test
//# The client MUST validate the authorization server's TLS certificate
#[tokio::test]
async fn being_named_does_not_make_a_certificate_good() {
    let wrong = [
        (Odd { years: Some((2001, 2002)), ..CA }, Cause::Clock, "has expired"),
        (Odd { years: Some((2001, 2002)), ..Odd::default() }, Cause::Clock, "has expired"),
        (Odd { years: Some((2098, 2099)), ..CA }, Cause::Clock, "not yet valid"),
        (
            Odd { names: Some(&["other.example"]), ..CA },
            Cause::Certificate,
            "is for other.example and not for 127.0.0.1",
        ),
        (
            Odd { names: Some(&["other.example"]), ..Odd::default() },
            Cause::Certificate,
            "is for other.example and not for 127.0.0.1",
        ),
        (Odd { names: Some(&[]), ..CA }, Cause::Certificate, "is for no host"),
    ];
    for (odd, cause, words) in wrong {
        let own = alone("camera desk", odd);
        let server = serving(&[&own], BOTH[1]).await;
        let (found, why) = said(&trusting(&[&own], WallTime(0)).0, &server).await.unwrap();
        assert!(found == cause && why.contains(words), "{why}");
    }
    // Of the same name, and not the same.
    let (own, twin) = (alone("camera desk", CA), alone("camera desk", CA));
    let server = serving(&[&twin], BOTH[0]).await;
    let (cause, _) = said(&trusting(&[&own], WallTime(0)).0, &server).await.unwrap();
    assert_eq!(cause, Cause::Certificate);
}

//= https://www.rfc-editor.org/rfc/rfc6749#section-10.9
//= type=test
//# The client MUST validate the authorization server's TLS certificate
#[tokio::test]
async fn who_is_not_known_is_told_by_name() {
    let (root, stranger) = (alone("Corp Root", CA), alone("elsewhere", CA));
    let between = root.signs("Corp Issuing", CA);
    let leaf = between.signs("storage", Odd::default());
    let own = alone("camera desk", CA);
    let many = root.signs(
        "filter",
        Odd {
            names: Some(&["a.example", "b.example", "c.example", "d.example", "e.example"]),
            ..Odd::default()
        },
    );
    let table: [(&[&Made], &[&Made], &str); 7] = [
        (&[&leaf, &between], &[&root], ""),
        (&[&leaf], &[&between], ""),
        (
            &[&leaf],
            &[&root],
            "comes alone and from an issuer that this rig does not trust (\"Corp Issuing\")",
        ),
        (&[&leaf, &between], &[&stranger], "is from an issuer that this rig does not trust (\"Corp Root\")"),
        (&[&leaf, &between, &root], &[], "is from an issuer that this rig does not trust (\"Corp Root\")"),
        (&[&own], &[&stranger], "(\"camera desk\") is self-signed and not in `provider.ca_file`"),
        (
            &[&many],
            &[&root],
            "is for a.example, b.example, c.example and 2 more, and not for 127.0.0.1: a log-in page",
        ),
    ];
    for (chain, trusted, words) in table {
        let server = serving(chain, BOTH[1]).await;
        let outcome = said(&trusting(trusted, WallTime(0)).0, &server).await;
        let why = outcome.as_ref().map_or("", |(_, why)| why);
        assert_eq!(why.is_empty(), words.is_empty(), "{why}");
        assert!(
            why.contains(words) && outcome.iter().all(|(cause, _)| *cause == Cause::Certificate),
            "{why}"
        );
    }
}

//= https://www.rfc-editor.org/rfc/rfc6749#section-10.9
//= type=test
//# The client MUST validate the authorization server's TLS certificate
//= frameio-c2c#6.3
//= type=test
//# A certificate that is over or not valid yet speaks of the clock.
#[tokio::test]
async fn what_is_not_valid_now_is_told_with_both_dates() {
    let root = alone("studio", CA);
    let over = root.signs("storage", Odd { years: Some((2001, 2002)), ..Odd::default() });
    let not_yet = root.signs("storage", Odd { years: Some((2098, 2099)), ..Odd::default() });
    for (chain, built, words) in [
        (&over, WallTime(0), "good until 2002-01-01 00:00 UTC"),
        (&over, WallTime(0), "or the clock of this rig is ahead"),
        (&over, WallTime(now()), "the server needs a new one"),
        (&not_yet, WallTime(0), "good from 2098-01-01 00:00 UTC"),
        (&not_yet, WallTime(0), "or the certificate was made by a wrong one"),
        // This clock is before the program was built.
        (&not_yet, WallTime(now() + 1_000), "the clock of this rig is behind"),
    ] {
        let server = serving(&[chain], BOTH[0]).await;
        let (cause, why) = said(&trusting(&[&root], built).0, &server).await.unwrap();
        assert!(cause == Cause::Clock && why.contains(words), "{why}");
        assert!(why.contains("and here it is 20"), "{why}");
        assert_eq!(why.contains(", or the "), built == WallTime(0), "{why}");
    }
}

#[tokio::test]
async fn a_signature_of_another_kind_is_told() {
    // Nothing here signs with SHA-1, so a good certificate is made to say that it does.
    let root = alone("studio", CA);
    let mut leaf = root.signs("storage", Odd::default());
    let sha256 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
    let mut der = leaf.der.to_vec();
    while let Some(at) = der.windows(8).position(|bytes| bytes == sha256) {
        der[at + 7] = 4;
    }
    leaf.der = CertificateDer::from(der);
    let server = serving(&[&leaf], BOTH[1]).await;
    let (cause, why) = said(&trusting(&[&root], WallTime(0)).0, &server).await.unwrap();
    assert!(cause == Cause::Certificate && why.ends_with("its signature is SHA-512 with ECDSA"), "{why}");
}
