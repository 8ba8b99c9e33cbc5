//! The client of RFC 6749 §2, as a provider registered it.
use crate::oauth::{ClientId, ClientSecret};

/// Who we are to the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// RFC 6749 §2.2.
    pub id: ClientId,
    /// RFC 6749 §2.3.1; `None`: a public client.
    pub secret: Option<ClientSecret>,
}
