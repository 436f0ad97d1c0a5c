//! The flags of `keysweep sweep`.

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{ArgAction, Args};
use jiff::civil::Date;
use jiff::{Span, Timestamp};

use super::{SearchArgs, size};
use crate::source::s3::Target;

#[derive(Debug, Args)]
pub(in crate::cli) struct SweepArgs {
    /// What to read: a bucket, or what is in it below a prefix
    #[arg(value_name = "s3://BUCKET[/PREFIX]", value_parser = target)]
    #[arg(required_unless_present_any = ["public", "all", "inventory"])]
    pub(in crate::cli) targets: Vec<Target>,

    #[command(flatten)]
    pub(in crate::cli) search: SearchArgs,

    #[command(flatten)]
    pub(in crate::cli) buckets: BucketArgs,

    #[command(flatten)]
    pub(in crate::cli) objects: ObjectArgs,

    #[command(flatten)]
    pub(in crate::cli) work: WorkArgs,
}

/// Which buckets, and with whose eyes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Buckets")]
pub(in crate::cli) struct BucketArgs {
    /// Every bucket of the account that is public; says of each by what, as keysweep buckets does
    #[arg(long, conflicts_with_all = ["all", "inventory"])]
    pub(in crate::cli) public: bool,

    /// Every bucket of the account
    #[arg(long, conflicts_with = "inventory")]
    pub(in crate::cli) all: bool,

    /// Read as a stranger: requests are not signed. With --public the buckets are found with your credentials all the same
    #[arg(long)]
    pub(in crate::cli) anonymous: bool,

    /// Read what this inventory of S3 lists instead of listing the bucket: for buckets of millions of objects and more
    ///
    /// CSV or Parquet. What was written since the inventory was made is not in it.
    #[arg(long, value_name = "s3://…/manifest.json", value_parser = manifest)]
    pub(in crate::cli) inventory: Option<Target>,

    /// Agree to pay for what is read of buckets whose requesters pay, which a stranger can't
    #[arg(long, conflicts_with = "anonymous")]
    pub(in crate::cli) request_payer: bool,
}

/// Which objects, and what of them.
#[derive(Debug, Args)]
#[command(next_help_heading = "Objects")]
pub(in crate::cli) struct ObjectArgs {
    /// All versions too: what was overwritten, and what lies under delete markers
    #[arg(long)]
    pub(in crate::cli) versions: bool,

    /// Keys, the user's metadata and tags too
    #[arg(long)]
    pub(in crate::cli) metadata: bool,

    /// Only objects whose key this glob matches, such as `*.env` or `backup/**`; repeat it
    ///
    /// As in .gitignore, a glob without a slash is for the name after the last one, and * stops at a slash where there is one.
    #[arg(long, value_name = "GLOB", action = ArgAction::Append)]
    pub(in crate::cli) include: Vec<String>,

    /// No objects whose key this glob matches; s3://GLOB leaves out buckets; repeat it
    #[arg(long, value_name = "GLOB", action = ArgAction::Append)]
    pub(in crate::cli) exclude: Vec<String>,

    /// Only what was written since: a day (2026-11-01), a moment (2026-11-01T12:00:00Z), or how long ago (90m, 36h, 30d, 2w)
    #[arg(long, value_name = "WHEN", value_parser = When::from_str)]
    pub(in crate::cli) newer_than: Option<When>,

    /// A first look: no more than N objects of each target, spread over its keys
    #[arg(long, value_name = "N")]
    pub(in crate::cli) sample: Option<NonZeroU64>,
}

/// How the work is done.
#[derive(Debug, Args)]
#[command(next_help_heading = "Work")]
pub(in crate::cli) struct WorkArgs {
    /// Only list: how many objects and bytes there are, and what reading them takes in requests, time and money
    #[arg(long, conflicts_with_all = ["purge_list", "triage"])]
    pub(in crate::cli) dry_run: bool,

    /// Remember here how far the sweep came: one that was broken off goes on, and the next one reads only what is new
    ///
    /// No secret is written to it: objects in which something was found are read again each time.
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) state: Option<PathBuf>,

    /// Part I of N of the work, so that many machines can share it; see keysweep report merge
    #[arg(long, value_name = "I/N", value_parser = shard)]
    pub(in crate::cli) shard: Option<(u32, u32)>,

    /// Write here which versions of which objects hold what was found, one JSON object a line; keysweep deletes nothing
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) purge_list: Option<PathBuf>,

    /// Bytes of objects that may be in memory, 1M at least; one that is read piece by piece takes up to 32M of them
    #[arg(long, value_name = "SIZE", default_value = "128M", value_parser = in_flight)]
    pub(in crate::cli) max_in_flight: u64,

    /// The most requests that may be under way to one bucket; how many are follows the latency seen
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub(in crate::cli) concurrency: u16,
}

impl ObjectArgs {
    /// The globs of --exclude: for keys, and for buckets.
    pub(in crate::cli) fn excluded(&self) -> (Vec<String>, Vec<String>) {
        let (buckets, keys): (Vec<_>, Vec<_>) = self.exclude.iter().partition(|glob| glob.starts_with("s3://"));
        let bucket = |glob: &String| glob["s3://".len()..].trim_end_matches('/').to_owned();
        (keys.into_iter().cloned().collect(), buckets.into_iter().map(bucket).collect())
    }
}

/// A moment, or how long before now it was.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::cli) enum When {
    At(Timestamp),
    Ago(i64),
}

