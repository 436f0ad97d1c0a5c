//! `keysweep hook`: git itself runs what was installed, beside whatever else is there.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::{Keysweep, Output, example_key};

/// A repository with a commit, and a bare one that it was pushed to.
fn repository() -> Keysweep {
    let at = Keysweep::new();
    at.init("repo").write("repo/readme", "hello\n").commit("repo", "first");
    at.git("", ["clone", "-q", "--bare", "repo", "bare.git"]);
    at.git("repo", ["remote", "add", "origin", "../bare.git"]);
    at.git("repo", ["fetch", "-q", "origin"]);
    at
}

#[track_caller]
fn hook(at: &Keysweep, arguments: &[&str]) -> String {
    let output = at.invocation([&["hook"], arguments].concat()).run();
    assert_eq!(output.code, Some(0), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn script(at: &Keysweep, path: &str, text: &str) {
    at.write(path, text);
    mode(at, path, 0o755);
}

fn mode(at: &Keysweep, path: &str, mode: u32) {
    fs::set_permissions(at.path(path), fs::Permissions::from_mode(mode)).unwrap();
}

fn stage(at: &Keysweep, path: &str, seed: u64) -> String {
    let id = at.plant(format!("repo/{path}"), seed);
    at.git("repo", ["add", "--force", path]);
    id
}

fn commit(at: &Keysweep) -> Output {
    at.try_git("repo", ["commit", "-q", "-m", "more"])
}

fn log(at: &Keysweep) -> String {
    fs::read_to_string(at.home("log")).unwrap_or_default()
}

/// What a hook said when it stopped something: five lines, the last of which ends with the last way out.
#[track_caller]
fn stopped(output: &Output, words: &[&str], last: &str) {
    assert_ne!(output.code, Some(0), "{output:?}");
    let from_remote = |line: &str| line.trim_start_matches("remote: ").trim_end().to_owned();
    let lines: Vec<String> = output.stderr.lines().map(from_remote).collect();
    let start = lines.iter().position(|line| line.starts_with("keysweep: ")).unwrap_or_else(|| panic!("{output:?}"));
    for (line, label) in lines[start + 1..].iter().zip(["  where", "  why", "  remove", "  allow"]) {
        assert!(line.starts_with(label), "{label:?} is not where it should be in {output:?}");
    }
    output.expect_stderr(words);
    assert!(lines[start + 4].ends_with(last), "{output:?}");
}

const COMMIT: &str = "`git commit --no-verify`, which skips every hook";
const PUSH: &str = "`git push --no-verify`, which skips every hook";

#[test]
fn a_commit_that_adds_a_key_is_stopped_in_five_lines() {
    let at = repository();
    let told = hook(&at, &["install", "repo", "--type", "pre-commit"]);
    assert!(told.contains("pre-commit: installed in ") && told.contains(".git/hooks/pre-commit"), "{told}");
    let id = stage(&at, "deploy/prod.env", 1);
    stopped(&commit(&at), &[&id, "where   deploy/prod.env:1\n"], COMMIT);
    at.git("repo", ["commit", "-q", "--no-verify", "-m", "anyway"]);
    // What is there already is nobody's fault who commits something else.
    at.write("repo/other", "x\n");
    at.git("repo", ["add", "other"]);
    assert_eq!(commit(&at).stderr, "");
    // `commit -a` and a part of what has changed have indexes of their own.
    at.write("repo/other", format!("id = {}\n", example_key(2).0)).write("repo/readme", "changed\n");
    assert_eq!(at.try_git("repo", ["commit", "-q", "-m", "one", "readme"]).code, Some(0));
    stopped(&at.try_git("repo", ["commit", "-q", "-a", "-m", "all"]), &["other:1"], COMMIT);
}

#[test]
fn what_could_not_be_read_stops_a_commit_too() {
    let at = repository();
    hook(&at, &["install", "repo"]);
    at.write("repo/lost", "lost\n");
    at.git("repo", ["add", "lost"]);
    let blob = at.git("repo", ["rev-parse", ":lost"]);
    fs::remove_file(at.path(format!("repo/.git/objects/{}/{}", &blob[..2], &blob[2..]))).unwrap();
    let output = at.invocation(["hook", "run", "pre-commit"]).run();
    assert_eq!(output.code, Some(2), "{output:?}");
    output.expect_stderr(&["no git repository"]);
    let output = commit(&at);
    assert_ne!(output.code, Some(0));
    output.expect_stderr(&[
        "not all of it could be read",
        "where   staged lost",
        "must not pass for clean",
        "--no-verify",
    ]);
}

#[test]
fn a_hook_that_was_there_is_kept_run_first_and_put_back() {
    let at = repository();
    let own = "#!/bin/sh\necho own \"$@\" >>\"$HOME/log\"\nexit $(cat \"$HOME/code\")\n";
    script(&at, "repo/.git/hooks/pre-commit", own);
    mode(&at, "repo/.git/hooks/pre-commit", 0o750);
    fs::write(at.home("code"), "0").unwrap();
    let told = hook(&at, &["install", "repo", "--type", "pre-commit"]);
    assert!(told.contains("is run first, as ") && told.contains("hooks.before-keysweep/pre-commit"), "{told}");
    let installed = fs::read(at.path("repo/.git/hooks/pre-commit")).unwrap();
    assert!(hook(&at, &["install", "repo", "--type", "pre-commit"]).contains("already installed"));
    assert_eq!(fs::read(at.path("repo/.git/hooks/pre-commit")).unwrap(), installed);
    assert!(hook(&at, &["status", "repo", "--type", "pre-commit"]).contains("after what was there before it"));

    let id = stage(&at, "a.env", 1);
    stopped(&commit(&at), &[&id], COMMIT);
    assert_eq!(log(&at), "own\n");
    at.git("repo", ["rm", "-q", "--cached", "a.env"]);
    at.write("repo/b", "b\n");
    at.git("repo", ["add", "b"]);
    fs::write(at.home("code"), "7").unwrap();
    assert_ne!(commit(&at).code, Some(0), "its exit code counts");
    fs::write(at.home("code"), "0").unwrap();
    assert_eq!(commit(&at).code, Some(0));

    assert!(hook(&at, &["uninstall", "repo", "--type", "pre-commit"]).contains("is back"));
    let path = at.path("repo/.git/hooks/pre-commit");
    assert_eq!(fs::read_to_string(&path).unwrap(), own);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o750);
    assert!(!at.path("repo/.git/hooks.before-keysweep").exists());
    assert!(hook(&at, &["uninstall", "repo", "--type", "pre-commit"]).contains("not installed"));
}

/// Adds lines to a hook, as other tools do.
fn append(at: &Keysweep, path: &str, lines: &str) {
    let text = fs::read_to_string(at.path(path)).unwrap();
    fs::write(at.path(path), text + lines).unwrap();
}

#[test]
fn lines_that_others_add_run_after_a_pass_and_count() {
    let at = repository();
    hook(&at, &["install", "repo"]);
    append(&at, "repo/.git/hooks/pre-commit", "echo added >>\"$HOME/log\"\nexit $(cat \"$HOME/code\")\n");
    append(&at, "repo/.git/hooks/pre-push", "cat >>\"$HOME/log\"\n");
    fs::write(at.home("code"), "0").unwrap();
    let id = stage(&at, "a.env", 1);
    stopped(&commit(&at), &[&id], COMMIT);
    assert_eq!(log(&at), "");
    at.git("repo", ["rm", "-q", "--cached", "a.env"]);
    fs::write(at.home("code"), "7").unwrap();
    let empty = || at.try_git("repo", ["commit", "-q", "--allow-empty", "-m", "x"]);
    assert_ne!(empty().code, Some(0));
    fs::write(at.home("code"), "0").unwrap();
    assert_eq!(empty().code, Some(0));
    assert_eq!(log(&at), "added\nadded\n");
    assert_eq!(push(&at, &["origin", "main"]).code, Some(0));
    assert!(log(&at).starts_with("added\nadded\nrefs/heads/main "), "{}", log(&at));
}

#[track_caller]
fn refused(at: &Keysweep, arguments: &[&str], words: &[&str]) {
    let output = at.invocation([&["hook"], arguments].concat()).run();
    assert_eq!(output.code, Some(2), "{output:?}");
    output.expect_stderr(words);
}

#[test]
fn lines_that_others_add_stay_when_the_hook_is_renewed_or_taken_away() {
    let at = repository();
    let (install, uninstall) =
        (["install", "repo", "--type", "pre-commit"], ["uninstall", "repo", "--type", "pre-commit"]);
    let path = "repo/.git/hooks/pre-commit";
    let text = || fs::read_to_string(at.path(path)).unwrap();
    hook(&at, &install);
    append(&at, path, "echo added >>\"$HOME/log\"\n");
    let with_lines = text();
    assert!(hook(&at, &install).contains("already installed"));
    at.write(path, with_lines.replace(env!("CARGO_BIN_EXE_keysweep"), "/elsewhere/keysweep"));
    mode(&at, path, 0o640);
    let told = hook(&at, &install);
    assert!(told.contains("renewed") && told.contains("lines that others have added"), "{told}");
    assert_eq!(text(), with_lines);
    assert_eq!(fs::metadata(at.path(path)).unwrap().permissions().mode() & 0o777, 0o750, "git runs it again");
    assert!(hook(&at, &uninstall).contains("the lines that others have added stay"));
    assert!(text().starts_with("#!/bin/sh\n") && text().contains("echo added") && !text().contains("keysweep"));
    assert_eq!(at.try_git("repo", ["commit", "-q", "--allow-empty", "-m", "x"]).code, Some(0));
    assert_eq!(log(&at), "added\n");

    // Where something was there before, too, only one of them can take the place.
    hook(&at, &install);
    append(&at, path, "echo more\n");
    let before = text();
    refused(&at, &uninstall, &["nothing was removed", "hooks.before-keysweep/pre-commit"]);
    assert_eq!(text(), before);
    // What was changed within is nobody's but the user's.
    at.write(path, before.replace("hook run", "hook run --pack common"));
    let before = text();
    for (arguments, again) in [(install, "then install again"), (uninstall, "then uninstall again")] {
        refused(&at, &arguments, &["changed or of another version", "nothing was done", again]);
        assert_eq!(text(), before);
    }
    assert!(hook(&at, &["status", "repo"]).contains("changed or of another version"));
}

#[test]
fn a_link_to_the_script_itself_is_known_and_nothing_runs_itself() {
    let at = repository();
    script(&at, "repo/hooks/pre-commit", include_str!("../../hooks/pre-commit"));
    let link = at.path("repo/.git/hooks/pre-commit");
    fs::create_dir_all(at.path("repo/.git/hooks")).unwrap();
    std::os::unix::fs::symlink("../../hooks/pre-commit", &link).unwrap();
    mode(&at, "repo/hooks/pre-commit", 0o644);
    refused(&at, &["install", "repo", "--type", "pre-commit"], &["not executable", "chmod +x"]);
    mode(&at, "repo/hooks/pre-commit", 0o755);
    assert!(hook(&at, &["install", "repo", "--type", "pre-commit"]).contains("already installed"));
    assert!(hook(&at, &["uninstall", "repo", "--type", "pre-commit"]).contains("removed from"));
    assert!(!link.exists() && at.path("repo/hooks/pre-commit").exists());
    // What calls the hook that calls it.
    script(&at, "repo/.git/hooks/pre-commit", "#!/bin/sh\necho own >>\"$HOME/log\"\n");
    hook(&at, &["install", "repo", "--type", "pre-commit"]);
    append(&at, "repo/.git/hooks.before-keysweep/pre-commit", "exec .git/hooks/pre-commit \"$@\"\n");
    let id = stage(&at, "a.env", 1);
    stopped(&commit(&at), &[&id], COMMIT);
    assert_eq!(log(&at), "own\n");
}

#[test]
fn a_hook_that_goes_by_its_name_or_its_place_finds_what_it_found() {
    let at = repository();
    script(&at, "repo/scripts/check", "#!/bin/sh\necho check >>\"$HOME/log\"\n");
    script(&at, "repo/.git/hooks/pre-commit.d/one", "#!/bin/sh\necho one >>\"$HOME/log\"\n");
    script(
        &at,
        "repo/.git/hooks/dispatch",
        "#!/bin/sh\nd=$(dirname \"$0\")\nfor f in \"$d/$(basename \"$0\").d\"/*; do \"$f\"; done\n\"$d/../../scripts/check\"\n",
    );
    let link = at.path("repo/.git/hooks/pre-commit");
    std::os::unix::fs::symlink("dispatch", &link).unwrap();
    hook(&at, &["install", "repo"]);
    at.git("repo", ["commit", "-q", "--allow-empty", "-m", "x"]);
    assert_eq!(log(&at), "one\ncheck\n");
    hook(&at, &["uninstall", "repo"]);
    assert_eq!(fs::read_link(&link).unwrap().to_str(), Some("dispatch"));
    assert!(!at.path("repo/.git/hooks.before-keysweep").exists());
    // A link to another hook.
    script(&at, "repo/.git/hooks/commit-msg", "#!/bin/sh\necho message >>\"$HOME/log\"\n");
    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink("commit-msg", &link).unwrap();
    for types in [&["--type", "pre-commit"][..], &[]] {
        fs::remove_file(at.home("log")).unwrap();
        hook(&at, &[&["install", "repo"], types].concat());
        at.git("repo", ["commit", "-q", "--allow-empty", "-m", "x"]);
        assert_eq!(log(&at), "message\nmessage\n");
        hook(&at, &["uninstall", "repo", "--type", "commit-msg"]);
        at.git("repo", ["commit", "-q", "--allow-empty", "-m", "x"]);
        assert_eq!(log(&at), "message\nmessage\n".repeat(2));
        hook(&at, &["uninstall", "repo"]);
        assert_eq!(fs::read_link(&link).unwrap().to_str(), Some("commit-msg"));
    }
}

#[test]
fn a_hook_that_can_not_be_installed_keeps_no_other_from_it() {
    let at = repository();
    script(&at, "repo/.git/hooks/pre-commit", "#!/bin/sh\n");
    script(&at, "repo/.git/hooks.before-keysweep/pre-commit", "#!/bin/sh\n");
    refused(&at, &["install", "repo"], &["keysweep: pre-commit: ", "remove or rename"]);
    let told = hook(&at, &["status", "repo"]);
    assert!(told.contains("commit-msg: installed") && told.contains("pre-push: installed"), "{told}");
    assert!(told.contains("pre-commit: not installed"), "{told}");
}

#[test]
fn what_a_stopped_commit_says_to_paste_allows_it() {
    let at = repository();
    hook(&at, &["install", "repo"]);
    stage(&at, "a.env", 1);
    let message = format!("id = {}", example_key(2).0);
    let commit = || at.try_git("repo", ["commit", "-q", "-m", &message]);
    // What is staged stops it first, and then the message.
    for _ in 0..2 {
        let output = commit();
        assert_ne!(output.code, Some(0), "{output:?}");
        let (_, rest) = output.stderr.split_once("`keysweep baseline add ").unwrap();
        let (pasted, _) = rest.split_once('`').unwrap();
        let add = ["baseline", "add"].into_iter().chain(pasted.split(' '));
        let output = at.invocation(add).directory("repo").run();
        assert_eq!(output.code, Some(0), "{output:?}");
    }
    let output = commit();
    assert_eq!(output.code, Some(0), "{output:?}");
}

#[test]
fn a_merge_without_conflicts_has_a_hook_of_its_own() {
    let at = repository();
    at.git("repo", ["checkout", "-q", "-b", "side"]);
    let id = at.plant("repo/a.env", 1);
    at.commit("repo", "key");
    at.git("repo", ["checkout", "-q", "main"]);
    at.write("repo/b", "b\n").commit("repo", "harmless");
    hook(&at, &["install", "repo", "--type", "pre-merge-commit"]);
    stopped(&at.try_git("repo", ["merge", "-q", "--no-edit", "side"]), &[&id, "a.env:1"], COMMIT);
    // It is not one of the usual ones, and taken away with them.
    assert!(hook(&at, &["status", "repo"]).contains("pre-merge-commit: installed"));
    assert!(hook(&at, &["uninstall", "repo"]).contains("pre-merge-commit: removed"));
    assert!(!hook(&at, &["install", "repo"]).contains("pre-merge-commit"));
}

#[test]
fn limits_go_with_a_hook() {
    let at = repository();
    hook(&at, &["install", "repo", "--type", "pre-commit"]);
    stage(&at, "a.env", 1);
    let output = at.invocation(["hook", "run", "pre-commit", "--max-file-size", "10"]).directory("repo").run();
    assert_eq!(output.code, Some(2), "{output:?}");
    output.expect_stderr(&["not all of it could be read", "staged a.env"]);
    let output = at.invocation(["hook", "run", "--archive-depth", "9", "pre-commit"]).directory("repo").run();
    assert_eq!(output.code, Some(1), "{output:?}");
}

#[test]
fn where_git_runs_no_hooks_none_is_installed() {
    let at = repository();
    at.git("repo", ["config", "core.hooksPath", ""]);
    refused(&at, &["install", "repo"], &["core.hooksPath is set to nothing", "git runs no hooks"]);
    assert!(!at.path("repo/pre-commit").exists());
}

#[test]
fn links_and_hooks_that_git_does_not_run_stay_what_they_are() {
    let at = repository();
    script(&at, "shared/hook", "#!/bin/sh\necho shared >>\"$HOME/log\"\n");
    let hooks = at.path("repo/.git/hooks");
    fs::create_dir_all(&hooks).unwrap();
    std::os::unix::fs::symlink(at.path("shared/hook"), hooks.join("pre-commit")).unwrap();
    at.write("repo/.git/hooks/commit-msg", "#!/bin/sh\nexit 1\n");
    mode(&at, "repo/.git/hooks/commit-msg", 0o644);
    hook(&at, &["install", "repo"]);
    at.write("repo/b", "b\n");
    at.git("repo", ["add", "b"]);
    assert_eq!(commit(&at).code, Some(0));
    assert_eq!(log(&at), "shared\n");
    hook(&at, &["uninstall", "repo"]);
    assert_eq!(fs::read_link(hooks.join("pre-commit")).unwrap(), at.path("shared/hook"));
    assert_eq!(fs::metadata(hooks.join("commit-msg")).unwrap().permissions().mode() & 0o777, 0o644);
}

#[test]
fn nothing_is_overwritten() {
    let at = repository();
    script(&at, "repo/.git/hooks/pre-commit", "#!/bin/sh\n# mine\n");
    script(&at, "repo/.git/hooks.before-keysweep/pre-commit", "#!/bin/sh\n# older\n");
    let output = at.invocation(["hook", "install", "repo", "--type", "pre-commit"]).run();
    assert_eq!(output.code, Some(2), "{output:?}");
    output.expect_stderr(&["remove or rename"]);
    assert_eq!(fs::read_to_string(at.path("repo/.git/hooks/pre-commit")).unwrap(), "#!/bin/sh\n# mine\n");
    // What something else has put in the place of the hook stays when it is taken away.
    fs::remove_file(at.path("repo/.git/hooks.before-keysweep/pre-commit")).unwrap();
    hook(&at, &["install", "repo", "--type", "pre-commit"]);
    script(&at, "repo/.git/hooks/pre-commit", "#!/bin/sh\n# another tool\n");
    let told = hook(&at, &["uninstall", "repo", "--type", "pre-commit"]);
    assert!(told.contains("something else") && told.contains("before-keysweep"), "{told}");
    assert_eq!(fs::read_to_string(at.path("repo/.git/hooks/pre-commit")).unwrap(), "#!/bin/sh\n# another tool\n");
}

#[test]
fn status_says_what_there_is() {
    let at = repository();
    let status = || hook(&at, &["status", "repo"]);
    fs::remove_dir_all(at.path("repo/.git/hooks")).ok();
    assert_eq!(
        status(),
        "pre-commit: not installed, there is no hook\ncommit-msg: not installed, there is no hook\n\
         pre-push: not installed, there is no hook\n"
    );
    script(&at, "repo/.git/hooks/pre-push", "#!/bin/sh\n");
    hook(&at, &["install", "repo", "--type", "pre-commit", "--type", "commit-msg"]);
    let told = status();
    assert!(told.contains("pre-commit: installed in ") && told.contains("pre-push: not installed, there is another"));
    assert!(hook(&at, &["status", "bare.git"]).starts_with("pre-receive: not installed"));
    let output = at.invocation(["hook", "status", "."]).run();
    assert_eq!(output.code, Some(2), "{output:?}");
    output.expect_stderr(&["in no git repository"]);
}

#[test]
fn a_program_that_is_nowhere_stops_the_commit_and_says_how_to_mend_it() {
    let at = repository();
    hook(&at, &["install", "repo", "--type", "pre-commit"]);
    let path = at.path("repo/.git/hooks/pre-commit");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace(env!("CARGO_BIN_EXE_keysweep"), "/nowhere/keysweep")).unwrap();
    at.write("repo/b", "b\n");
    at.git("repo", ["add", "b"]);
    let output = commit(&at);
    assert_ne!(output.code, Some(0));
    output.expect_stderr(&["not on the PATH", "mend    install keysweep", "pre-commit\n"]);
    assert!(output.stderr.trim_end().ends_with("git commit --no-verify, which skips every hook"), "{output:?}");
}

