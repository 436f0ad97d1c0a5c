//! What lies in an archive and can't be read before it is restored: how much of it there is, and what a restore takes. Nothing is restored here.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/restoring-objects-retrieval-options.html>

use super::list;
use super::state::Archived;
use crate::source::Skipped;

/// The class under which objects of Intelligent-Tiering are counted that lie in one of its archive tiers, which no list tells.
pub(super) const TIERED: &str = "INTELLIGENT_TIERING";

/// Adds counts of classes to others.
pub(super) fn add(all: &mut Archived, more: &Archived) {
    for (class, (objects, bytes)) in more {
        let sum = all.entry(class.clone()).or_default();
        *sum = (sum.0 + objects, sum.1 + bytes);
    }
}

/// A line for each class of a bucket's archived objects.
pub(super) fn told(bucket: &str, archived: &Archived) -> Vec<Skipped> {
    let line = |(class, (objects, bytes)): (&String, &(u64, u64))| {
        let (noun, are) = if *objects == 1 { ("object", "is") } else { ("objects", "are") };
        let why = format!(
            "{objects} {noun} ({bytes} bytes) {are} archived in class {class} and can't be read as {are}: {}; a restore is paid for by request and by \
             byte, and keysweep asks for none; restore what matters, then sweep again",
            takes(class)
        );
        Skipped::new(list::name(bucket, ""), why)
    };
    archived.iter().map(line).collect()
}

/// What a restore takes.
fn takes(class: &str) -> &'static str {
    match class {
        "GLACIER" => {
            "to restore them takes 1 to 5 minutes (expedited), 3 to 5 hours (standard) or 5 to 12 hours (bulk)"
        }
        "DEEP_ARCHIVE" => "to restore them takes up to 12 hours (standard) or 48 hours (bulk)",
        TIERED => {
            "to restore them takes 3 to 5 hours from the archive tier and up to 12 hours from the deep archive tier"
        }
        _ => "how long a restore takes is up to the server",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_told_with_what_a_restore_takes() {
        let mut all = Archived::from([("GLACIER".to_owned(), (1, 10))]);
        add(&mut all, &Archived::from([("GLACIER".to_owned(), (2, 5)), ("DEEP_ARCHIVE".to_owned(), (1, 7))]));
        let lines = told("b", &all);
        assert_eq!(lines.len(), 2);
        assert!(lines.iter().all(|line| line.what == "s3://b"));
        assert!(
            lines[0].why.starts_with("1 object (7 bytes) is archived in class DEEP_ARCHIVE")
                && lines[0].why.contains("48 hours")
        );
        assert!(
            lines[1].why.starts_with("3 objects (15 bytes) are archived in class GLACIER")
                && lines[1].why.contains("3 to 5 hours")
        );
    }
}
