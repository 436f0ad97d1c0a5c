//! `--ci` in jobs of each CI system: what is new is found, nothing else is, and what can't be seen never passes. `recipes` runs those of
//! docs/ci.md as they stand there, and the scripts of action.yml.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Keysweep, Output, env_file, example_key};

#[cfg(unix)]
mod recipes;

/// `origin`, with a key on `main` (seed 1) and one on `topic` (seed 2), which `topic` alone has; three commits each.
struct Origin {
    at: Keysweep,
    root: String,
    main: String,
    topic: String,
}

impl Origin {
    fn new() -> Self {
        let at = Keysweep::new();
        at.init("origin").write("origin/readme", "x").commit("origin", "root");
        let root = at.git("origin", ["rev-parse", "HEAD"]);
        at.plant("origin/old.env", 1);
        at.commit("origin", "old").write("origin/readme", "y").commit("origin", "main");
        let main = at.git("origin", ["rev-parse", "HEAD"]);
        at.git("origin", ["checkout", "-q", "-b", "topic"]);
        at.write("origin/a", "a").commit("origin", "a").plant("origin/new.env", 2);
        at.commit("origin", "new").write("origin/b", "b").commit("origin", "b");
        let topic = at.git("origin", ["rev-parse", "HEAD"]);
        Self { at, root, main, topic }
    }

    /// What a job checks out: a clone with `reference` as its HEAD, detached.
    fn checkout(&self, reference: &str, options: &[&str]) -> &Self {
        let url = format!("file://{}", self.at.path("origin").display());
        let _ = fs::remove_dir_all(self.at.path("job"));
        self.at.git("", [&["clone", "-q"], options, &[&url, "job"]].concat());
        self.at.git("job", ["checkout", "-q", "--detach", reference]);
        self
    }

    /// `keysweep scan --ci` in what was checked out.
    fn scan(&self, variables: &[(&str, &str)]) -> Output {
        self.scan_with(variables, &[])
    }

    fn scan_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
        let invocation = self.at.scanning([&["--ci"], arguments].concat()).directory("job");
        variables.iter().fold(invocation, |invocation, (name, value)| invocation.env(name, value)).run()
    }

    /// Writes an event and tells of it as GitHub does.
    fn github<'a>(&self, name: &'a str, event: &Value, path: &'a mut String) -> Vec<(&'a str, &'a str)> {
        self.at.write("event.json", event.to_string());
        *path = self.at.path("event.json").display().to_string();
        vec![("GITHUB_ACTIONS", "true"), ("GITHUB_EVENT_NAME", name), ("GITHUB_EVENT_PATH", path)]
    }

    fn push(&self, branch: &str, before: &str, after: &str) -> Value {
        let reference = format!("refs/heads/{branch}");
        json!({"ref": reference, "before": before, "after": after, "repository": {"default_branch": "main"}})
    }

    fn pull_request(&self, base: &str) -> Value {
        json!({"pull_request": {"base": {"ref": "main", "sha": base}, "head": {"ref": "topic", "sha": self.topic}}})
    }
}

const NONE: &str = "0000000000000000000000000000000000000000";

fn old() -> String {
    example_key(1).0
}

fn new() -> String {
    example_key(2).0
}

#[test]
fn what_a_push_brings_is_found_and_what_was_there_is_not() {
    let origin = Origin::new();
    let mut path = String::new();
    origin.checkout("origin/topic", &[]);
    let found = origin.scan(&origin.github("push", &origin.push("topic", &origin.main, &origin.topic), &mut path));
    found.expect(1, &[&new()]).expect_stderr(&["GitHub Actions, a push to topic: 3 commits since", "before the push"]);
    // Its last commit brings none.
    let last = origin.push("topic", &origin.at.git("origin", ["rev-parse", "topic~1"]), &origin.topic);
    origin.scan(&origin.github("push", &last, &mut path)).expect(0, &[]).expect_stderr(&["1 commit since"]);
    // A new branch is held against the default branch.
    let created = origin.push("topic", NONE, &origin.topic);
    let found = origin.scan(&origin.github("push", &created, &mut path));
    found.expect(1, &[&new()]).expect_stderr(&["the default branch, main"]);
    // What others pushed meanwhile is not of this job.
    origin.at.plant("origin/later.env", 3);
    origin.at.commit("origin", "later");
    origin.checkout("origin/topic", &[]);
    let pushed = origin.push("topic", &origin.main, &origin.topic);
    origin.scan(&origin.github("push", &pushed, &mut path)).expect(1, &[&new()]);
}

