//! Input that can't be read as it should: a clear complaint, exit code 2, and everything else is still scanned.
//! Each test plants a key elsewhere in what it scans, which must be found all the same.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use crate::support::{Keysweep, Output, env_file, noise};

#[test]
fn without_bad_input_the_exit_code_tells_of_findings() {
    let at = Keysweep::new();
    at.write("clean/readme", "nothing to see");
    at.scan(["clean"]).expect(0, &[]);
    let id = at.plant("tree/deep/keys.env", 1);
    for (target, path) in [
        ("tree", "tree/deep/keys.env"),
        ("tree/deep/keys.env", "tree/deep/keys.env"),
        (".", "tree/deep/keys.env"),
        ("./tree/", "tree/deep/keys.env"),
    ] {
        let output = at.scan([target]);
        output.expect(1, &[&id]);
        assert_eq!(output.paths().into_iter().collect::<Vec<_>>(), [path]);
        assert_eq!(output.summary()["complete"], true);
    }
    // To the program `-` is standard input, and the directory can still be named.
    let dash = at.plant("-/keys.env", 2);
    at.scan(["./-"]).expect(1, &[&dash]);
    at.scanning(["-"]).stdin(env_file(1)).run().expect(1, &[&id]);
}

#[test]
fn a_target_that_does_not_exist() {
    let at = Keysweep::new();
    let id = at.plant("tree/keys.env", 1);
    at.scan(["missing", "tree"]).expect(2, &[&id]).expect_unread(&["missing"]).expect_stderr(&["does not exist"]);
    let alone = at.scan(["missing"]);
    assert_eq!(alone.code, Some(2));
    alone.expect_stderr(&["missing", "does not exist"]);
}

#[test]
fn what_was_left_unread_can_be_allowed() {
    let at = Keysweep::new();
    let id = at.plant("keys/keys.env", 1);
    at.write("clean/readme", "nothing to see");
    at.scan(["keys", "missing", "--allow-incomplete"]).expect(1, &[&id]).expect_unread(&["missing"]);
    at.scan(["clean", "missing", "--allow-incomplete"]).expect(0, &[]).expect_unread(&["missing"]);
}

#[test]
fn nothing_to_read_is_no_success() {
    let at = Keysweep::new();
    fs::create_dir_all(at.path("empty/deep")).unwrap();
    at.write("file", "");
    at.write("files/a", "").write("files/b", "");
    for target in ["empty", "file", "files", "-"] {
        let output = at.scan([target]);
        assert_eq!(output.code, Some(2), "{output:?}");
        output.expect_stderr(&["nothing"]);
    }
}

#[test]
fn a_file_above_the_limit() {
    let at = Keysweep::new();
    let id = at.plant("tree/keys.env", 1);
    let mut line = vec![b' '; 4 << 20];
    line.extend(env_file(2).replace('\n', " ").into_bytes());
    at.write("tree/line", line);
    let far = crate::support::example_key(2).0;
    at.scan(["tree"]).expect(1, &[&id, &far]);
    at.scan(["tree", "--max-file-size", "1M"])
        .expect(2, &[&id])
        .expect_unread(&["tree/line"])
        .expect_stderr(&["--max-file-size"]);
}

#[test]
#[ignore = "reads 5 GB: minutes without optimisation"]
fn a_file_of_many_gigabytes_without_a_newline_is_read_to_its_end() {
    let at = Keysweep::new();
    let id = at.plant("tree/far", 1);
    let mut file = File::create(at.path("tree/far")).unwrap();
    file.set_len(5 << 30).unwrap();
    std::io::Seek::seek(&mut file, std::io::SeekFrom::End(0)).unwrap();
    file.write_all(env_file(1).as_bytes()).unwrap();
    at.scan(["tree"]).expect(1, &[&id]);
}

