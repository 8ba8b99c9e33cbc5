//! Which requests prove the rig's key, and what tokens are then bound to (RFC 9449).
use super::oauth::{ISSUER, app, by_hand, found, metadata, rig_at};
use super::*;
use crate::provider::wire::Proof;

fn provider(binds: Binds, configured: ConfiguredEndpoints) -> Provider {
    let Provider::OAuth(provider) = rig_at(ClientAuth::None, configured) else { panic!("not what was made") };
    let mut provider = Arc::into_inner(provider).unwrap();
    provider.binds = binds;
    Provider::OAuth(Arc::new(provider))
}

fn print(text: &str) -> Thumbprint {
    Thumbprint(text.to_owned())
}

/// What the poll proves at an issuer with this document.
fn poll(binds: Binds, algorithms: Option<&[&str]>) -> Option<Proof> {
    let step = provider(binds, found(true, false)).device_token(&app(false), &DeviceCode(Secret::new("dc")));
    let Stage::Ask(_, next) = step else { panic!("nobody was asked") };
    let mut document = metadata(ISSUER);
    if let Some(algorithms) = algorithms {
        document["dpop_signing_alg_values_supported"] = algorithms.into();
    }
    first(next.on(Ok(&json(200, &document.to_string())))).proof
}

//= https://www.rfc-editor.org/rfc/rfc9449#section-5
//= type=test
//# the client MUST provide a valid DPoP proof JWT in a DPoP header
#[test]
fn a_new_grant_is_bound_where_the_provider_offers_it_or_the_configuration_says_so() {
    let both: &[&str] = &["RS256", "ES256"];
    for (binds, algorithms, expected) in [
        (Binds::Offered, Some(both), true),
        (Binds::Offered, Some(&["RS256", "EdDSA"]), false),
        (Binds::Offered, Some(&[]), false),
        (Binds::Offered, None, false),
        (Binds::Always, None, true),
        (Binds::Never, Some(both), false),
    ] {
        assert_eq!(poll(binds, algorithms), expected.then_some(Proof::Own), "{binds:?} {algorithms:?}");
    }
    let named = |binds| {
        let p = provider(binds, found(false, true));
        first(p.device_token(&app(false), &DeviceCode(Secret::new("dc")))).proof
    };
    assert_eq!((named(Binds::Offered), named(Binds::Always)), (None, Some(Proof::Own)), "nobody is asked");
}

//= https://www.rfc-editor.org/rfc/rfc9449#section-5
//= type=test
//# such a client MUST present a DPoP proof for the same key that was used to obtain the refresh token
#[test]
fn a_grant_is_renewed_as_it_was_made() {
    for binds in [Binds::Offered, Binds::Always, Binds::Never] {
        let p = provider(binds, found(false, true));
        let proof =
            |secret, binding| first(p.refresh(&app(secret), &Renewal { binding, ..renewal("rt") })).proof;
        let bound = |access| Some(Binding { key: print("k"), access });
        assert_eq!((proof(false, None), proof(true, None)), (None, None), "{binds:?}");
        for access in [true, false] {
            // With another key it would cost the grant.
            assert_eq!(proof(false, bound(access)), Some(Proof::Only(print("k"))));
            assert_eq!(proof(true, bound(access)), Some(Proof::Own), "the secret is what it is bound to");
        }
    }
}

//= https://www.rfc-editor.org/rfc/rfc9449#section-5
//= type=test
//# The client MUST discard the response in this case if this protection is deemed important
#[test]
fn tokens_are_bound_to_what_was_proven() {
    let p = by_hand(ClientAuth::None);
    let read = |kind: &str, proven: Option<&str>| {
        let body = format!(r#"{{"access_token":"a","refresh_token":"r","token_type":"{kind}"}}"#);
        p.read_device_token(&Response { proven: proven.map(print), ..json(200, &body) }).map(|t| t.binding)
    };
    let bound = |access| Ok(Some(Binding { key: print("k"), access }));
    assert_eq!(read("DPoP", Some("k")), bound(true));
    assert_eq!(read("dpop", Some("k")), bound(true));
    assert_eq!(read("Bearer", Some("k")), bound(false), "the refresh token may be");
    assert_eq!(read("Bearer", None), Ok(None));
    assert!(matches!(read("DPoP", None), Err(TokenError::Rejected(_))), "nothing was proven");
    assert!(matches!(read("mac", Some("k")), Err(TokenError::Rejected(_))));
}

#[test]
fn a_word_about_the_proof_ends_nothing() {
    let p = by_hand(ClientAuth::None);
    for word in proof::ANOTHER {
        let answer = json(400, &format!(r#"{{"error":"{word}"}}"#));
        assert!(matches!(p.read_device_token(&answer), Err(TokenError::Transient(_))), "{word}");
        assert!(matches!(p.read_refresh(&answer), Err(TokenError::Transient(_))), "{word}");
    }
}
