//! Masks found secrets in texts around findings: names of authors, paths and what is said of unread things can hold them too.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use bstr::{BStr, BString};

use super::Hit;
use crate::key::Secret;
use crate::provenance::{Commit, Origin};

/// So many of a secret's first bytes tell most secrets apart.
const HEAD: usize = 8;

/// Knows all secrets of a scan. There can be hundreds of thousands, and little to look for them in, so what finds them is cheap to make.
pub struct Redactor {
    secrets: HashSet<Box<[u8]>>,
    /// The first bytes of secrets, with how long those are that begin with them; by how many bytes they are, of which there are
    /// fewer only for secrets that are shorter.
    heads: BTreeMap<usize, HashMap<Box<[u8]>, BTreeSet<usize>>>,
    /// Texts that were masked, for many hits are in one file and by one author.
    known: HashMap<BString, Option<BString>>,
}

impl Redactor {
    /// For the secrets of some hits; `None` when they have none.
    pub fn new(hits: &[Hit]) -> Option<Self> {
        let all = hits.iter().flat_map(|hit| &hit.secrets).map(|(_, secret)| secret.expose());
        let secrets: HashSet<Box<[u8]>> = all.filter(|secret| !secret.is_empty()).map(Box::from).collect();
        let mut heads: BTreeMap<usize, HashMap<Box<[u8]>, BTreeSet<usize>>> = BTreeMap::new();
        for secret in &secrets {
            let head = &secret[..secret.len().min(HEAD)];
            heads.entry(head.len()).or_default().entry(head.into()).or_default().insert(secret.len());
        }
        (!secrets.is_empty()).then(|| Self { secrets, heads, known: HashMap::new() })
    }

    /// The text with every secret masked.
    pub fn text(&mut self, text: &str) -> String {
        self.masked(text.as_bytes()).map_or_else(|| text.to_owned(), |masked| masked.to_string())
    }

    /// The text with every secret masked, if there is one in it.
    fn masked(&mut self, text: &[u8]) -> Option<BString> {
        if let Some(known) = self.known.get(BStr::new(text)) {
            return known.clone();
        }
        let mut masked = BString::default();
        let (mut done, mut at) = (0, 0);
        while at < text.len() {
            let Some(secret) = self.longest_at(&text[at..]) else {
                at += 1;
                continue;
            };
            masked.extend_from_slice(&text[done..at]);
            masked.extend_from_slice(Secret::new(secret).redacted().as_bytes());
            at += secret.len();
            done = at;
        }
        masked.extend_from_slice(&text[done..]);
        let masked = Some(masked).filter(|_| done > 0);
        self.known.insert(text.into(), masked.clone());
        masked
    }

