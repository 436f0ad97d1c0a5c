//! A part of history, as `--history RANGE` and `--since REV` name it: what is new in it, where it stands, and what stops it.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{Keysweep, Output, env_file, example_key};

/// The one finding's places: path, line of the commit's message (here its name), whether it is in HEAD.
fn places(at: &Keysweep, output: &Output) -> Vec<(String, String, bool)> {
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let findings = output.findings();
    let occurrences = findings.iter().flat_map(|finding| finding["occurrences"].as_array().unwrap());
    let mut places: Vec<_> = occurrences
        .filter(|place| place["line"] == 1)
        .map(|place| {
            let name = at.git("repo", ["log", "-1", "--format=%s", &text(&place["commit"])]);
            (text(&place["path"]), name, place["in_head"].as_bool().unwrap())
        })
        .collect();
    places.sort();
    places
}

fn since(at: &Keysweep, revision: &str) -> Output {
    at.scan(["repo", "--since", revision])
}

fn range(at: &Keysweep, range: &str) -> Output {
    at.scan(["repo", "--history", range])
}

fn place(path: &str, commit: &str, in_head: bool) -> (String, String, bool) {
    (path.to_owned(), commit.to_owned(), in_head)
}

fn remove(at: &Keysweep, path: &str) {
    fs::remove_file(at.path(path)).unwrap();
}

/// Three commits with a key each, in `one.env` to `three.env`.
fn three(at: &Keysweep) -> [String; 3] {
    at.init("repo");
    [("one", 1), ("two", 2), ("three", 3)].map(|(name, seed)| {
        let id = at.plant(format!("repo/{name}.env"), seed);
        at.commit("repo", name);
        id
    })
}

#[test]
fn since_is_the_range_from_there_to_head() {
    let at = Keysweep::new();
    let [one, two, three] = three(&at);
    let (found, same) = (since(&at, "HEAD~1"), range(&at, "HEAD~1..HEAD"));
    found.expect(1, &[&three]);
    assert_eq!(found.stdout, same.stdout);
    since(&at, "HEAD~2").expect(1, &[&two, &three]);
    range(&at, "HEAD").expect(1, &[&one, &two, &three]);
    // What there is in the working tree besides is not new in HEAD.
    at.plant("repo/four.env", 4);
    since(&at, "HEAD~1").expect(1, &[&three]);
    let url = format!("file://{}", at.path("repo").display());
    at.scan([&url, "--since", "HEAD~1"]).expect(1, &[&three]);
}

#[test]
fn since_takes_one_revision_and_no_history_besides() {
    let at = Keysweep::new();
    three(&at);
    for (arguments, word) in [
        (&["--since", "HEAD~2..HEAD"][..], "--history"),
        (&["--since", "HEAD^!"], "--history"),
        (&["--since", "HEAD~1", "--history", "all"], "cannot be used with"),
        (&["--since", ""], "one revision"),
    ] {
        let output = at.scan([&["repo"], arguments].concat());
        output.expect_stderr(&[word]);
        assert_eq!(output.code, Some(2), "{output:?}");
    }
    at.scanning(["-", "--since", "HEAD~1"]).stdin("x").run().expect(2, &[]);
    let nothing_new = since(&at, "HEAD");
    nothing_new.expect(2, &[]).expect_stderr(&["no commits"]);
}

#[test]
fn revisions_are_what_git_says_they_are() {
    let at = Keysweep::new();
    let [one, two, three] = three(&at);
    at.git("repo", ["tag", "-a", "-m", "annotated", "v1", "HEAD~2"]);
    at.git("repo", ["tag", "of-a-tag", "v1"]);
    let first = at.git("repo", ["rev-parse", "HEAD~2"]);
    for revision in
        ["v1", "of-a-tag", "refs/tags/v1", "tags/v1^{}", &first, &first[..8], "HEAD~2^0", ":/one", "main@{2}", "@{2}"]
    {
        since(&at, revision).expect(1, &[&two, &three]);
    }
    for (written, expected) in [
        ("HEAD^!", vec![&three]),
        ("HEAD~1^!", vec![&two]),
        ("HEAD^-", vec![&three]),
        ("HEAD^@", vec![&one, &two]),
        ("HEAD~1..", vec![&three]),
        ("v1..HEAD~1", vec![&two]),
        ("main@{1}", vec![&one, &two]),
        ("main@{1}..main", vec![&three]),
        ("@{2}..@{1}", vec![&two]),
    ] {
        let expected: Vec<&str> = expected.into_iter().map(String::as_str).collect();
        range(&at, written).expect(1, &expected);
    }
}

