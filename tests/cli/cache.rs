//! `--cache`: a scan that remembers tells what one without memory tells, whatever happened in between, and reads only what is new.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::support::{Keysweep, Output};

/// The findings with everything that is told of them.
fn findings(output: &Output) -> Vec<Value> {
    output.findings()
}

fn cached(bench: &Keysweep, target: &str) -> Output {
    bench.scan([target, "--cache", "cache"])
}

/// Scans with and without a cache; both must tell the same. Returns how many objects were known.
#[track_caller]
fn same(bench: &Keysweep, target: &str) -> u64 {
    let (with, without) = (cached(bench, target), bench.scan([target]));
    assert_eq!(findings(&with), findings(&without));
    assert_eq!(with.code, without.code);
    assert_eq!(with.summary()["skipped"], without.summary()["skipped"]);
    with.summary()["known"].as_u64().unwrap_or(0)
}

fn cache_file(bench: &Keysweep) -> PathBuf {
    let mut files: Vec<_> = fs::read_dir(bench.path("cache")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1);
    files.pop().unwrap()
}

/// A bare repository beside a clone of it in which to work: only history is scanned.
fn repository() -> Keysweep {
    let bench = Keysweep::new();
    bench.init("repo").write("repo/readme", "nothing here\n").commit("repo", "first");
    bench
}

/// The same with a key in a file, scanned with a cache, and the key's id.
fn scanned(file: &str) -> (Keysweep, String) {
    let bench = repository();
    let id = bench.plant(format!("repo/{file}"), 1);
    bench.commit("repo", "a key");
    cached(&bench, "repo/.git").expect(1, &[&id]);
    (bench, id)
}

#[test]
fn what_is_new_is_found_and_what_was_found_is_told_again() {
    let (bench, first) = scanned("a/env");
    let again = cached(&bench, "repo/.git");
    again.expect(1, &[&first]);
    let summary = again.summary();
    // The blob that hit, and git's own files beside the objects.
    assert!(summary["known"].as_u64().unwrap() >= 6, "{summary}");
    let second = bench.plant("repo/b/env", 2);
    bench.commit("repo", "another");
    cached(&bench, "repo/.git").expect(1, &[&first, &second]);
    assert!(same(&bench, "repo/.git") >= 9);
    bench.git("repo", ["rm", "-q", "-r", "a"]);
    bench.git("repo", ["mv", "b", "c"]);
    bench.commit("repo", "moved");
    assert!(same(&bench, "repo/.git") >= 9);
    bench.git("repo", ["gc", "-q"]);
    assert!(same(&bench, "repo/.git") >= 9);
}

#[test]
fn a_clean_repository_is_known_as_a_whole() {
    let bench = repository();
    bench.git("repo", ["clone", "-q", "--bare", ".", "../bare.git"]);
    cached(&bench, "bare.git").expect(0, &[]);
    let again = cached(&bench, "bare.git");
    again.expect(0, &[]);
    assert_eq!(again.summary()["known"], 3);
}

#[test]
fn no_secret_and_no_id_is_written_down() {
    let bench = repository();
    let (id, secret) = crate::support::example_key(1);
    let name = secret.replace('/', "_");
    bench.plant(format!("repo/{id}/{name}"), 1);
    bench.commit("repo", "a key");
    cached(&bench, "repo").expect(1, &[&id]);
    let text = fs::read(cache_file(&bench)).unwrap();
    for value in [&id, &secret, &name] {
        assert!(!text.windows(value.len()).any(|window| window == value.as_bytes()));
    }
}

