//! Groups hits by credential: the same id or secret at a hundred places is one finding.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Finding, Fingerprint, Hit, Occurrence, neighbours};
use crate::engine::SecretKind;
use crate::key::{AccessKeyId, Secret};
use crate::provenance::Provenance;

/// All hits of one credential, while they are being gathered.
struct Group {
    rule: Arc<str>,
    /// Nothing but presigned URLs so far.
    urls_only: bool,
    /// As often as each was found with it: the most frequent is the best candidate.
    secrets: Vec<(SecretKind, Secret)>,
    occurrences: Vec<Occurrence>,
}

impl Group {
    fn new(rule: Arc<str>) -> Self {
        Self { rule, urls_only: true, secrets: Vec::new(), occurrences: Vec::new() }
    }

    fn add(&mut self, hit: Hit) {
        if self.urls_only && !hit.is_presigned_url() {
            // The id is out by itself, which matters more.
            self.rule = hit.rule.clone();
            self.urls_only = false;
        }
        self.secrets.extend(hit.secrets);
        self.occurrences.push(hit.occurrence);
    }

    fn merge(&mut self, other: Self) {
        self.secrets.extend(other.secrets);
        self.occurrences.extend(other.occurrences);
    }

    fn places(&self) -> impl Iterator<Item = &Provenance> {
        self.occurrences.iter().map(|occurrence| &occurrence.provenance)
    }

    fn finish(mut self, access_key_id: Option<AccessKeyId>, fingerprint: Fingerprint) -> Finding {
        self.secrets.sort();
        let mut secrets: Vec<_> = self.secrets.chunk_by(|a, b| a == b).map(|all| (&all[0], all.len())).collect();
        secrets.sort_by(|(a, a_seen), (b, b_seen)| a.0.cmp(&b.0).then(b_seen.cmp(a_seen)).then(a.cmp(b)));
        let mut occurrences = self.occurrences;
        occurrences.sort();
        occurrences.dedup_by(|later, first| {
            later.provenance == first.provenance && later.offset == first.offset && later.encoding == first.encoding
        });
        Finding {
            fingerprint,
            rule: self.rule,
            access_key_id,
            secrets: secrets.into_iter().map(|(secret, _)| secret.clone()).collect(),
            occurrences,
            lapsed: None,
        }
    }
}

/// One finding for each credential, ordered by where it first occurs; the order of `hits` does not matter.
///
/// A secret found alone at one place and beside an id at another belongs to that id's finding, and so does one that stands in the file
/// next to that of an id without a secret, where nothing else comes into question. What several rules call differently is what the one
/// says that knows it best. Of files that were found by their paths each is a finding.
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
        by_id.iter().rev().flat_map(|(id, group)| group.secrets.iter().map(|secret| (secret.clone(), *id))).collect();
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
    join_neighbours(&mut by_id, &mut by_secret);
    let with_id = by_id.into_iter().map(|(id, group)| group.finish(Some(id), Fingerprint::of(id.as_str().as_bytes())));
    let without_id =
        by_secret.into_iter().map(|((_, secret), group)| group.finish(None, Fingerprint::of(secret.expose())));
    let mut findings: Vec<_> = with_id.chain(without_id).chain(by_path(files)).collect();
    findings.sort_by(|a, b| a.occurrences.first().cmp(&b.occurrences.first()).then(a.fingerprint.cmp(&b.fingerprint)));
    findings
}

/// Gives secrets to ids in files next to theirs.
fn join_neighbours(by_id: &mut BTreeMap<AccessKeyId, Group>, by_secret: &mut BTreeMap<(SecretKind, Secret), Group>) {
    let kind = SecretKind::SecretAccessKey;
    let lacks_secret = |group: &Group| group.secrets.iter().all(|(found, _)| *found != kind);
    let ids = by_id.iter().filter(|(_, group)| lacks_secret(group));
    let ids = ids.flat_map(|(id, group)| group.places().map(|place| (*id, place)));
    let secrets = by_secret.iter().filter(|((found, _), _)| *found == kind);
    let secrets = secrets.flat_map(|((_, secret), group)| group.places().map(move |place| (secret, place)));
    for (secret, id) in neighbours::partners(ids, secrets) {
        if let (Some(group), Some(alone)) = (by_id.get_mut(&id), by_secret.remove(&(kind, secret))) {
            group.merge(alone);
        }
    }
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
            parts: Vec::new(),
            occurrence: Occurrence {
                provenance: Provenance::new(Origin::File { path: path.into() }),
                point: Point::START,
                offset,
                snippet: Snippet::default(),
                encoding: Vec::new(),
                expires: None,
                comment: None,
                suppressed: None,
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
    fn an_id_and_a_secret_in_files_side_by_side_are_one_finding() {
        let hits = || vec![hit(true, None, "d/access_key", 0), hit(false, Some("s1"), "d/secret_key", 7)];
        let findings = group(hits());
        assert_eq!(findings.len(), 1);
        assert!(findings[0].opens_an_account());
        assert_eq!(findings[0].occurrences.iter().map(|place| place.offset).collect::<Vec<_>>(), [0, 7]);
        let backwards = hits().into_iter().rev().collect();
        assert_eq!(format!("{:?}", group(backwards)), format!("{findings:?}"));
    }

    #[test]
    fn an_id_that_has_a_secret_somewhere_takes_no_neighbour() {
        let findings = group(vec![
            hit(true, None, "d/access_key", 0),
            hit(false, Some("s1"), "d/secret_key", 0),
            hit(true, Some("s2"), "e/both", 0),
        ]);
        assert_eq!(findings.len(), 2);
    }

    #[test]
    fn only_secret_access_keys_have_neighbours() {
        let mut password = hit(false, Some("s1"), "d/password", 0);
        password.secrets[0].0 = SecretKind::ConsolePassword;
        assert_eq!(group(vec![hit(true, None, "d/access_key", 0), password]).len(), 2);
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

    fn url(path: &str, expires: i64) -> Hit {
        let mut url = hit(true, None, path, 0);
        url.rule = "url".into();
        url.secrets = vec![(SecretKind::PresignedUrl, Secret::new(path))];
        url.occurrence.expires = Some(expires);
        url
    }

    #[test]
    fn an_id_that_is_only_in_presigned_urls_is_told_as_such_and_expires_with_the_last() {
        let findings = group(vec![url("a", 9), url("b", 5)]);
        assert_eq!((&*findings[0].rule, findings[0].expires()), ("url", Some(9)));
        let findings = group(vec![url("a", 9), hit(true, None, "b", 0), url("c", 5)]);
        assert_eq!((&*findings[0].rule, findings[0].expires()), ("rule", None));
        assert_eq!(findings[0].occurrences.len(), 3);
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