#[test]
fn encoded_text_that_expands_without_end() {
    let at = Keysweep::new();
    let id = at.plant("tree/keys.env", 1);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&vec![b' '; 32 << 20]).unwrap();
    let digits: String = gzip.finish().unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
    at.write("tree/user-data", digits);
    at.scan(["tree"]).expect(2, &[&id]).expect_unread(&["tree/user-data"]).expect_stderr(&["decode it"]);
}

#[test]
fn an_archive_that_expands_without_end() {
    let at = Keysweep::new();
    let id = at.plant("tree/keys.env", 1);
    at.write("tree/bomb.zip", bomb());
    at.scan(["tree"]).expect(2, &[&id]).expect_unread(&["tree/bomb.zip"]);
}

/// A zip of 1 MB whose one member is a gzip file, of 1 GB when expanded.
fn bomb() -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&vec![0; 16 << 20]).unwrap();
    // Gzip files can stand one after the other and expand to all of them: RFC 1952, 2.2.
    let gigabyte = gzip.finish().unwrap().repeat(64);
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    zip.start_file("inner.gz", stored).unwrap();
    zip.write_all(&gigabyte).unwrap();
    zip.finish().unwrap().into_inner()
}

#[test]
fn history_of_what_is_no_repository() {
    let at = Keysweep::new();
    let id = at.plant("plain/keys.env", 1);
    at.scan(["plain", "--history", "all"]).expect(2, &[&id]).expect_unread(&["plain"]).expect_stderr(&["repository"]);
    let range = at.scan(["plain", "--history", "HEAD~1..HEAD"]);
    assert_eq!(range.code, Some(2), "{range:?}");
    range.expect_stderr(&["plain", "repository"]);
    // Without a word about history there is none to miss.
    at.scan(["plain"]).expect(1, &[&id]);
}

#[test]
fn a_revision_that_does_not_exist() {
    let at = Keysweep::new();
    at.init("repo").write("repo/a", "a").commit("repo", "first");
    for range in ["nonsense", "nonsense..HEAD", "HEAD..nonsense"] {
        let output = at.scan(["repo", "--history", range]);
        assert_eq!(output.code, Some(2), "{output:?}");
        output.expect_stderr(&["nonsense"]);
    }
}

#[test]
fn a_git_file_that_leads_nowhere() {
    let at = Keysweep::new();
    let id = at.plant("moved/keys.env", 1);
    at.write("moved/.git", "gitdir: /gone/.git/worktrees/moved\n");
    at.scan(["moved", "--history", "all"]).expect(2, &[&id]).expect_unread(&["moved/.git"]);
    at.scan(["moved", "--history", "none"]).expect(1, &[&id]);
}

/// Replaces the content of a file that may be read-only.
fn damage(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}

/// A repository in `repo` with a file that does not compress, and its object's id; then the key of seed 1, which is in history only.
fn repository_with_history(at: &Keysweep, between: impl FnOnce()) -> (String, String) {
    at.init("repo").write("repo/noise", noise(1, 50_000)).commit("repo", "first");
    let object = at.git("repo", ["rev-parse", "HEAD:noise"]);
    between();
    let id = at.plant("repo/old.env", 1);
    at.commit("repo", "second");
    fs::remove_file(at.path("repo/old.env")).unwrap();
    at.commit("repo", "third");
    (object, id)
}

/// The only pack of `repo` that is not in `known`, without its extension.
fn pack(at: &Keysweep, known: Option<&str>) -> String {
    let names = fs::read_dir(at.path("repo/.git/objects/pack")).unwrap();
    let mut packs: Vec<_> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| Some(name.strip_suffix(".pack")?.to_owned()))
        .filter(|name| Some(name.as_str()) != known)
        .collect();
    assert_eq!(packs.len(), 1);
    packs.remove(0)
}

