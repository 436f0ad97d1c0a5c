//! Masks found secrets in texts around findings: names of authors, paths and what is said of unread things can hold them too.

use std::collections::HashMap;
use std::sync::Arc;

use bstr::BString;

use super::Hit;
use crate::key::Secret;
use crate::provenance::{Commit, Origin};

/// So many of a secret's first bytes tell most secrets apart.
const HEAD: usize = 8;

/// Knows all secrets of a scan. There can be hundreds of thousands, and little to look for them in, so what finds them is cheap to make.
pub struct Redactor {
    /// By their first bytes, the longest first.
    secrets: HashMap<Vec<u8>, Vec<Secret>>,
    /// How many first bytes: as many as the shortest secret has, or [`HEAD`].
    head: usize,
}

impl Redactor {
    /// For the secrets of some hits; `None` when they have none.
    pub fn new(hits: &[Hit]) -> Option<Self> {
        let all = || hits.iter().flat_map(|hit| &hit.secrets).map(|(_, secret)| secret);
        let all = || all().filter(|secret| !secret.expose().is_empty());
        let head = all().map(|secret| secret.expose().len()).min()?.min(HEAD);
        let mut secrets: HashMap<Vec<u8>, Vec<Secret>> = HashMap::new();
        for secret in all() {
            secrets.entry(secret.expose()[..head].to_vec()).or_default().push(secret.clone());
        }
        for alike in secrets.values_mut() {
            alike.sort_by(|a, b| b.expose().len().cmp(&a.expose().len()).then(a.cmp(b)));
            alike.dedup();
        }
        Some(Self { secrets, head })
    }

    /// The text with every secret masked.
    pub fn text(&self, text: &str) -> String {
        self.masked(text.as_bytes()).map_or_else(|| text.to_owned(), |masked| masked.to_string())
    }

    /// The text with every secret masked, if there is one in it.
    fn masked(&self, text: &[u8]) -> Option<BString> {
        let mut masked = BString::default();
        let (mut done, mut at) = (0, 0);
        while let Some(head) = text.get(at..at + self.head) {
            let alike = self.secrets.get(head).into_iter().flatten();
            match alike.into_iter().find(|secret| text[at..].starts_with(secret.expose())) {
                Some(secret) => {
                    masked.extend_from_slice(&text[done..at]);
                    masked.extend_from_slice(secret.redacted().as_bytes());
                    at += secret.expose().len();
                    done = at;
                }
                None => at += 1,
            }
        }
        if done == 0 {
            return None;
        }
        masked.extend_from_slice(&text[done..]);
        Some(masked)
    }

    /// The place of a hit with every secret masked.
    pub fn place(&self, hit: &mut Hit) {
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
            Origin::Stdin | Origin::Object { .. } => {}
        }
    }

    fn commit(&self, commit: &mut Arc<Commit>) {
        if let Some(masked) = self.masked(&commit.author) {
            Arc::make_mut(commit).author = masked;
        }
    }

    fn bytes(&self, text: &mut BString) {
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
    use crate::location::Point;
    use crate::provenance::Provenance;

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
            occurrence: Occurrence {
                provenance: Provenance::new(origin).member(SECRET.as_bytes()),
                point: Point::START,
                offset: 0,
                snippet: Snippet::default(),
                encoding: Vec::new(),
                expires: None,
            },
        }
    }

    #[test]
    fn secrets_in_paths_members_and_authors_are_masked() {
        let mut hit = hit(Some(SECRET));
        let redactor = Redactor::new(std::slice::from_ref(&hit)).unwrap();
        redactor.place(&mut hit);
        let told = format!("{:?} {}", hit.occurrence, redactor.text(&format!("a {SECRET} b")));
        assert!(!told.contains(&SECRET[..8]), "{told}");
        assert!(told.contains("x/wJal…/y") && told.contains("A wJal… <a@b>") && told.ends_with("a wJal… b"), "{told}");
    }

    #[test]
    fn secrets_that_begin_alike_and_short_ones_are_masked_whole() {
        let hits = [hit(Some("abcdefgh-1")), hit(Some("abcdefgh-1-and-more")), hit(Some("kk-1"))];
        let redactor = Redactor::new(&hits).unwrap();
        let masked = redactor.text("abcdefgh-1,abcdefgh-1-and-more,abcdefgh-2,kk-1kk-1");
        assert!(!masked.contains("abcdefgh-1") && !masked.contains("more") && !masked.contains("kk-1"), "{masked}");
        assert!(masked.contains(",abcdefgh-2,"), "{masked}");
    }

    #[test]
    fn without_secrets_there_is_nothing_to_mask() {
        assert!(Redactor::new(&[hit(None)]).is_none());
    }
}