impl When {
    /// In seconds since 1970.
    pub(in crate::cli) fn seconds(self, now: Timestamp) -> i64 {
        match self {
            Self::At(at) => at.as_second(),
            Self::Ago(seconds) => now.as_second() - seconds,
        }
    }
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(at) = text.parse::<Timestamp>() {
            return Ok(Self::At(at));
        }
        if let Ok(day) = text.parse::<Date>() {
            let midnight = jiff::tz::Offset::UTC.to_timestamp(day.at(0, 0, 0, 0));
            return midnight.map(Self::At).map_err(|error| error.to_string());
        }
        let is_span = text.starts_with(|c: char| c.is_ascii_digit());
        let span: Option<Span> = text.parse().ok().filter(|_| is_span);
        // A day is 24 hours here and a week seven of them; months and years have no length of their own.
        let days = |span: Span| span.total((jiff::Unit::Second, jiff::SpanRelativeTo::days_are_24_hours())).ok();
        let seconds = span
            .and_then(days)
            .ok_or("write a day (2026-11-01), a moment (2026-11-01T12:00:00Z) or a span (36h, 30d, 2w)")?;
        Ok(Self::Ago(seconds as i64))
    }
}

/// `s3://bucket/prefix`, or the ARN of the same.
pub(in crate::cli) fn target(text: &str) -> Result<Target, String> {
    let of_arn = || text.strip_prefix("arn:").and_then(|arn| arn.split_once(":s3:::")).map(|(_, rest)| rest);
    let rest = text.strip_prefix("s3://").or_else(of_arn).ok_or("write it as s3://BUCKET or s3://BUCKET/PREFIX")?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    // <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>; old ones have more letters.
    let is_letter = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    if bucket.len() < 3 || bucket.len() > 255 || !bucket.chars().all(is_letter) {
        return Err(format!("{bucket:?} is no name of a bucket"));
    }
    Ok(Target { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
}

/// A target that is one object.
fn manifest(text: &str) -> Result<Target, String> {
    let named = "name the inventory's manifest: s3://BUCKET/…/manifest.json";
    target(text).and_then(|at| if at.prefix.ends_with(".json") { Ok(at) } else { Err(named.to_owned()) })
}

/// A size with which something can be read.
fn in_flight(text: &str) -> Result<u64, String> {
    size(text)?.checked_sub(1 << 20).map(|more| more + (1 << 20)).ok_or_else(|| "it takes 1M at least".to_owned())
}

/// `2/8`: the second of eight parts.
fn shard(text: &str) -> Result<(u32, u32), String> {
    let parsed = text.split_once('/').and_then(|(part, of)| Some((part.parse().ok()?, of.parse().ok()?)));
    parsed
        .filter(|&(part, of)| (1..=of).contains(&part))
        .ok_or_else(|| "write which part and of how many, such as 1/8 for the first of eight".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_buckets_with_or_without_a_prefix() {
        let parsed = |text| target(text).map(|target| (target.bucket, target.prefix));
        let is = |bucket: &str, prefix: &str| Ok((bucket.to_owned(), prefix.to_owned()));
        assert_eq!(parsed("s3://logs"), is("logs", ""));
        assert_eq!(parsed("s3://logs/"), is("logs", ""));
        assert_eq!(parsed("s3://logs/a//b c"), is("logs", "a//b c"));
        assert_eq!(parsed("arn:aws-cn:s3:::logs/a"), is("logs", "a"));
        for wrong in ["logs", "https://logs", "s3://", "s3://a", "s3://a b", "s3:///x", "arn:aws:iam::1:user/x"] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_inventory_is_named_by_its_manifest() {
        assert_eq!(manifest("s3://inv/a/manifest.json").unwrap().prefix, "a/manifest.json");
        for wrong in ["s3://inv", "s3://inv/", "s3://inv/a/", "s3://inv/a/manifest.checksum", "inv/manifest.json"] {
            assert!(manifest(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn memory_that_holds_nothing_is_none() {
        assert_eq!(in_flight("1M"), Ok(1 << 20));
        assert_eq!(in_flight("128M"), Ok(128 << 20));
        for wrong in ["0", "1", "1023K", "x", ""] {
            assert!(in_flight(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn shards_are_numbered_from_one() {
        assert_eq!(shard("1/1"), Ok((1, 1)));
        assert_eq!(shard("3/8"), Ok((3, 8)));
        for wrong in ["0/8", "9/8", "1", "1/0", "a/b", "-1/2", "1/8/9"] {
            assert!(shard(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_moment_is_a_day_a_time_or_a_span() {
        let now: Timestamp = "2026-11-30T00:00:00Z".parse().unwrap();
        let at = |text: &str| When::from_str(text).map(|when| when.seconds(now) - now.as_second());
        assert_eq!(at("2026-11-29"), Ok(-86400));
        assert_eq!(at("2026-11-30T01:00:00+02:00"), Ok(-3600));
        assert_eq!(at("90m"), Ok(-5400));
        assert_eq!(at("30d"), Ok(-30 * 86400));
        assert_eq!(at("2w"), Ok(-14 * 86400));
        for wrong in ["", "yesterday", "-3d", "2026-13-01", "1mo", "1y", "d"] {
            assert!(at(wrong).is_err(), "{wrong}: {:?}", at(wrong));
        }
    }

    #[test]
    fn what_is_excluded_is_keys_or_buckets() {
        let exclude = vec!["*.png".to_owned(), "s3://logs-*".to_owned(), "s3://tmp/".to_owned()];
        let objects =
            ObjectArgs { versions: false, metadata: false, include: vec![], exclude, newer_than: None, sample: None };
        let (keys, buckets) = objects.excluded();
        assert_eq!((keys, buckets), (vec!["*.png".to_owned()], vec!["logs-*".to_owned(), "tmp".to_owned()]));
    }
}
