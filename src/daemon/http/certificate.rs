//! What is wrong with a server's certificate, in the words in which everybody is told: the journal, the screen, `doctor`.
use std::error::Error;

use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::{AlertDescription, CertificateError, OtherError};
use webpki::EndEntityCert;

use crate::egress::der;
use rigpost_core::oauth::Cause;
use rigpost_core::provider::short;
use rigpost_core::time::WallTime;

/// Names of a certificate that are told.
const NAMES: usize = 3;

/// What keeps a connection from being encrypted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// The clock is to be set.
    #[error("the server's certificate is not yet valid: {}", begins(.0.as_ref()))]
    NotYetValid(Option<Dates>),
    /// The clock is to be looked at, and the certificate.
    #[error("the server's certificate has expired: {}", ends(.0.as_ref()))]
    Expired(Option<Dates>),
    /// Somebody in between opens what is sent, or a private authority is to be configured.
    #[error(
        "the server's certificate is from an issuer that this rig does not trust ({0}): something on the network looks into the traffic, or a private authority is not in `provider.ca_file`"
    )]
    UnknownIssuer(String),
    /// The server's chain ends before it comes to somebody who is known.
    #[error(
        "the server's certificate comes alone and from an issuer that this rig does not trust ({0}): the server does not send its intermediate certificate, or a private authority is not in `provider.ca_file`"
    )]
    MissingIntermediate(String),
    /// Nobody vouches for it.
    #[error(
        "the server's certificate ({0}) is self-signed and not in `provider.ca_file`: something on the network answers in its place, or it has to be given there"
    )]
    SelfSigned(String),
    /// A log-in page or a filter is in the way.
    #[error("the server's certificate is for {0}: a log-in page or a filter answers in its place")]
    OtherName(String),
    /// There are newer ones and older ones.
    #[error("the server's certificate is made in a way that this program does not support: {0}")]
    Unsupported(String),
    /// The certificate is wrong in a way that is for specialists.
    #[error("the server's certificate is not accepted: {0}")]
    Refused(String),
    /// There was no agreement, or what answered does not speak TLS.
    #[error("the encryption failed: {0}")]
    Handshake(String),
}

/// The end that was passed, or the beginning that was not reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dates {
    /// Of the certificate.
    pub limit: WallTime,
    /// By the rig's clock.
    pub now: WallTime,
    /// There is no other explanation: the clock is wrong for a certificate that is not yet valid, and right enough for one
    /// that has expired.
    pub is_sure: bool,
}

impl Dates {
    /// `built`: today is not before.
    fn new(limit: UnixTime, now: UnixTime, is_sure: impl Fn(WallTime, WallTime) -> bool) -> Dates {
        let wall = |time: UnixTime| WallTime(i64::try_from(time.as_secs()).unwrap_or(i64::MAX));
        let (limit, now) = (wall(limit), wall(now));
        Dates { limit, now, is_sure: is_sure(limit, now) }
    }
}

fn begins(dates: Option<&Dates>) -> String {
    let Some(Dates { limit, now, is_sure }) = dates else {
        return "the clock of this rig is behind".to_owned();
    };
    let or = if *is_sure { "" } else { ", or the certificate was made by a wrong one" };
    format!(
        "it is good from {}, and here it is {}: the clock of this rig is behind{or}",
        date(*limit),
        date(*now)
    )
}

fn ends(dates: Option<&Dates>) -> String {
    let Some(Dates { limit, now, is_sure }) = dates else {
        return "or the clock of this rig is ahead".to_owned();
    };
    let or = if *is_sure { "" } else { ", or the clock of this rig is ahead" };
    format!(
        "it was good until {}, and here it is {}: the server needs a new one{or}",
        date(*limit),
        date(*now)
    )
}

/// Of the Gregorian calendar, as `2026-11-22 07:30 UTC`.
fn date(WallTime(seconds): WallTime) -> String {
    // Years from March, in eras of 400 years, so that a leap day is the last of its year.
    let day = seconds.div_euclid(86_400) + 719_468;
    let (era, day) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let (year, minute) = (era * 400 + year + next, seconds.rem_euclid(86_400) / 60);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02} UTC", minute / 60, minute % 60)
}

