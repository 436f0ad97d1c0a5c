//! The variables that each system sets for each kind of job, as its documentation has them and as jobs show them, and what they mean.

use std::collections::BTreeMap;

use super::*;

const A: &str = "3f786850e387550fdab836ed7e6dc881de23001b";
const B: &str = "89e6c98d92887913cadf06b2adb97f26cde4849b";
const C: &str = "2b66fd261ee5c6cfc8de7fa466bab600bcfe4f69";
const D: &str = "0cfbf08886fca9a91cb753ec8734c84fcbe52c9f";
const NONE: &str = "0000000000000000000000000000000000000000";
const NONE_OF_SHA256: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Variables beside each other, and the event of GitHub.
fn detected(variables: &[(&str, &str)], event: &str) -> Result<Option<Job>> {
    let variables: BTreeMap<&str, &str> = variables.iter().copied().collect();
    let variable = |name: &str| variables.get(name).map(|value| (*value).to_owned()).filter(|value| !value.is_empty());
    let read = |path: &str| {
        assert_eq!(path, "/github/workflow/event.json");
        Ok(event.to_owned())
    };
    detect(&variable, &read)
}

struct Case<'a> {
    variables: &'a [(&'a str, &'a str)],
    event: String,
    about: &'a str,
    heads: &'a [&'a str],
    bases: &'a [&'a str],
}

impl Case<'_> {
    #[track_caller]
    fn check(&self, system: System) {
        let job = detected(self.variables, &self.event).unwrap().unwrap();
        assert_eq!((job.system, &*job.about), (system, self.about));
        assert_eq!(job.heads, self.heads, "heads of {}", self.about);
        let bases: Vec<&str> = job.bases.iter().map(|base| &*base.revision).collect();
        assert_eq!(bases, self.bases, "bases of {}", self.about);
    }
}

fn github(name: &'static str) -> Vec<(&'static str, &'static str)> {
    vec![
        ("CI", "true"),
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_EVENT_NAME", name),
        ("GITHUB_EVENT_PATH", "/github/workflow/event.json"),
        ("GITHUB_SHA", D),
        ("GITHUB_WORKSPACE", "/github/workspace"),
    ]
}

fn pushed(reference: &str, before: &str, after: &str) -> String {
    format!(
        r#"{{"ref": "{reference}", "before": "{before}", "after": "{after}", "created": false, "deleted": false, "forced": false,
            "base_ref": null, "commits": [{{"id": "{after}", "message": "x"}}], "head_commit": {{"id": "{after}"}},
            "repository": {{"name": "r", "default_branch": "main", "master_branch": "main"}}}}"#
    )
}

#[test]
fn pushes_on_github() {
    let main = "refs/remotes/origin/main";
    for (reference, before, about, bases) in [
        ("refs/heads/main", B, "a push to main", &[B][..]),
        ("refs/heads/topic/x", B, "a push to topic/x", &[B, main]),
        ("refs/heads/topic", NONE, "a push to topic", &[main]),
        ("refs/heads/topic", NONE_OF_SHA256, "a push to topic", &[main]),
        ("refs/heads/main", NONE, "a push to main", &[]),
        ("refs/tags/v1", NONE, "a push to v1", &[main]),
        // A tag of that name is not the branch.
        ("refs/tags/main", NONE, "a push to main", &[main]),
    ] {
        let event = pushed(reference, before, A);
        // What a tag is is not its commit.
        let heads = if reference.starts_with("refs/tags/") { &[A][..] } else { &[A, D] };
        Case { variables: &github("push"), event, about, heads, bases }.check(System::GitHub);
    }
}

#[test]
fn pull_requests_on_github_also_from_forks_that_are_not_checked_out() {
    for name in ["pull_request", "pull_request_target"] {
        let event = format!(
            r#"{{"action": "synchronize", "number": 7, "before": "{C}", "after": "{A}", "repository": {{"default_branch": "main"}},
                "pull_request": {{"base": {{"label": "o:rel/1", "ref": "rel/1", "sha": "{B}"}}, "merge_commit_sha": "{D}",
                "head": {{"label": "f:topic", "ref": "topic", "sha": "{A}"}}, "draft": false}}}}"#
        );
        // The commit of GITHUB_SHA is a merge for one and the base for the other.
        Case {
            variables: &github(name),
            event,
            about: "a pull request into rel/1",
            heads: &[A],
            bases: &[B, "refs/remotes/origin/rel/1"],
        }
        .check(System::GitHub);
    }
}

#[test]
fn merge_groups_on_github() {
    let event = format!(
        r#"{{"action": "checks_requested", "merge_group": {{"head_sha": "{A}", "head_ref": "refs/heads/gh-readonly-queue/main/pr-1-{B}",
            "base_sha": "{B}", "base_ref": "refs/heads/main", "head_commit": {{"id": "{A}"}}}}}}"#
    );
    Case {
        variables: &github("merge_group"),
        event,
        about: "a merge group for main",
        heads: &[A],
        bases: &[B, "refs/remotes/origin/main"],
    }
    .check(System::GitHub);
}

