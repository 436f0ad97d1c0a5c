//! Which places of reports are the same, and in which order they stand: that of `finding::Occurrence`, by what a report tells of it.

use serde_json::{Map, Value};

use crate::triage::moment;

/// A place, as far as it makes one. What is said about it (that it is suppressed, who may read it, the lines around it) does not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    source: usize,
    /// The date of a commit or tag, in seconds since 1970, and its distance from UTC.
    date: (Option<i64>, i32),
    /// Repository, commit, author.
    of: [Option<String>; 3],
    reachable: Option<bool>,
    /// Bucket, key, version.
    object: [Option<String>; 3],
    is_latest: Option<bool>,
    /// ETag, last modified.
    written: [Option<String>; 2],
    part: Option<usize>,
    path: Option<String>,
    in_head: Option<bool>,
    member: Option<String>,
    line: Option<u64>,
    column: Option<u64>,
    /// All else, in case a later version tells places apart by it.
    rest: String,
}

/// In the order of `provenance::Origin`; objects of buckets come last.
const SOURCES: [&str; 7] = ["file", "stdin", "commit", "staged", "commit_message", "tag_message", "object"];
const PARTS: [&str; 3] = ["key", "metadata", "tags"];
/// What makes no place.
const SAID: [&str; 4] = ["suppressed", "public", "snippet", "expires"];

impl Place {
    pub(super) fn of(told: &Map<String, Value>) -> Self {
        let text = |name: &str| told.get(name).and_then(Value::as_str).map(str::to_owned);
        let yes = |name: &str| told.get(name).and_then(Value::as_bool);
        let number = |name: &str| told.get(name).and_then(Value::as_u64);
        let rank = |names: &[&str], name: &str| {
            let word = told.get(name)?;
            Some(names.iter().position(|known| word == known).unwrap_or(names.len()))
        };
        let date = text("date");
        let is_stored = told.get("bucket").is_some_and(Value::is_string);
        let known = [
            "source",
            "date",
            "repository",
            "commit",
            "author",
            "reachable",
            "bucket",
            "key",
            "version_id",
            "is_latest",
        ];
        let known =
            known.iter().chain(&["etag", "last_modified", "part", "path", "in_head", "member", "line", "column"]);
        let known: Vec<&str> = known.chain(&SAID).copied().collect();
        let rest = told.iter().filter(|(name, value)| !known.contains(&name.as_str()) && !value.is_null());
        Self {
            source: rank(&SOURCES, "source").unwrap_or(SOURCES.len()) + usize::from(is_stored),
            date: (date.as_deref().and_then(moment::parse), date.as_deref().map_or(0, offset)),
            of: ["repository", "commit", "author"].map(text),
            reachable: yes("reachable"),
            object: ["bucket", "key", "version_id"].map(text),
            is_latest: yes("is_latest"),
            written: ["etag", "last_modified"].map(text),
            part: rank(&PARTS, "part"),
            path: text("path"),
            in_head: yes("in_head"),
            member: text("member"),
            line: number("line"),
            column: number("column"),
            rest: Value::Object(rest.map(|(name, value)| (name.clone(), value.clone())).collect()).to_string(),
        }
    }
}

/// Minutes from UTC, of RFC 3339.
fn offset(date: &str) -> i32 {
    let Some((_, end)) = date.len().checked_sub(6).and_then(|at| date.split_at_checked(at)) else {
        return 0;
    };
    let minutes = |digits: &str| {
        let (hours, minutes) = digits.split_once(':')?;
        hours.parse::<i32>().ok()?.checked_mul(60)?.checked_add(minutes.parse().ok()?)
    };
    match (end.strip_prefix('+'), end.strip_prefix('-')) {
        (Some(digits), _) => minutes(digits).unwrap_or(0),
        (_, Some(digits)) => minutes(digits).map_or(0, |all| -all),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provenance::{Commit, Origin, StoredPart, Timestamp};
    use crate::report::Format;
    use crate::report::samples::{
        Sample, commit, file, history, message, object, occurrence, stored, stored_part, tag,
    };

    /// Every kind of place, some of each, in the order of a scan.
    fn places() -> Vec<crate::finding::Occurrence> {
        let mut zipped = file("a", 9);
        zipped.provenance = zipped.provenance.member(b"x");
        let east = Commit { date: Timestamp { offset_minutes: -90, ..commit(1, 0).date }, ..(*commit(1, 0)).clone() };
        let staged = |path: &str| Origin::Staged { repository: ".".into(), path: path.into() };
        let mut all = vec![
            file("b", 1),
            file("a", 2),
            file("a", 11),
            zipped,
            occurrence(Origin::Stdin, 1),
            history(&commit(2, 0), "a", None, 1),
            history(&commit(1, 0), "b", Some(false), 1),
            history(&commit(1, 0), "b", Some(true), 1),
            history(&commit(9, -3), "a", None, 1),
            history(&east.into(), "a", None, 1),
            occurrence(staged("b"), 1),
            occurrence(staged("a"), 1),
            occurrence(message(&commit(3, 0)), 2),
            occurrence(tag(&commit(4, 0), b"v1"), 3),
            occurrence(object(5), 4),
            stored("b", b"k", Some("1"), false),
            stored("b", b"k", None, true),
            stored("a", b"z", Some("1"), true),
            stored_part("b", b"k", None, true, StoredPart::Tags),
            stored_part("b", b"k", None, true, StoredPart::Key),
        ];
        all.sort();
        all
    }

    #[test]
    fn the_order_is_that_of_a_scan() {
        let sample = Sample::at(places());
        let document: Value = serde_json::from_str(&sample.written(Format::Json)).unwrap();
        let told = document["findings"][0]["occurrences"].as_array().unwrap();
        let order: Vec<Place> = told.iter().map(|place| Place::of(place.as_object().unwrap())).collect();
        assert_eq!(order.len(), 20);
        for (number, pair) in order.windows(2).enumerate() {
            assert!(pair[0] < pair[1], "{number}: {pair:#?}");
        }
    }

    #[test]
    fn offsets_are_told_in_minutes() {
        let told =
            [("2024-03-01T12:00:00+02:00", 120), ("2024-03-01T00:30:00-09:30", -570), ("2024-03-01T00:30:00Z", 0)];
        for (date, minutes) in told {
            assert_eq!(offset(date), minutes);
        }
        for odd in ["", "é", "+é:12", "x+99999999999:00"] {
            assert_eq!(offset(odd), 0);
        }
    }
}
