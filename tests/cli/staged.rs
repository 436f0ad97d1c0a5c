//! `keysweep scan --staged`: the lines that the next commit adds, in every state that an index can be in.

use std::fs;

use crate::support::{Keysweep, Output, env_file, example_key};

fn staged(at: &Keysweep) -> Output {
    at.scan(["repo", "--staged"])
}

/// Path and line of each place.
fn places(output: &Output) -> Vec<(String, u64)> {
    let findings = output.findings();
    let occurrences = findings.iter().flat_map(|finding| finding["occurrences"].as_array().unwrap());
    let mut places: Vec<_> = occurrences
        .map(|place| {
            assert_eq!(place["source"], "staged");
            (place["path"].as_str().unwrap().to_owned(), place["line"].as_u64().unwrap())
        })
        .collect();
    places.sort();
    places
}

fn at_line(path: &str, line: u64) -> Vec<(String, u64)> {
    vec![(path.to_owned(), line)]
}

/// A repository with a commit of some harmless files.
fn repository() -> Keysweep {
    let at = Keysweep::new();
    at.init("repo").write("repo/readme", "hello\n").write("repo/dir/code.py", "x = 1\ny = 2\n").commit("repo", "first");
    at
}

fn add(at: &Keysweep, path: &str) {
    at.git("repo", ["add", "--force", path]);
}

#[test]
fn what_is_staged_is_read_and_not_what_lies_on_disk() {
    let at = repository();
    let id = at.plant("repo/dir/prod.env", 1);
    staged(&at).expect(0, &[]).expect_stderr(&["nothing is staged"]);
    add(&at, "dir/prod.env");
    at.write("repo/dir/prod.env", "harmless\n");
    let output = staged(&at);
    assert_eq!(places(output.expect(1, &[&id])), at_line("dir/prod.env", 1));
    // And the other way round.
    add(&at, "dir/prod.env");
    at.plant("repo/dir/prod.env", 1);
    staged(&at).expect(0, &[]);
}

#[test]
fn nothing_staged_is_no_failure_and_says_so_and_no_repository_is_one() {
    let at = repository();
    let output = staged(&at);
    output.expect(0, &[]).expect_stderr(&["nothing is staged"]);
    assert_eq!((&output.summary()["complete"], &output.summary()["blobs"]), (&true.into(), &0.into()));
    at.git("repo", ["rm", "-q", "--cached", "readme"]);
    staged(&at).expect(0, &[]).expect_stderr(&["nothing is staged that adds a line"]);
    at.write("plain/file", "x");
    let output = at.scan(["plain", "--staged"]);
    assert_eq!(output.code, Some(2), "{output:?}");
    output.expect_unread(&["plain"]).expect_stderr(&["no git repository", "git init"]);
    for (arguments, word) in [
        (&["repo", "--staged", "--history", "all"][..], "cannot be used with"),
        (&["repo", "--staged", "--since", "HEAD"], "cannot be used with"),
    ] {
        assert_eq!(at.scan(arguments).expect_stderr(&[word]).code, Some(2));
    }
}

#[test]
fn the_first_commit_adds_everything() {
    let at = Keysweep::new();
    at.init("repo");
    staged(&at).expect(0, &[]);
    let id = at.plant("repo/a.env", 1);
    add(&at, "a.env");
    assert_eq!(places(staged(&at).expect(1, &[&id])), at_line("a.env", 1));
}

#[test]
fn only_lines_that_are_new_are_told() {
    let at = repository();
    let (old, new) = (example_key(1), example_key(2));
    at.write("repo/a", format!("one\nid = {}\nthree\nfour\n", old.0)).commit("repo", "old key");
    staged(&at).expect(0, &[]);
    at.write("repo/a", format!("one\nid = {}\nthree\nfour\nid = {}\n", old.0, new.0));
    add(&at, "a");
    assert_eq!(places(staged(&at).expect(1, &[&new.0])), at_line("a", 5));
    // A line that moves is added where it goes.
    at.write("repo/a", format!("one\nthree\nfour\nid = {}\n", old.0));
    add(&at, "a");
    assert!(at.git("repo", ["diff", "--cached"]).contains(&format!("+id = {}", old.0)));
    assert_eq!(places(staged(&at).expect(1, &[&old.0])), at_line("a", 4));
    // One that is only pushed down is not.
    at.write("repo/a", format!("zero\none\nid = {}\nthree\nfour\n", old.0));
    add(&at, "a");
    staged(&at).expect(0, &[]);
}