#[test]
fn a_message_with_a_key_is_stopped_and_what_git_cuts_is_not_looked_at() {
    let at = repository();
    hook(&at, &["install", "repo", "--type", "commit-msg"]);
    let (id, secret) = example_key(1);
    let text = format!("subject\n\naws_access_key_id={id}\naws_secret_access_key={secret}\n");
    let empty = ["commit", "-q", "--allow-empty"];
    let output = at.try_git("repo", [&empty[..], &["-m", &text]].concat());
    stopped(&output, &[&id, ".git/COMMIT_EDITMSG:3", "leave it out of the message"], COMMIT);
    // Whether comments stay is an option of git that no hook gets to know.
    let editor = format!("core.editor={}", at.path("editor").display());
    let edited = |text: &str, options: &[&str]| {
        script(
            &at,
            "editor",
            &format!("#!/bin/sh\n(printf '%s' '{text}'; cat \"$1\") >\"$1.new\"\nmv \"$1.new\" \"$1\"\n"),
        );
        at.try_git("repo", [&["-c", &editor], &empty[..], options].concat())
    };
    stopped(&edited(&format!("subject\n\n# id = {id}\n"), &["--cleanup=verbatim"]), &[&id, "EDITMSG:3"], COMMIT);
    // Scissors cut only where git cuts.
    let scissors = "# ------------------------ >8 ------------------------\n";
    let below = format!("subject\n\n{scissors}id = {id}\n");
    stopped(&edited(&below, &[]), &[&id, "EDITMSG:4"], COMMIT);
    let always = ["-c", "commit.cleanup=scissors", "-c", &editor];
    assert_eq!(at.try_git("repo", [&always, &empty[..]].concat()).code, Some(0));
    assert!(!at.git("repo", ["log", "-1", "--format=%B"]).contains(&id));
    // With -v the change that takes a key out is below the scissors.
    at.plant("repo/a.env", 1);
    at.git("repo", ["add", "a.env"]);
    at.git("repo", ["commit", "-q", "--no-verify", "-m", "key"]);
    at.git("repo", ["rm", "-q", "a.env"]);
    script(
        &at,
        "editor",
        "#!/bin/sh\ngrep -q 'AKIA' \"$1\" || exit 1\n(echo subject; cat \"$1\") >\"$1.new\"\nmv \"$1.new\" \"$1\"\n",
    );
    assert_eq!(at.try_git("repo", ["-c", &editor, "commit", "-q", "-v"]).code, Some(0));
    let output = at.invocation(["scan", "--commit-msg", "nowhere"]).run();
    assert_eq!(output.code, Some(2), "{output:?}");
}

