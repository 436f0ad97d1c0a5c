//! Journals as files: written, locked, torn and foreign.

use proptest::prelude::*;

use super::*;
use crate::key::{AccessKeyId, AccountId};
use crate::response::{Subject, Target, sessions};

fn change(user: &str, subject: Subject) -> Change {
    let account = AccountId::parse("000022223333").unwrap();
    Change { target: Target { account, user: user.to_owned(), subject }, from: Position::On, to: Position::Off }
}

fn header() -> Header {
    let id = ["AKIA", "WDB7XWLS3OBANPCE"].concat();
    Header {
        code: "K7Q2MX".into(),
        caller: "arn:aws:sts::111122223333:assumed-role/x/y".into(),
        account: "111122223333".into(),
        version: "0.1.0".into(),
        started: 1_796_055_481,
        undoes: None,
        changes: vec![
            change("ada", Subject::AccessKey(AccessKeyId::parse(id.as_bytes()).unwrap())),
            change("b\"o\nb", Subject::ServiceCredential { id: "ACCA1".into() }),
            change("ada", sessions::subject(1_796_055_481)),
        ],
    }
}

fn confirmed() -> Receipt {
    Receipt { result: Outcome::Confirmed, observed: Some(Position::Off), why: None }
}

/// A journal of one step that is done and one that is begun.
fn written(path: &Path) {
    let mut journal = Journal::create(path, &header()).unwrap();
    journal.intent(0, &header().changes[0], 1).unwrap();
    journal.receipt(0, &confirmed(), 2).unwrap();
    journal.intent(1, &header().changes[1], 3).unwrap();
}

fn place() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("j.jsonl");
    (directory, path)
}

#[test]
fn what_is_written_is_read() {
    let (_directory, path) = place();
    written(&path);
    let (mut journal, record) = Journal::open(&path).unwrap();
    assert_eq!((&record.header, record.torn), (&header(), 0));
    let states = [
        State { is_begun: true, in_doubt: false, receipt: Some(confirmed()) },
        State { is_begun: true, in_doubt: false, receipt: None },
        State::default(),
    ];
    assert_eq!((&record.states[..], record.left()), (&states[..], vec![1, 2]));
    let failed = Receipt { result: Outcome::Unknown, observed: None, why: Some("a\n\"b\"".into()) };
    journal.receipt(1, &failed, 4).unwrap();
    drop(journal);
    assert_eq!(consult(&path).unwrap().0.states[1].receipt, Some(failed));
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.starts_with(r#"{"type":"plan","schema":"keysweep-journal/v1","code":"K7Q2MX","#), "{text}");
    assert_eq!(text.lines().count(), 5);
}

#[cfg(unix)]
#[test]
fn it_is_its_owner_s_alone_and_takes_no_other_file_s_place() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let (directory, path) = place();
    written(&path);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let error = Journal::create(&path, &header()).err().unwrap().to_string();
    assert!(error.starts_with("making the journal ") && error.contains("exists"), "{error}");
    let (link, other) = (directory.path().join("link"), directory.path().join("other"));
    symlink(&other, &link).unwrap();
    assert!(Journal::create(&link, &header()).is_err() && !other.exists());
}

#[test]
fn nobody_has_it_beside_another() {
    let (_directory, path) = place();
    written(&path);
    let held = Journal::open(&path).unwrap();
    for error in [Journal::open(&path).err().unwrap(), consult(&path).err().unwrap()] {
        assert!(matches!(error, JournalError::InUse(_)), "{error}");
    }
    drop(held);
    let held = consult(&path).unwrap();
    assert!(matches!(Journal::open(&path), Err(JournalError::InUse(_))));
    drop(held);
    Journal::open(&path).unwrap();
}

#[test]
fn a_torn_end_is_told_and_cut_off_and_nothing_else_is() {
    let (_directory, path) = place();
    written(&path);
    let whole = fs::read(&path).unwrap();
    let last = whole[..whole.len() - 1].iter().rposition(|&byte| byte == b'\n').unwrap() + 1;
    for len in last + 1..whole.len() {
        fs::write(&path, &whole[..len]).unwrap();
        assert_eq!(consult(&path).unwrap().0.torn, len - last);
        let (mut journal, record) = Journal::open(&path).unwrap();
        assert_eq!((record.states[1].is_begun, record.left()), (false, vec![1, 2]));
        journal.intent(1, &header().changes[1], 3).unwrap();
        drop(journal);
        assert_eq!(fs::read(&path).unwrap(), whole);
    }
    let first = whole.iter().position(|&byte| byte == b'\n').unwrap();
    for len in 0..=first {
        let why = parse(&whole[..len]).unwrap_err().to_string();
        assert!(why.starts_with("line 1") && why.contains("has changed nothing"), "{why}");
    }
}

