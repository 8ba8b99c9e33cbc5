//! What a provider's words say to whoever set the rig up, where its own sentence does not.

/// A part of the provider's word or sentence, and what to do there or here.
const HINTS: [(&str, &str); 13] = [
    ("AADSTS7000218", "in Entra, switch on \"Allow public client flows\" of the app registration"),
    (
        "AADSTS53003",
        "ask an administrator of Entra to exempt this application from the policy that blocks the device code flow",
    ),
    (
        "AADSTS700016",
        "no such application in this tenant: compare `provider.client_id` and the tenant in `provider.issuer`",
    ),
    ("AADSTS90002", "no such tenant: correct `provider.issuer`"),
    ("AADSTS50059", "name your tenant in `provider.issuer`"),
    (
        "Service not found",
        "`provider.audience` is no API of this tenant: make it at the provider, or correct it here",
    ),
    ("device_flow_disabled", "switch on \"Enable Device Flow\" in the settings of the app at GitHub"),
    ("admin_policy_enforced", "ask an administrator of the organisation to allow this application"),
    ("org_internal", "sign in with an account of the organisation that the application belongs to"),
    ("unauthorized_client", "allow the grant \"device code\" for this application at the provider"),
    ("invalid_scope", "correct `provider.scope`; Google, for one, knows no offline_access"),
    (
        "invalid_dpop_proof",
        "the provider takes no proof of this rig's key: `provider.dpop` = \"never\" pairs without one, then: rigpost pair",
    ),
    (
        "Token has been expired or revoked",
        "where Google's consent screen is in \"Testing\", each sign-in ends after seven days: publish it, then: rigpost pair",
    ),
];

/// What to do about this sentence, where somebody knows.
pub fn hint(said: &str) -> Option<&'static str> {
    HINTS.iter().find(|(part, _)| said.contains(part)).map(|(_, hint)| *hint)
}
