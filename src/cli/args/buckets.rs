//! The flags of `keysweep buckets`.

use clap::{Args, ValueEnum};

use super::OwnerArgs;
use crate::report::Shape;

#[derive(Debug, Args)]
pub(in crate::cli) struct BucketsArgs {
    /// Which; all of the account if none is named
    #[arg(value_name = "BUCKET", value_parser = bucket)]
    pub(in crate::cli) names: Vec<String>,

    /// Only those that are public
    #[arg(long)]
    pub(in crate::cli) public: bool,

    /// Find out as a stranger would, by trying: unsigned requests for one key, and for a byte of its object
    #[arg(long, requires = "names")]
    #[arg(conflicts_with_all = ["role_arn", "organization"])]
    pub(in crate::cli) anonymous: bool,

    /// How to tell it
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub(in crate::cli) format: BucketsShape,

    /// Say on standard error what was asked of S3 and how often
    #[arg(short, long)]
    pub(in crate::cli) verbose: bool,

    #[command(flatten)]
    pub(in crate::cli) owner: OwnerArgs,
}

/// A bucket's name, which may stand in a URL of `s3://`.
fn bucket(text: &str) -> Result<String, String> {
    let name = text.strip_prefix("s3://").unwrap_or(text).trim_end_matches('/');
    let is_name = !name.is_empty() && !name.contains('/') && !name.chars().any(|c| c.is_whitespace() || c.is_control());
    if is_name { Ok(name.to_owned()) } else { Err("it takes the names of buckets".to_owned()) }
}

/// How a table of buckets is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum BucketsShape {
    /// A table for people
    Text,
    /// One JSON document
    Json,
    /// One JSON object a line
    Jsonl,
    /// A row for each bucket
    Csv,
}

impl From<BucketsShape> for Shape {
    fn from(shape: BucketsShape) -> Self {
        match shape {
            BucketsShape::Text => Self::Text,
            BucketsShape::Json => Self::Json,
            BucketsShape::Jsonl => Self::Jsonl,
            BucketsShape::Csv => Self::Csv,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_named_by_itself_or_as_a_url() {
        assert_eq!(bucket("logs"), Ok("logs".to_owned()));
        assert_eq!(bucket("s3://logs/"), Ok("logs".to_owned()));
        for wrong in ["", "s3://", "s3://logs/prefix", "a b", "a\n"] {
            assert!(bucket(wrong).is_err(), "{wrong}");
        }
    }
}