fn push(at: &Keysweep, arguments: &[&str]) -> Output {
    at.try_git("repo", [&["push", "-q"], arguments].concat())
}

#[test]
fn a_push_is_stopped_for_what_the_remote_does_not_have() {
    let at = repository();
    script(&at, "repo/.git/hooks/pre-push", "#!/bin/sh\n(echo \"$1\"; cat) >>\"$HOME/log\"\n");
    hook(&at, &["install", "repo", "--type", "pre-push"]);
    at.write("repo/a", "a\n").commit("repo", "harmless");
    assert_eq!(push(&at, &["origin", "main"]).code, Some(0));
    let (head, first) = (at.git("repo", ["rev-parse", "HEAD"]), at.git("repo", ["rev-parse", "HEAD~1"]));
    assert_eq!(log(&at), format!("origin\nrefs/heads/main {head} refs/heads/main {first}\n"), "it is passed on");
    // Two commits, of which the second takes the key out again.
    let id = at.plant("repo/a.env", 1);
    at.commit("repo", "key");
    fs::remove_file(at.path("repo/a.env")).unwrap();
    at.commit("repo", "no key");
    stopped(&push(&at, &["origin", "main"]), &[&id, "a.env:1"], PUSH);
    // A new branch from before.
    at.git("repo", ["checkout", "-q", "-b", "side", &head]);
    at.write("repo/b", "b\n").commit("repo", "harmless");
    assert_eq!(push(&at, &["origin", "side"]).code, Some(0));
    assert_eq!(push(&at, &["origin", "side:refs/heads/again"]).code, Some(0), "it has nothing new");
    // What is there already is not held against who deletes or moves a name.
    at.git("repo", ["push", "-q", "--no-verify", "origin", "main"]);
    assert_eq!(push(&at, &["--delete", "origin", "again"]).code, Some(0));
    assert_eq!(push(&at, &["origin", "main:refs/heads/copy"]).code, Some(0));
    assert_eq!(push(&at, &["--force", "origin", &format!("{head}:main")]).code, Some(0));
    // A remote of which nothing was fetched has nothing.
    at.git("", ["init", "-q", "--bare", "empty.git"]);
    let output = push(&at, &["../empty.git", "main"]);
    stopped(&output, &[&id], PUSH);
}

