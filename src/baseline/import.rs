//! What other scanners were told to ignore: `.gitleaksignore`, by lines, and `.secrets.baseline` of detect-secrets, by hashes of the
//! secrets. A line says of one version of a file what stands there: what stood on that line in other versions nobody has looked at. In
//! that version it holds for all places of the credential, since we read more than they do. A hash holds for all versions of its file.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde::Deserialize;

use super::reach::{self, Reach, Spot};
use crate::blob::ObjectId;
use crate::finding::suppression::{By, Suppression};
use crate::finding::{Finding, Occurrence};

/// What one file of another scanner ignores.
#[derive(Debug)]
pub struct Imports {
    /// What the file is called.
    pub name: Arc<str>,
    /// For what it holds.
    pub reach: Reach,
    /// By the path of the file.
    paths: HashMap<Vec<u8>, Vec<Ignored>>,
}

#[derive(Debug)]
enum Ignored {
    /// What a rule of gitleaks finds on a line, as one commit brought it or else as the file is now.
    Line { commit: Option<String>, rule: String, line: u64 },
    /// The secret with this SHA-1.
    Hash([u8; 20]),
}

/// What of a file something holds for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Version {
    Any,
    /// As it is on disk, in the index or in HEAD.
    Present,
    /// As this commit brought it.
    Brought(ObjectId),
}

impl Version {
    /// The versions that a place is in, where they are those of the commit or, without one, the present one.
    fn of(place: &Occurrence, commit: Option<&str>) -> Vec<Self> {
        let brought = place.provenance.commit().map(|commit| commit.id);
        let present = place.provenance.is_present().then_some(Self::Present);
        match (commit, brought) {
            (None, _) => present.into_iter().collect(),
            // What HEAD still has lies on disk as well.
            (Some(wanted), Some(id)) if id.to_string() == wanted => {
                present.into_iter().chain([Self::Brought(id)]).collect()
            }
            _ => Vec::new(),
        }
    }

    fn holds(&self, place: &Occurrence) -> bool {
        match self {
            Self::Any => true,
            Self::Present => place.provenance.is_present(),
            Self::Brought(id) => place.provenance.commit().is_some_and(|commit| commit.id == *id),
        }
    }
}

/// A `.secrets.baseline` that is none. What it holds is not told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {0}, column {1}: that is no baseline of detect-secrets")]
pub struct NoSecretsBaseline(usize, usize);