#[test]
fn a_new_secret_beside_an_old_id_is_new() {
    let at = repository();
    let (id, secret) = example_key(1);
    at.write("repo/a", format!("aws_access_key_id = {id}\naws_secret_access_key = later\n")).commit("repo", "id");
    at.write("repo/a", format!("aws_access_key_id = {id}\naws_secret_access_key = {secret}\n"));
    add(&at, "a");
    let output = staged(&at);
    assert_eq!(places(output.expect(1, &[&id])), at_line("a", 2));
    assert_eq!(output.findings()[0]["severity"], "critical");
    assert!(!String::from_utf8_lossy(&output.stdout).contains(&secret));
}

#[test]
fn amending_compares_with_what_is_amended() {
    let at = repository();
    at.plant("repo/a.env", 1);
    at.commit("repo", "with a key");
    let id = at.plant("repo/b.env", 2);
    add(&at, "b.env");
    staged(&at).expect(1, &[&id]);
    at.git("repo", ["commit", "-q", "--amend", "-m", "both"]);
    staged(&at).expect(0, &[]);
    // After a soft reset all of it is staged again.
    at.git("repo", ["reset", "-q", "--soft", "HEAD~1"]);
    staged(&at).expect(1, &[&example_key(1).0, &id]);
}

/// Two branches that both changed `a`, the other with a key in `other.env` besides; `repo` is in the middle of their merge.
fn merging() -> (Keysweep, String) {
    let at = repository();
    at.write("repo/a", "base\n").commit("repo", "base");
    at.git("repo", ["checkout", "-q", "-b", "other"]);
    let id = at.plant("repo/other.env", 1);
    at.write("repo/a", "theirs\n").commit("repo", "theirs");
    at.git("repo", ["checkout", "-q", "main"]);
    at.write("repo/a", "ours\n").commit("repo", "ours");
    assert_ne!(at.try_git("repo", ["merge", "-q", "other"]).code, Some(0));
    (at, id)
}

#[test]
fn a_merge_adds_only_what_no_parent_has() {
    let (at, _) = merging();
    at.write("repo/a", format!("ours\ntheirs\nid = {}\n", example_key(2).0));
    add(&at, "a");
    let output = staged(&at);
    assert_eq!(places(output.expect(1, &[&example_key(2).0])), at_line("a", 3));
    // The same file with one more key is the resolution's doing.
    at.write("repo/a", "ours\ntheirs\n").write("repo/other.env", format!("{}{}", env_file(1), env_file(3)));
    at.git("repo", ["add", "a", "other.env"]);
    let added = env_file(1).lines().count() as u64 + 1;
    assert_eq!(places(staged(&at).expect(1, &[&example_key(3).0])), at_line("other.env", added));
    // So is a file of the other side under another name, which is a copy.
    at.write("repo/other.env", env_file(1)).write("repo/copy.env", env_file(1));
    at.git("repo", ["add", "other.env", "copy.env"]);
    assert_eq!(places(staged(&at).expect(1, &[&example_key(1).0])), at_line("copy.env", 1));
    at.git("repo", ["rm", "-q", "--cached", "copy.env"]);
    staged(&at).expect(0, &[]);
    // What only one of them has had stays its own.
    at.git("repo", ["commit", "-q", "-m", "merged"]);
    staged(&at).expect(0, &[]);
}