#[test]
fn a_pull_request_is_scanned_from_its_base_to_its_head() {
    let origin = Origin::new();
    let mut path = String::new();
    origin.checkout("origin/main", &[]);
    origin.at.git("job", ["merge", "-q", "--no-ff", "-m", "merge", "origin/topic"]);
    for name in ["pull_request", "pull_request_target"] {
        let found = origin.scan(&origin.github(name, &origin.pull_request(&origin.main), &mut path));
        found.expect(1, &[&new()]).expect_stderr(&["a pull request into main: 3 commits"]);
    }
    let event =
        json!({"merge_group": {"head_sha": origin.topic, "base_sha": origin.main, "base_ref": "refs/heads/main"}});
    origin.scan(&origin.github("merge_group", &event, &mut path)).expect(1, &[&new()]);
}

#[test]
fn branches_and_tags_that_are_called_like_ids_are_not_taken_for_them() {
    let origin = Origin::new();
    let mut path = String::new();
    origin.checkout("origin/topic", &[]);
    let (main, topic) = (&*origin.main, &*origin.topic);
    let bitbucket = |base| {
        let job = [("BITBUCKET_BUILD_NUMBER", "1"), ("BITBUCKET_COMMIT", &topic[..12]), ("BITBUCKET_PR_ID", "1")];
        origin.scan(&[&job[..], &[("BITBUCKET_PR_DESTINATION_COMMIT", base)]].concat())
    };
    for kind in ["heads", "tags", "remotes/origin"] {
        for name in [&main[..7], &main[..12], main] {
            let reference = format!("refs/{kind}/{name}");
            origin.at.git("job", ["update-ref", &reference, topic]);
            bitbucket(name).expect(1, &[&new()]).expect_stderr(&["3 commits since", &main[..12]]);
            let request = origin.github("pull_request", &origin.pull_request(main), &mut path);
            origin.scan(&request).expect(1, &[&new()]).expect_stderr(&["3 commits since"]);
            origin.at.git("job", ["update-ref", "-d", &reference]);
        }
    }
    // What is no start of any id is not here, whatever is called so: everything is scanned.
    let longer = format!("{main}{}", "a".repeat(24));
    for nothing in ["abcdef012345", &NONE.replace('0', "5"), &longer] {
        origin.at.git("job", ["update-ref", &format!("refs/heads/{nothing}"), topic]);
        bitbucket(nothing).expect(1, &[&old(), &new()]).expect_stderr(&["not here", "everything"]);
    }
    // Nor does a tag stand for the branch that was not fetched.
    origin.at.git("job", ["update-ref", "refs/tags/refs/remotes/origin/gone", topic]);
    let azure = [("TF_BUILD", "True"), ("SYSTEM_PULLREQUEST_SOURCECOMMITID", topic)];
    let azure = [&azure[..], &[("SYSTEM_PULLREQUEST_TARGETBRANCH", "gone")]].concat();
    origin.scan(&azure).expect(1, &[&old(), &new()]).expect_stderr(&["not here", "origin/gone"]);
}

