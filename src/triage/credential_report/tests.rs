//! Tests of the credential report.

use super::*;
use crate::key::AccessKeyId;

/// The columns of a report as AWS made it in 2026.
const HEADER: &str = "user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,password_next_rotation,mfa_active,\
access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,access_key_1_last_used_region,access_key_1_last_used_service,\
access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date,access_key_2_last_used_region,access_key_2_last_used_service,\
cert_1_active,cert_1_last_rotated,cert_2_active,cert_2_last_rotated";
const ROOT_ROW: &str = "<root_account>,arn:aws:iam::111122223333:root,2020-01-01T00:00:00Z,true,no_information,2020-01-01T00:00:00Z,N/A,true,\
false,N/A,N/A,N/A,N/A,false,N/A,N/A,N/A,N/A,false,N/A,false,N/A";
/// 1 is of 10:00 and was used in eu-west-1, 2 of 11:00 and was not.
const ANN: &str = "ann,arn:aws:iam::111122223333:user/ops/ann,2024-01-01T00:00:00Z,false,N/A,N/A,N/A,false,\
true,2024-03-01T10:00:00Z,2024-03-05T00:00:00Z,eu-west-1,s3,false,2024-03-01T11:00:00Z,N/A,N/A,N/A,false,N/A,false,N/A";

const TEN: i64 = 1_709_287_200;
/// After every date above.
const LATER: i64 = TEN + 1_000_000;

fn csv(rows: &[&str]) -> String {
    [&[HEADER], rows].concat().join("\n")
}

fn report(text: &str) -> CredentialReport {
    parse(text.as_bytes(), LATER, true).unwrap()
}

fn used(at: i64) -> LastUsed {
    LastUsed::At { at, service: Some("s3".to_owned()), region: Some("eu-west-1".to_owned()) }
}

fn key(user: &str, created: i64, status: KeyStatus, last_used: Option<LastUsed>) -> KeyRecord {
    let id = AccessKeyId::parse(b"AKIAIOSFODNN7EXAMPLE").unwrap();
    KeyRecord { id, user: user.to_owned(), status, created: Some(created), last_used }
}

fn number(place: Place<'_>) -> Option<u8> {
    match place {
        Place::Slot(number, _) => Some(number),
        _ => None,
    }
}

#[test]
fn a_report_of_aws_is_read() {
    let report = report(&csv(&[ROOT_ROW, ANN]));
    assert_eq!(report.account().unwrap().to_string(), "111122223333");
    assert_eq!((report.generated, report.is_exact, report.active_keys()), (LATER, true, 1));
    let ann = &report.users["ann"];
    assert_eq!((ann.has_password, ann.mfa), (Some(false), Some(false)));
    assert_eq!(ann.slots[0], Slot { is_active: true, rotated: Some(TEN), last_used: used(1_709_596_800) });
    assert_eq!(ann.slots[1], Slot { is_active: false, rotated: Some(TEN + 3600), last_used: LastUsed::Never });
    let root = report.root.as_ref().unwrap();
    assert_eq!((root.has_password, root.mfa, root.has_keys()), (Some(true), Some(true), false));
    assert_eq!((report.made_after(), report.holds_until()), (Some(1_709_596_800), Some(LATER)));
}

#[test]
fn other_ways_to_write_the_same_are_read_the_same() {
    let plain = csv(&[ROOT_ROW, ANN]);
    let expected = report(&plain);
    let reversed: Vec<String> = plain.lines().map(|line| line.rsplit(',').collect::<Vec<_>>().join(",")).collect();
    for text in [
        plain.clone() + "\n",
        format!("\u{feff}{plain}"),
        plain.replace('\n', "\r\n"),
        plain.replace("Z,", "+00:00,"),
        plain.replace("true", "TRUE").replace("false", "FALSE"),
        plain.lines().map(|line| format!("{line},x\n")).collect(),
        csv(&[ANN, ROOT_ROW]),
        plain.replace("ann,arn", "\"ann\",arn"),
        reversed.join("\n"),
    ] {
        let told = report(&text);
        assert_eq!(
            (told.users, told.root, told.account),
            (expected.users.clone(), expected.root.clone(), expected.account)
        );
    }
}

#[test]
fn what_emulators_and_older_reports_write_is_read() {
    let row = ANN
        .replace("eu-west-1,s3", "not_supported,not_supported")
        .replace("false,N/A,N/A,N/A,false,true", "not_supported,not_supported,not_supported,not_supported,N/A,true");
    let report = report(&csv(&[&row]));
    let ann = &report.users["ann"];
    assert_eq!((ann.has_password, ann.mfa), (None, None));
    assert_eq!(ann.slots[0].last_used, LastUsed::At { at: 1_709_596_800, service: None, region: None });
}