#[test]
fn what_was_fetched_from_elsewhere_is_not_taken_for_what_a_remote_has() {
    let cloned = || {
        let at = Keysweep::new();
        at.init("private");
        let id = at.plant("private/a.env", 1);
        at.commit("private", "key");
        at.git("", ["clone", "-q", "private", "repo"]);
        at.git("", ["init", "-q", "--bare", "public.git"]);
        hook(&at, &["install", "repo", "--type", "pre-push"]);
        (at, id)
    };
    for change in [&["set-url", "origin", "../public.git"][..], &["set-url", "--push", "origin", "../public.git"]] {
        let (at, id) = cloned();
        at.git("repo", [&["remote"], change].concat());
        stopped(&push(&at, &["origin", "main"]), &[&id, "a.env:1"], PUSH);
        assert_eq!(at.git("public.git", ["for-each-ref"]), "", "{change:?}");
    }
    // A second URL of a remote gets everything as well.
    let (at, id) = cloned();
    at.git("repo", ["remote", "set-url", "--add", "origin", "../public.git"]);
    at.git("repo", ["checkout", "-q", "-b", "side"]);
    stopped(&push(&at, &["origin", "side"]), &[&id], PUSH);
    // So does another place to push to, and afterwards what git noted of it is not what the remote has.
    let (at, id) = cloned();
    at.git("private", ["checkout", "-q", "--detach"]);
    let other = at.plant("repo/b.env", 2);
    at.commit("repo", "another key");
    at.git("repo", ["remote", "set-url", "--push", "origin", "../public.git"]);
    at.git("repo", ["push", "-q", "--no-verify", "origin", "main"]);
    at.git("repo", ["config", "--unset", "remote.origin.pushurl"]);
    let output = push(&at, &["origin", "main"]);
    stopped(&output, &[&other], PUSH);
    assert!(!output.stderr.contains(&id), "that one it says itself to have: {output:?}");
    // Names for URLs are seen through.
    let (at, _) = cloned();
    let private = at.path("private").display().to_string();
    at.git("repo", ["config", &format!("url.{private}.insteadOf"), "short:"]);
    at.git("repo", ["remote", "set-url", "origin", "short:"]);
    at.git("repo", ["checkout", "-q", "-b", "side"]);
    assert_eq!(push(&at, &["origin", "side"]).code, Some(0));
}