#[test]
fn a_cache_that_is_not_as_it_should_be_is_told_of_and_made_anew() {
    let (bench, id) = scanned("env");
    let path = cache_file(&bench);
    let good = fs::read(&path).unwrap();
    let spoilt: [(&str, Vec<u8>); 6] = [
        ("written by something else", b"#!/bin/sh\n".to_vec()),
        ("written by something else", Vec::new()),
        ("cut short", good[..40].to_vec()),
        ("cut short", good[..good.len() - 1].to_vec()),
        ("damaged", good.iter().enumerate().map(|(n, byte)| if n == 30 { byte ^ 1 } else { *byte }).collect()),
        ("damaged", good.iter().enumerate().map(|(n, byte)| if n == 190 { byte ^ 1 } else { *byte }).collect()),
    ];
    for (why, bytes) in spoilt {
        fs::write(&path, bytes).unwrap();
        let output = cached(&bench, "repo/.git");
        output.expect(1, &[&id]).expect_stderr(&["the cache", "is not used", why]);
        assert_eq!(output.summary()["known"], Value::Null);
        assert!(same(&bench, "repo/.git") > 0, "it was made anew after {why}");
    }
    // What is known of commits and trees is only needed after a change, and found out again when it is of no use.
    let mut bytes = good.clone();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    bench.plant("repo/other", 2);
    bench.commit("repo", "another");
    assert!(same(&bench, "repo/.git") > 0);
}

#[test]
fn other_rules_and_options_have_no_use_for_it() {
    let bench = repository();
    bench.write("rules.toml", "[[rule]]\nid = 'mine'\ndescription = 'm'\nseverity = 'low'\nkind = 'other'\nreference = ''\nremediation = ''\nkeywords = ['nothing']\nregex = '(?P<value>nothing) here'\nexamples = []\n");
    let known = |args: &[&str]| {
        let output = bench.scan([&["repo/.git", "--cache", "cache"], args].concat());
        (output.findings().len(), output.summary()["known"].as_u64().unwrap_or(0))
    };
    assert_eq!(known(&[]), (0, 0));
    assert_eq!(known(&[]), (0, 3));
    assert_eq!(known(&["--rules", "rules.toml"]).1, 0);
    assert_eq!(known(&["--rules", "rules.toml"]).0, 1);
    assert_eq!(known(&["--archive-depth", "2"]).1, 0);
    assert_eq!(known(&["--max-file-size", "10K"]).1, 0);
    assert_eq!(known(&["--pack", "common"]).1, 0);
}

#[test]
fn options_that_alternate_have_a_cache_each_and_the_last_four_are_kept() {
    let bench = repository();
    let known = |target: &str, depth: u32| {
        let output = bench.scan([target, "--cache", "cache", "--archive-depth", &depth.to_string()]);
        output.expect(0, &[]).summary()["known"].as_u64().unwrap_or(0)
    };
    let files = || fs::read_dir(bench.path("cache")).unwrap().count();
    assert_eq!([1, 2, 1, 2].map(|depth| known("repo/.git", depth)), [0, 0, 3, 3]);
    bench.git("repo", ["clone", "-q", "--bare", ".", "../bare.git"]);
    known("bare.git", 1);
    assert_eq!(files(), 3);
    bench.write("cache/notes.txt", "somebody's");
    for depth in 3..9 {
        assert_eq!(known("repo/.git", depth), 0);
        assert!(files() <= 2 + 4, "{depth}: {}", files());
    }
    assert_eq!([8, 7, 6, 5].map(|depth| known("repo/.git", depth)), [3; 4]);
    assert_eq!((known("repo/.git", 1), known("bare.git", 1)), (0, 3));
    assert!(bench.path("cache/notes.txt").exists());
}

#[test]
fn a_directory_that_can_t_be_made_is_an_error_before_anything_is_read() {
    let bench = repository();
    bench.write("file", "a file, not a directory");
    for directory in ["file", "file/below"] {
        let output = bench.scan(["repo/.git", "--cache", directory]);
        assert!(output.code == Some(2) && output.stdout.is_empty(), "{output:?}");
        output.expect_stderr(&["keeping a cache in", directory, "name a directory"]);
    }
}