impl Imports {
    /// Reads a `.gitleaksignore`: `[COMMIT:]FILE:RULE:LINE`, comments after `#`. The second value says which lines are something else.
    pub fn gitleaks(name: &str, reach: Reach, text: &str) -> (Self, Vec<String>) {
        let mut imports = Self { name: name.into(), reach, paths: HashMap::new() };
        let mut notes = Vec::new();
        for (number, line) in (1..).zip(text.lines().map(str::trim)) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match gitleaks(line) {
                Some((path, ignored)) => imports.paths.entry(plain(path)).or_default().push(ignored),
                None => notes.push(format!("line {number} of {name} is not [COMMIT:]FILE:RULE:LINE and of no use")),
            }
        }
        (imports, notes)
    }

    /// Reads a `.secrets.baseline`. What was found there to be a real secret is not ignored, of which the second value tells.
    ///
    /// # Errors
    /// When it is none.
    pub fn detect_secrets(name: &str, reach: Reach, text: &str) -> Result<(Self, Vec<String>), NoSecretsBaseline> {
        let file: SecretsBaseline =
            serde_json::from_str(text).map_err(|error| NoSecretsBaseline(error.line(), error.column()))?;
        let mut imports = Self { name: name.into(), reach, paths: HashMap::new() };
        let (mut real, mut odd) = (0, 0);
        for (path, secret) in
            file.results.into_iter().flat_map(|(path, all)| all.into_iter().map(move |s| (path.clone(), s)))
        {
            match sha1(&secret.hashed_secret) {
                _ if secret.is_secret == Some(true) => real += 1,
                Some(hash) => imports.paths.entry(plain(&path)).or_default().push(Ignored::Hash(hash)),
                None => odd += 1,
            }
        }
        let told = [(real, "audited as real secrets and not ignored"), (odd, "without a SHA-1 and of no use")];
        let told = told.iter().filter(|(count, _)| *count > 0);
        Ok((imports, told.map(|(count, what)| format!("{count} of the entries of {name} are {what}")).collect()))
    }

    /// Marks the places of a finding that are ignored.
    pub(super) fn mark(&self, finding: &mut Finding) {
        let ignored = self.ignored(finding);
        for place in finding.occurrences.iter_mut().filter(|place| place.suppressed.is_none()) {
            let versions = self.path_of(place).and_then(|path| ignored.get(&path));
            if versions.is_some_and(|versions| versions.iter().any(|version| version.holds(place))) {
                place.suppressed = Some(Suppression { by: By::Imported, source: self.name.clone(), reason: None });
            }
        }
    }

    /// The paths, with the members of archives, in which a finding is ignored in some version.
    pub fn paths_of(&self, finding: &Finding) -> BTreeSet<Vec<u8>> {
        self.ignored(finding).into_keys().collect()
    }

    /// In which versions of which files a finding is ignored.
    fn ignored(&self, finding: &Finding) -> HashMap<Vec<u8>, BTreeSet<Version>> {
        let mut sha1s = None;
        let mut all: HashMap<Vec<u8>, BTreeSet<Version>> = HashMap::new();
        for place in &finding.occurrences {
            let Some(path) = self.path_of(place) else {
                continue;
            };
            for ignored in self.paths.get(&path).into_iter().flatten() {
                let versions = match ignored {
                    Ignored::Line { commit, rule, line } if is_on(place, *line, rule, finding) => {
                        Version::of(place, commit.as_deref())
                    }
                    Ignored::Hash(hash) if sha1s.get_or_insert_with(|| finding.sha1s()).contains(hash) => {
                        vec![Version::Any]
                    }
                    _ => continue,
                };
                if !versions.is_empty() {
                    all.entry(path.clone()).or_default().extend(versions);
                }
            }
        }
        all
    }

    fn path_of(&self, place: &Occurrence) -> Option<Vec<u8>> {
        let Spot { path, member } = self.reach.of(&place.provenance)?;
        let path = path?;
        Some(match member {
            Some(member) => [path.as_slice(), b"!", &member].concat(),
            None => path,
        })
    }
}

/// The rule by which gitleaks takes anything that is called a secret.
const GENERIC: &str = "generic-api-key";

/// Whether what a rule of gitleaks found on a line is this. Its rules for AWS are called otherwise than ours; the generic one finds a
/// secret where that stands, which may be some lines below its id.
fn is_on(place: &Occurrence, line: u64, rule: &str, finding: &Finding) -> bool {
    let is_of_aws = |rule: &str| rule.starts_with("aws-");
    let ours = is_of_aws(&finding.rule);
    let first = place.point.line;
    match rule {
        rule if rule == &*finding.rule || ours && is_of_aws(rule) => first == line,
        GENERIC if ours => (first..=first + (place.snippet.lines.len() as u64).saturating_sub(1)).contains(&line),
        _ => false,
    }
}

fn gitleaks(line: &str) -> Option<(&str, Ignored)> {
    let mut parts = line.rsplitn(3, ':');
    let (number, rule, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let line = number.parse().ok()?;
    let is_commit = |text: &str| matches!(text.len(), 40 | 64) && text.bytes().all(|c| c.is_ascii_hexdigit());
    let (commit, path) = match rest.split_once(':') {
        Some((commit, path)) if is_commit(commit) => (Some(commit.to_ascii_lowercase()), path),
        _ => (None, rest),
    };
    let is_whole = !path.is_empty() && !rule.is_empty();
    is_whole.then(|| (path, Ignored::Line { commit, rule: rule.to_owned(), line }))
}

#[derive(Deserialize)]
struct SecretsBaseline {
    results: HashMap<String, Vec<HashedSecret>>,
}

#[derive(Deserialize)]
struct HashedSecret {
    hashed_secret: String,
    is_secret: Option<bool>,
}

fn sha1(hex: &str) -> Option<[u8; 20]> {
    let id = crate::blob::ObjectId::from_hex(hex.to_ascii_lowercase().as_bytes())?;
    id.as_bytes().try_into().ok()
}

fn plain(path: &str) -> Vec<u8> {
    reach::plain(path.replace('\\', "/").as_bytes())
}

#[cfg(test)]
mod tests;
