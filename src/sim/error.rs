//! Refusals to people and tests.
/// Why a person's wish cannot be granted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SimError {
    /// No pending code of these digits.
    #[error("no device shows the code {0}")]
    NoSuchCode(String),
    /// The code was right, but too late.
    #[error("the code {0} has expired; the device shows a new one")]
    CodeExpired(String),
    /// The code was approved or denied before.
    #[error("the code {0} has been used already")]
    CodeUsed(String),
    /// No project of that name.
    #[error("there is no project named {0}")]
    NoSuchProject(String),
    /// Another project has that name.
    #[error("there is a project named {0} already")]
    NameTaken(String),
    /// No paired device with that client identifier.
    #[error("no paired device has the client id {0}")]
    NoSuchDevice(String),
    /// No channel of that index is connected, or none can be.
    #[error("there is no channel {0}")]
    NoSuchChannel(u64),
    /// A fault description that says nothing known.
    #[error("{0}")]
    BadFault(String),
}

impl SimError {
    /// The name of the reason, for programs.
    pub fn word(&self) -> &'static str {
        match self {
            Self::NoSuchCode(_) => "no_such_code",
            Self::CodeExpired(_) => "code_expired",
            Self::CodeUsed(_) => "code_used",
            Self::NoSuchProject(_) => "no_such_project",
            Self::NameTaken(_) => "name_taken",
            Self::NoSuchDevice(_) => "no_such_device",
            Self::NoSuchChannel(_) => "no_such_channel",
            Self::BadFault(_) => "bad_fault",
        }
    }
}