/// File permissions hold for others than root only.
#[cfg(unix)]
#[test]
fn a_directory_that_can_t_be_written_is_used_and_not_brought_up_to_date() {
    use std::os::unix::fs::PermissionsExt;
    let (bench, open) = (repository(), |path: PathBuf, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    });
    fs::create_dir(bench.path("cache")).unwrap();
    open(bench.path("cache"), 0o777);
    let Some(first) = bench.scanning(["repo/.git", "--cache", "cache"]).unprivileged() else {
        return;
    };
    first.run().expect(0, &[]);
    let before = fs::read(cache_file(&bench)).unwrap();
    open(bench.path("cache"), 0o555);
    let id = bench.plant("repo/env", 1);
    bench.commit("repo", "a key");
    for _ in 0..2 {
        let output = bench.scanning(["repo/.git", "--cache", "cache"]).unprivileged().unwrap().run();
        output.expect(1, &[&id]).expect_stderr(&["can't be written", "not brought up to date"]);
        assert_eq!(output.summary()["known"], 3, "{output:?}");
        assert!(!output.stderr.contains("another user") && !output.stderr.contains("writing the cache"), "{output:?}");
    }
    assert_eq!(fs::read(cache_file(&bench)).unwrap(), before);
    // One that can't be read either.
    open(bench.path("cache"), 0o000);
    let output = bench.scanning(["repo/.git", "--cache", "cache"]).unprivileged().unwrap().run();
    assert_eq!(output.code, Some(2), "{output:?}");
    open(bench.path("cache"), 0o755);
}

#[test]
fn a_cache_where_no_whole_history_is_read_is_refused_and_says_why() {
    let bench = repository();
    for (arguments, words) in [
        (&["repo", "--since", "HEAD~1"][..], ["--cache", "--since"]),
        (&["repo", "--history", "HEAD^!"], ["--cache", "--history HEAD^!"]),
        (&["repo", "--history", "none"], ["--cache", "--history none"]),
        (&["-"], ["--cache", "standard input"]),
    ] {
        let output = bench.scan([arguments, &["--cache", "cache"]].concat());
        assert!(output.code == Some(2) && output.stdout.is_empty(), "{output:?}");
        output.expect_stderr(&words).expect_stderr(&["leave"]);
        assert!(!bench.path("cache").exists());
    }
    bench.write("plain/file", "nothing");
    bench.scan(["plain", "--cache", "cache"]).expect(0, &[]).expect_stderr(&["nothing to remember"]);
    bench.scanning(["-", "repo/.git", "--cache", "cache"]).stdin("x").run().expect(0, &[]);
    assert!(same(&bench, "repo/.git") > 0);
}

#[test]
fn a_find_that_goes_does_not_take_another_with_it() {
    let bench = repository();
    let (one, two) = (bench.plant("repo/one", 1), bench.plant("repo/two", 2));
    bench.commit("repo", "keys");
    cached(&bench, "repo/.git").expect(1, &[&one, &two]);
    let blob = bench.git("repo", ["rev-parse", "HEAD:one"]);
    let path = bench.path(format!("repo/.git/objects/{}/{}", &blob[..2], &blob[2..]));
    fs::remove_file(&path).unwrap();
    fs::write(&path, b"damaged").unwrap();
    cached(&bench, "repo/.git").expect(2, &[&two]);
    same(&bench, "repo/.git");
}

#[test]
fn where_a_clone_is_cut_off_matters_though_no_object_changes() {
    let bench = repository();
    bench.write("repo/b", "b").commit("repo", "second").write("repo/c", "c").commit("repo", "third");
    let origin = format!("file://{}", bench.path("repo").display());
    bench.git("repo", ["clone", "-q", "--bare", "--depth", "1", &origin, "../cut.git"]);
    cached(&bench, "cut.git").expect(2, &[]);
    fs::remove_file(bench.path("cut.git/shallow")).unwrap();
    assert!(same(&bench, "cut.git") > 0);
    cached(&bench, "cut.git").expect(2, &[]);
}

#[test]
fn what_could_not_be_read_is_read_again() {
    let bench = repository();
    let id = bench.plant("repo/env", 1);
    bench.commit("repo", "a key");
    let blob = bench.git("repo", ["rev-parse", "HEAD:env"]);
    let path = bench.path(format!("repo/.git/objects/{}/{}", &blob[..2], &blob[2..]));
    let good = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    for _ in 0..2 {
        same(&bench, "repo/.git");
        let output = cached(&bench, "repo/.git");
        assert!(output.expect(2, &[]).summary()["known"].as_u64() > Some(0));
    }
    fs::write(&path, b"damaged").unwrap();
    for _ in 0..2 {
        same(&bench, "repo/.git");
        cached(&bench, "repo/.git").expect_unread(&[&blob]);
    }
    fs::write(&path, good).unwrap();
    cached(&bench, "repo/.git").expect(1, &[&id]);
    same(&bench, "repo/.git");
}