#[test]
fn branches_that_follow_others_and_both_sides_of_a_fork() {
    let at = Keysweep::new();
    let [_, two, three] = three(&at);
    at.git("repo", ["checkout", "-q", "-b", "side", "HEAD~2"]);
    at.git("repo", ["config", "branch.side.remote", "."]);
    at.git("repo", ["config", "branch.side.merge", "refs/heads/main"]);
    let mine = at.plant("repo/mine.env", 4);
    at.commit("repo", "mine");
    for revision in ["@{u}", "@{upstream}", "side@{u}", "main", "@{-1}"] {
        since(&at, revision).expect(1, &[&mine]);
    }
    range(&at, "main...side").expect(1, &[&two, &three, &mine]);
    range(&at, "HEAD..@{u}").expect(1, &[&two, &three]);
    at.git("", ["clone", "-q", "repo", "clone"]);
    let pushed = at.plant("clone/pushed.env", 5);
    at.commit("clone", "not yet pushed");
    at.scan(["clone", "--since", "@{u}"]).expect(1, &[&pushed]);
    at.scan(["clone", "--since", "origin/main"]).expect(1, &[&mine, &pushed]);
    at.scan(["clone", "--since", "origin"]).expect(1, &[&pushed]);
}

/// What both sides of a fork have is not new in either, though it came into them by commits of their own.
#[test]
fn what_stands_where_a_range_starts_is_not_new_though_both_brought_it() {
    let at = Keysweep::new();
    at.init("repo").write("repo/readme", "x").commit("repo", "base");
    at.git("repo", ["checkout", "-q", "-b", "side"]);
    let (both, mine) = (at.plant("repo/both.env", 1), at.plant("repo/mine.env", 2));
    at.commit("repo", "side");
    at.git("repo", ["checkout", "-q", "main"]);
    at.plant("repo/picked/both.env", 1);
    at.commit("repo", "main has it, too");
    at.git("repo", ["tag", "-a", "-m", "annotated", "v1"]);
    at.git("repo", ["checkout", "-q", "side"]);
    for revision in ["main", "v1"] {
        since(&at, revision).expect(1, &[&mine]);
    }
    since(&at, "main~1").expect(1, &[&both, &mine]);
    range(&at, "main...side").expect(1, &[&both, &mine]);
}

/// Git has to be new enough not to stop there, too.
#[test]
fn a_commit_that_is_missing_within_a_range_is_told_and_the_others_are_read() {
    let at = Keysweep::new();
    let [one, _, three] = three(&at);
    let missing = at.git("repo", ["rev-parse", "HEAD~1"]);
    let [first, last] = ["HEAD~2", "HEAD"].map(|name| at.git("repo", ["rev-parse", name]));
    remove(&at, &format!("repo/.git/objects/{}/{}", &missing[..2], &missing[2..]));
    let found = range(&at, &format!("{first}..{last}"));
    if found.ids().is_empty() {
        found.expect(2, &[]).expect_unread(&[&missing]);
        return;
    }
    // What comes after it is compared with nothing.
    assert!(found.code == Some(2) && found.ids().contains(&three), "{found:?}");
    found.expect_unread(&[&missing]);
    assert!(!found.ids().contains(&one), "it stands where the range starts");
}

#[test]
fn a_linked_worktree_has_its_own_head_and_log() {
    let at = Keysweep::new();
    let [_, two, _] = three(&at);
    at.git("repo", ["worktree", "add", "-q", "-b", "side", "../linked", "HEAD~2"]);
    let mine = at.plant("linked/mine.env", 4);
    at.commit("linked", "mine");
    for revision in ["HEAD~1", "main", "HEAD@{1}", "@{1}", "main~2"] {
        at.scan(["linked", "--since", revision]).expect(1, &[&mine]);
    }
    at.scan(["linked", "--history", "main@{2}..main@{1}"]).expect(1, &[&two]);
    at.scan(["repo", "--history", "side@{1}..side"]).expect(1, &[&mine]);
}