#[test]
fn messages_of_commits_and_tags_are_looked_at_before_a_push() {
    let at = repository();
    hook(&at, &["install", "repo", "--type", "pre-push"]);
    let (id, _) = example_key(1);
    at.git("repo", ["tag", "-a", "-m", &format!("id = {id}"), "v1"]);
    stopped(&push(&at, &["origin", "v1"]), &[&id, "message of tag v1, line 1"], PUSH);
    at.write("repo/a", "a\n").commit("repo", &format!("id = {id}"));
    stopped(&push(&at, &["origin", "main"]), &[&id, "message of commit"], PUSH);
}

#[test]
fn what_a_name_stands_for_without_a_commit_is_read_before_a_push() {
    let at = repository();
    hook(&at, &["install", "repo", "--type", "pre-push"]);
    let harmless = at.git("repo", ["rev-parse", "HEAD:readme"]);
    at.git("repo", ["tag", "harmless", &harmless]);
    assert_eq!(push(&at, &["origin", "harmless"]).code, Some(0));
    let id = stage(&at, "dir/a.env", 1);
    let (blob, tree) = (at.git("repo", ["rev-parse", ":dir/a.env"]), at.git("repo", ["write-tree"]));
    at.git("repo", ["tag", "blob", &blob]);
    at.git("repo", ["tag", "tree", &tree]);
    at.git("repo", ["tag", "-a", "-m", "of a tree", "annotated", &tree]);
    for name in ["blob", "tree", "annotated"] {
        stopped(&push(&at, &["origin", name]), &[&id, &blob], PUSH);
    }
}