/// What vanishes makes what was known of commits useless: all are read a second time.
#[test]
fn a_damaged_commit_is_told_once_though_it_is_come_upon_twice() {
    let bench = repository();
    bench.write("repo/b", "b").commit("repo", "second").write("repo/c", "c").commit("repo", "third");
    let loose = |name: &str| {
        let id = bench.git("repo", ["rev-parse", name]);
        (bench.path(format!("repo/.git/objects/{}/{}", &id[..2], &id[2..])), id)
    };
    let ((blob, _), (path, commit)) = (loose("HEAD:b"), loose("HEAD~1"));
    fs::remove_file(&path).unwrap();
    fs::write(&path, b"damaged").unwrap();
    cached(&bench, "repo/.git").expect_unread(&[&commit]);
    fs::remove_file(blob).unwrap();
    let skipped = cached(&bench, "repo/.git").summary()["skipped"].to_string();
    assert_eq!(skipped.matches(&commit).count(), 1, "{skipped}");
    same(&bench, "repo/.git");
}

/// The strongest test: one repository through all that happens to repositories, scanned with and without memory after each step.
#[test]
fn whatever_happens_to_a_repository_both_tell_the_same() {
    let bench = repository();
    let git = |arguments: &[&str]| bench.git("repo", arguments.iter().copied());
    let steps: &[(&str, &[&[&str]])] = &[
        (
            "a branch that goes its own way",
            &[&["checkout", "-q", "-b", "side"], &["mv", "k1", "moved"], &["commit", "-q", "-m", "mv"]],
        ),
        ("merged", &[&["checkout", "-q", "main"], &["merge", "-q", "--no-ff", "-m", "merge", "side"]]),
        ("packed", &[&["repack", "-q", "-d"]]),
        ("a directory in a directory", &[&["mv", "d", "e"], &["commit", "-q", "-m", "e"]]),
        ("back again", &[&["mv", "e", "d"], &["commit", "-q", "-m", "d"]]),
        ("a tag with a message", &[&["tag", "-a", "-m", "TAG", "v1"]]),
        ("a commit that is undone", &[&["reset", "-q", "--hard", "HEAD~1"]]),
        ("stashed", &[&["stash", "-q", "-u"]]),
        ("all in one pack", &[&["repack", "-q", "-a", "-d"]]),
        ("what nothing leads to goes", &[&["reflog", "expire", "--expire=now", "--all"], &["gc", "-q", "--prune=now"]]),
        ("staged only", &[&["add", "--all", "--force"]]),
        (
            "an older clock",
            &[
                &["checkout", "-q", "--orphan", "root"],
                &["commit", "-q", "-m", "orphan", "--date=2001-01-01T00:00:00+0000"],
            ],
        ),
        ("a branch goes", &[&["checkout", "-q", "-f", "main"], &["branch", "-q", "-D", "side"]]),
        ("another gc", &[&["gc", "-q", "--prune=now"]]),
    ];
    for (n, (step, commands)) in steps.iter().enumerate() {
        let seed = n as u64;
        for (k, file) in [format!("k{seed}"), format!("d/sub/k{}", seed % 3)].into_iter().enumerate() {
            bench.plant(format!("repo/{file}"), seed * 10 + k as u64);
        }
        match n % 3 {
            0 => drop(bench.commit("repo", &format!("with {}", crate::support::env_file(seed + 500)))),
            1 => drop(bench.commit("repo", "again")),
            _ => {}
        }
        same(&bench, "repo/.git");
        if n == 0 {
            git(&["mv", "k0", "k1"]);
            bench.commit("repo", "renamed");
        }
        for command in *commands {
            git(command);
        }
        assert!(same(&bench, "repo/.git") > 0, "{step}");
        let known = same(&bench, "repo/.git");
        assert_eq!(same(&bench, "repo/.git"), known, "{step}: the third scan in a row knows no more than the second");
    }
}
