//! What each CI system says of its job in variables, and GitHub in the file of its event. Nothing is looked up here: variables and files
//! are handed in.

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// For who has none of these.
pub(super) const NAMES: &str = "GitHub Actions, GitLab CI/CD, Bitbucket Pipelines, Azure Pipelines, Jenkins";

/// What a job is about.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) system: System,
    /// In words, behind the name of the system: `a pull request into main`.
    pub(super) about: String,
    /// The new commit, each way to name it; the first that is here counts. None where it is what was checked out.
    pub(super) heads: Vec<String>,
    /// The full name of the tag that was pushed, where it was one: its own object is new too, and most systems name the commit alone.
    pub(super) tag: Option<String>,
    /// What was there before, likewise.
    pub(super) bases: Vec<Base>,
}

/// A commit that was there before.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Base {
    /// As git understands it.
    pub(super) revision: String,
    /// What it is to people.
    pub(super) what: String,
}

/// Who runs the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum System {
    GitHub,
    GitLab,
    Bitbucket,
    Azure,
    Jenkins,
}

impl System {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::GitHub => "GitHub Actions",
            Self::GitLab => "GitLab CI/CD",
            Self::Bitbucket => "Bitbucket Pipelines",
            Self::Azure => "Azure Pipelines",
            Self::Jenkins => "Jenkins",
        }
    }

    /// How to get all of history and the branch that others start from.
    pub(super) fn remedy(self) -> &'static str {
        match self {
            Self::GitHub => "give actions/checkout `fetch-depth: 0`",
            Self::GitLab => {
                "set the variable `GIT_DEPTH: \"0\"`, and for new branches run \
                 `git fetch origin \"+refs/heads/$CI_DEFAULT_BRANCH:refs/remotes/origin/$CI_DEFAULT_BRANCH\"` first"
            }
            Self::Bitbucket => "set `clone: depth: full`",
            Self::Azure => "give `checkout: self` a `fetchDepth: 0`",
            Self::Jenkins => {
                "switch shallow clones off, and run \
                 `git fetch origin \"+refs/heads/$CHANGE_TARGET:refs/remotes/origin/$CHANGE_TARGET\"` first"
            }
        }
    }

    /// How to get the commits that the job is about.
    pub(super) fn remedy_for_head(self) -> &'static str {
        match self {
            Self::GitHub => {
                "give actions/checkout `fetch-depth: 0`, and for pull_request_target `ref: ${{ github.event.pull_request.head.sha }}`"
            }
            other => other.remedy(),
        }
    }

    /// How to get the tag that the job is about.
    pub(super) fn remedy_for_tag(self) -> &'static str {
        match self {
            Self::Azure => "give `checkout: self` a `fetchTags: true`",
            _ => "run `git fetch --force --tags origin` first",
        }
    }
}