#[test]
fn events_on_github_that_bring_nothing_have_no_base() {
    for (name, about) in [
        ("schedule", "the event schedule"),
        ("workflow_dispatch", "the event workflow_dispatch"),
        ("release", "the event release"),
    ] {
        Case { variables: &github(name), event: "not read".to_owned(), about, heads: &[], bases: &[] }
            .check(System::GitHub);
    }
}

#[test]
fn an_event_that_can_t_be_read_is_an_error() {
    for (variables, event, word) in [
        (github("push"), "{", "not what GitHub writes"),
        (github("push"), "[]", "not what GitHub writes"),
        (github("pull_request"), "{}", "not one of pull_request"),
        (github("merge_group"), "{}", "not one of merge_group"),
        (github("pull_request"), r#"{"pull_request": {"base": {}}}"#, "not what GitHub writes"),
        (vec![("GITHUB_ACTIONS", "true")], "", "GITHUB_EVENT_NAME"),
        (vec![("GITHUB_ACTIONS", "true"), ("GITHUB_EVENT_NAME", "push")], "", "GITHUB_EVENT_PATH"),
    ] {
        let error = detected(&variables, event).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn jobs_on_gitlab() {
    let common = [("CI", "true"), ("GITLAB_CI", "true"), ("CI_COMMIT_SHA", A), ("CI_DEFAULT_BRANCH", "main")];
    let main = "refs/remotes/origin/main";
    let push =
        |name, before| [("CI_PIPELINE_SOURCE", "push"), ("CI_COMMIT_BRANCH", name), ("CI_COMMIT_BEFORE_SHA", before)];
    let request = [
        ("CI_PIPELINE_SOURCE", "merge_request_event"),
        ("CI_COMMIT_BEFORE_SHA", NONE),
        ("CI_MERGE_REQUEST_IID", "5"),
        ("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "main"),
        ("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", "topic"),
        ("CI_MERGE_REQUEST_DIFF_BASE_SHA", B),
    ];
    let merged = [("CI_MERGE_REQUEST_TARGET_BRANCH_SHA", C), ("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA", D)];
    let detached = [("CI_MERGE_REQUEST_TARGET_BRANCH_SHA", ""), ("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA", "")];
    let from_github = [
        ("CI_PIPELINE_SOURCE", "external_pull_request_event"),
        ("CI_EXTERNAL_PULL_REQUEST_IID", "9"),
        ("CI_EXTERNAL_PULL_REQUEST_SOURCE_BRANCH_SHA", D),
        ("CI_EXTERNAL_PULL_REQUEST_TARGET_BRANCH_SHA", C),
        ("CI_EXTERNAL_PULL_REQUEST_TARGET_BRANCH_NAME", "main"),
    ];
    let tag = [
        ("CI_PIPELINE_SOURCE", "push"),
        ("CI_COMMIT_TAG", "v1"),
        ("CI_COMMIT_REF_NAME", "v1"),
        ("CI_COMMIT_BEFORE_SHA", NONE),
    ];
    for (special, about, heads, bases) in [
        (push("main", B).to_vec(), "a push to main", &[A][..], &[B][..]),
        (push("topic", B).to_vec(), "a push to topic", &[A], &[B, main]),
        (push("topic", NONE).to_vec(), "a push to topic", &[A], &[main]),
        (push("main", NONE).to_vec(), "a push to main", &[A], &[]),
        (tag.to_vec(), "a push to v1", &[A], &[main]),
        ([&request[..], &detached].concat(), "a merge request into main", &[A], &[B, main]),
        ([&request[..], &merged].concat(), "a merge request into main", &[D, A], &[B, C, main]),
        (from_github.to_vec(), "a merge request into main", &[D, A], &[C, main]),
        (
            vec![("CI_PIPELINE_SOURCE", "schedule"), ("CI_COMMIT_BRANCH", "main"), ("CI_COMMIT_BEFORE_SHA", B)],
            "a pipeline of the source schedule",
            &[A],
            &[],
        ),
    ] {
        let variables = [&common[..], &special].concat();
        Case { variables: &variables, event: String::new(), about, heads, bases }.check(System::GitLab);
    }
}

#[test]
fn jobs_on_bitbucket() {
    let common =
        [("CI", "true"), ("BITBUCKET_BUILD_NUMBER", "12"), ("BITBUCKET_COMMIT", A), ("BITBUCKET_BRANCH", "topic")];
    let request = [
        ("BITBUCKET_PR_ID", "3"),
        ("BITBUCKET_PR_DESTINATION_BRANCH", "main"),
        // Bitbucket abbreviates it.
        ("BITBUCKET_PR_DESTINATION_COMMIT", &B[..12]),
    ];
    let variables = [&common[..], &request].concat();
    let bases = [&B[..12], "refs/remotes/origin/main"];
    Case { variables: &variables, event: String::new(), about: "a pull request into main", heads: &[A], bases: &bases }
        .check(System::Bitbucket);
    Case { variables: &common, event: String::new(), about: "a push to topic", heads: &[A], bases: &[] }
        .check(System::Bitbucket);
}

#[test]
fn jobs_on_azure() {
    let common = [("TF_BUILD", "True"), ("BUILD_SOURCEVERSION", D), ("BUILD_SOURCEBRANCH", "refs/heads/topic")];
    let push = [&common[..], &[("BUILD_REASON", "IndividualCI")]].concat();
    Case { variables: &push, event: String::new(), about: "a build of topic (IndividualCI)", heads: &[D], bases: &[] }
        .check(System::Azure);
    // Azure Repos writes the whole ref, GitHub's repositories have the name alone.
    for target in ["refs/heads/main", "main"] {
        let request = [
            ("BUILD_REASON", "PullRequest"),
            ("SYSTEM_PULLREQUEST_PULLREQUESTID", "17"),
            ("SYSTEM_PULLREQUEST_TARGETBRANCH", target),
            ("SYSTEM_PULLREQUEST_SOURCECOMMITID", A),
        ];
        let variables = [&common[..], &request].concat();
        let bases = ["refs/remotes/origin/main"];
        Case {
            variables: &variables,
            event: String::new(),
            about: "a pull request into main",
            heads: &[A],
            bases: &bases,
        }
        .check(System::Azure);
    }
}

#[test]
fn jobs_on_jenkins() {
    let common = [("JENKINS_URL", "https://ci.example.com/"), ("GIT_COMMIT", A), ("GIT_PREVIOUS_COMMIT", C)];
    let change = [&common[..], &[("BRANCH_NAME", "PR-3"), ("CHANGE_ID", "3"), ("CHANGE_TARGET", "main")]].concat();
    let bases = ["refs/remotes/origin/main"];
    Case { variables: &change, event: String::new(), about: "a change for main", heads: &[], bases: &bases }
        .check(System::Jenkins);
    let branch = [&common[..], &[("BRANCH_NAME", "topic"), ("GIT_PREVIOUS_SUCCESSFUL_COMMIT", B)]].concat();
    Case { variables: &branch, event: String::new(), about: "a build of topic", heads: &[A], bases: &[B] }
        .check(System::Jenkins);
    let first = [&common[..], &[("GIT_BRANCH", "origin/main")]].concat();
    Case { variables: &first, event: String::new(), about: "a build of origin/main", heads: &[A], bases: &[] }
        .check(System::Jenkins);
}

#[test]
fn the_tag_that_was_pushed_is_known() {
    let tag = |variables: &[(&str, &str)], event: &str| detected(variables, event).unwrap().unwrap().tag;
    let v1 = Some("refs/tags/v1".to_owned());
    assert_eq!(tag(&github("push"), &pushed("refs/tags/v1", NONE, A)), v1);
    assert_eq!(tag(&github("push"), &pushed("refs/heads/v1", NONE, A)), None);
    let gitlab = [("GITLAB_CI", "true"), ("CI_COMMIT_TAG", "v1"), ("CI_COMMIT_SHA", A)];
    for source in ["push", "web"] {
        assert_eq!(tag(&[&gitlab[..], &[("CI_PIPELINE_SOURCE", source)]].concat(), ""), v1);
    }
    assert_eq!(tag(&[("BITBUCKET_BUILD_NUMBER", "1"), ("BITBUCKET_TAG", "v1")], ""), v1);
    for (source, expected) in [("refs/tags/v1", &v1), ("refs/heads/v1", &None)] {
        assert_eq!(tag(&[("TF_BUILD", "True"), ("BUILD_SOURCEBRANCH", source)], ""), *expected);
    }
    // A parameter of that name is none.
    for (branch, expected) in [("v1", v1), ("main", None)] {
        assert_eq!(tag(&[("JENKINS_URL", "x"), ("TAG_NAME", "v1"), ("BRANCH_NAME", branch)], ""), expected);
    }
}

#[test]
fn elsewhere_there_is_no_job() {
    for variables in [&[][..], &[("CI", "true")], &[("GITHUB_ACTIONS", "false")], &[("JENKINS_URL", "")]] {
        assert_eq!(detected(variables, "").unwrap(), None);
    }
}

#[test]
fn names_that_git_would_take_for_more_than_a_branch_are_no_base() {
    for name in ["a..b", "x^2", "x~1", "@{u}", "a:b", "a b", "x\n"] {
        assert!(branch(Some(name.to_owned()), "").is_empty(), "{name}");
    }
    for id in ["", "HEAD", "--all", "abc", NONE, "main"] {
        assert!(sha(Some(id.to_owned()), "").is_empty(), "{id}");
    }
}
