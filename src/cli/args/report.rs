//! The flags of `keysweep report`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::report::merge;

#[derive(Debug, Args)]
pub(in crate::cli) struct ReportArgs {
    #[command(subcommand)]
    pub(in crate::cli) command: ReportCommand,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ReportCommand {
    /// Join reports into one, such as those of the shards of a sweep
    ///
    /// Their order does not matter. A credential is one finding however many reports have it; each of its places stands there once, and what
    /// counts in one of them counts. A report that was cut short is refused, and so are reports whose fingerprints were made with
    /// different keys; without the report of each shard the whole is not complete. Exit codes are those of scan. See docs/sweep.md.
    Merge(MergeArgs),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct MergeArgs {
    /// Reports of keysweep as JSON or JSON Lines; - is standard input
    #[arg(value_name = "FILE", required = true)]
    pub(in crate::cli) files: Vec<PathBuf>,

    /// How to write the report [default: jsonl, or what the ending of --output names]
    #[arg(short, long, value_name = "FORMAT")]
    pub(in crate::cli) format: Option<MergeShape>,

    /// Write it to a file that ends in .json or .jsonl, instead of to standard output
    #[arg(short, long, value_name = "FILE")]
    pub(in crate::cli) output: Option<PathBuf>,

    /// Exit code when there are findings that count and everything was read
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(in crate::cli) exit_code: u8,

    /// Only warn when a report says that something was not read, instead of exiting with 2
    #[arg(long)]
    pub(in crate::cli) allow_incomplete: bool,
}

/// How a merged report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum MergeShape {
    /// One JSON document
    Json,
    /// One JSON object a line
    Jsonl,
}

impl From<MergeShape> for merge::Shape {
    fn from(shape: MergeShape) -> Self {
        match shape {
            MergeShape::Json => Self::Json,
            MergeShape::Jsonl => Self::Jsonl,
        }
    }
}