#[test]
fn what_no_run_wrote_is_refused_by_its_line_and_not_shown() {
    let (_directory, path) = place();
    written(&path);
    let text = fs::read_to_string(&path).unwrap();
    for (old, new, line, why) in [
        ("keysweep-journal/v1", "hunter3", 1, "schema"),
        ("\"type\":\"plan\"", "\"type\":\"hunter2\"", 1, "not the plan"),
        ("000022223333", "hunter2", 1, "account number"),
        ("KeysweepRevokeSessions-", "hunter2-", 1, "policy"),
        ("\"to\":\"off\"", "\"to\":\"gone\"", 1, "on or off"),
        ("\"result\":\"confirmed\"", "\"result\":\"hunter2\"", 3, "result"),
        ("\"seq\":1", "\"seq\":7", 4, "does not have"),
    ] {
        let error = parse(text.replace(old, new).as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with(&format!("line {line}: ")) && error.contains(why), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    let lines: Vec<&str> = text.lines().collect();
    for (bad, line) in [
        ([lines[0], "x", lines[1]].join("\n") + "\n", 2),
        ([lines[0], lines[0], ""].join("\n"), 2),
        ([lines[0], "", lines[1], ""].join("\n"), 2),
        ([lines[1], ""].join("\n"), 1),
        ([lines[0], &lines[1].replace("ada", "eve"), ""].join("\n"), 2),
    ] {
        assert_eq!(parse(bad.as_bytes()).unwrap_err().line, line, "{bad}");
    }
    fs::write(&path, b"\x7fELF\n\xff").unwrap();
    let error = Journal::open(&path).err().unwrap().to_string();
    assert!(error.contains("j.jsonl is no journal of keysweep") && error.contains("line 1"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), b"\x7fELF\n\xff", "what is refused is left alone");
}

#[test]
fn only_what_takes_another_back_switches_on() {
    let on = |header: Header| {
        let changes = header.changes.iter().cloned().map(|c| Change { from: c.to, to: c.from, ..c }).collect();
        line::header(&Header { changes, ..header })
    };
    let error = parse(on(header()).as_bytes()).unwrap_err().to_string();
    assert!(error.starts_with("line 1: a step switches something on"), "{error}");
    parse(on(Header { undoes: Some("j".into()), ..header() }).as_bytes()).unwrap();
}

#[cfg(unix)]
#[test]
fn what_anybody_could_have_written_is_not_done() {
    use std::os::unix::fs::PermissionsExt;
    let (_directory, path) = place();
    written(&path);
    for (mode, is_refused) in [(0o644, false), (0o664, false), (0o666, true), (0o602, true)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        for error in [Journal::open(&path).err(), consult(&path).err()] {
            assert_eq!(error.is_some_and(|error| error.to_string().contains("chmod o-w")), is_refused, "{mode:o}");
        }
    }
}

#[test]
fn an_attempt_in_doubt_stays_so_whatever_comes_of_a_later_one() {
    let change = &header().changes[0];
    let receipt = |result| line::receipt(0, &Receipt { result, observed: None, why: None }, 1);
    let state = |lines: &[String]| {
        let text = line::header(&header()) + &lines.concat();
        parse(text.as_bytes()).unwrap().states.swap_remove(0)
    };
    let (intent, failed, unknown) = (line::intent(0, change, 1), receipt(Outcome::Failed), receipt(Outcome::Unknown));
    let again = [intent.clone(), failed.clone()];
    assert!(!state(&again).may_be_done());
    assert!(state(&[&[intent.clone()][..], &again].concat()).may_be_done());
    assert!(state(&[&[intent.clone(), unknown][..], &again].concat()).may_be_done());
    assert!(!state(&[&again[..], &again].concat()).may_be_done());
    assert!(!state(&[receipt(Outcome::Unchanged)]).may_be_done() && state(&[intent]).may_be_done());
}

#[test]
fn those_with_steps_left_are_found_the_newest_first() {
    let (directory, _) = place();
    let at = |name: &str| directory.path().join(name);
    let done = Header { changes: Vec::new(), ..header() };
    Journal::create(&at("c-done.jsonl"), &done).unwrap();
    let back = Header { undoes: Some("a\nb".into()), ..header() };
    Journal::create(&at("undo.jsonl"), &back).unwrap();
    assert_eq!(consult(&at("undo.jsonl")).unwrap().0.header, back);
    written(&at("a-old.jsonl"));
    written(&at("b-new.jsonl"));
    fs::write(at("d.jsonl"), "x").unwrap();
    written(&at("e.txt"));
    let held = Journal::create(&at("f-held.jsonl"), &header()).unwrap();
    assert_eq!(unfinished(directory.path()).unwrap(), [at("b-new.jsonl"), at("a-old.jsonl")]);
    drop(held);
    assert!(unfinished(&at("not there")).is_err());
}

proptest! {
    #[test]
    fn any_bytes_are_a_journal_or_refused(bytes in any::<Vec<u8>>(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let _ = parse(&bytes);
        let mut text = super::line::header(&header()).into_bytes();
        text.extend(super::line::receipt(0, &confirmed(), 1).bytes());
        let at = at.index(text.len());
        text[at] = byte;
        if let Ok(record) = parse(&text) {
            prop_assert_eq!(record.states.len(), record.header.changes.len());
        }
    }
}