/// With tables of refs instead of files, and with the other hash.
#[test]
fn other_formats_of_repositories() {
    for option in ["--object-format=sha256", "--ref-format=reftable"] {
        let at = Keysweep::new();
        fs::create_dir(at.path("repo")).unwrap();
        let made =
            Command::new("git").args(["init", "-q", "-b", "main", option]).arg(at.path("repo")).output().unwrap();
        if !made.status.success() {
            // An older git.
            continue;
        }
        let [_, two, three] = three(&at);
        at.git("repo", ["tag", "-a", "-m", "annotated", "v1", "HEAD~2"]);
        for revision in ["HEAD~2", "v1", "@{2}", "main@{2}", ":/one"] {
            since(&at, revision).expect(1, &[&two, &three]);
        }
        assert_eq!(places(&at, &range(&at, "HEAD~2..HEAD~1")), [place("two.env", "two", true)]);
        at.git("repo", ["worktree", "add", "-q", "-b", "side", "../linked", "HEAD~2"]);
        let mine = at.plant("linked/mine.env", 4);
        at.commit("linked", "mine");
        at.scan(["linked", "--since", "HEAD@{1}"]).expect(1, &[&mine]);
        at.scan(["linked", "--since", "main"]).expect(1, &[&mine]);
        at.scan(["repo", "--since", "side"]).expect(1, &[&two, &three]);
    }
}

#[test]
fn a_key_that_moves_is_not_new_and_one_that_is_copied_within_the_range_is_told_of_everywhere() {
    let at = Keysweep::new();
    let [_, _, three] = three(&at);
    at.git("repo", ["mv", "one.env", "moved.env"]);
    at.write("repo/dir/copy.env", env_file(2));
    at.write("repo/dir/three.env", env_file(3));
    at.commit("repo", "moved");
    since(&at, "HEAD~1").expect(0, &[]);
    let found = since(&at, "HEAD~2");
    found.expect(1, &[&three]);
    assert_eq!(places(&at, &found), [place("dir/three.env", "moved", true), place("three.env", "three", true)]);
}

#[test]
fn a_key_that_goes_and_comes_back_within_the_range_is_told_of_where_it_came_first() {
    let at = Keysweep::new();
    at.init("repo").write("repo/readme", "x").commit("repo", "base");
    let id = at.plant("repo/a.env", 1);
    at.commit("repo", "planted");
    remove(&at, "repo/a.env");
    at.commit("repo", "removed");
    let found = since(&at, "HEAD~2");
    found.expect(1, &[&id]);
    assert_eq!(places(&at, &found), [place("a.env", "planted", false)]);
    at.git("repo", ["revert", "--no-edit", "HEAD"]);
    assert_eq!(places(&at, &since(&at, "HEAD~3")), [place("a.env", "planted", true)]);
    // To the commit before it, what a revert brings back is new.
    assert_eq!(since(&at, "HEAD~1").paths().len(), 1);
    range(&at, "HEAD~2..HEAD~1").expect(0, &[]);
}

#[test]
fn what_only_a_merge_commit_holds_and_what_it_only_joins() {
    let at = Keysweep::new();
    at.init("repo").write("repo/readme", "x").commit("repo", "base");
    for (branch, seed) in [("left", 1), ("right", 2), ("far", 3)] {
        at.git("repo", ["checkout", "-q", "-b", branch, "main"]);
        at.plant(format!("repo/{branch}.env"), seed);
        at.commit("repo", branch);
    }
    at.git("repo", ["checkout", "-q", "main"]);
    at.git("repo", ["merge", "-q", "--no-ff", "-m", "octopus", "left", "right", "far"]);
    let ids = [1, 2, 3].map(|seed| example_key(seed).0);
    range(&at, "HEAD^1..HEAD").expect(1, &[&ids[0], &ids[1], &ids[2]]);
    range(&at, "left..HEAD").expect(1, &[&ids[1], &ids[2]]);
    // By itself it brought nothing.
    range(&at, "HEAD^!").expect(0, &[]);
    let evil = at.plant("repo/evil.env", 4);
    at.git("repo", ["add", "."]);
    at.git("repo", ["commit", "-q", "--amend", "-m", "evil"]);
    let found = range(&at, "HEAD^!");
    found.expect(1, &[&evil]);
    assert_eq!(places(&at, &found), [place("evil.env", "evil", true)]);
    // Histories that have nothing in common.
    at.git("repo", ["checkout", "-q", "--orphan", "other"]);
    at.git("repo", ["rm", "-rfq", "."]);
    let other = at.plant("repo/other.env", 5);
    at.commit("repo", "root");
    since(&at, "main").expect(1, &[&other]);
    range(&at, "HEAD").expect(1, &[&other]);
}