#[test]
fn a_corrupt_pack() {
    let at = Keysweep::new();
    let mut broken = String::new();
    let (object, old) = repository_with_history(&at, || {
        at.git("repo", ["repack", "-adq"]);
        broken = pack(&at, None);
        at.write(format!("repo/.git/objects/pack/{broken}.keep"), "");
    });
    at.git("repo", ["repack", "-adq"]);
    pack(&at, Some(&broken));
    let id = at.plant("repo/keys.env", 2);
    at.scan(["repo", "--history", "all"]).expect(1, &[&old, &id]);

    let path = at.path(format!("repo/.git/objects/pack/{broken}.pack"));
    // In the middle of the only object of any size.
    damage(&path, |bytes| bytes[25_000..25_016].fill(0x55));
    at.scan(["repo", "--history", "all"]).expect(2, &[&old, &id]).expect_unread(&[&object, &broken]);
    at.scan(["repo", "--history", "none"]).expect(1, &[&id]);

    damage(&path, |bytes| bytes.truncate(1000));
    at.scan(["repo", "--history", "all"]).expect(2, &[&old, &id]).expect_unread(&[&broken]);
}

#[test]
fn a_truncated_loose_object() {
    let at = Keysweep::new();
    let (object, old) = repository_with_history(&at, || {});
    let id = at.plant("repo/keys.env", 2);
    let (dir, file) = object.split_at(2);
    let path = at.path(format!("repo/.git/objects/{dir}/{file}"));
    for size in [25_000, 10, 0] {
        damage(&path, |bytes| bytes.truncate(size));
        at.scan(["repo", "--history", "all"]).expect(2, &[&old, &id]).expect_unread(&[&object]);
    }
}

/// Clones `repo` to `clone` as from another machine.
fn clone(at: &Keysweep, option: &str) {
    at.git("repo", ["config", "uploadpack.allowFilter", "true"]);
    let url = format!("file://{}", at.path("repo").display());
    at.git("", ["clone", "-q", option, &url, "clone"]);
}

#[test]
fn a_partial_clone() {
    let at = Keysweep::new();
    let (_, old) = repository_with_history(&at, || {});
    let object = at.git("repo", ["rev-parse", "HEAD~1:old.env"]);
    let id = at.plant("repo/keys.env", 2);
    at.commit("repo", "fourth");
    clone(&at, "--filter=blob:none");
    at.scan(["repo"]).expect(1, &[&old, &id]);
    at.scan(["clone", "--history", "all"]).expect(2, &[&id]).expect_unread(&[&object, "partial"]);
}