impl TlsError {
    /// The class, for the screen.
    //= frameio-c2c#6.3
    //# A certificate that is over or not valid yet speaks of the clock.
    pub fn cause(&self) -> Cause {
        match self {
            TlsError::NotYetValid(_) | TlsError::Expired(_) => Cause::Clock,
            TlsError::UnknownIssuer(_)
            | TlsError::MissingIntermediate(_)
            | TlsError::SelfSigned(_)
            | TlsError::OtherName(_)
            | TlsError::Unsupported(_)
            | TlsError::Refused(_) => Cause::Certificate,
            TlsError::Handshake(_) => Cause::Network,
        }
    }

    /// Why this chain is refused, by who refused it. `built`: when this program was, and today is not before that.
    pub(super) fn of_chain(
        why: &CertificateError,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        built: WallTime,
    ) -> TlsError {
        #[expect(clippy::wildcard_enum_match_arm, reason = "of the others the chain tells nothing")]
        match why {
            CertificateError::NotValidYetContext { time, not_before } => {
                TlsError::NotYetValid(Some(Dates::new(*not_before, *time, |_, now| now < built)))
            }
            CertificateError::ExpiredContext { time, not_after } => {
                TlsError::Expired(Some(Dates::new(*not_after, *time, |limit, _| limit < built)))
            }
            CertificateError::UnknownIssuer => untrusted(end_entity, intermediates),
            other if is_authority(other) => match untrusted(end_entity, &[]) {
                error @ TlsError::SelfSigned(_) => error,
                _ => TlsError::Refused("it is an authority's own, and not a server's".to_owned()),
            },
            other => TlsError::from(other),
        }
    }
}

/// The certificate of an authority stands in the place of a server's.
pub(super) fn is_authority(why: &CertificateError) -> bool {
    of_webpki(why) == Some(&webpki::Error::CaUsedAsEndEntity)
}

fn of_webpki(why: &CertificateError) -> Option<&webpki::Error> {
    let CertificateError::Other(OtherError(other)) = why else { return None };
    other.downcast_ref()
}

/// A chain that comes to nobody who is known: where it ends.
fn untrusted(end_entity: &CertificateDer<'_>, intermediates: &[CertificateDer<'_>]) -> TlsError {
    let chain: Vec<EndEntityCert<'_>> =
        intermediates.iter().filter_map(|der| EndEntityCert::try_from(der).ok()).collect();
    let Ok(end_entity) = EndEntityCert::try_from(end_entity) else {
        return TlsError::UnknownIssuer("somebody".to_owned());
    };
    if end_entity.issuer() == end_entity.subject() {
        return TlsError::SelfSigned(der::name(end_entity.subject()));
    }
    let mut last = end_entity.issuer();
    for _ in &chain {
        match chain.iter().find(|cert| cert.subject() == last) {
            Some(above) => last = above.issuer(),
            None => break,
        }
    }
    match intermediates.is_empty() {
        true => TlsError::MissingIntermediate(der::name(last)),
        false => TlsError::UnknownIssuer(der::name(last)),
    }
}

impl From<&rustls::Error> for TlsError {
    fn from(error: &rustls::Error) -> TlsError {
        #[expect(clippy::wildcard_enum_match_arm, reason = "the rest is for specialists and shown as it is")]
        match error {
            rustls::Error::InvalidCertificate(why) => TlsError::from(why),
            rustls::Error::PeerIncompatible(_)
            | rustls::Error::AlertReceived(
                AlertDescription::HandshakeFailure
                | AlertDescription::InsufficientSecurity
                | AlertDescription::ProtocolVersion,
            ) => TlsError::Handshake(format!(
                "the server and this rig have no version or algorithm in common ({})",
                short(&error.to_string())
            )),
            other => TlsError::Handshake(short(&other.to_string())),
        }
    }
}