#[test]
fn lines_of_either_side_are_not_new_in_what_a_merge_makes_of_both() {
    let at = repository();
    let (one, two, new) = (example_key(1).0, example_key(2).0, example_key(3).0);
    at.write("repo/a", "1\n2\n3\n4\n5\n").commit("repo", "base");
    at.git("repo", ["checkout", "-q", "-b", "other"]);
    at.write("repo/a", format!("id = {one}\n1\n2\n3\n4\n5\n")).commit("repo", "theirs");
    at.git("repo", ["checkout", "-q", "main"]);
    at.write("repo/a", format!("1\n2\n3\n4\n5\nid = {two}\n")).commit("repo", "ours");
    at.git("repo", ["merge", "-q", "--no-commit", "other"]);
    assert!(at.git("repo", ["show", ":a"]).contains(&one));
    staged(&at).expect(0, &[]);
    at.write("repo/a", format!("id = {one}\n1\n2\nid = {new}\n4\n5\nid = {two}\n"));
    add(&at, "a");
    assert_eq!(places(staged(&at).expect(1, &[&new])), at_line("a", 4));
    // Without the merge it would all be new but the last.
    fs::remove_file(at.path("repo/.git/MERGE_HEAD")).unwrap();
    assert_eq!(places(staged(&at).expect(1, &[&one, &new])).len(), 2);
}

#[test]
fn what_a_merge_has_not_decided_is_told() {
    let (at, _) = merging();
    let output = staged(&at);
    output.expect(2, &[]).expect_unread(&["staged a"]).expect_stderr(&["undecided", "git add"]);
    at.git("repo", ["merge", "--abort"]);
    staged(&at).expect(0, &[]);
    // A commit that is applied again becomes no parent: what it brings is read.
    at.git("repo", ["checkout", "-q", "other"]);
    let (key, _) = example_key(3);
    at.write("repo/a", format!("id = {key}\n")).commit("repo", "a key in the conflict");
    at.git("repo", ["checkout", "-q", "main"]);
    at.try_git("repo", ["cherry-pick", "other"]);
    assert_eq!(places(staged(&at).expect(2, &[&key])), at_line("a", 1));
}

#[test]
fn a_content_at_several_paths_is_told_at_each() {
    let at = repository();
    let id = at.plant("repo/a.env", 1);
    for path in ["b.env", "dir/c.env"] {
        fs::copy(at.path("repo/a.env"), at.path(format!("repo/{path}"))).unwrap();
    }
    at.git("repo", ["add", "-A"]);
    let expected = ["a.env", "b.env", "dir/c.env"].map(|path| (path.to_owned(), 1));
    assert_eq!(places(staged(&at).expect(1, &[&id])), expected);
}

#[test]
fn a_rename_adds_only_what_changes() {
    let at = repository();
    let lines: String = (0..30).map(|n| format!("line {n} of a file that is moved\n")).collect();
    at.write("repo/old.txt", format!("{lines}id = {}\n", example_key(1).0)).commit("repo", "old");
    at.git("repo", ["mv", "old.txt", "dir/new.txt"]);
    staged(&at).expect(0, &[]);
    at.write("repo/dir/new.txt", format!("{lines}id = {}\nid = {}\n", example_key(1).0, example_key(2).0));
    add(&at, "dir/new.txt");
    assert_eq!(places(staged(&at).expect(1, &[&example_key(2).0])), at_line("dir/new.txt", 32));
    // A copy is another matter: the old one stays.
    at.git("repo", ["reset", "-q", "--hard"]);
    fs::copy(at.path("repo/old.txt"), at.path("repo/copy.txt")).unwrap();
    add(&at, "copy.txt");
    assert_eq!(places(staged(&at).expect(1, &[&example_key(1).0])), at_line("copy.txt", 31));
}

#[test]
fn a_directory_that_is_renamed_adds_nothing() {
    let at = repository();
    at.plant("repo/dir/sub/a.env", 1);
    at.commit("repo", "key");
    at.git("repo", ["mv", "dir", "moved"]);
    staged(&at).expect(0, &[]).expect_stderr(&["nothing is staged that adds a line"]);
}

