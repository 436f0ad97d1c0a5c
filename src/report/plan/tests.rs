//! Plans and outcomes as they are shown.

use serde_json::Value;

use super::*;
use crate::key::{AccessKeyId, AccountId};
use crate::response::Target;
use crate::response::journal::Header;
use crate::response::plan::{Reason, Refusal};

fn id() -> String {
    ["AKIA", "WDB7XWLS3OBANPCE"].concat()
}

fn change(user: &str) -> Change {
    let subject = Subject::AccessKey(AccessKeyId::parse(id().as_bytes()).unwrap());
    let account = AccountId::parse("111122223333").unwrap();
    Change { target: Target { account, user: user.to_owned(), subject }, from: Position::On, to: Position::Off }
}

fn plan(user: &str) -> Plan {
    Plan {
        steps: vec![Step {
            change: change(user),
            last_use: "used just now".into(),
            holdings: vec!["a password for the console".into()],
            warnings: vec!["mind the gap".into()],
        }],
        refusals: vec![Refusal {
            called: "sessions of \u{1b}[2J".into(),
            reason: Reason::OwnKey,
            why: "it is one's own".into(),
        }],
        done: vec!["another is inactive already".into()],
        notes: vec!["a note".into()],
    }
}

fn text(plan: &Plan, applies: bool) -> String {
    let mut out = Vec::new();
    write_text(plan, applies, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn record(user: &str) -> Record {
    let header = Header {
        code: "K7Q2MX".into(),
        caller: "arn".into(),
        account: "111122223333".into(),
        version: "0".into(),
        started: 0,
        undoes: None,
        changes: vec![change(user)],
    };
    Record { header, states: vec![State::default()], torn: 0 }
}

#[test]
fn a_plan_is_told_whole() {
    let plan = plan("ada");
    let expected = format!(
        "Plan {}: 1 to switch off, 1 refused, 1 to be left as it is
switch off  access key {} of user ada in 111122223333
            used just now
            its user also holds: a password for the console
            ! mind the gap
refused     sessions of \\u{{1b}}[2J (own key)
            it is one's own
already     another is inactive already

Note: a note.

Nothing was changed; --apply does it.
",
        plan.code(),
        id()
    );
    assert_eq!(text(&plan, false), expected);
    assert!(!text(&plan, true).contains("Nothing was changed"));
    assert_eq!(text(&Plan::default(), false), "Plan: nothing to do\n");
}

#[test]
fn what_others_chose_moves_no_cursor() {
    let plan = plan("a\u{1b}[2J\nb\u{202e}");
    assert!(!text(&plan, false).contains(['\u{1b}', '\u{202e}']));
    assert_eq!(text(&plan, false).lines().count(), text(&self::plan("ada"), false).lines().count());
    let failed = Receipt { result: Outcome::Failed, observed: None, why: Some("no\u{7}\nno".into()) };
    assert!(!receipt(&change("a\nb"), &failed).contains(['\n', '\u{7}']));
}

#[test]
fn receipts_say_how_it_stands_and_why() {
    let told = |result, why: Option<&str>| {
        receipt(&change("ada"), &Receipt { result, observed: None, why: why.map(str::to_owned) })
    };
    let what = format!("access key {} of user ada in 111122223333", id());
    assert_eq!(told(Outcome::Confirmed, None), format!("confirmed   {what} is inactive now"));
    assert_eq!(told(Outcome::Unchanged, None), format!("unchanged   {what} was inactive already"));
    assert_eq!(told(Outcome::Failed, Some("no")), format!("failed      {what} was not changed: no"));
    assert_eq!(told(Outcome::Unknown, Some("no")), format!("unknown     {what} is not known: no"));
}

#[test]
fn an_outcome_names_the_ways_on_and_back() {
    let receipt = |result| (0, Receipt { result, observed: None, why: None });
    let done = Outcomes { receipts: vec![receipt(Outcome::Confirmed)], stopped: None };
    assert_eq!(outcome(&record("ada"), &done, "j"), "1 step: 1 confirmed\nTo take it back: keysweep undo j\n");
    let stopped = Outcomes { receipts: vec![], stopped: Some("x".into()) };
    let told = outcome(&record("ada"), &stopped, "j");
    assert!(told.starts_with("1 step: 1 not done\nWhat is left: keysweep deactivate --resume j\n"), "{told}");
}

#[test]
fn what_is_left_says_how_far_it_got() {
    let mut record = record("ada");
    assert_eq!(left(&record)[0].warnings, ["it was not begun"]);
    record.states[0].is_begun = true;
    assert!(left(&record)[0].warnings[0].contains("read again first"));
    record.states[0].receipt = Some(Receipt { result: Outcome::Unknown, observed: None, why: Some("time out".into()) });
    assert_eq!(left(&record)[0].warnings, ["it ended as unknown: time out"]);
}

#[test]
fn json_has_the_plan_and_what_came_of_it() {
    let json = |done: Option<&Done<'_>>| -> Value {
        let mut out = Vec::new();
        write_json(&plan("ada"), "deactivate", done, &mut out).unwrap();
        serde_json::from_slice(&out).unwrap()
    };
    let planned = json(None);
    assert_eq!((&planned["schema"], &planned["applied"]), (&"keysweep-plan/v1".into(), &false.into()));
    let step = &planned["steps"][0];
    assert_eq!((&step["id"], &step["kind"], &step["to"]), (&id().into(), &"access_key".into(), &"off".into()));
    assert!(step["result"].is_null() && planned["refusals"][0]["reason"] == "own key");
    let receipts = vec![(0, Receipt { result: Outcome::Confirmed, observed: Some(Position::Off), why: None })];
    let outcomes = Outcomes { receipts, stopped: Some("x".into()) };
    let done = json(Some(&Done { record: &record("ada"), outcomes: &outcomes, journal: "j" }));
    let step = &done["steps"][0];
    assert_eq!((&step["result"], &step["observed"]), (&"confirmed".into(), &"off".into()));
    assert_eq!((&done["journal"], &done["stopped"], &done["applied"]), (&"j".into(), &"x".into(), &true.into()));
}
