//! What reports say of an object of a bucket: its fields, and whether the public may read it. Where they stand in a format is the format's
//! business, who may read what was worked out by `exposure`.

use std::borrow::Cow;

use serde::Serialize;

use super::Report;
use super::sanitize::lossless;
use crate::exposure::Publicness;
use crate::finding::Occurrence;
use crate::provenance::{Origin, StoredObject};

/// Whether the public may read an object, as reports write it.
#[derive(Serialize)]
pub(super) struct Public {
    /// `None` where that could not be worked out.
    is: Option<bool>,
    because: Option<String>,
}

impl Public {
    pub(super) fn new(public: &Publicness) -> Self {
        let (is, because) = match public {
            Publicness::Yes(why) => (Some(true), Some(why.join(", ")).filter(|why| !why.is_empty())),
            Publicness::No(why) => (Some(false), why.clone()),
            Publicness::Unknown(why) => (None, Some(why.clone())),
        };
        Self { is, because }
    }

    /// For people: `yes, by policy statement PublicRead`.
    pub(super) fn in_words(&self) -> String {
        let (is, joint) = match self.is {
            Some(true) => ("yes", ", by "),
            Some(false) => ("no", ": "),
            None => ("not known", ": "),
        };
        match &self.because {
            Some(because) => format!("{is}{joint}{because}"),
            None => is.to_owned(),
        }
    }
}

impl Report<'_> {
    /// Whether the public may read the object of a place; `None` for other places, and where that was not asked.
    pub(super) fn public(&self, place: &Occurrence) -> Option<Public> {
        let Origin::Stored { object, part } = &place.provenance.origin else { return None };
        self.public?.get(&((**object).clone(), *part)).map(Public::new)
    }
}

/// The key as it is: a service that knows no other way takes it so. Only bytes that no such key has are escaped, as in paths.
pub(super) fn key(object: &StoredObject) -> Cow<'_, str> {
    std::str::from_utf8(&object.key).map_or_else(|_| lossless(&object.key), Cow::Borrowed)
}

/// When it was written, RFC 3339 in UTC.
pub(super) fn last_modified(object: &StoredObject) -> Option<String> {
    object.last_modified.and_then(super::utc)
}

/// `key`, `metadata` or `tags` where it does not stand in an object's bytes.
pub(super) fn part(place: &Occurrence) -> Option<&'static str> {
    match place.provenance.origin {
        Origin::Stored { part, .. } => part.name(),
        _ => None,
    }
}

/// What people are told of the object of a place, beyond its name.
pub(super) fn about(report: &Report<'_>, place: &Occurrence) -> Option<String> {
    let object = place.provenance.stored()?;
    let modified = last_modified(object).map(|date| format!("last modified {date}"));
    let public = report.public(place).map(|public| format!("public: {}", public.in_words()));
    let told: Vec<String> = [modified, public].into_iter().flatten().collect();
    (!told.is_empty()).then(|| told.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{Sample, file, stored};

    #[test]
    fn why_it_is_public_is_told_in_words() {
        let words = |public: &Publicness| Public::new(public).in_words();
        let two = vec!["policy statement PublicRead".to_owned(), "ACL grant READ to everyone".to_owned()];
        assert_eq!(words(&Publicness::Yes(two)), "yes, by policy statement PublicRead, ACL grant READ to everyone");
        assert_eq!(words(&Publicness::Yes(vec![])), "yes");
        assert_eq!(words(&Publicness::No(None)), "no");
        assert_eq!(words(&Publicness::No(Some("RestrictPublicBuckets".to_owned()))), "no: RestrictPublicBuckets");
        assert_eq!(words(&Publicness::Unknown("not allowed".to_owned())), "not known: not allowed");
    }

    #[test]
    fn a_key_is_told_as_it_is() {
        let of = |key: &[u8]| {
            let place = stored("b", key, None, true);
            super::key(place.provenance.stored().unwrap()).into_owned()
        };
        assert_eq!(of(r"a\xff\b//é".as_bytes()), r"a\xff\b//é");
        assert_eq!(of(b"a\xff"), r"a\xff");
    }

    #[test]
    fn files_are_public_by_nobodys_word() {
        let mut sample = Sample::at(vec![stored("b", b"k", None, true), file("a", 1)]);
        assert!(sample.report().public(&sample.findings[0].occurrences[0]).is_none());
        sample.publish(Publicness::No(None));
        let report = sample.report();
        let told: Vec<bool> = sample.findings[0].occurrences.iter().map(|at| report.public(at).is_some()).collect();
        assert_eq!(told, [true, false]);
        assert_eq!(about(&report, &sample.findings[0].occurrences[1]), None);
    }
}