#[test]
fn a_report_is_no_older_than_what_it_tells() {
    let newest = 1_709_596_800;
    for (generated, is_exact, expected) in [
        (newest, true, (newest, true)),
        (0, true, (newest, false)),
        (0, false, (newest, false)),
        (LATER, false, (LATER, false)),
    ] {
        let report = parse(csv(&[ANN]).as_bytes(), generated, is_exact).unwrap();
        assert_eq!((report.generated, report.is_exact), expected);
    }
    let vague = parse(csv(&[ANN]).as_bytes(), LATER, false).unwrap();
    assert_eq!(vague.holds_until(), Some(newest));
}

#[test]
fn what_is_no_report_is_refused_with_its_line_and_not_shown() {
    let secret = "hunter2";
    for (text, told) in [
        (String::new(), "`user`"),
        (secret.to_owned(), "`user`"),
        (HEADER.replace("mfa_active", secret), "`mfa_active`"),
        (HEADER.to_owned(), "no rows"),
        (csv(&[ROOT_ROW, &format!("{ANN},{secret}")]), "line 3: it has 23 fields and the first line 22"),
        (csv(&[&format!("\"{ANN}{secret}")]), "line 2: it has 1 fields"),
        (csv(&[ROOT_ROW, &ANN.replace("arn:aws:iam::111122223333", secret)]), "line 3, column `arn`"),
        (
            csv(&[&ANN.replace("false,N/A,N/A,N/A", &format!("{secret},N/A,N/A,N/A"))]),
            "line 2, column `password_enabled`",
        ),
        (csv(&[&ANN.replace("2024-03-01T11:00:00Z", secret)]), "line 2, column `access_key_2_last_rotated`"),
        (csv(&[ROOT_ROW, ANN, ANN]), "line 4: that user"),
        (csv(&[ROOT_ROW, &ANN.replace("111122223333", "444455556666")]), "line 3: it is of another account"),
        (csv(&[ROOT_ROW, HEADER, ANN]), "line 3, column `arn`"),
        (format!("{{\"Content\": \"{secret}\"}}"), "base64 -d"),
        ("dXNlcixhcm4sdXNlcl9j".to_owned(), "base64 -d"),
    ] {
        let error = parse(text.as_bytes(), 0, true).unwrap_err().to_string();
        assert!(error.contains(told) && !error.contains(secret), "{error}\n{text}");
    }
    assert_eq!(parse(b"\xff\xfeu\0", 0, true).unwrap_err(), NotAReport::Encoding(true));
    assert_eq!(parse(b"user,\xff", 0, true).unwrap_err(), NotAReport::Encoding(false));
}

#[test]
fn a_key_stands_where_its_date_does() {
    let report = report(&csv(&[ROOT_ROW, ANN]));
    let slot = |user: &str, created: i64| report.slot_of(&key(user, created, KeyStatus::Active, None), LATER);
    assert_eq!(number(slot("ann", TEN)), Some(1));
    assert_eq!(number(slot("ann", TEN + 3600)), Some(2));
    assert!(matches!(slot("ann", TEN + 1), Place::NoSlot(_)));
    assert_eq!(slot("bob", TEN), Place::NoRow);
    assert_eq!(slot(ROOT, TEN), Place::NoRow);
    let undated = KeyRecord { created: None, ..key("ann", 0, KeyStatus::Active, None) };
    assert!(matches!(report.slot_of(&undated, LATER), Place::NoSlot(_)));
}

/// Both of ann's keys are of the same second.
fn twins() -> CredentialReport {
    report(&csv(&[&ANN.replace("11:00:00", "10:00:00")]))
}

#[test]
fn of_two_keys_of_one_second_the_last_use_tells() {
    let report = twins();
    let slot =
        |last_used| number(report.slot_of(&key("ann", TEN, KeyStatus::Active, Some(last_used)), LATER + 100_000));
    assert_eq!(slot(used(1_709_596_800)), Some(1));
    // It has never been used, then it had not been when the report was made.
    assert_eq!(slot(LastUsed::Never), Some(2));
    // It was last used before the other slot's key was.
    assert_eq!(slot(used(1_709_596_799)), Some(2));
    assert_eq!(slot(used(1_709_596_801)), None);
}

#[test]
fn of_two_keys_of_one_second_the_status_tells_while_it_is_the_same() {
    let report = twins();
    let slot = |status, as_of| number(report.slot_of(&key("ann", TEN, status, None), as_of));
    assert_eq!(slot(KeyStatus::Active, LATER + 300), Some(1));
    assert_eq!(slot(KeyStatus::Inactive, LATER - 300), Some(2));
    assert_eq!(slot(KeyStatus::Active, LATER + 301), None);
    let vague = parse(csv(&[&ANN.replace("11:00:00", "10:00:00")]).as_bytes(), LATER, false).unwrap();
    let place = vague.slot_of(&key("ann", TEN, KeyStatus::Active, None), LATER);
    assert!(matches!(place, Place::Either(_)), "who knows when it was made");
    let same = self::report(&csv(&[&ANN.replace("11:00:00", "10:00:00").replace("s3,false", "s3,true")]));
    assert!(matches!(same.slot_of(&key("ann", TEN, KeyStatus::Active, None), LATER), Place::Either(_)));
}
