//! Exit codes: 0 nothing found and everything read, 1 found, 2 not everything read or nothing done. 2 wins, and what was not scanned at
//! all is never allowed.

use std::fs;

use crate::support::Keysweep;

/// A repository with a commit without keys and one with, in which a blob without any is lost.
fn lossy(at: &Keysweep) {
    at.init("lossy").write("lossy/readme", "x").commit("lossy", "first");
    at.plant("lossy/keys.env", 2);
    at.write("lossy/lost", "lost").commit("lossy", "second");
    let lost = at.git("lossy", ["rev-parse", "HEAD:lost"]);
    fs::remove_file(at.path(format!("lossy/.git/objects/{}/{}", &lost[..2], &lost[2..]))).unwrap();
}

#[test]
fn every_way_to_end_has_its_exit_code() {
    let at = Keysweep::new();
    at.write("clean/readme", "nothing").write("empty/nothing", "").plant("leaky/keys.env", 1);
    at.init("repo").write("repo/readme", "x").commit("repo", "first").write("repo/b", "x").commit("repo", "second");
    at.init("unborn");
    lossy(&at);
    // Each without more, with --allow-incomplete, and with --exit-code 7.
    for (arguments, code, allowed, other) in [
        (&["clean"][..], 0, 0, 0),
        (&["leaky"], 1, 1, 7),
        (&["leaky", "clean"], 1, 1, 7),
        // Some of it was read.
        (&["clean", "missing"], 2, 0, 2),
        (&["leaky", "missing"], 2, 1, 2),
        (&["clean", "--history", "all"], 2, 0, 2),
        (&["clean", "--max-file-size", "1", "repo/readme"], 2, 0, 2),
        (&["lossy"], 2, 1, 2),
        (&["lossy", "--since", "HEAD~1"], 2, 1, 2),
        (&["lossy", "--history", "HEAD~1"], 0, 0, 0),
        // Nothing was.
        (&["missing"], 2, 2, 2),
        (&["empty"], 2, 2, 2),
        (&["clean", "--since", "HEAD"], 2, 2, 2),
        (&["repo", "--since", "HEAD"], 2, 2, 2),
        (&["repo", "--history", "HEAD..HEAD~1"], 2, 2, 2),
        (&["repo", "--since", "nonsense"], 2, 2, 2),
        (&["repo", "--history", "nonsense..HEAD"], 2, 2, 2),
        (&["unborn", "--history", "HEAD"], 2, 2, 2),
        (&["file:///nowhere/at/all.git"], 2, 2, 2),
        (&["--no-such-flag"], 2, 2, 2),
        (&["clean", "--format", "xml"], 2, 2, 2),
        (&["clean", "-o", "report.xyz"], 2, 2, 2),
        (&["clean", "--ci"], 2, 2, 2),
        (&["repo", "--since", "HEAD~1"], 0, 0, 0),
    ] {
        for (more, code) in [(&[][..], code), (&["--allow-incomplete"], allowed), (&["--exit-code", "7"], other)] {
            let output = at.scan([arguments, more].concat());
            assert_eq!(output.code, Some(code), "{output:?}");
            // Whoever reads no report is told as well.
            assert!(code != 2 || !output.stderr.is_empty(), "{output:?}");
        }
    }
}