#[test]
fn a_server_refuses_a_push_with_a_key_and_takes_others() {
    let at = repository();
    script(&at, "bare.git/hooks/pre-receive", "#!/bin/sh\ncat >>\"$HOME/log\"\n");
    let told = hook(&at, &["install", "bare.git"]);
    assert!(told.contains("pre-receive: installed in "), "{told}");
    at.write("repo/a", "a\n").commit("repo", "harmless");
    assert_eq!(push(&at, &["origin", "main"]).code, Some(0));
    assert!(log(&at).ends_with(" refs/heads/main\n"), "{}", log(&at));
    let id = at.plant("repo/a.env", 1);
    at.commit("repo", "key");
    stopped(
        &push(&at, &["origin", "main", "main:refs/heads/other"]),
        &[&id, "a.env:1"],
        "only who runs this server can let it pass",
    );
    // Nothing of it is there: the objects were in quarantine.
    let head = at.git("repo", ["rev-parse", "HEAD"]);
    assert_ne!(at.try_git("bare.git", ["cat-file", "-e", &head]).code, Some(0));
    assert_eq!(push(&at, &["origin", "HEAD~1:refs/heads/fine"]).code, Some(0));
    assert_eq!(push(&at, &["--delete", "origin", "fine"]).code, Some(0));
}

