//! Who the rig is to the provider: pairing, tokens, and the machine that ties them together.
pub mod heartbeat;
pub mod pairing;
pub mod revocation;
pub mod rig;
pub mod socket;
pub mod tokens;
pub mod whoami;
