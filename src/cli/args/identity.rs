//! What concerns who the rig is: its secrets, and their end.

use clap::Args;

/// Options of `rigpost unpair`.
#[derive(Debug, Args)]
pub struct UnpairArgs {
    /// Don't ask
    #[arg(long, short)]
    pub yes: bool,
    /// Don't tell the provider, now or later
    ///
    /// What it gave stays in force there until somebody ends it. Also ends the tries to revoke what it gave before.
    #[arg(long)]
    pub offline: bool,
    /// Print one JSON object: "was_paired", and revocation, detail, kept, erased and at, as of `rigpost forget --json`
    #[arg(long)]
    pub json: bool,
}

/// Options of `rigpost forget`.
#[derive(Debug, Args)]
pub struct ForgetArgs {
    /// Don't ask
    #[arg(long, short)]
    pub yes: bool,
    /// Don't tell the provider, now or later, and keep nothing for that
    ///
    /// What it gave stays in force there until somebody ends it. Also ends the tries to revoke what it gave before.
    #[arg(long)]
    pub offline: bool,
    /// Print what was revoked, what was erased, and when (UTC)
    #[arg(long)]
    pub receipt: bool,
    /// Print the receipt as one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Options of `rigpost provision`.
#[derive(Debug, Args)]
pub struct ProvisionArgs {
    /// Give the key of a user of the bucket that clips go to, "AccessKeyId:SecretAccessKey", in place of the client secret
    #[arg(long)]
    pub s3_key: bool,
    /// Print one JSON object: "provisioned"
    #[arg(long)]
    pub json: bool,
    /// Only here to be refused with an explanation.
    #[arg(hide = true, value_name = "NOTHING", allow_hyphen_values = true)]
    pub refused: Vec<std::ffi::OsString>,
}
