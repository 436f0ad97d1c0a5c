//! What a job says of itself, held to the repository that it has: which range is new, and what of it can't be seen.

use anyhow::{Result, bail};

use super::systems::{self, Base, Job};
use crate::blob::ObjectId;
use crate::report::plural;
use crate::source::Skipped;

/// What to scan, and what to say of it.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// The range that is new; `None` to scan everything that is here.
    pub(crate) range: Option<String>,
    /// All of the job's commits were there before: there is nothing to scan, and nothing wrong with that.
    pub(crate) is_nothing_new: bool,
    /// What should have been seen and is not here.
    pub(crate) skipped: Vec<Skipped>,
    /// For people.
    pub(super) notes: Vec<String>,
}

/// Answers questions about revisions.
pub(super) trait Repository {
    /// The commits of a range.
    fn commits(&self, spec: &str) -> Result<Vec<ObjectId>>;

    /// What the full name of a ref stands for, or the objects whose ids begin with hexadecimal digits.
    fn objects(&self, name: &str) -> Result<Vec<ObjectId>>;

    /// Whether history was cut off when it was cloned.
    fn is_shallow(&self) -> bool;
}

/// # Errors
/// When nothing is checked out, or git can't be asked.
pub(super) fn of(job: &Job, repository: &dyn Repository) -> Result<Plan> {
    let checked_out = repository.commits("HEAD^!")?;
    let mut plan = Plan::default();
    let head = plan.head(job, repository, checked_out.last())?;
    let about = format!("{}, {}", job.system.name(), job.about);
    let Some((base, known)) = first(repository, &job.bases, |base| &base.revision)? else {
        plan.notes.push(format!("{about}: {}; everything that is here is scanned", without_base(job)));
        plan.tell_of_cuts(job, repository);
        return Ok(plan);
    };
    let range = format!("{}..{}", known.commit, head.revision);
    let commits = repository.commits(&range)?.len() as u64;
    let (since, to) = (format!("{} ({})", short(known.commit), base.what), short(&head.revision));
    let new = match (commits, head.is_tag) {
        (0, false) => {
            plan.is_nothing_new = plan.skipped.is_empty();
            plan.notes.push(format!("{about}: nothing is new: {to} stands in {since}; nothing is scanned"));
            plan.range = Some(range);
            return Ok(plan);
        }
        (0, true) => "the tag alone".to_owned(),
        (_, false) => plural(commits, "commit"),
        (_, true) => format!("{} and the tag", plural(commits, "commit")),
    };
    plan.notes.push(format!("{about}: {new} since {since} to {to}"));
    plan.tell_of_cuts(job, repository);
    plan.range = Some(range);
    Ok(plan)
}

/// What is new.
struct Head {
    /// As git is to be asked for it.
    revision: String,
    /// It is the object of a tag, which is new whatever becomes of its commit.
    is_tag: bool,
}

impl From<Found> for Head {
    fn from(found: Found) -> Self {
        Self { revision: found.object.to_string(), is_tag: found.object != found.commit }
    }
}

impl Plan {
    fn head(&mut self, job: &Job, repository: &dyn Repository, checked_out: Option<&ObjectId>) -> Result<Head> {
        let named = first(repository, &job.heads, |head| head)?.map(|(_, found)| found);
        let here = || Head { revision: "HEAD".to_owned(), is_tag: false };
        let commit = named.map(|found| found.commit).or(checked_out.copied());
        if named.is_none() && !job.heads.is_empty() {
            self.miss_head(job, checked_out);
            return Ok(here());
        }
        let head = named.map_or_else(here, Head::from);
        let Some(tag) = job.tag.as_deref().filter(|_| !head.is_tag) else {
            return Ok(head);
        };
        let why = match found(repository, tag)? {
            Some(found) if Some(found.commit) == commit => return Ok(found.into()),
            Some(_) => {
                "it stands for another commit here, so that what it was can't be read; run the job of what it is now"
                    .to_owned()
            }
            None => format!("it is not here; {}", job.system.remedy_for_tag()),
        };
        self.skipped.push(Skipped::new(format!("the tag {}, which this job is about", systems::short(tag)), why));
        Ok(head)
    }

    fn miss_head(&mut self, job: &Job, checked_out: Option<&ObjectId>) {
        let wanted = job.heads.first().map(short).unwrap_or_default();
        let instead = checked_out.map_or_else(String::new, |id| format!(", {} is", short(id)));
        let (what, remedy) = match &job.tag {
            Some(tag) => (format!("the tag {} ({wanted})", systems::short(tag)), job.system.remedy_for_tag()),
            None => (format!("commit {wanted}"), job.system.remedy_for_head()),
        };
        let why = format!("it is not here{instead}; {remedy}");
        self.skipped.push(Skipped::new(format!("{what}, which this job is about"), why));
    }

    fn tell_of_cuts(&mut self, job: &Job, repository: &dyn Repository) {
        if repository.is_shallow() {
            let remedy = job.system.remedy();
            self.notes.push(format!("this clone is shallow: what came before it was cut is not visible; {remedy}"));
        }
    }
}