#[test]
fn hooks_go_where_core_hooks_path_says() {
    let at = repository();
    at.git("repo", ["config", "core.hooksPath", ".githooks"]);
    script(&at, "repo/.githooks/pre-commit", "#!/bin/sh\necho own >>\"$HOME/log\"\n");
    let told = hook(&at, &["install", "repo", "--type", "pre-commit"]);
    assert!(told.contains("part of the repository: commit them"), "{told}");
    let text = fs::read_to_string(at.path("repo/.githooks/pre-commit")).unwrap();
    assert!(!text.contains(env!("CARGO_BIN_EXE_keysweep")), "another machine has it elsewhere");
    fs::write(
        at.path("repo/.githooks/pre-commit"),
        text.replace("installed=\n", &format!("installed={}\n", env!("CARGO_BIN_EXE_keysweep"))),
    )
    .unwrap();
    let id = stage(&at, "a.env", 1);
    stopped(&commit(&at), &[&id], COMMIT);
    assert_eq!(log(&at), "own\n");
    // From a directory further down it is the same.
    assert!(hook(&at, &["status", "repo/.githooks", "--type", "pre-commit"]).contains("pre-commit: installed"));
}

#[test]
fn a_hook_for_all_repositories_is_said_to_be_one() {
    let at = repository();
    fs::create_dir_all(at.home(".config/git")).unwrap();
    let hooks = at.path("everywhere");
    fs::write(at.home(".config/git/config"), format!("[core]\nhooksPath = {}\n", hooks.display())).unwrap();
    // Here the configuration of the user counts, which other tests leave out.
    let output =
        at.invocation(["hook", "install", "repo", "--type", "pre-commit"]).env_remove("GIT_CONFIG_GLOBAL").run();
    assert_eq!(output.code, Some(0), "{output:?}");
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains("the hook is for all of them"), "{told}");
    assert!(hooks.join("pre-commit").exists());
}

