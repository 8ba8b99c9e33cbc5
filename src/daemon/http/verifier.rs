//! Whether a server's certificate is trusted.
//!
//! # Decisions
//! - webpki decides, and its no is final but for one thing: a certificate that the configuration names itself is trusted as
//!   the server's, as OpenSSL and curl have it. Whoever makes one for a device on the desk makes it so, mostly with the mark
//!   of an authority (`openssl req -x509` sets it), and webpki knows no such chain.
//! - That exception is one of the chain and of nothing else. webpki has looked at the dates before it looks at the chain (a
//!   test holds that), the name is looked at here, and the server signs the handshake with the key of this certificate.
//!   Nothing of the system's store is trusted so.
//! - A refusal says what only the chain tells, so it is worded here. To the server the alert is then
//!   `certificate_unknown`; what exactly was wrong is said where a person can do something about it.
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme};

use super::certificate::{self, TlsError};
use rigpost_core::time::WallTime;

/// webpki, and what the configuration names.
#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) webpki: Arc<WebPkiServerVerifier>,
    /// Certificates of the configuration.
    pub(super) named: Vec<CertificateDer<'static>>,
    /// When this program was built.
    pub(super) built: WallTime,
}

impl Verifier {
    /// Whether webpki's only objection is that nobody else vouches for what the configuration names.
    fn is_named(&self, why: &CertificateError, end_entity: &CertificateDer<'_>) -> bool {
        let of_the_chain = *why == CertificateError::UnknownIssuer || certificate::is_authority(why);
        of_the_chain && self.named.iter().any(|named| named.as_ref() == end_entity.as_ref())
    }
}

impl ServerCertVerifier for Verifier {
    //= https://www.rfc-editor.org/rfc/rfc6749#section-10.9
    //# The client MUST validate the authorization server's TLS certificate
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let judged =
            self.webpki.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        let judged = match judged {
            Err(Error::InvalidCertificate(why)) if self.is_named(&why, end_entity) => {
                ParsedCertificate::try_from(end_entity)
                    .and_then(|cert| verify_server_name(&cert, server_name))
                    .map(|()| ServerCertVerified::assertion())
            }
            judged => judged,
        };
        judged.map_err(|error| {
            let Error::InvalidCertificate(why) = error else { return error };
            let why = TlsError::of_chain(&why, end_entity, intermediates, self.built);
            CertificateError::Other(OtherError(Arc::new(why))).into()
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}
