//! Masks found secrets in texts around findings: names of authors, paths and what is said of unread things can hold them too.

use std::sync::Arc;

use aho_corasick::AhoCorasick;
use bstr::BString;

use super::Hit;
use crate::key::Secret;
use crate::provenance::{Commit, Origin};

/// Knows all secrets of a scan.
#[derive(Debug)]
pub struct Redactor {
    search: AhoCorasick,
    masks: Vec<String>,
}

impl Redactor {
    /// For the secrets of some hits; `None` when they have none.
    pub fn new(hits: &[Hit]) -> Option<Self> {
        let mut secrets: Vec<&Secret> = hits.iter().flat_map(|hit| &hit.secrets).map(|(_, secret)| secret).collect();
        secrets.sort();
        secrets.dedup();
        if secrets.is_empty() {
            return None;
        }
        let search = AhoCorasick::new(secrets.iter().map(|secret| secret.expose())).ok()?;
        Some(Self { search, masks: secrets.iter().map(|secret| secret.redacted()).collect() })
    }

    /// The text with every secret masked.
    pub fn text(&self, text: &str) -> String {
        self.search.replace_all(text, &self.masks)
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
        if self.search.is_match(&commit.author[..]) {
            self.bytes(&mut Arc::make_mut(commit).author);
        }
    }

    fn bytes(&self, text: &mut BString) {
        if self.search.is_match(&text[..]) {
            *text = self.search.replace_all_bytes(text, &self.masks).into();
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
    fn without_secrets_there_is_nothing_to_mask() {
        assert!(Redactor::new(&[hit(None)]).is_none());
    }
}