    /// The longest secret with which a text begins.
    fn longest_at<'a>(&self, text: &'a [u8]) -> Option<&'a [u8]> {
        self.heads.iter().rev().find_map(|(&length, heads)| {
            let lengths = heads.get(text.get(..length)?)?;
            let starts = lengths.iter().rev().filter_map(|&length| text.get(..length));
            starts.into_iter().find(|start| self.secrets.contains(*start))
        })
    }

    /// The place of a hit, and what is said beside it, with every secret masked.
    pub fn place(&mut self, hit: &mut Hit) {
        let said = hit.occurrence.comment.as_mut().and_then(|comment| comment.reason.as_mut());
        if let Some(reason) = said
            && let Some(masked) = self.masked(reason.as_bytes())
        {
            *reason = masked.to_string().into();
        }
        let provenance = &mut hit.occurrence.provenance;
        if let Some(member) = &mut provenance.member {
            self.bytes(member);
        }
        match &mut provenance.origin {
            Origin::File { path } | Origin::Staged { path, .. } => self.bytes(path),
            Origin::Commit { commit, path, .. } => {
                self.bytes(path);
                self.commit(commit);
            }
            Origin::TagMessage { commit, name } => {
                self.bytes(name);
                self.commit(commit);
            }
            Origin::CommitMessage { commit } => self.commit(commit),
            Origin::Stored { object, .. } => {
                if let Some(masked) = self.masked(&object.key) {
                    let object = Arc::make_mut(object);
                    object.key = masked;
                    object.is_masked = true;
                }
            }
            Origin::Stdin | Origin::Object { .. } => {}
        }
    }

    fn commit(&mut self, commit: &mut Arc<Commit>) {
        if let Some(masked) = self.masked(&commit.author) {
            Arc::make_mut(commit).author = masked;
        }
    }

    fn bytes(&mut self, text: &mut BString) {
        if let Some(masked) = self.masked(text) {
            *text = masked;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::ObjectId;
    use crate::engine::SecretKind;
    use crate::finding::Occurrence;
    use crate::finding::snippet::Snippet;
    use crate::finding::suppression::{By, Suppression};
    use crate::location::Point;
    use crate::provenance::{Provenance, StoredObject, StoredPart};

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

    fn hit(secret: Option<&str>) -> Hit {
        let commit = Commit {
            date: Default::default(),
            repository: "r".into(),
            id: ObjectId::from_bytes(&[1; 20]).unwrap(),
            author: format!("A {SECRET} <a@b>").into(),
            reachable: true,
        };
        let origin = Origin::Commit { commit: Arc::new(commit), path: format!("x/{SECRET}/y").into(), in_head: None };
        Hit {
            rule: "rule".into(),
            access_key_id: None,
            secrets: secret.map(|value| (SecretKind::SecretAccessKey, Secret::new(value))).into_iter().collect(),
            terms: Default::default(),
            parts: Vec::new(),
            occurrence: Occurrence {
                provenance: Provenance::new(origin).member(SECRET.as_bytes()),
                point: Point::START,
                offset: 0,
                snippet: Snippet::default(),
                encoding: Vec::new(),
                expires: None,
                comment: None,
                suppressed: None,
            },
        }
    }

    #[test]
    fn secrets_in_paths_members_and_authors_are_masked() {
        let mut hit = hit(Some(SECRET));
        let mut redactor = Redactor::new(std::slice::from_ref(&hit)).unwrap();
        redactor.place(&mut hit);
        let told = format!("{:?} {}", hit.occurrence, redactor.text(&format!("a {SECRET} b")));
        assert!(!told.contains(&SECRET[..8]), "{told}");
        assert!(told.contains("x/wJal…/y") && told.contains("A wJal… <a@b>") && told.ends_with("a wJal… b"), "{told}");
    }

    #[test]
    fn a_key_of_a_bucket_that_was_masked_is_told_apart() {
        let object = |key: &str| StoredObject {
            bucket: "b".into(),
            key: key.into(),
            version_id: None,
            is_latest: true,
            etag: "e".into(),
            last_modified: None,
            is_masked: false,
        };
        let mut of = [hit(Some(SECRET)), hit(None)];
        for (hit, key) in of.iter_mut().zip([format!("x/{SECRET}"), "x/y".to_owned()]) {
            let object = Arc::new(object(&key));
            hit.occurrence.provenance = Provenance::new(Origin::Stored { object, part: StoredPart::Key });
        }
        let mut redactor = Redactor::new(&of).unwrap();
        of.iter_mut().for_each(|hit| redactor.place(hit));
        let told = of.each_ref().map(|hit| {
            let object = hit.occurrence.provenance.stored().unwrap();
            (object.key.to_string(), object.is_masked)
        });
        assert_eq!(told, [("x/wJal…".to_owned(), true), ("x/y".to_owned(), false)]);
    }

    #[test]
    fn secrets_in_the_reason_of_a_comment_are_masked() {
        let mut hit = hit(Some(SECRET));
        let reason = Some(format!("as {SECRET} is").into());
        hit.occurrence.comment = Some(Suppression { by: By::Comment, source: "keysweep:allow".into(), reason });
        Redactor::new(std::slice::from_ref(&hit)).unwrap().place(&mut hit);
        assert_eq!(hit.occurrence.comment.unwrap().reason.as_deref(), Some("as wJal… is"));
    }

    #[test]
    fn secrets_that_begin_alike_and_short_ones_are_masked_whole() {
        let hits = [hit(Some("abcdefgh-1")), hit(Some("abcdefgh-1-and-more")), hit(Some("kk-1"))];
        let mut redactor = Redactor::new(&hits).unwrap();
        let masked = redactor.text("abcdefgh-1,abcdefgh-1-and-more,abcdefgh-2,kk-1kk-1");
        assert!(!masked.contains("abcdefgh-1") && !masked.contains("more") && !masked.contains("kk-1"), "{masked}");
        assert!(masked.contains(",abcdefgh-2,"), "{masked}");
    }

    #[test]
    fn without_secrets_there_is_nothing_to_mask() {
        assert!(Redactor::new(&[hit(None)]).is_none());
    }
}