/// Hands out the value of a variable that is set and not empty.
type Variable<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The job that runs; `None` where no known system does.
///
/// # Errors
/// An event that can't be read: without it nobody knows what is new.
pub(super) fn detect(variable: Variable<'_>, read: &dyn Fn(&str) -> Result<String>) -> Result<Option<Job>> {
    let is_true = |name: &str| variable(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    Ok(Some(if is_true("GITHUB_ACTIONS") {
        github(variable, read)?
    } else if is_true("GITLAB_CI") {
        gitlab(variable)
    } else if variable("BITBUCKET_BUILD_NUMBER").is_some() {
        bitbucket(variable)
    } else if is_true("TF_BUILD") {
        azure(variable)
    } else if variable("JENKINS_URL").is_some() {
        jenkins(variable)
    } else {
        return Ok(None);
    }))
}

/// <https://docs.github.com/en/actions/reference/workflows-and-actions/events-that-trigger-workflows>
fn github(variable: Variable<'_>, read: &dyn Fn(&str) -> Result<String>) -> Result<Job> {
    let job = |about: String, heads, bases| Job { system: System::GitHub, about, heads, tag: None, bases };
    let name = variable("GITHUB_EVENT_NAME").context("--ci: GITHUB_EVENT_NAME is not set, though GITHUB_ACTIONS is")?;
    if !["push", "pull_request", "pull_request_target", "merge_group"].contains(&&*name) {
        return Ok(job(format!("the event {name}"), vec![], vec![]));
    }
    let path = variable("GITHUB_EVENT_PATH").context(
        "--ci: GITHUB_EVENT_PATH is not set, though GITHUB_ACTIONS is; a container must be given it, and the file that it names",
    )?;
    let event: Event = serde_json::from_str(&read(&path)?)
        .map_err(|error| anyhow::anyhow!("--ci: the event {path} is not what GitHub writes: {error}"))?;
    Ok(match (&*name, event) {
        ("push", event) => {
            let default = event.repository.and_then(|repository| repository.default_branch);
            let reference = event.reference.unwrap_or_default();
            let branch = reference.strip_prefix("refs/heads/");
            let mut bases = sha(event.before, "what was there before the push");
            bases.extend(default_branch(default, branch));
            // Of a tag that is an object itself the event has the id, GITHUB_SHA is its commit.
            let tag = tag(&reference);
            let sha = variable("GITHUB_SHA").filter(|_| tag.is_none() || event.after.is_none());
            let heads = commits([event.after, sha]);
            Job { tag, ..job(format!("a push to {}", short(&reference)), heads, bases) }
        }
        ("merge_group", Event { merge_group: Some(group), .. }) => {
            let mut bases = sha(Some(group.base_sha), "the base of the merge group");
            bases.extend(branch(Some(short(&group.base_ref).to_owned()), "the target of the merge group"));
            job(format!("a merge group for {}", short(&group.base_ref)), commits([Some(group.head_sha)]), bases)
        }
        (_, Event { pull_request: Some(request), .. }) => {
            let mut bases = sha(Some(request.base.sha), "the base of the pull request");
            bases.extend(branch(Some(request.base.name.clone()), "the target of the pull request"));
            job(format!("a pull request into {}", request.base.name), commits([Some(request.head.sha)]), bases)
        }
        _ => bail!("--ci: the event {path} is not one of {name}; is GITHUB_EVENT_PATH that of this job?"),
    })
}

/// <https://docs.github.com/en/webhooks/webhook-events-and-payloads>
#[derive(Deserialize)]
struct Event {
    #[serde(rename = "ref")]
    reference: Option<String>,
    before: Option<String>,
    after: Option<String>,
    repository: Option<EventRepository>,
    pull_request: Option<PullRequest>,
    merge_group: Option<MergeGroup>,
}

#[derive(Deserialize)]
struct EventRepository {
    default_branch: Option<String>,
}

#[derive(Deserialize)]
struct PullRequest {
    base: Side,
    head: Side,
}

#[derive(Deserialize)]
struct Side {
    #[serde(rename = "ref")]
    name: String,
    sha: String,
}

#[derive(Deserialize)]
struct MergeGroup {
    base_sha: String,
    base_ref: String,
    head_sha: String,
}

/// <https://docs.gitlab.com/ci/variables/predefined_variables/>
fn gitlab(variable: Variable<'_>) -> Job {
    let system = System::GitLab;
    let source = variable("CI_PIPELINE_SOURCE").unwrap_or_else(|| "unknown".to_owned());
    // A pipeline for merged results is about a commit of GitLab's own making, whose second parent is the source branch.
    let request = variable("CI_MERGE_REQUEST_IID").or_else(|| variable("CI_EXTERNAL_PULL_REQUEST_IID"));
    if request.is_some() {
        let target = variable("CI_MERGE_REQUEST_TARGET_BRANCH_NAME")
            .or_else(|| variable("CI_EXTERNAL_PULL_REQUEST_TARGET_BRANCH_NAME"));
        let mut bases = sha(variable("CI_MERGE_REQUEST_DIFF_BASE_SHA"), "the base of the merge request");
        for name in ["CI_MERGE_REQUEST_TARGET_BRANCH_SHA", "CI_EXTERNAL_PULL_REQUEST_TARGET_BRANCH_SHA"] {
            bases.extend(sha(variable(name), "the target of the merge request"));
        }
        bases.extend(branch(target.clone(), "the target of the merge request"));
        let heads = commits([
            variable("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA"),
            variable("CI_EXTERNAL_PULL_REQUEST_SOURCE_BRANCH_SHA"),
            variable("CI_COMMIT_SHA"),
        ]);
        let about = format!("a merge request into {}", target.as_deref().unwrap_or("another branch"));
        return Job { system, about, heads, tag: None, bases };
    }
    let heads = commits([variable("CI_COMMIT_SHA")]);
    let tag = variable("CI_COMMIT_TAG").map(|name| format!("{TAGS}{name}"));
    if source != "push" {
        return Job { system, about: format!("a pipeline of the source {source}"), heads, tag, bases: vec![] };
    }
    let name = variable("CI_COMMIT_BRANCH");
    let mut bases = sha(variable("CI_COMMIT_BEFORE_SHA"), "what was there before the push");
    bases.extend(default_branch(variable("CI_DEFAULT_BRANCH"), name.as_deref()));
    let reference = name.or_else(|| variable("CI_COMMIT_REF_NAME")).unwrap_or_else(|| "a branch".to_owned());
    Job { system, about: format!("a push to {reference}"), heads, tag, bases }
}

/// <https://support.atlassian.com/bitbucket-cloud/docs/variables-and-secrets/>. Of a push Bitbucket does not tell what was there before.
fn bitbucket(variable: Variable<'_>) -> Job {
    let system = System::Bitbucket;
    let heads = commits([variable("BITBUCKET_COMMIT")]);
    if variable("BITBUCKET_PR_ID").is_none() {
        let name = variable("BITBUCKET_BRANCH").or_else(|| variable("BITBUCKET_TAG"));
        let about = format!("a push to {}", name.as_deref().unwrap_or("no branch"));
        let tag = variable("BITBUCKET_TAG").map(|name| format!("{TAGS}{name}"));
        return Job { system, about, heads, tag, bases: vec![] };
    }
    let target = variable("BITBUCKET_PR_DESTINATION_BRANCH");
    let mut bases = sha(variable("BITBUCKET_PR_DESTINATION_COMMIT"), "the destination of the pull request");
    bases.extend(branch(target.clone(), "the destination of the pull request"));
    let about = format!("a pull request into {}", target.as_deref().unwrap_or("another branch"));
    Job { system, about, heads, tag: None, bases }
}

/// <https://learn.microsoft.com/en-us/azure/devops/pipelines/build/variables>. Of a push Azure does not tell what was there before.
fn azure(variable: Variable<'_>) -> Job {
    let system = System::Azure;
    let Some(target) = variable("SYSTEM_PULLREQUEST_TARGETBRANCH") else {
        let heads = commits([variable("BUILD_SOURCEVERSION")]);
        let reference = variable("BUILD_SOURCEBRANCH").unwrap_or_else(|| "no branch".to_owned());
        let reason = variable("BUILD_REASON").unwrap_or_else(|| "unknown".to_owned());
        let about = format!("a build of {} ({reason})", short(&reference));
        return Job { system, about, heads, tag: tag(&reference), bases: vec![] };
    };
    // It comes in both spellings, by where the repository is kept.
    let target = short(&target).to_owned();
    let heads = commits([variable("SYSTEM_PULLREQUEST_SOURCECOMMITID")]);
    let bases = branch(Some(target.clone()), "the target of the pull request");
    Job { system, about: format!("a pull request into {target}"), heads, tag: None, bases }
}

/// <https://www.jenkins.io/doc/book/pipeline/multibranch/> and <https://plugins.jenkins.io/git/>
fn jenkins(variable: Variable<'_>) -> Job {
    let system = System::Jenkins;
    if let Some(target) = variable("CHANGE_TARGET") {
        let bases = branch(Some(target.clone()), "the target of the change");
        return Job { system, about: format!("a change for {target}"), heads: vec![], tag: None, bases };
    }
    // Not GIT_PREVIOUS_COMMIT: if its build failed for a key, that key would not be new to the next one.
    let bases = sha(variable("GIT_PREVIOUS_SUCCESSFUL_COMMIT"), "the last that was built with success");
    let name = variable("BRANCH_NAME").or_else(|| variable("GIT_BRANCH"));
    let about = format!("a build of {}", name.as_deref().unwrap_or("a branch"));
    // TAG_NAME alone is a name that people give to parameters of their own.
    let tag = variable("TAG_NAME").filter(|tag| name.as_ref() == Some(tag)).map(|name| format!("{TAGS}{name}"));
    Job { system, about, heads: commits([variable("GIT_COMMIT")]), tag, bases }
}

fn commits<const N: usize>(ids: [Option<String>; N]) -> Vec<String> {
    ids.into_iter().filter_map(commit_id).collect()
}

/// Hexadecimal digits, as many as tell commits apart, and not the id that stands for none.
fn commit_id(id: Option<String>) -> Option<String> {
    id.filter(|id| {
        (7..=64).contains(&id.len()) && id.bytes().all(|c| c.is_ascii_hexdigit()) && !id.bytes().all(|c| c == b'0')
    })
}

fn sha(id: Option<String>, what: &str) -> Vec<Base> {
    commit_id(id).into_iter().map(|revision| Base { revision, what: what.to_owned() }).collect()
}

/// A branch as it was last fetched.
fn branch(name: Option<String>, what: &str) -> Vec<Base> {
    let is_name =
        |name: &String| !name.contains("..") && !name.contains(|c: char| c.is_control() || " ~^:?*[\\@{".contains(c));
    let names = name.filter(is_name).into_iter();
    names
        .map(|name| Base { revision: format!("refs/remotes/origin/{name}"), what: format!("{what}, {name}") })
        .collect()
}

/// The branch from which others start; it is no base for itself.
fn default_branch(default: Option<String>, pushed: Option<&str>) -> Vec<Base> {
    branch(default.filter(|default| pushed != Some(default)), "the default branch")
}

const TAGS: &str = "refs/tags/";

/// The ref, if it is one of a tag.
fn tag(reference: &str) -> Option<String> {
    reference.starts_with(TAGS).then(|| reference.to_owned())
}

/// A ref as people call it.
pub(super) fn short(reference: &str) -> &str {
    ["refs/heads/", TAGS].iter().find_map(|start| reference.strip_prefix(start)).unwrap_or(reference)
}

#[cfg(test)]
mod tests;
