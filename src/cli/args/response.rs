//! The flags of `keysweep deactivate`, `keysweep undo` and `keysweep policy`.

use std::path::PathBuf;

use clap::{ArgAction, Args, ValueEnum};

use super::{AccountArg, OwnerArgs, Shape};

#[derive(Debug, Args)]
pub(in crate::cli) struct DeactivateArgs {
    /// Which: ids of access keys, or of service-specific credentials (ACCA…), whose user --user names
    #[arg(value_name = "KEY_ID", conflicts_with_all = ["from", "resume"])]
    pub(in crate::cli) ids: Vec<String>,

    /// Those that a report of `keysweep triage`, or of `keysweep scan` or `sweep` with --triage, calls active, JSON or JSONL; - is standard input
    ///
    /// How they stand is asked again.
    #[arg(long, value_name = "FILE", conflicts_with = "resume")]
    pub(in crate::cli) from: Option<PathBuf>,

    /// The user whose the service-specific credentials are that are given by their ids
    #[arg(long, value_name = "NAME", requires = "ids")]
    pub(in crate::cli) user: Option<String>,

    /// Also deny everything to sessions of the users that were minted from the keys, by an inline policy on the user
    ///
    /// Switching a key off does not end them: they last up to 36 hours. Sessions of roles that the key assumed are not reached by it.
    #[arg(long, conflicts_with = "resume")]
    pub(in crate::cli) revoke_sessions: bool,

    /// Users that are left alone: by name, such as 'ci-*', or by path, such as '/breakglass/*', and what is below; repeat it
    #[arg(long, value_name = "GLOB", action = ArgAction::Append, conflicts_with = "resume")]
    pub(in crate::cli) protect: Vec<String>,

    /// Account that is your own, beside the one that is signed in to; repeat it, or give @FILE, a file of them
    #[arg(long, value_name = "NUMBER|@FILE", action = ArgAction::Append, conflicts_with = "resume")]
    pub(in crate::cli) account: Vec<AccountArg>,

    /// Take up a run that was ended before it was done; without a name, the newest such
    #[arg(long, value_name = "JOURNAL", num_args = 0..=1)]
    pub(in crate::cli) resume: Option<Option<PathBuf>>,

    /// Write the journal here [default: a new file in ~/.local/state/keysweep]
    #[arg(long, value_name = "FILE", requires = "apply", conflicts_with = "resume")]
    pub(in crate::cli) journal: Option<PathBuf>,

    #[command(flatten)]
    pub(in crate::cli) approval: ApprovalArgs,

    #[command(flatten)]
    pub(in crate::cli) owner: OwnerArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct UndoArgs {
    /// What is taken back: the journal of a run of `keysweep deactivate`, or of `keysweep undo`
    #[arg(value_name = "JOURNAL")]
    pub(in crate::cli) undone: PathBuf,

    /// Write the journal of this run here [default: a new file in ~/.local/state/keysweep]
    #[arg(long, value_name = "FILE", requires = "apply")]
    pub(in crate::cli) journal: Option<PathBuf>,

    #[command(flatten)]
    pub(in crate::cli) approval: ApprovalArgs,

    #[command(flatten)]
    pub(in crate::cli) owner: OwnerArgs,
}

/// Whether it is done, who approves it and how it is told.
#[derive(Debug, Args)]
pub(in crate::cli) struct ApprovalArgs {
    /// Do it; otherwise the plan is shown and nothing is changed
    #[arg(long)]
    pub(in crate::cli) apply: bool,

    /// Do not ask for the code of the plan
    #[arg(short, long, requires = "apply")]
    pub(in crate::cli) yes: bool,

    /// How to tell it
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub(in crate::cli) format: Shape,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct PolicyArgs {
    /// For what
    #[arg(value_name = "FOR")]
    pub(in crate::cli) purpose: Purpose,
}

/// What an IAM policy is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Purpose {
    /// keysweep triage and inventory: reads, and changes nothing
    Audit,
    /// keysweep deactivate and undo: audit, and what switches keys; never for users under /breakglass/
    Deactivate,
    /// deactivate --revoke-sessions, beside deactivate; can grant anything, so keep it apart
    RevokeSessions,
    /// --organization, in the account that is signed in to: lists accounts and assumes the role
    Organization,
    /// keysweep buckets and sweep: reads buckets and their settings, and changes nothing
    Sweep,
}