#[test]
fn digits_that_two_commits_begin_with_do_not_pass() {
    let origin = Origin::new();
    origin.checkout("origin/topic", &[]);
    for number in [13126, 13711] {
        let commit = format!(
            "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nauthor a <a> 0 +0000\ncommitter a <a> 0 +0000\n\n{number}\n"
        );
        let write = ["hash-object", "-t", "commit", "-w", "--stdin"];
        let id = origin.at.git_with_input("job", write, &commit);
        assert!(id.starts_with("a542e61"), "{id}");
    }
    origin.at.git_with_input("job", ["mktree"], "");
    let job = [("BITBUCKET_BUILD_NUMBER", "1"), ("BITBUCKET_COMMIT", &*origin.topic), ("BITBUCKET_PR_ID", "1")];
    let output = origin.scan(&[&job[..], &[("BITBUCKET_PR_DESTINATION_COMMIT", "a542e61")]].concat());
    assert_eq!(output.code, Some(2), "{output:?}");
    output.expect_stderr(&["a542e61 is ambiguous", "--since"]);
}

#[test]
fn jobs_of_every_other_system_find_what_is_new() {
    let origin = Origin::new();
    let (main, topic) = (&*origin.main, &*origin.topic);
    let gitlab = [("GITLAB_CI", "true"), ("CI_COMMIT_SHA", topic), ("CI_DEFAULT_BRANCH", "main")];
    let bitbucket = [("BITBUCKET_BUILD_NUMBER", "1"), ("BITBUCKET_COMMIT", topic), ("BITBUCKET_PR_ID", "1")];
    let azure = [("TF_BUILD", "True"), ("SYSTEM_PULLREQUEST_SOURCECOMMITID", topic)];
    let jenkins = [("JENKINS_URL", "https://ci/"), ("GIT_COMMIT", topic), ("BRANCH_NAME", "topic")];
    let push = [("CI_PIPELINE_SOURCE", "push"), ("CI_COMMIT_BRANCH", "topic")];
    let jobs: Vec<Vec<(&str, &str)>> = vec![
        [&gitlab[..], &push, &[("CI_COMMIT_BEFORE_SHA", main)]].concat(),
        [&gitlab[..], &push, &[("CI_COMMIT_BEFORE_SHA", NONE)]].concat(),
        [&gitlab[..], &[("CI_MERGE_REQUEST_IID", "1"), ("CI_MERGE_REQUEST_DIFF_BASE_SHA", main)]].concat(),
        [&bitbucket[..], &[("BITBUCKET_PR_DESTINATION_COMMIT", &main[..12])]].concat(),
        [&bitbucket[..], &[("BITBUCKET_PR_DESTINATION_BRANCH", "main")]].concat(),
        [&azure[..], &[("SYSTEM_PULLREQUEST_TARGETBRANCH", "refs/heads/main")]].concat(),
        [&jenkins[..], &[("CHANGE_TARGET", "main")]].concat(),
        [&jenkins[..], &[("GIT_PREVIOUS_SUCCESSFUL_COMMIT", main)]].concat(),
    ];
    origin.checkout("origin/topic", &[]);
    for job in jobs {
        origin.scan(&job).expect(1, &[&new()]).expect_stderr(&["3 commits since"]);
    }
}

#[test]
fn where_nobody_knows_what_was_there_before_everything_is_scanned() {
    let origin = Origin::new();
    let mut path = String::new();
    origin.checkout("origin/topic", &[]);
    let all = [old(), new()];
    let all = all.each_ref().map(String::as_str);
    for name in ["schedule", "workflow_dispatch"] {
        let found = origin.scan(&origin.github(name, &json!({}), &mut path));
        found.expect(1, &all).expect_stderr(&["does not tell what was there before", "everything"]);
    }
    // A force push whose old tip is gone, and the first push of all.
    for before in ["89e6c98d92887913cadf06b2adb97f26cde4849b", NONE] {
        origin.scan(&origin.github("push", &origin.push("main", before, &origin.main), &mut path)).expect(1, &all);
    }
    let gone = origin.push("main", "89e6c98d92887913cadf06b2adb97f26cde4849b", &origin.main);
    origin
        .scan(&origin.github("push", &gone, &mut path))
        .expect_stderr(&["89e6c98d9288 (what was there before the push)"]);
    // The old tip of another branch that is gone: the default branch will do.
    let gone = origin.push("topic", "89e6c98d92887913cadf06b2adb97f26cde4849b", &origin.topic);
    origin.scan(&origin.github("push", &gone, &mut path)).expect(1, &[&new()]).expect_stderr(&["default branch"]);
}