#[test]
fn modes_links_and_directories_that_become_files() {
    let at = Keysweep::new();
    let [one, ..] = three(&at);
    at.git("repo", ["update-index", "--chmod=+x", "one.env"]);
    let commit = at.git("repo", ["rev-parse", "HEAD"]);
    at.git("repo", ["update-index", "--add", "--cacheinfo", &format!("160000,{commit},sub")]);
    at.git("repo", ["commit", "-q", "-m", "mode and submodule"]);
    since(&at, "HEAD~1").expect(0, &[]);
    remove(&at, "repo/two.env");
    let inside = at.plant("repo/two.env/inside.env", 4);
    at.git("repo", ["add", "-A", "two.env"]);
    at.git("repo", ["commit", "-q", "-m", "directory"]);
    since(&at, "HEAD~1").expect(1, &[&inside]);
    fs::remove_dir_all(at.path("repo/two.env")).unwrap();
    let again = at.plant("repo/two.env", 5);
    at.git("repo", ["add", "-A", "two.env"]);
    at.git("repo", ["commit", "-q", "-m", "file again"]);
    let found = since(&at, "HEAD~1");
    found.expect(1, &[&again]);
    assert_eq!(places(&at, &found), [place("two.env", "file again", true)]);
    assert!(range(&at, "HEAD").ids().contains(&one));
}

#[test]
fn a_key_in_a_message_stands_in_its_commit() {
    let at = Keysweep::new();
    three(&at);
    let id = example_key(4).0;
    at.commit("repo", &format!("the key is {id}"));
    let found = since(&at, "HEAD~1");
    found.expect(1, &[&id]);
    assert_eq!(found.findings()[0]["occurrences"][0]["source"], "commit_message");
}

#[test]
fn a_shallow_clone_says_what_is_beyond_it_and_how_to_get_it() {
    let at = Keysweep::new();
    let [_, two, three] = three(&at);
    let url = format!("file://{}", at.path("repo").display());
    at.git("", ["clone", "-q", "--depth=2", &url, "clone"]);
    at.scan(["clone", "--since", "HEAD~1"]).expect(1, &[&three]);
    let beyond = at.scan(["clone", "--since", "HEAD~2"]);
    beyond.expect(2, &[]).expect_unread(&["HEAD~2"]).expect_stderr(&["shallow", "--deepen", "--unshallow"]);
    at.scan(["clone", "--history", "HEAD"]).expect(2, &[&example_key(1).0, &two, &three]).expect_unread(&["shallow"]);
}

#[test]
fn a_revision_that_is_none_is_told_with_what_to_try() {
    let at = Keysweep::new();
    three(&at);
    for revision in ["nonsense", "--all", "v9^{}", "@{u}", "@{99}~5"] {
        let output = at.scan(["repo", &format!("--history={revision}")]);
        assert_eq!(output.code, Some(2), "{output:?}");
        output.expect_unread(&[revision]).expect_stderr(&["git fetch"]);
    }
}