fn without_base(job: &Job) -> String {
    let names: Vec<String> =
        job.bases.iter().map(|Base { revision, what }| format!("{} ({what})", short(revision))).collect();
    if names.is_empty() {
        return "it does not tell what was there before".to_owned();
    }
    format!("what was there before is not here: {}; {}", names.join(", "), job.system.remedy())
}

/// What a revision stands for.
#[derive(Clone, Copy)]
struct Found {
    /// A commit, or a tag of it.
    object: ObjectId,
    commit: ObjectId,
}

/// The first of these that is here, with what its revision stands for.
fn first<'a, T>(
    repository: &dyn Repository,
    all: &'a [T],
    revision: impl Fn(&T) -> &str,
) -> Result<Option<(&'a T, Found)>> {
    for one in all {
        if let Some(id) = found(repository, revision(one))? {
            return Ok(Some((one, id)));
        }
    }
    Ok(None)
}

/// The commit or tag that a revision stands for, if it is here. Who sends a change can call a branch or a tag like the id of another's commit.
fn found(repository: &dyn Repository, revision: &str) -> Result<Option<Found>> {
    let objects = repository.objects(revision)?;
    // A commit without its parents: one, or none that is here. Other objects have none.
    let commit = |object: ObjectId| {
        let commit = repository.commits(&format!("{object}^!")).ok()?.last().copied()?;
        Some(Found { object, commit })
    };
    match objects.into_iter().filter_map(commit).collect::<Vec<_>>()[..] {
        [] => Ok(None),
        [found] => Ok(Some(found)),
        [..] => bail!(
            "--ci: {revision} is ambiguous: the ids of several commits begin with it; name the commit in full with --since"
        ),
    }
}