#[test]
fn nothing_new_passes_with_a_word_and_whole_reports() {
    let origin = Origin::new();
    let mut path = String::new();
    origin.checkout("origin/main", &[]);
    let nothing = origin.push("main", &origin.main, &origin.main);
    let variables = origin.github("push", &nothing, &mut path);
    let told = origin.scan_with(&variables, &["-o", "r.sarif", "-o", "gl-secret-detection-report.json", "-o", "r.xml"]);
    told.expect(0, &[]).expect_stderr(&["nothing is new", &origin.main[..12]]);
    assert_eq!((&told.summary()["complete"], &told.summary()["blobs"]), (&json!(true), &json!(0)));
    for file in ["r.sarif", "gl-secret-detection-report.json", "r.xml"] {
        assert!(fs::metadata(origin.at.path("job").join(file)).unwrap().len() > 100, "{file}");
    }
    // A branch that was set back, and one that is new and has nothing of its own.
    let back = origin.push("main", &origin.main, &origin.root);
    origin.scan(&origin.github("push", &back, &mut path)).expect(0, &[]).expect_stderr(&["nothing is new"]);
    let created = origin.push("other", NONE, &origin.main);
    origin.scan(&origin.github("push", &created, &mut path)).expect(0, &[]).expect_stderr(&["nothing is new"]);
}

#[test]
fn a_shallow_clone_scans_what_is_here_and_does_not_pass() {
    let origin = Origin::new();
    let mut path = String::new();
    let remedies = ["shallow", "not visible", "fetch-depth: 0"];
    // Nothing but the head: its whole tree is looked at.
    origin.checkout("origin/topic", &["--depth=1", "--branch=topic"]);
    for event in [origin.push("topic", &origin.main, &origin.topic), origin.push("topic", NONE, &origin.topic)] {
        let found = origin.scan(&origin.github("push", &event, &mut path));
        found.expect(2, &[&old(), &new()]).expect_unread(&["shallow"]).expect_stderr(&remedies);
    }
    // Both ends, and a hole between them.
    origin.at.git("job", ["fetch", "-q", "--depth=1", "origin", "main:refs/remotes/origin/main"]);
    let found = origin.scan(&origin.github("pull_request", &origin.pull_request(&origin.main), &mut path));
    found.expect_unread(&["shallow"]).expect_stderr(&remedies);
    assert!(found.code == Some(2) && found.ids().contains(&new()), "{found:?}");
    // One that reaches back far enough is as good as a whole one.
    origin.checkout("origin/topic", &["--depth=5", "--branch=topic"]);
    let push = origin.push("topic", &origin.main, &origin.topic);
    origin.scan(&origin.github("push", &push, &mut path)).expect(1, &[&new()]);
    let gitlab = [("GITLAB_CI", "true"), ("CI_PIPELINE_SOURCE", "push"), ("CI_COMMIT_BRANCH", "main")];
    origin.checkout("origin/topic", &["--depth=1", "--branch=topic"]);
    let found = origin.scan(&gitlab);
    assert!(found.code == Some(2), "{found:?}");
    found.expect_stderr(&["GIT_DEPTH"]);
}

#[test]
fn a_pull_request_that_was_not_checked_out_does_not_pass() {
    let origin = Origin::new();
    let mut path = String::new();
    origin.checkout("origin/main", &["--single-branch", "--branch=main"]);
    let event = origin.pull_request(&origin.main);
    let told = origin.scan(&origin.github("pull_request_target", &event, &mut path));
    told.expect(2, &[]).expect_unread(&[&origin.topic[..12]]);
    told.expect_stderr(&["not here", "github.event.pull_request.head.sha"]);
}