impl From<&CertificateError> for TlsError {
    fn from(why: &CertificateError) -> TlsError {
        #[expect(clippy::wildcard_enum_match_arm, reason = "the rest is for specialists and shown as it is")]
        match why {
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                TlsError::NotYetValid(None)
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsError::Expired(None),
            CertificateError::UnknownIssuer => TlsError::UnknownIssuer("somebody".to_owned()),
            CertificateError::NotValidForName => TlsError::OtherName("somebody else".to_owned()),
            CertificateError::NotValidForNameContext { expected, presented } => {
                TlsError::OtherName(format!("{} and not for {}", named(presented), short(&expected.to_str())))
            }
            CertificateError::UnsupportedSignatureAlgorithmContext { signature_algorithm_id: id, .. } => {
                TlsError::Unsupported(format!("its signature is {}", der::algorithm(id)))
            }
            CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext {
                signature_algorithm_id,
                public_key_algorithm_id,
            } => TlsError::Unsupported(format!(
                "its signature is {}, by a key of {}",
                der::algorithm(signature_algorithm_id),
                der::algorithm(public_key_algorithm_id)
            )),
            CertificateError::Other(OtherError(other)) => match other.downcast_ref::<TlsError>() {
                Some(known) => known.clone(),
                None => of_other(why, &**other),
            },
            other => TlsError::Refused(short(&other.to_string())),
        }
    }
}

fn of_other(why: &CertificateError, other: &(dyn Error + Send + Sync)) -> TlsError {
    match of_webpki(why) {
        Some(webpki::Error::UnsupportedCertVersion) => {
            TlsError::Unsupported("it is of version 1 of X.509, and not of version 3".to_owned())
        }
        Some(_) | None => TlsError::Refused(short(&other.to_string())),
    }
}

/// The first few names, as rustls gives them: `DnsName("a.example")`.
fn named(presented: &[String]) -> String {
    let bare = |name: &String| {
        let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name);
        short(inner.trim_matches('"'))
    };
    let first: Vec<String> = presented.iter().take(NAMES).map(bare).collect();
    match presented.len() {
        0 => "no host, as old ones are that have only a common name,".to_owned(),
        all if all > NAMES => format!("{} and {} more,", first.join(", "), all - NAMES),
        _ => first.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_399, "2000-02-28 23:59 UTC"),
            (951_782_400, "2000-02-29 00:00 UTC"),
            (951_868_800, "2000-03-01 00:00 UTC"),
            (1_790_000_000, "2026-09-21 14:13 UTC"),
            (4_107_542_399, "2100-02-28 23:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00 UTC"),
            (253_402_300_799, "9999-12-31 23:59 UTC"),
            (-1, "1969-12-31 23:59 UTC"),
        ] {
            assert_eq!(date(WallTime(seconds)), text);
        }
    }

    #[test]
    fn whose_clock_is_off_is_told_where_it_can_be() {
        const BUILT: WallTime = WallTime(1_790_000_000);
        let at = |seconds| UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
        let none = CertificateDer::from(Vec::new());
        let said = |why: &CertificateError| TlsError::of_chain(why, &none, &[], BUILT).to_string();
        let not_yet = |time, not_before| {
            said(&CertificateError::NotValidYetContext { time: at(time), not_before: at(not_before) })
        };
        let over = |time, not_after| {
            said(&CertificateError::ExpiredContext { time: at(time), not_after: at(not_after) })
        };
        assert_eq!(
            not_yet(0, 1_780_000_000),
            "the server's certificate is not yet valid: it is good from 2026-05-28 20:26 UTC, and here it is \
             1970-01-01 00:00 UTC: the clock of this rig is behind"
        );
        assert!(
            not_yet(1_790_000_001, 1_800_000_000).ends_with("or the certificate was made by a wrong one")
        );
        assert_eq!(
            over(1_795_000_000, 1_780_000_000),
            "the server's certificate has expired: it was good until 2026-05-28 20:26 UTC, and here it is \
             2026-11-18 11:06 UTC: the server needs a new one"
        );
        assert!(over(1_900_000_000, 1_800_000_000).ends_with("or the clock of this rig is ahead"));
    }

    #[test]
    fn of_many_names_the_first_are_told() {
        let names = |n: usize| (0..n).map(|n| format!("DnsName(\"{n}.example\")")).collect::<Vec<_>>();
        assert_eq!(named(&names(2)), "0.example, 1.example");
        assert_eq!(named(&names(9)), "0.example, 1.example, 2.example and 6 more,");
        assert_eq!(named(&["IpAddress(10.0.0.1)".to_owned()]), "10.0.0.1");
        assert!(named(&[]).starts_with("no host"));
        assert!(named(&["DnsName(\"a\nb\")".to_owned()]).starts_with("a b"));
    }
}