/// <https://github.com/typicode/husky/blob/v9.1.7/husky>, which `core.hooksPath` leads to.
const HUSKY: &str = "#!/usr/bin/env sh
n=$(basename \"$0\")
s=$(dirname \"$(dirname \"$0\")\")/$n
[ ! -f \"$s\" ] && exit 0
[ \"${HUSKY-}\" = \"0\" ] && exit 0
export PATH=\"node_modules/.bin:$PATH\"
sh -e \"$s\" \"$@\"
c=$?
[ $c != 0 ] && echo \"husky - $n script failed (code $c)\"
exit $c
";

#[test]
fn beside_husky_hooks_of_the_repository_are_run_first() {
    let at = repository();
    at.git("repo", ["config", "core.hooksPath", ".husky/_"]);
    at.write("repo/.husky/_/h", HUSKY);
    for hook in ["pre-commit", "pre-push"] {
        script(&at, &format!("repo/.husky/_/{hook}"), "#!/usr/bin/env sh\n. \"${0%/*}/h\"\n");
    }
    // As people write them: without a first line, not executable.
    at.write("repo/.husky/pre-commit", "echo test >>\"$HOME/log\"\n");
    let told = hook(&at, &["install", "repo", "--type", "pre-commit"]);
    assert!(told.contains(".husky/pre-commit\n") && !told.contains(".husky/_"), "{told}");
    script(&at, "bin/keysweep", &format!("#!/bin/sh\nexec {} \"$@\"\n", env!("CARGO_BIN_EXE_keysweep")));
    let id = stage(&at, "a.env", 1);
    commit(&at).expect_stderr(&["not on the PATH"]);
    fs::create_dir_all(at.path("repo/node_modules/.bin")).unwrap();
    fs::rename(at.path("bin/keysweep"), at.path("repo/node_modules/.bin/keysweep")).unwrap();
    stopped(&commit(&at), &[&id], COMMIT);
    assert_eq!(log(&at), "test\ntest\n");
    hook(&at, &["uninstall", "repo", "--type", "pre-commit"]);
    assert_eq!(fs::read_to_string(at.path("repo/.husky/pre-commit")).unwrap(), "echo test >>\"$HOME/log\"\n");
}

#[test]
fn husky_is_known_in_another_directory_too() {
    let at = repository();
    at.git("repo", ["config", "core.hooksPath", ".config/husky/_"]);
    at.write("repo/.config/husky/_/h", HUSKY);
    script(&at, "repo/.config/husky/_/pre-commit", "#!/usr/bin/env sh\n. \"${0%/*}/h\"\n");
    at.write("repo/.config/husky/pre-commit", "echo test >>\"$HOME/log\"\n");
    hook(&at, &["install", "repo", "--type", "pre-commit"]);
    script(
        &at,
        "repo/node_modules/.bin/keysweep",
        &format!("#!/bin/sh\nexec {} \"$@\"\n", env!("CARGO_BIN_EXE_keysweep")),
    );
    let id = stage(&at, "a.env", 1);
    stopped(&commit(&at), &[&id], COMMIT);
    assert_eq!(log(&at), "test\n");
}

/// The start of what the framework writes, and how it runs what was there before.
const FRAMEWORK: &str = "#!/usr/bin/env bash
# File generated by pre-commit: https://pre-commit.com
# ID: 138fd403232d2ddd5efb44317e38bf03
if [ -x \"$0.legacy\" ]; then \"$0.legacy\" \"$@\" || exit 1; fi
echo framework >>\"$HOME/log\"
";

#[test]
fn the_pre_commit_framework_runs_it_before_its_own_hooks() {
    let at = repository();
    script(&at, "repo/.git/hooks/pre-commit", FRAMEWORK);
    script(&at, "repo/.git/hooks/pre-commit.legacy", "#!/bin/sh\necho legacy >>\"$HOME/log\"\n");
    let told = hook(&at, &["install", "repo", "--type", "pre-commit"]);
    assert!(told.contains("pre-commit.legacy") && told.contains(".pre-commit-config.yaml"), "{told}");
    assert_eq!(fs::read_to_string(at.path("repo/.git/hooks/pre-commit")).unwrap(), FRAMEWORK);
    assert!(hook(&at, &["install", "repo", "--type", "pre-commit"]).contains("already installed"));
    assert!(hook(&at, &["status", "repo"]).contains("which the pre-commit framework runs, after"));
    let id = stage(&at, "a.env", 1);
    stopped(&commit(&at), &[&id], COMMIT);
    assert_eq!(log(&at), "legacy\n");
    at.git("repo", ["rm", "-q", "--cached", "a.env"]);
    at.git("repo", ["commit", "-q", "--allow-empty", "-m", "x"]);
    assert_eq!(log(&at), "legacy\nlegacy\nframework\n");
    hook(&at, &["uninstall", "repo"]);
    assert_eq!(fs::read_to_string(at.path("repo/.git/hooks/pre-commit")).unwrap(), FRAMEWORK);
    assert!(fs::read_to_string(at.path("repo/.git/hooks/pre-commit.legacy")).unwrap().contains("echo legacy"));
}