#[test]
fn flags_win() {
    let origin = Origin::new();
    let mut path = String::new();
    origin.checkout("origin/topic", &[]);
    let variables = origin.github("push", &origin.push("topic", &origin.main, &origin.topic), &mut path);
    let flagged = |arguments: &[&str]| origin.scan_with(&variables, arguments);
    flagged(&["--since", "HEAD~1"]).expect(0, &[]).expect_stderr(&["the job is not asked"]);
    flagged(&["--history", "HEAD~9..HEAD"]).expect(2, &[]);
    flagged(&["--history", "all"]).expect(1, &[&old(), &new()]);
    flagged(&["--cache", "../cache"]).expect(1, &[&new()]);
    let quiet = flagged(&["--quiet"]);
    assert!(quiet.stderr.is_empty() && quiet.code == Some(1), "{quiet:?}");
    // Nor need there be a job then.
    origin.scan_with(&[], &["--since", "HEAD~2"]).expect(1, &[&new()]);
    origin.scan_with(&[], &["--since", "HEAD~2", ".", "../origin"]).expect(1, &[&new()]);
}

#[test]
fn what_is_no_job_or_has_no_repository_is_an_error() {
    let origin = Origin::new();
    let mut path = String::new();
    origin.checkout("origin/topic", &[]);
    let refused = |variables: &[(&str, &str)], arguments: &[&str], words: &[&str]| {
        let output = origin.scan_with(variables, arguments);
        assert_eq!(output.code, Some(2), "{output:?}");
        output.expect_stderr(words);
    };
    refused(&[], &[], &["no job of a CI system", "GitHub Actions", "--since"]);
    refused(&[("CI", "true")], &[], &["no job of a CI system"]);
    let variables = origin.github("push", &origin.push("topic", &origin.main, &origin.topic), &mut path);
    refused(&variables, &[".", "../origin"], &["one target"]);
    refused(&variables, &["-"], &["no git repository"]);
    refused(&variables, &["https://example.com/x.git"], &["elsewhere"]);
    origin.at.init("job/empty").write("job/plain/readme", "x");
    refused(&variables, &["plain"], &["no git repository"]);
    refused(&variables, &["empty"], &["no such revision"]);
    origin.at.write("event.json", "{");
    refused(&variables, &[], &["event.json", "not what GitHub writes"]);
    fs::remove_file(origin.at.path("event.json")).unwrap();
    refused(&variables, &[], &["event.json", "failed"]);
}

#[test]
fn an_object_that_can_t_be_read_never_passes() {
    let origin = Origin::new();
    let mut path = String::new();
    origin.checkout("origin/topic", &[]);
    origin.at.git("job", ["remote", "remove", "origin"]);
    let lost = origin.at.git("job", ["rev-parse", "HEAD:b"]);
    // Out of the pack, so that one can be taken away.
    let packs = origin.at.path("job/.git/objects/pack");
    let kept = origin.at.path("packs");
    fs::rename(&packs, &kept).unwrap();
    fs::create_dir(&packs).unwrap();
    for pack in fs::read_dir(&kept)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().unwrap() == "pack")
    {
        let mut unpack = Command::new("git");
        unpack.arg("-C").arg(origin.at.path("job")).args(["unpack-objects", "-q"]);
        assert!(unpack.stdin(fs::File::open(pack).unwrap()).status().unwrap().success());
    }
    let variables = origin.github("push", &origin.push("topic", &origin.main, &origin.topic), &mut path);
    origin.scan(&variables).expect(1, &[&new()]);
    fs::remove_file(origin.at.path(format!("job/.git/objects/{}/{}", &lost[..2], &lost[2..]))).unwrap();
    let found = origin.scan(&variables);
    found.expect(2, &[&new()]).expect_unread(&[&lost]);
    // Nor with --exit-code, which is about findings.
    assert_eq!(origin.scan_with(&variables, &["--exit-code", "0"]).code, Some(2));
}

