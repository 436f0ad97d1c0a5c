//! Groups hits by credential: the same id or secret at a hundred places is one finding.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Finding, Fingerprint, Hit, Occurrence};
use crate::engine::SecretKind;
use crate::key::{AccessKeyId, Secret};

/// All hits of one credential, while they are being gathered.
struct Group {
    rule: Arc<str>,
    /// How often each secret was found with it: the most frequent is the best candidate.
    secrets: BTreeMap<(SecretKind, Secret), usize>,
    occurrences: BTreeSet<Occurrence>,
}

impl Group {
    fn new(rule: Arc<str>) -> Self {
        Self { rule, secrets: BTreeMap::new(), occurrences: BTreeSet::new() }
    }

    fn add(&mut self, hit: Hit) {
        for secret in hit.secrets {
            *self.secrets.entry(secret).or_default() += 1;
        }
        self.occurrences.insert(hit.occurrence);
    }

    fn finish(self, access_key_id: Option<AccessKeyId>, fingerprint: Fingerprint) -> Finding {
        let mut secrets: Vec<_> = self.secrets.into_iter().collect();
        secrets.sort_by(|(a, a_seen), (b, b_seen)| a.0.cmp(&b.0).then(b_seen.cmp(a_seen)).then(a.cmp(b)));
        let mut occurrences: Vec<_> = self.occurrences.into_iter().collect();
        occurrences.dedup_by(|later, first| {
            later.provenance == first.provenance && later.offset == first.offset && later.encoding == first.encoding
        });
        Finding {
            fingerprint,
            rule: self.rule,
            access_key_id,
            secrets: secrets.into_iter().map(|(secret, _)| secret).collect(),
            occurrences,
        }
    }
}

/// One finding for each credential, ordered by where it first occurs; the order of `hits` does not matter.
///
/// A secret found alone at one place and beside an id at another belongs to that id's finding. What several rules call differently
/// is what the one says that knows it best. Of files that were found by their paths each is a finding.
pub fn group(mut hits: Vec<Hit>) -> Vec<Finding> {
    hits.sort_by(|a, b| a.occurrence.cmp(&b.occurrence));
    let (files, mut hits): (Vec<_>, Vec<_>) = hits.into_iter().partition(Hit::is_file);
    call_alike(&mut hits);
    let mut by_id: BTreeMap<AccessKeyId, Group> = BTreeMap::new();
    let mut alone = Vec::new();
    for hit in hits {
        match hit.access_key_id {
            Some(id) => by_id.entry(id).or_insert_with(|| Group::new(hit.rule.clone())).add(hit),
            None => alone.push(hit),
        }
    }
    let owners: BTreeMap<(SecretKind, Secret), AccessKeyId> =
        by_id.iter().rev().flat_map(|(id, group)| group.secrets.keys().map(|secret| (secret.clone(), *id))).collect();
    let mut by_secret: BTreeMap<(SecretKind, Secret), Group> = BTreeMap::new();
    for hit in alone {
        let Some(secret) = hit.secrets.first() else {
            continue;
        };
        let group = match owners.get(secret).and_then(|id| by_id.get_mut(id)) {
            Some(group) => group,
            None => by_secret.entry(secret.clone()).or_insert_with(|| Group::new(hit.rule.clone())),
        };
        group.add(hit);
    }
    let with_id = by_id.into_iter().map(|(id, group)| group.finish(Some(id), Fingerprint::of(id.as_str().as_bytes())));
    let without_id =
        by_secret.into_iter().map(|((_, secret), group)| group.finish(None, Fingerprint::of(secret.expose())));
    let mut findings: Vec<_> = with_id.chain(without_id).chain(by_path(files)).collect();
    findings.sort_by(|a, b| a.occurrences.first().cmp(&b.occurrences.first()).then(a.fingerprint.cmp(&b.fingerprint)));
    findings
}

/// Gives a secret that several rules found the kind and the rule of the one that says most of it.
fn call_alike(hits: &mut [Hit]) {
    let mut names: BTreeMap<Secret, (SecretKind, Arc<str>)> = BTreeMap::new();
    for hit in hits.iter() {
        for (kind, secret) in &hit.secrets {
            let name = names.entry(secret.clone()).or_insert_with(|| (*kind, hit.rule.clone()));
            if *kind < name.0 {
                *name = (*kind, hit.rule.clone());
            }
        }
    }
    for hit in hits {
        for (kind, secret) in &mut hit.secrets {
            if let Some((best, rule)) = names.get(secret) {
                *kind = *best;
                if hit.access_key_id.is_none() {
                    hit.rule = rule.clone();
                }
            }
        }
    }
}