/// What a stranger's repository is set up to do is not done, and what it says of itself not believed.
#[test]
fn a_range_obeys_nothing_in_the_repository() {
    let at = Keysweep::new();
    let [_, two, three] = three(&at);
    let trap = format!("touch {}", at.path("trapped").display());
    for name in ["core.fsmonitor", "core.pager", "pager.rev-list", "core.sshCommand", "core.gitProxy", "alias.rev-list"]
    {
        at.git("repo", ["config", name, &trap]);
    }
    at.git("repo", ["config", "core.alternateRefsCommand", &trap]);
    at.git("repo", ["config", "extensions.partialClone", "origin"]);
    at.git("repo", ["config", "remote.origin.promisor", "true"]);
    at.git("repo", ["config", "remote.origin.url", &format!("ext::sh -c '{trap}'")]);
    at.git("repo", ["config", "protocol.ext.allow", "always"]);
    since(&at, "HEAD~2").expect(1, &[&two, &three]);
    // Of a graft, a replacement and a graph of commits each says that there is nothing before HEAD.
    let head = at.git("repo", ["rev-parse", "HEAD"]);
    at.write("repo/.git/info/grafts", format!("{head}\n"));
    at.git("repo", ["replace", "--graft", &head]);
    since(&at, "HEAD~2").expect(1, &[&two, &three]);
    at.write("repo/.git/objects/info/commit-graph", "nonsense");
    since(&at, ":/two").expect(1, &[&three]);
    assert!(!Path::new(&at.path("trapped")).exists(), "something was run");
}

#[test]
fn without_git_a_range_says_that_it_needs_it() {
    let at = Keysweep::new();
    let ids = three(&at);
    let scan = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keysweep"));
        command.env_clear().env("PATH", at.path("nowhere")).arg("scan").arg(at.path("repo")).args(arguments);
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, told) = scan(&["--since", "HEAD~1"]);
    assert!(code == Some(2) && told.contains("needs git"), "{told}");
    let (code, told) = scan(&[]);
    assert!(code == Some(1) && ids.iter().all(|id| told.contains(id)), "{told}");
}

#[test]
fn a_file_with_the_id_of_a_submodule_that_stood_there_is_new() {
    let bench = Keysweep::new();
    bench.init("repo").write("repo/readme", "nothing\n").commit("repo", "first");
    let key = bench.plant("repo/key", 1);
    let blob = bench.git("repo", ["hash-object", "-w", "key"]);
    std::fs::remove_file(bench.path("repo/key")).unwrap();
    for mode in ["160000", "100644"] {
        bench.git("repo", ["update-index", "--add", "--cacheinfo", &format!("{mode},{blob},vendor")]);
        bench.git("repo", ["commit", "-q", "-m", mode]);
    }
    bench.scan(["repo", "--since", "HEAD~1"]).expect(1, &[&key]);
}

#[test]
fn a_file_that_says_it_is_a_tree_is_told_of() {
    let bench = Keysweep::new();
    bench.init("repo").write("repo/readme", "nothing\n").commit("repo", "first");
    bench.plant("repo/key", 1);
    bench.commit("repo", "a key");
    let blob = bench.git("repo", ["rev-parse", "HEAD:key"]);
    let tree = bench.git("repo", ["rev-parse", "HEAD^{tree}"]);
    let loose = |id: &str| bench.path(format!("repo/.git/objects/{}/{}", &id[..2], &id[2..]));
    std::fs::remove_file(loose(&blob)).unwrap();
    std::fs::copy(loose(&tree), loose(&blob)).unwrap();
    bench.scan(["repo", "--since", "HEAD~1"]).expect(2, &[]).expect_unread(&[&blob]);
}

#[test]
fn a_tag_at_the_end_of_a_range_is_read_and_one_at_its_start_is_not() {
    let at = Keysweep::new();
    let [_, two, three] = three(&at);
    at.git("repo", ["tag", "-a", "v1", "-m", &env_file(4), "HEAD~1"]);
    at.git("repo", ["tag", "-a", "v2", "-m", &env_file(5)]);
    let [four, five] = [4, 5].map(|seed| example_key(seed).0);
    let found = range(&at, "HEAD~2..v2");
    found.expect(1, &[&two, &three, &five]);
    assert!(found.findings().iter().any(|finding| finding["occurrences"][0]["source"] == "tag_message"), "{found:?}");
    range(&at, "v1..v2").expect(1, &[&three, &five]);
    since(&at, "v1").expect(1, &[&three]);
    // With no commit beside it.
    range(&at, "HEAD~1..v1").expect(1, &[&four]);
    range(&at, "HEAD..v2^{}").expect(2, &[]);
}