#[test]
fn a_change_of_mode_adds_nothing_and_a_link_its_text() {
    let at = repository();
    at.plant("repo/a.env", 1);
    at.commit("repo", "key");
    at.git("repo", ["update-index", "--chmod=+x", "a.env"]);
    staged(&at).expect(0, &[]);
    let (id, _) = example_key(2);
    let blob = at.git_with_input("repo", ["hash-object", "-w", "--stdin"], &format!("/mnt/{id}/x"));
    at.git("repo", ["update-index", "--add", "--cacheinfo", &format!("120000,{blob},a.env")]);
    assert_eq!(places(staged(&at).expect(1, &[&id])), at_line("a.env", 1));
}

#[test]
fn what_is_only_announced_is_not_committed_and_not_read() {
    let at = repository();
    let id = at.plant("repo/dir/a.env", 1);
    at.git("repo", ["add", "--intent-to-add", "dir/a.env"]);
    staged(&at).expect(0, &[]);
    add(&at, "dir/a.env");
    staged(&at).expect(1, &[&id]);
}

#[test]
fn a_submodule_is_a_commit_and_no_file() {
    let at = repository();
    at.init("library").plant("library/a.env", 1);
    at.commit("library", "key");
    at.git("repo", ["submodule", "add", "-q", "../library", "sub"]);
    let output = staged(&at);
    assert_eq!(output.expect(0, &[]).summary()["blobs"], 1, ".gitmodules");
    // Inside of it, its own index counts.
    at.scan(["repo/sub", "--staged"]).expect(0, &[]);
    let id = at.plant("repo/sub/b.env", 2);
    at.git("repo/sub", ["add", "b.env"]);
    assert_eq!(places(at.scan(["repo/sub", "--staged"]).expect(1, &[&id])), at_line("b.env", 1));
    staged(&at).expect(0, &[]);
}

#[test]
fn a_linked_worktree_has_an_index_and_a_head_of_its_own() {
    let at = repository();
    at.git("repo", ["worktree", "add", "-q", "../linked", "-b", "side"]);
    let id = at.plant("linked/dir/b.env", 1);
    at.git("linked", ["add", "dir/b.env"]);
    staged(&at).expect(0, &[]);
    for target in ["linked", "linked/dir"] {
        assert_eq!(places(at.scan([target, "--staged"]).expect(1, &[&id])), at_line("dir/b.env", 1));
    }
    at.git("linked", ["commit", "-q", "-m", "key"]);
    at.scan(["linked", "--staged"]).expect(0, &[]);
}

#[test]
fn a_sparse_index_is_read_with_the_directories_that_it_leaves_out() {
    let at = repository();
    at.write("repo/out/deep/x", "x\n").write("repo/in/y", "y\n").commit("repo", "directories");
    let before = at.git("repo", ["rev-parse", "HEAD"]);
    let id = at.plant("repo/out/deep/z.env", 1);
    at.commit("repo", "a key outside");
    at.git("repo", ["sparse-checkout", "set", "--cone", "--sparse-index", "in"]);
    let listed = at.git("repo", ["ls-files", "--sparse", "--stage"]);
    assert!(listed.contains("040000"), "{listed}");
    staged(&at).expect(0, &[]);
    at.plant("repo/in/b.env", 2);
    add(&at, "in/b.env");
    assert_eq!(places(staged(&at).expect(1, &[&example_key(2).0])), at_line("in/b.env", 1));
    // The directory that is left out differs from HEAD as a whole.
    at.git("repo", ["reset", "-q", "--soft", &before]);
    let expected = [("in/b.env".to_owned(), 1), ("out/deep/z.env".to_owned(), 1)];
    assert_eq!(places(staged(&at).expect(1, &[&id, &example_key(2).0])), expected);
}