/// A finding for each file and rule.
fn by_path(files: Vec<Hit>) -> Vec<Finding> {
    let mut groups: BTreeMap<Vec<u8>, Group> = BTreeMap::new();
    for hit in files {
        let at = &hit.occurrence.provenance;
        let path = at.path().into_iter().chain(&at.member).map(|path| path.as_slice());
        let name = [hit.rule.as_bytes()].into_iter().chain(path).collect::<Vec<_>>().join(&0);
        groups.entry(name).or_insert_with(|| Group::new(hit.rule.clone())).add(hit);
    }
    groups.into_iter().map(|(name, group)| group.finish(None, Fingerprint::of(&name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::snippet::Snippet;
    use crate::location::Point;
    use crate::provenance::{Origin, Provenance};

    const ID: &str = "AKIAIOSFODNN7EXAMPLE";

    fn hit(id: bool, secret: Option<&str>, path: &str, offset: u64) -> Hit {
        Hit {
            rule: "rule".into(),
            terms: Default::default(),
            access_key_id: id.then(|| AccessKeyId::parse(ID.as_bytes()).unwrap()),
            secrets: secret.map(|value| (SecretKind::SecretAccessKey, Secret::new(value))).into_iter().collect(),
            occurrence: Occurrence {
                provenance: Provenance::new(Origin::File { path: path.into() }),
                point: Point::START,
                offset,
                snippet: Snippet::default(),
                encoding: Vec::new(),
            },
        }
    }

    #[test]
    fn one_credential_is_one_finding_however_often_it_occurs() {
        let findings = group(vec![
            hit(true, None, "b", 0),
            hit(true, Some("s1"), "a", 0),
            hit(true, Some("s1"), "a", 0),
            hit(true, Some("s1"), "a", 9),
        ]);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].occurrences.len(), 3);
        assert_eq!(findings[0].secrets.len(), 1);
    }

    #[test]
    fn a_secret_alone_joins_the_id_it_was_seen_with_elsewhere() {
        let findings =
            group(vec![hit(false, Some("s1"), "a", 0), hit(true, Some("s1"), "b", 0), hit(false, Some("s2"), "c", 0)]);
        assert_eq!(findings.len(), 2);
        assert_eq!(findings[0].occurrences.len(), 2);
        assert_eq!(findings[1].access_key_id, None);
    }

    #[test]
    fn the_secret_seen_most_often_is_the_best_candidate() {
        let findings = group(vec![
            hit(true, Some("a-rare"), "a", 0),
            hit(true, Some("often"), "b", 0),
            hit(true, Some("often"), "c", 0),
        ]);
        assert_eq!(findings[0].secrets[0].1.expose(), b"often");
        assert_eq!(findings[0].secrets.len(), 2);
    }

    #[test]
    fn what_several_rules_call_differently_is_one_finding_named_by_who_knows_it_best() {
        let mut vague = hit(false, Some("s1"), "a", 0);
        (vague.rule, vague.secrets[0].0) = ("vague".into(), SecretKind::Other);
        let findings = group(vec![vague, hit(false, Some("s1"), "b", 0)]);
        assert_eq!(findings.len(), 1);
        assert_eq!((&*findings[0].rule, findings[0].occurrences.len()), ("rule", 2));
        assert_eq!(findings[0].secrets[0].0, SecretKind::SecretAccessKey);
    }

    #[test]
    fn each_file_that_is_found_by_its_path_is_a_finding() {
        let mut findings = group(vec![hit(false, None, "a", 0), hit(false, None, "b", 0), hit(false, None, "a", 0)]);
        assert_eq!(findings.len(), 2);
        assert_ne!(findings[0].fingerprint, findings[1].fingerprint);
        assert_eq!(findings.pop().unwrap().occurrences.len(), 1);
    }

    #[test]
    fn the_order_of_hits_does_not_matter() {
        let hits = || vec![hit(false, Some("x"), "a", 3), hit(true, Some("y"), "b", 0), hit(true, None, "a", 1)];
        let mut backwards = hits();
        backwards.reverse();
        assert_eq!(format!("{:?}", group(hits())), format!("{:?}", group(backwards)));
    }
}