/// Enough of an id to know it by; names as they are.
fn short(revision: impl ToString) -> String {
    let mut text = revision.to_string();
    if text.len() >= 40 && text.bytes().all(|c| c.is_ascii_hexdigit()) {
        text.truncate(12);
    }
    match text.strip_prefix("refs/remotes/") {
        Some(name) => name.to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use anyhow::bail;

    use super::super::systems::System;
    use super::*;

    /// Answers by what stands here, names and ranges; `HEAD` must.
    struct Here {
        told: BTreeMap<String, Vec<u8>>,
        shallow: bool,
    }

    impl Here {
        fn new(told: &[(&str, &[u8])]) -> Self {
            let told = told.iter().map(|(spec, ids)| ((*spec).to_owned(), ids.to_vec())).collect();
            Self { told, shallow: false }
        }

        fn ids(&self, spec: &str) -> Option<Vec<ObjectId>> {
            let told = self.told.get(spec)?;
            Some(told.iter().map(|number| ObjectId::from_bytes(&[*number; 20]).unwrap()).collect())
        }
    }

    impl Repository for Here {
        fn commits(&self, spec: &str) -> Result<Vec<ObjectId>> {
            let one = || spec.strip_suffix("^!").and_then(|id| ObjectId::from_hex(id.as_bytes()));
            match self.ids(spec).or_else(|| Some(vec![one()?])) {
                Some(ids) => Ok(ids),
                None => bail!("no such revision or range as `{spec}`"),
            }
        }

        fn objects(&self, name: &str) -> Result<Vec<ObjectId>> {
            Ok(self.ids(name).unwrap_or_default())
        }

        fn is_shallow(&self) -> bool {
            self.shallow
        }
    }

    fn job(heads: &[&str], bases: &[&str]) -> Job {
        let base = |revision: &&str| Base { revision: (*revision).to_owned(), what: "before".to_owned() };
        Job {
            system: System::GitHub,
            about: "a push to main".to_owned(),
            heads: heads.iter().map(|head| (*head).to_owned()).collect(),
            tag: None,
            bases: bases.iter().map(base).collect(),
        }
    }

    fn id(number: u8) -> String {
        format!("{number:02x}").repeat(20)
    }

    #[test]
    fn the_range_is_from_the_first_base_that_is_here_to_the_first_head() {
        let range = format!("{}..{}", id(2), id(1));
        let here = Here::new(&[("HEAD^!", &[1]), ("h", &[1]), ("b", &[2]), (&range, &[3, 4, 1])]);
        let plan = of(&job(&["gone", "h"], &["gone", "b"]), &here).unwrap();
        assert_eq!(plan.range, Some(range));
        assert!(!plan.is_nothing_new && plan.skipped.is_empty());
        let expected = "GitHub Actions, a push to main: 3 commits since 020202020202 (before) to 010101010101";
        assert_eq!(plan.notes, [expected]);
    }

    #[test]
    fn without_a_base_everything_is_scanned_and_what_is_missing_is_told() {
        let mut here = Here::new(&[("HEAD^!", &[1]), ("h", &[1])]);
        here.shallow = true;
        for (bases, word) in
            [(&["gone", "refs/remotes/origin/x"][..], "gone (before), origin/x (before)"), (&[], "does not tell")]
        {
            let plan = of(&job(&["h"], bases), &here).unwrap();
            assert!(plan.range.is_none() && !plan.is_nothing_new && plan.skipped.is_empty());
            assert!(plan.notes[0].contains(word) && plan.notes[0].contains("everything"), "{plan:?}");
            assert!(plan.notes[1].contains("fetch-depth: 0"), "{plan:?}");
        }
    }

    #[test]
    fn what_was_all_there_before_is_nothing_new() {
        let range = format!("{}..{}", id(1), id(1));
        let here = Here::new(&[("HEAD^!", &[1]), ("h", &[1]), ("b", &[1]), (&range, &[])]);
        let plan = of(&job(&["h"], &["b"]), &here).unwrap();
        assert!(plan.is_nothing_new && plan.notes[0].contains("nothing is new"), "{plan:?}");
    }

    #[test]
    fn a_head_that_is_not_here_is_missed_even_if_nothing_is_new() {
        let range = format!("{}..HEAD", id(1));
        let here = Here::new(&[("HEAD^!", &[1]), ("b", &[1]), (&range, &[])]);
        let plan = of(&job(&[&id(9)], &["b"]), &here).unwrap();
        assert!(!plan.is_nothing_new);
        assert_eq!(plan.skipped[0].what, "commit 090909090909, which this job is about");
        assert!(plan.skipped[0].why.contains("not here, 010101010101 is; give actions/checkout"), "{plan:?}");
    }

    #[test]
    fn what_was_checked_out_counts_where_the_job_names_no_head() {
        let range = format!("{}..HEAD", id(2));
        let here = Here::new(&[("HEAD^!", &[1]), ("b", &[2]), (&range, &[1])]);
        let plan = of(&job(&[], &["b"]), &here).unwrap();
        assert!(plan.range == Some(range) && plan.skipped.is_empty());
    }

    #[test]
    fn digits_that_several_commits_begin_with_are_an_error() {
        let here = Here::new(&[("HEAD^!", &[1]), ("h", &[1]), ("b", &[2, 3])]);
        let error = of(&job(&["h"], &["b"]), &here).unwrap_err().to_string();
        assert!(error.contains("b is ambiguous"), "{error}");
    }

    fn of_a_tag(heads: &[&str], bases: &[&str]) -> Job {
        Job { tag: Some("refs/tags/v1".to_owned()), ..job(heads, bases) }
    }

    #[test]
    fn a_tag_is_new_whatever_becomes_of_its_commit() {
        let range = format!("{}..{}", id(1), id(7));
        let tag = format!("{}^!", id(7));
        let told: [(&str, &[u8]); 6] =
            [("HEAD^!", &[1]), ("h", &[1]), ("b", &[1]), ("refs/tags/v1", &[7]), (&tag, &[1]), (&range, &[])];
        let here = Here::new(&told);
        for heads in [&["h"][..], &["refs/tags/v1"], &[]] {
            let plan = of(&of_a_tag(heads, &["b"]), &here).unwrap();
            assert!(!plan.is_nothing_new && plan.skipped.is_empty() && plan.range.as_ref() == Some(&range), "{plan:?}");
            assert!(plan.notes[0].contains("the tag alone since 010101010101"), "{plan:?}");
        }
        let here = Here::new(&[&told[..5], &[(&range, &[3])]].concat());
        let plan = of(&of_a_tag(&["h"], &["b"]), &here).unwrap();
        assert!(plan.notes[0].contains("1 commit and the tag since"), "{plan:?}");
    }

    #[test]
    fn a_tag_that_is_not_here_or_was_moved_is_missed() {
        let range = format!("{}..{}", id(1), id(1));
        let told: [(&str, &[u8]); 4] = [("HEAD^!", &[1]), ("h", &[1]), ("b", &[1]), (&range, &[])];
        for (tag, word) in [(None, "not here; run `git fetch"), (Some(&[5][..]), "another commit")] {
            let tag = tag.map(|ids| ("refs/tags/v1", ids));
            let here = Here::new(&told.into_iter().chain(tag).collect::<Vec<_>>());
            let plan = of(&of_a_tag(&["h"], &["b"]), &here).unwrap();
            assert!(!plan.is_nothing_new && plan.skipped[0].why.contains(word), "{plan:?}");
            assert_eq!(plan.skipped[0].what, "the tag v1, which this job is about");
        }
        // One that is no object of its own is its commit.
        let here = Here::new(&[&told[..], &[("refs/tags/v1", &[1])]].concat());
        assert!(of(&of_a_tag(&["h"], &["b"]), &here).unwrap().is_nothing_new);
        // Named by its own id.
        let tail = format!("{}..HEAD", id(1));
        let here = Here::new(&[&told[..3], &[(&tail, &[])]].concat());
        let plan = of(&of_a_tag(&[&id(9)], &["b"]), &here).unwrap();
        assert_eq!(plan.skipped[0].what, "the tag v1 (090909090909), which this job is about");
    }

    #[test]
    fn nothing_checked_out_is_an_error() {
        assert!(of(&job(&[], &[]), &Here::new(&[])).is_err());
    }
}