#[test]
fn every_version_of_the_index_and_both_hashes_are_read() {
    for (version, split, hash) in [
        ("2", "false", "sha1"),
        ("4", "false", "sha1"),
        ("2", "true", "sha1"),
        ("4", "false", "sha256"),
        ("2", "true", "sha256"),
    ] {
        let at = Keysweep::new();
        fs::create_dir(at.path("repo")).unwrap();
        at.git("repo", ["init", "-q", &format!("--object-format={hash}")]);
        at.git("repo", ["config", "index.version", version]);
        at.git("repo", ["config", "core.splitIndex", split]);
        for n in 0..40 {
            at.write(format!("repo/dir{}/file{n}", n % 3), format!("{n}\n"));
        }
        at.commit("repo", "many");
        staged(&at).expect(0, &[]);
        let id = at.plant("repo/dir1/b.env", 1);
        at.write("repo/dir2/file2", "changed\n");
        add(&at, "dir1/b.env");
        add(&at, "dir2/file2");
        let output = staged(&at);
        assert_eq!(places(output.expect(1, &[&id])), at_line("dir1/b.env", 1), "{version} {split} {hash}");
        assert_eq!(output.summary()["blobs"], 2);
        at.git("repo", ["rm", "-q", "--cached", "dir0/file0"]);
        staged(&at).expect(1, &[&id]);
        // A scan of everything knows it, too.
        fs::remove_file(at.path("repo/dir1/b.env")).unwrap();
        assert_eq!(places(at.scan(["repo"]).expect(1, &[&id])), at_line("dir1/b.env", 1), "{version} {split} {hash}");
    }
}

#[test]
fn objects_in_packs_and_names_in_packed_refs_are_found() {
    let at = repository();
    let id = at.plant("repo/dir/a.env", 1);
    add(&at, "dir/a.env");
    at.git("repo", ["gc", "-q"]);
    at.git("repo", ["pack-refs", "--all"]);
    staged(&at).expect(1, &[&id]);
    at.git("repo", ["checkout", "-q", "--detach"]);
    staged(&at).expect(1, &[&id]);
}

#[test]
fn a_blob_that_is_not_there_is_told() {
    let at = repository();
    at.plant("repo/a.env", 1);
    add(&at, "a.env");
    let blob = at.git("repo", ["rev-parse", ":a.env"]);
    fs::remove_file(at.path(format!("repo/.git/objects/{}/{}", &blob[..2], &blob[2..]))).unwrap();
    staged(&at).expect(2, &[]).expect_unread(&["staged a.env"]);
    fs::write(at.path("repo/.git/index"), "DIRC").unwrap();
    staged(&at).expect(2, &[]).expect_unread(&["what is staged"]).expect_stderr(&["damaged", "git reset"]);
}

