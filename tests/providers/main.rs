//! What holds for the rig with every provider, and what with one kind only. The first is a table: each row a dialect beside
//! a server that speaks it, each column a scenario. Frame.io's server is rigpost-sim; the other's is oidc-provider, which
//! is not ours.
//!
//! A third dialect is a row below, and a file like [`frameio`] that says how to start and to command its server.
#![allow(clippy::unwrap_used, reason = "a test that can't go on shall end")]
#![allow(clippy::print_stderr, reason = "how a test tells what it leaves out")]
mod bound;
mod cloud;
#[path = "../common/lib.rs"]
mod common;
mod discovery;
mod frameio;
mod id_token;
mod kept;
mod openid;
mod scenarios;
mod scripted;
mod slow_names;
mod talk;
mod tokens;
mod words;

/// One test for each scenario and row.
macro_rules! table {
    ($($row:ident: $cloud:ty),+ $(,)?) => {
        $(mod $row {
            use super::*;

            scenarios::columns!(columns_of: $cloud);
        })+

        /// Whoever renames a scenario shall find who does not play it.
        #[test]
        fn what_is_not_played_is_a_scenario() {
            let all: &[&str] = scenarios::columns!(names_of: ());
            $(for (name, _) in <$cloud as cloud::Cloud>::NOT_PLAYED {
                assert!(all.contains(name), "{}: {name}", stringify!($row));
            })+
        }
    };
}

macro_rules! columns_of {
    ($cloud:ty: $($scenario:ident),+) => {$(
        #[tokio::test]
        async fn $scenario() {
            cloud::play::<$cloud>(stringify!($scenario), scenarios::$scenario::<$cloud>()).await;
        }
    )+};
}

macro_rules! names_of {
    ($cloud:ty: $($scenario:ident),+) => { &[$(stringify!($scenario)),+] };
}

table! {
    frameio_device: frameio::Frameio,
    oauth_public: openid::Public,
    oauth_secret_in_body: openid::Post,
    oauth_secret_in_header: openid::Basic,
    oauth_bound_to_a_key: openid::Bound,
}
