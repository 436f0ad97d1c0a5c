//! Git at work while a repository is scanned: packs are replaced, loose objects go into packs. The report stays the same.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::git::{git, repository};
use crate::sink::scan;

#[test]
fn the_report_is_the_same_while_git_repacks() {
    let repository = repository(12, "sha1");
    let git_dir = repository.path();
    let whole = scan(git_dir);
    assert!(whole.skipped.is_empty() && !whole.found.is_empty());
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let work = || {
            let mut round = 0;
            while !is_done.load(Ordering::Relaxed) {
                // Into files, into one pack, into another one.
                match round % 4 {
                    0 => drop(git(git_dir, &["repack", "-adfq", &format!("--depth={}", 1 + round % 7)])),
                    1 => {
                        let packs = crate::git::packs(git_dir);
                        packs.iter().for_each(|pack| unpack(git_dir, pack));
                    }
                    2 => drop(git(git_dir, &["repack", "-dq"])),
                    _ => drop(git(git_dir, &["gc", "-q", "--prune=now"])),
                }
                round += 1;
            }
            round
        };
        let git_at_work = scope.spawn(work);
        for round in 0..60 {
            let seen = scan(git_dir);
            let same = seen.objects == whole.objects && seen.found == whole.found && seen.skipped.is_empty();
            if !same {
                is_done.store(true, Ordering::Relaxed);
            }
            let lost = whole.objects.keys().filter(|id| !seen.objects.contains_key(id)).count();
            assert!(same, "round {round}: {lost} lost, {:?}", seen.skipped);
        }
        is_done.store(true, Ordering::Relaxed);
        assert!(git_at_work.join().unwrap() > 2);
    });
}

/// Writes the objects of a pack as files, then removes the pack, as git does with what nothing leads to any more.
fn unpack(git_dir: &std::path::Path, pack: &std::path::Path) {
    let away = git_dir.join("away.pack");
    std::fs::copy(pack, &away).unwrap();
    let elsewhere = git_dir.join("unpacked");
    let _ = std::fs::remove_dir_all(&elsewhere);
    git(git_dir, &["init", "-q", "--bare", "unpacked"]);
    let mut command = crate::git::command(&elsewhere);
    command.args(["unpack-objects", "-q"]).stdin(std::fs::File::open(&away).unwrap());
    assert!(command.output().unwrap().status.success());
    for directory in std::fs::read_dir(elsewhere.join("objects")).unwrap().map(|entry| entry.unwrap().path()) {
        let name = directory.file_name().unwrap().to_owned();
        if name.len() == 2 {
            let to = git_dir.join("objects").join(&name);
            std::fs::create_dir_all(&to).unwrap();
            for file in std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()) {
                let _ = std::fs::rename(&file, to.join(file.file_name().unwrap()));
            }
        }
    }
    for extension in ["idx", "pack", "rev"] {
        let _ = std::fs::remove_file(pack.with_extension(extension));
    }
}
