//! The flags of `keysweep triage` and `keysweep inventory`, and those by which a scan does the same.

use clap::{ArgAction, Args, ValueEnum};

use super::OwnerArgs;
use crate::cli::accounts::AccountArg;
use crate::report::{self, inventory};

/// Triage as part of a scan.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "The owner's side")]
pub(in crate::cli) struct ScanTriageArgs {
    /// Say of each credential whether it is live, by asking AWS as its owner, or by files; see keysweep triage
    ///
    /// A credential that is live counts even when it is suppressed. What could not be learnt makes the exit code 2, like what could not be
    /// read.
    #[arg(long)]
    pub(in crate::cli) triage: bool,

    #[command(flatten)]
    pub(in crate::cli) verify: VerifyArgs,

    #[command(flatten)]
    pub(in crate::cli) owner: OwnerArgs,
}

impl ScanTriageArgs {
    /// The first flag that means nothing without --triage.
    pub(in crate::cli) fn is_idle(&self) -> bool {
        !self.triage && (self.verify.verify_with_secret || self.owner != OwnerArgs::default())
    }
}

/// Whether what was found is used.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "The owner's side")]
pub(in crate::cli) struct VerifyArgs {
    /// Also sign a call with each secret that was found, sts:GetCallerIdentity, which changes nothing
    ///
    /// The owner of the account sees it in CloudTrail, as done by the leaked key from your address. Never done with a canary's.
    #[arg(long, conflicts_with_all = ["credential_report", "access_keys"])]
    pub(in crate::cli) verify_with_secret: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct TriageArgs {
    /// A report of keysweep as JSON or JSON Lines (- for standard input), or access key ids
    #[arg(value_name = "FINDINGS|KEY_ID", required = true)]
    pub(in crate::cli) what: Vec<String>,

    /// How to tell it
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub(in crate::cli) format: TriageShape,

    /// Account that is your own beside the one that is asked; repeat it, or give @FILE, a file of them
    #[arg(long, value_name = "NUMBER|@FILE", action = ArgAction::Append)]
    pub(in crate::cli) account: Vec<AccountArg>,

    /// Say on standard error what was asked of AWS and how often
    #[arg(short, long)]
    pub(in crate::cli) verbose: bool,

    #[command(flatten)]
    pub(in crate::cli) verify: VerifyArgs,

    #[command(flatten)]
    pub(in crate::cli) owner: OwnerArgs,
}

/// How verdicts are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum TriageShape {
    /// For people, the most urgent first
    Text,
    /// The report with its verdicts, one JSON document
    Json,
    /// The same, one JSON object a line
    Jsonl,
    /// A row for each credential
    Csv,
}

impl From<TriageShape> for report::Shape {
    fn from(shape: TriageShape) -> Self {
        match shape {
            TriageShape::Text => Self::Text,
            TriageShape::Json => Self::Json,
            TriageShape::Jsonl => Self::Jsonl,
            TriageShape::Csv => Self::Csv,
        }
    }
}

#[derive(Debug, Args)]
pub(in crate::cli) struct InventoryArgs {
    /// How to tell it
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub(in crate::cli) format: InventoryShape,

    /// Only the ids, one a line, for keysweep scan --only-keys -
    #[arg(long, conflicts_with = "format")]
    pub(in crate::cli) ids: bool,

    /// Say on standard error what was asked of AWS and how often
    #[arg(short, long)]
    pub(in crate::cli) verbose: bool,

    #[command(flatten)]
    pub(in crate::cli) owner: OwnerArgs,
}

impl InventoryArgs {
    pub(in crate::cli) fn shape(&self) -> inventory::Shape {
        match self.format {
            _ if self.ids => inventory::Shape::Ids,
            InventoryShape::Text => inventory::Shape::Text,
            InventoryShape::Json => inventory::Shape::Json,
            InventoryShape::Csv => inventory::Shape::Csv,
        }
    }
}

/// How an inventory is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum InventoryShape {
    /// A table for people
    Text,
    /// One JSON document
    Json,
    /// A row for each key
    Csv,
}