#[test]
fn a_key_that_the_target_branch_has_meanwhile_is_not_new() {
    let origin = Origin::new();
    let mut path = String::new();
    // Taken over from main, so that it stands in both.
    origin.at.git("origin", ["checkout", "-q", "main"]);
    origin.at.write("origin/again.env", env_file(3)).commit("origin", "on main");
    let main = origin.at.git("origin", ["rev-parse", "HEAD"]);
    origin.at.git("origin", ["checkout", "-q", "topic"]);
    origin.at.git("origin", ["merge", "-q", "-m", "merge main", "main"]);
    let topic = origin.at.git("origin", ["rev-parse", "HEAD"]);
    origin.checkout("origin/topic", &[]);
    let event = json!({"pull_request": {"base": {"ref": "main", "sha": main}, "head": {"ref": "topic", "sha": topic}}});
    origin.scan(&origin.github("pull_request", &event, &mut path)).expect(1, &[&new()]);
}

#[test]
fn a_key_in_the_message_of_a_tag_that_is_pushed_is_found() {
    let origin = Origin::new();
    let mut path = String::new();
    origin.at.git("origin", ["tag", "-a", "v1", "-m", &env_file(3), "main"]);
    origin.at.git("origin", ["tag", "-a", "v2", "-m", "a tag of a tag", "v1"]);
    origin.at.git("origin", ["tag", "-a", "v3", "-m", &env_file(4), "topic"]);
    origin.at.git("origin", ["tag", "light", "main"]);
    let (three, four) = (example_key(3).0, example_key(4).0);
    for (tag, keys) in [("v1", &[&*three][..]), ("v2", &[&three]), ("v3", &[&new(), &four]), ("light", &[])] {
        origin.checkout(tag, &[]);
        let [id, commit] = [tag, &format!("{tag}^{{}}")].map(|name| origin.at.git("origin", ["rev-parse", name]));
        let code = i32::from(!keys.is_empty());
        let reference = format!("refs/tags/{tag}");
        let event = json!({"ref": reference, "before": NONE, "after": id, "repository": {"default_branch": "main"}});
        let mut github = origin.github("push", &event, &mut path);
        github.push(("GITHUB_SHA", &commit));
        origin.scan(&github).expect(code, keys);
        let gitlab = [("GITLAB_CI", "true"), ("CI_PIPELINE_SOURCE", "push"), ("CI_COMMIT_SHA", &commit)];
        let gitlab = [&gitlab[..], &[("CI_COMMIT_TAG", tag), ("CI_DEFAULT_BRANCH", "main")]].concat();
        origin.scan(&gitlab).expect(code, keys);
        let jenkins = [("JENKINS_URL", "x"), ("TAG_NAME", tag), ("BRANCH_NAME", tag)];
        let jenkins = [&jenkins[..], &[("GIT_PREVIOUS_SUCCESSFUL_COMMIT", &*origin.main)]].concat();
        origin.scan(&jenkins).expect(code, keys);
    }
    // Checked out without it, as a commit alone.
    origin.at.git("job", ["update-ref", "-d", "refs/tags/v1"]);
    let gitlab = [("GITLAB_CI", "true"), ("CI_PIPELINE_SOURCE", "push"), ("CI_COMMIT_SHA", &*origin.main)];
    let gitlab = [&gitlab[..], &[("CI_COMMIT_TAG", "v1"), ("CI_DEFAULT_BRANCH", "main")]].concat();
    let missed = origin.scan(&gitlab);
    assert_eq!(missed.code, Some(2), "{missed:?}");
    missed.expect_stderr(&["the tag v1", "git fetch --force --tags origin"]);
}

/// Nothing but its name of where the job runs gets into a report.
#[test]
fn paths_of_a_report_are_those_of_the_repository() {
    let origin = Origin::new();
    let mut path = String::new();
    origin.checkout("origin/topic", &[]);
    let variables = origin.github("push", &origin.push("topic", &origin.main, &origin.topic), &mut path);
    let target: PathBuf = origin.at.path("job");
    for target in [".", target.to_str().unwrap()] {
        let found = origin.scan_with(&variables, &[target]);
        assert_eq!(found.paths().into_iter().collect::<Vec<_>>(), ["new.env"]);
    }
}