#[test]
fn a_shallow_clone() {
    let at = Keysweep::new();
    repository_with_history(&at, || {});
    let id = at.plant("repo/keys.env", 2);
    at.commit("repo", "fourth");
    clone(&at, "--depth=1");
    at.scan(["clone", "--history", "all"]).expect(2, &[&id]).expect_unread(&["shallow"]);
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::os::unix::net::UnixListener;
    use std::process::Command;

    use super::*;
    use crate::support::is_root;

    fn run(program: &str, args: &[&str], path: &Path) {
        let status = Command::new(program).args(args).arg(path).status();
        assert!(status.unwrap().success());
    }

    #[test]
    fn a_directory_and_a_file_that_may_not_be_read() {
        let at = Keysweep::new();
        let id = at.plant("tree/keys.env", 1);
        at.plant("tree/locked/more.env", 2);
        at.plant("tree/secret.env", 3);
        let locked = [at.path("tree/locked"), at.path("tree/secret.env")];
        let set_mode = |mode| {
            for path in &locked {
                fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
            }
        };
        set_mode(0o000);
        let scan = |target: &str| Some(at.scanning([target]).unprivileged()?.run());
        let outputs = ["tree", "tree/locked", "tree/secret.env"].map(scan);
        // So that the directory can be removed.
        set_mode(0o700);
        let [Some(tree), Some(dir), Some(file)] = outputs else {
            return;
        };
        tree.expect(2, &[&id])
            .expect_unread(&["tree/locked"])
            .expect_unread(&["tree/secret.env"])
            .expect_stderr(&["permission denied"]);
        for (output, name) in [(dir, "tree/locked"), (file, "tree/secret.env")] {
            assert_eq!(output.code, Some(2), "{output:?}");
            output.expect_stderr(&[name, "permission denied"]);
        }
    }

    #[test]
    fn links_that_lead_nowhere() {
        let at = Keysweep::new();
        let id = at.plant("tree/keys.env", 1);
        symlink("gone", at.path("tree/broken")).unwrap();
        symlink("loop", at.path("tree/loop")).unwrap();
        at.scan(["tree"])
            .expect(2, &[&id])
            .expect_unread(&["tree/broken"])
            .expect_unread(&["tree/loop"])
            .expect_stderr(&["symbolic link"]);
        at.scan(["tree/keys.env", "tree/broken"]).expect(2, &[&id]).expect_unread(&["tree/broken"]);
    }

    #[test]
    fn links_that_lead_somewhere_are_complete_and_not_followed() {
        let at = Keysweep::new();
        let id = at.plant("tree/keys.env", 1);
        at.plant("outside/more.env", 2);
        symlink("../outside", at.path("tree/out")).unwrap();
        symlink(".", at.path("tree/same")).unwrap();
        at.scan(["tree"]).expect(1, &[&id]);
    }

    #[test]
    fn pipes_and_sockets() {
        let at = Keysweep::new();
        let id = at.plant("tree/keys.env", 1);
        run("mkfifo", &[], &at.path("tree/pipe"));
        let _socket = UnixListener::bind(at.path("tree/socket")).unwrap();
        at.scan(["tree"]).expect(2, &[&id]).expect_unread(&["tree/pipe"]).expect_unread(&["tree/socket"]);
        at.scan(["tree/pipe", "tree/keys.env"])
            .expect(2, &[&id])
            .expect_unread(&["tree/pipe"])
            .expect_stderr(&["named pipe"]);
    }

    /// Git refuses these lest it obeys a stranger's configuration. Nothing is obeyed here, so there is nothing to refuse.
    #[test]
    fn a_repository_of_another_user() {
        if !is_root() {
            return;
        }
        let at = Keysweep::new();
        let (_, old) = repository_with_history(&at, || {});
        run("chown", &["-R", "65534:65534"], &at.path("repo"));
        at.scan(["repo", "--history", "all"]).expect(1, &[&old]);
        at.scan(["repo", "--history", "HEAD~1"]).expect(1, &[&old]);
    }

    /// Other systems refuse such names.
    #[cfg(target_os = "linux")]
    #[test]
    fn names_that_would_act_on_a_terminal() {
        use std::os::unix::ffi::OsStrExt;
        let at = Keysweep::new();
        let names = [&b"\xff\xfe.env"[..], b"line\nbreak.env", b"\x1b[31mred\x1b]0;title\x07"];
        let ids: Vec<String> = (1..)
            .zip(names)
            .map(|(seed, name)| {
                let path = Path::new("tree").join(std::ffi::OsStr::from_bytes(name));
                at.plant(path, seed)
            })
            .collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let output = at.scan(["tree"]);
        output.expect(1, &ids);
        assert_eq!(output.paths().len(), names.len());

        symlink("\x1b[2Jgone", at.path("tree/\x1b[2Jbroken")).unwrap();
        for format in ["text", "csv", "jsonl"] {
            let output = at.invocation(["scan", "tree", "--format", format]).run();
            assert_eq!(output.code, Some(2), "{output:?}");
            assert_inert(&output);
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(ids.iter().all(|id| text.contains(id)), "{output:?}");
        }
    }

    /// Nothing that a terminal would obey, beside the ends of lines.
    fn assert_inert(output: &Output) {
        let stdout = String::from_utf8_lossy(&output.stdout);
        let acts = |c: char| c.is_control() && !matches!(c, '\n' | '\r');
        assert!(!stdout.contains(acts), "standard output of {output:?}");
        assert!(!output.stderr.contains(acts), "standard error of {output:?}");
    }
}