#[test]
fn the_index_that_git_names_is_the_one_that_is_read() {
    let at = repository();
    let id = at.plant("repo/a.env", 1);
    at.write("repo/readme", "changed\n");
    let script =
        format!("#!/bin/sh\n{} scan --staged --format jsonl >\"$HOME/report\"\n", env!("CARGO_BIN_EXE_keysweep"));
    at.write("repo/.git/hooks/pre-commit", script);
    executable(&at, "repo/.git/hooks/pre-commit");
    at.git("repo", ["add", "--intent-to-add", "a.env"]);
    // A commit of one file leaves the other out, and one of all files takes it.
    at.git("repo", ["commit", "-q", "-m", "one", "readme"]);
    staged(&at).expect(0, &[]);
    assert_ne!(at.try_git("repo", ["commit", "-q", "-a", "-m", "all"]).code, Some(0));
    let report = fs::read_to_string(at.home("report")).unwrap();
    assert!(report.contains(&id) && report.contains(r#""path":"a.env""#), "{report}");
    // From a directory further down, and from a linked worktree.
    at.write("repo/dir/code.py", "x = 2\n");
    at.git("repo/dir", ["commit", "-q", "-m", "below", "code.py"]);
    at.git("repo", ["worktree", "add", "-q", "../linked"]);
    at.plant("linked/b.env", 2);
    at.git("linked", ["add", "b.env"]);
    assert_ne!(at.try_git("linked", ["commit", "-q", "-m", "linked"]).code, Some(0));
}

#[cfg(unix)]
fn executable(at: &Keysweep, path: &str) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(at.path(path), fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn what_an_archive_held_before_is_not_told_again() {
    let at = repository();
    let zip = |files: &[(&str, String)]| {
        let mut tar = tar(files);
        tar.resize(tar.len().next_multiple_of(512) + 1024, 0);
        tar
    };
    at.write("repo/a.tar", zip(&[("one.env", env_file(1))])).commit("repo", "an archive");
    at.write("repo/a.tar", zip(&[("zero", "x".to_owned()), ("one.env", env_file(1)), ("two.env", env_file(2))]));
    add(&at, "a.tar");
    let output = staged(&at);
    output.expect(1, &[&example_key(2).0]);
    assert_eq!(output.findings()[0]["occurrences"][0]["member"], "two.env");
}

/// <https://www.gnu.org/software/tar/manual/html_node/Standard.html>
fn tar(files: &[(&str, String)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, text) in files {
        let mut header = vec![0; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        for (at, field) in [(100, "0000644\0"), (108, "0000000\0"), (116, "0000000\0"), (257, "ustar\x0000")] {
            header[at..at + 8].copy_from_slice(field.as_bytes());
        }
        header[124..136].copy_from_slice(format!("{:011o}\0", text.len()).as_bytes());
        header[136..148].copy_from_slice(b"00000000000\0");
        header[156] = b'0';
        header[148..156].copy_from_slice(b"        ");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        out.extend(header);
        out.extend(text.as_bytes());
        out.resize(out.len().next_multiple_of(512), 0);
    }
    out
}

#[test]
fn every_format_tells_that_it_is_staged() {
    let at = repository();
    let id = at.plant("repo/dir/a.env", 1);
    add(&at, "dir/a.env");
    let written = |format: &str| {
        let output = at.invocation(["scan", "repo", "--staged", "--format", format]).run();
        assert_eq!(output.code, Some(1), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(written("text").contains("dir/a.env:1 (staged)"));
    assert!(written("csv").contains(",staged,dir/a.env,"));
    let sarif: serde_json::Value = serde_json::from_str(&written("sarif")).unwrap();
    let location = &sarif["runs"][0]["results"][0]["locations"][0];
    assert_eq!(location["physicalLocation"]["artifactLocation"]["uri"], "dir/a.env", "{location}");
    assert!(location.to_string().contains("staged"), "{location}");
    assert!(written("json").contains(&id));
}

#[test]
fn what_is_known_is_not_reported_and_stops_no_commit() {
    let at = repository();
    let id = at.plant("repo/dir/prod.env", 1);
    add(&at, "dir/prod.env");
    staged(&at).expect(1, &[&id]);
    let added = at.invocation(["baseline", "add", &id, "--reason", "key of the sandbox"]).directory("repo").run();
    assert_eq!(added.code, Some(0), "{}", added.stderr);
    assert_eq!(staged(&at).expect(0, &[&id]).summary()["suppressed"], 1);
    // The file is that of the root, from wherever it is asked for.
    at.scan(["repo/dir", "--staged"]).expect(0, &[&id]);
    at.scan(["repo", "--staged", "--no-ignore"]).expect(1, &[&id]);
    let hook = at.invocation(["hook", "run", "pre-commit"]).directory("repo").run();
    assert_eq!(hook.code, Some(0), "{}", hook.stderr);
    hook.expect_stderr(&["of what this commit adds 1 suppressed: 1 by .keysweepignore"]);
}

#[test]
fn a_comment_beside_a_key_lets_its_line_pass() {
    let at = repository();
    let (id, _) = example_key(1);
    let text = format!("aws_access_key_id = {id} # keysweep:allow sandbox\n");
    at.write("repo/dir/prod.env", &text);
    add(&at, "dir/prod.env");
    assert_eq!(staged(&at).expect(0, &[&id]).summary()["suppressed_by"]["comment"], 1);
}
