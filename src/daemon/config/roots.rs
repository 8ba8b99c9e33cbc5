//! Where the files of the configuration are.
use std::env;
use std::path::PathBuf;

/// Where things are when nothing says otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roots {
    /// The maker's drop-ins.
    pub vendor: PathBuf,
    /// The main file; may be missing.
    pub main: PathBuf,
    /// What systemd made for us, if it did.
    pub state_dir: Option<PathBuf>,
}

impl Roots {
    /// The installed layout, and `$STATE_DIRECTORY` (of several, the first).
    pub fn system() -> Roots {
        let state_dir = env::var_os("STATE_DIRECTORY").and_then(|dirs| env::split_paths(&dirs).next());
        Roots {
            vendor: "/usr/lib/rigpost/conf.d".into(),
            main: "/etc/rigpost/rigpost.toml".into(),
            state_dir: state_dir.filter(|dir| !dir.as_os_str().is_empty()),
        }
    }
}
