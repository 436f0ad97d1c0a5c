//! `keysweep triage` and `keysweep scan --triage`, by files of the owner's side: nobody is asked.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::support::{Invocation, Keysweep, Output, example_key};

/// One's own account and another.
pub(crate) const OURS: u64 = 111_122_223_333;
const OTHERS: u64 = 444_455_556_666;
/// One of Thinkst's.
const CANARIES: u64 = 171_436_882_533;

/// An id of that account, and a secret: the same for the same seed.
pub(crate) fn key_of(kind: &str, account: u64, seed: u64) -> (String, String) {
    let (id, secret) = example_key(seed);
    let bits = 1 << 44 | account << 4 | (seed % 16);
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let spelled: String = (0..9).rev().map(|at| char::from(alphabet[(bits >> (5 * at)) as usize % 32])).collect();
    (format!("{kind}{spelled}{}", &id[13..]), secret)
}

/// Keys by what is to be found out about them.
pub(crate) struct Story {
    place: Keysweep,
    keys: BTreeMap<&'static str, (String, String)>,
}

impl Story {
    /// A repository with seven leaked keys, and the files of the account that four of them belong to.
    pub(crate) fn new() -> Self {
        let place = Keysweep::new();
        let told = [
            ("used", "AKIA", OURS),
            ("unused", "AKIA", OURS),
            ("inactive", "AKIA", OURS),
            ("deleted", "AKIA", OURS),
            ("foreign", "AKIA", OTHERS),
            ("canary", "AKIA", CANARIES),
            ("temporary", "ASIA", OURS),
        ];
        let keys: BTreeMap<_, _> =
            (1..).zip(told).map(|(seed, (name, kind, account))| (name, key_of(kind, account, seed))).collect();
        place.init("r");
        for (name, (id, secret)) in &keys {
            let text = format!("AWS_ACCESS_KEY_ID={id}\nAWS_SECRET_ACCESS_KEY={secret}\n");
            place.write(format!("r/{name}.env"), text);
        }
        place.commit("r", "first");
        let story = Self { place, keys };
        story.place.write("report.csv", credential_report()).write("keys.json", story.dump());
        // What is told in hours is the same a second later.
        let date = SystemTime::now() - Duration::from_secs(90 * 60);
        for file in ["report.csv", "keys.json"] {
            std::fs::File::options().write(true).open(story.place.path(file)).unwrap().set_modified(date).unwrap();
        }
        story
    }

    pub(crate) fn place(&self) -> &Keysweep {
        &self.place
    }

    pub(crate) fn id(&self, name: &str) -> &str {
        &self.keys[name].0
    }

    fn secret(&self, name: &str) -> &str {
        &self.keys[name].1
    }

    fn dump(&self) -> String {
        let document = |name: &str, user: &str, status: &str, date: &str| {
            format!(
                "{{\"AccessKeyMetadata\": [{{\"UserName\": \"{user}\", \"AccessKeyId\": \"{}\", \"Status\": \"{status}\", \"CreateDate\": \"{date}\"}}]}}\n",
                self.id(name)
            )
        };
        document("used", "ann", "Active", "2024-01-01T00:00:00+00:00")
            + &document("unused", "bob", "Active", "2024-01-02T00:00:00+00:00")
            + &document("inactive", "carl", "Inactive", "2024-01-03T00:00:00+00:00")
    }

    /// With the files of the account.
    fn offline(&self, args: &[&str]) -> Invocation<'_> {
        let files = ["--credential-report", "report.csv", "--access-keys", "keys.json"];
        self.place.invocation(args.iter().chain(&files)).env("AWS_EC2_METADATA_DISABLED", "true")
    }

    fn scan(&self, args: &[&str]) -> Output {
        self.offline(&[&["scan", "r", "--format", "jsonl", "--triage"], args].concat()).run()
    }

    /// What became of each key, by the file that it stands in.
    fn statuses(&self, output: &Output) -> BTreeMap<&str, String> {
        let of = |finding: &Value| {
            let id = finding["access_key_id"].as_str().unwrap();
            let (name, _) = self.keys.iter().find(|(_, (known, _))| known == id).unwrap();
            (*name, finding["verdict"]["status"].as_str().unwrap_or("none").to_owned())
        };
        output.findings().iter().map(of).collect()
    }

    #[track_caller]
    fn verdict(&self, output: &Output, name: &str) -> Value {
        let findings = output.findings();
        findings.iter().find(|finding| finding["access_key_id"] == self.id(name)).unwrap()["verdict"].clone()
    }
}

/// Of ann, whose key was used after it was committed on 2024-02-03, bob, whose was not, and carl, whose is off.
fn credential_report() -> String {
    let header = "user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,password_next_rotation,mfa_active,\
        access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,access_key_1_last_used_region,access_key_1_last_used_service,\
        access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date,access_key_2_last_used_region,access_key_2_last_used_service,\
        cert_1_active,cert_1_last_rotated,cert_2_active,cert_2_last_rotated";
    let row = |user: &str, arn: &str, key: &str| {
        format!(
            "\n{user},arn:aws:iam::{OURS}:{arn},2020-01-01T00:00:00Z,false,N/A,N/A,N/A,false,{key},false,N/A,N/A,N/A,N/A,false,N/A,false,N/A"
        )
    };
    header.to_owned()
        + &row("<root_account>", "root", "false,N/A,N/A,N/A,N/A")
        + &row("ann", "user/ann", "true,2024-01-01T00:00:00Z,2024-06-01T10:00:00Z,eu-west-1,s3")
        + &row("bob", "user/bob", "true,2024-01-02T00:00:00Z,N/A,N/A,N/A")
        + &row("carl", "user/carl", "false,2024-01-03T00:00:00Z,N/A,N/A,N/A")
}

const RIGHT: [(&str, &str); 7] = [
    ("used", "active"),
    ("unused", "active"),
    ("inactive", "inactive"),
    ("deleted", "deleted"),
    ("foreign", "foreign"),
    ("canary", "canary"),
    ("temporary", "temporary"),
];

fn right() -> BTreeMap<&'static str, String> {
    RIGHT.map(|(name, status)| (name, status.to_owned())).into_iter().collect()
}

#[test]
fn each_of_seven_leaked_keys_is_judged_right() {
    let story = Story::new();
    let output = story.scan(&[]);
    assert_eq!(output.code, Some(1), "{output:?}");
    assert_eq!(story.statuses(&output), right());
    let used = story.verdict(&output, "used");
    assert_eq!(
        (&used["live"], &used["user_name"], &used["used_since_exposed"]),
        (&true.into(), &"ann".into(), &true.into())
    );
    assert_eq!((&used["last_used"]["service"], &used["last_used"]["region"]), (&"s3".into(), &"eu-west-1".into()));
    assert_eq!(used["exposed"], "2024-02-03T04:05:06+00:00");
    assert_eq!(used["report"]["slot"], 1);
    let unused = story.verdict(&output, "unused");
    assert_eq!((&unused["used_since_exposed"], &unused["last_used"]["date"]), (&false.into(), &Value::Null));
    assert_eq!(story.verdict(&output, "temporary")["live"], false, "it was committed years ago");
    assert_eq!(story.verdict(&output, "foreign")["account_id"], OTHERS.to_string());
    let ours = output.findings().iter().filter(|finding| finding["account"] == "ours").count();
    assert_eq!(ours, 5, "the account of the files is one's own");
    assert_eq!(output.summary()["complete"], true);
}

#[test]
fn a_report_is_triaged_as_the_scan_would_have_been() {
    let story = Story::new();
    let report = story.place.scan(["r"]).stdout;
    let piped = story.offline(&["triage", "-", "--format", "jsonl"]).stdin(report.clone()).run();
    assert_eq!((piped.code, story.statuses(&piped)), (Some(1), right()), "{piped:?}");
    assert_eq!(story.verdict(&piped, "used"), story.verdict(&story.scan(&[]), "used"));
    // What comes out goes in again, and a document too.
    story.place.write("report.jsonl", &piped.stdout);
    let document = story.offline(&["triage", "report.jsonl", "--format", "json"]).run();
    story.place.write("report.json", &document.stdout);
    let again = story.offline(&["triage", "report.json", "--format", "jsonl"]).run();
    assert_eq!(again.stdout, piped.stdout);
    let known = story.place.scan(["r", "--baseline", "report.jsonl"]);
    assert!(known.ids().len() == 7 && known.code == Some(0), "it is a report like any other: {known:?}");
}

#[test]
fn people_see_the_live_ones_first() {
    let story = Story::new();
    story.place.write("report.jsonl", story.place.scan(["r"]).stdout);
    let text = String::from_utf8(story.offline(&["triage", "report.jsonl"]).run().stdout).unwrap();
    let order: Vec<&str> =
        text.lines().filter(|line| !line.starts_with(' ')).filter_map(|line| line.split("  ").next()).collect();
    let last = "7 credentials: 2 active, 1 temporary, 1 inactive, 1 deleted, 1 foreign, 1 canary.";
    assert_eq!(
        order,
        ["ACTIVE", "", "ACTIVE", "", "TEMPORARY", "", "INACTIVE", "", "DELETED", "", "FOREIGN", "", "CANARY", "", last]
    );
    assert!(
        text.contains("used since it was exposed on 2024-02-03 04:05 UTC") && text.contains("used.env:1"),
        "{text}"
    );
    let scan = story.offline(&["scan", "r", "--triage"]).run();
    let text = String::from_utf8(scan.stdout).unwrap();
    assert!(text.contains("    status      ACTIVE\n"), "{text}");
    assert!(text.contains("By status: 2 active, 1 temporary"), "{text}");
}

#[test]
fn ids_can_be_judged_by_themselves() {
    let story = Story::new();
    let judged = |names: &[&str]| {
        let ids = names.iter().map(|name| story.id(name));
        let args: Vec<&str> = ["triage", "--format", "jsonl"].into_iter().chain(ids).collect();
        let output = story.offline(&args).run();
        (output.code, story.statuses(&output).into_values().collect::<Vec<_>>())
    };
    assert_eq!(judged(&["used", "used"]), (Some(1), vec!["active".to_owned()]));
    assert_eq!(judged(&["deleted"]), (Some(0), vec!["deleted".to_owned()]));
    assert_eq!(judged(&["inactive", "canary"]), (Some(0), vec!["canary".to_owned(), "inactive".to_owned()]));
    let csv = story.offline(&["triage", "--format", "csv", story.id("used")]).run().stdout;
    let csv = String::from_utf8(csv).unwrap();
    assert!(
        csv.contains(&format!("{},,active,true,{OURS},ann,2024-01-01T00:00:00+00:00,2024-06-01", story.id("used"))),
        "{csv}"
    );
}

#[test]
fn what_is_live_counts_even_when_it_is_suppressed() {
    let story = Story::new();
    for name in ["used", "deleted"] {
        let ignored =
            story.place.invocation(["baseline", "add", story.id(name), "--reason", "x", "--target", "r"]).run();
        assert_eq!(ignored.code, Some(0), "{ignored:?}");
    }
    let output = story.scan(&[]);
    let suppressed = |name: &str| {
        output.findings().iter().find(|finding| finding["access_key_id"] == story.id(name)).unwrap()["suppressed"]
            .clone()
    };
    assert_eq!((suppressed("used"), &suppressed("deleted")["by"]), (Value::Null, &"ignore-file".into()));
    assert_eq!(output.summary()["findings"], 6);
    let text = String::from_utf8(story.offline(&["scan", "r", "--triage"]).run().stdout).unwrap();
    assert!(text.contains(".keysweepignore, but it is live"), "{text}");
    assert!(text.contains("1 suppressed"), "{text}");
}

#[test]
fn a_report_that_has_a_live_one_as_suppressed_is_put_right() {
    let story = Story::new();
    for name in ["used", "deleted"] {
        let added = story.place.invocation(["baseline", "add", story.id(name), "--reason", "x", "--target", "r"]).run();
        assert_eq!(added.code, Some(0), "{added:?}");
    }
    let report = story.place.scan(["r"]);
    assert_eq!((report.summary()["findings"].as_u64(), report.summary()["suppressed"].as_u64()), (Some(5), Some(2)));
    let judged = story.offline(&["triage", "-", "--format", "jsonl"]).stdin(report.stdout).run();
    let scanned = story.scan(&[]);
    for field in ["findings", "suppressed", "suppressed_by", "complete"] {
        assert_eq!(judged.summary()[field], scanned.summary()[field], "{field}");
    }
    let suppressed =
        |output: &Output| output.findings().iter().map(|one| one["suppressed"].clone()).collect::<Vec<_>>();
    assert_eq!(suppressed(&judged), suppressed(&scanned));
}

#[test]
fn that_a_report_is_not_of_everything_is_told() {
    let story = Story::new();
    let report = String::from_utf8(story.place.scan(["r"]).stdout).unwrap();
    let partial = report.replace("\"complete\":true", "\"complete\":false");
    assert_ne!(partial, report);
    let output = story.offline(&["triage", "-", "--format", "jsonl"]).stdin(partial).run();
    assert_eq!((output.code, &output.summary()["complete"]), (Some(1), &false.into()), "{output:?}");
    output.expect_stderr(&["did not read everything"]);
}

#[test]
fn only_live_ones_fail_a_scan_that_asks_for_that() {
    let story = Story::new();
    assert_eq!(story.scan(&["--fail-on", "live"]).code, Some(1));
    // Without a date, nobody knows that the session is over.
    for name in ["used", "unused", "temporary"] {
        std::fs::remove_file(story.place.path(format!("r/{name}.env"))).unwrap();
    }
    let output = story.scan(&["--fail-on", "live", "--history", "none"]);
    assert_eq!((output.code, output.ids().len()), (Some(0), 4), "{output:?}");
    assert_eq!(story.scan(&["--history", "none"]).code, Some(1));
    let without = story.place.scan(["r", "--fail-on", "live"]);
    assert_eq!(without.code, Some(2));
    without.expect_stderr(&["--fail-on live", "add --triage"]);
}

#[test]
fn what_could_not_be_learnt_is_told_and_is_2() {
    let story = Story::new();
    // Without bob's keys nobody knows that the deleted one is.
    let dump = std::fs::read_to_string(story.place.path("keys.json")).unwrap();
    story.place.write("keys.json", dump.lines().filter(|line| !line.contains("bob")).collect::<String>());
    let output = story.scan(&[]);
    assert_eq!(output.code, Some(2));
    output.expect_unread(&[story.id("deleted")]);
    assert_eq!(story.verdict(&output, "deleted")["status"], "unknown");
    let reason = story.verdict(&output, "deleted")["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("not every key"), "{reason}");
    assert_eq!(story.scan(&["--allow-incomplete"]).code, Some(1));
    let ids = story.offline(&["triage", "--format", "jsonl", story.id("deleted")]).run();
    assert_eq!(ids.code, Some(2));
    ids.expect_unread(&[story.id("deleted")]);
}

#[test]
fn a_report_alone_says_honestly_what_it_can_not_tell() {
    let story = Story::new();
    let output = story.place.invocation(["triage", story.id("used"), "--credential-report", "report.csv"]).run();
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert_eq!(output.code, Some(2), "{output:?}");
    assert!(text.contains("reports name no key ids") && text.contains("users held 2 active keys"), "{text}");
}

#[test]
fn nobody_signs_in_where_there_is_nothing_to_ask() {
    let story = Story::new();
    let run = |args: &[&str], stdin: &[u8]| {
        story.place.invocation(args).stdin(stdin.to_vec()).env("AWS_EC2_METADATA_DISABLED", "true").run()
    };
    let canary = run(&["triage", "--format", "jsonl", story.id("canary")], b"");
    assert_eq!((canary.code, &story.verdict(&canary, "canary")["status"]), (Some(0), &"canary".into()), "{canary:?}");
    story.place.write("empty/a", "nothing");
    let clean = story.place.scan(["empty"]).stdout;
    assert_eq!(run(&["triage", "-"], &clean).code, Some(0));
    assert_eq!(run(&["triage", story.id("canary"), story.id("used")], b"").code, Some(2));
}

#[test]
fn a_scan_is_not_lost_when_nobody_can_be_asked() {
    let story = Story::new();
    let scan = story.place.scanning(["r", "--triage"]).env("AWS_EC2_METADATA_DISABLED", "true").run();
    assert_eq!((scan.code, scan.ids().len()), (Some(2), 7), "{scan:?}");
    scan.expect_unread(&["whether what was found is live"]);
    let told: BTreeSet<_> = scan.findings().iter().map(|found| found["verdict"]["status"].to_string()).collect();
    assert_eq!(told, ["\"canary\"", "\"temporary\"", "\"unknown\""].map(str::to_owned).into());
    // What could not be read may be passed over; a question that nobody was asked has no answer.
    let flags = ["r", "--triage", "--fail-on", "live", "--allow-incomplete"];
    assert_eq!(story.place.scanning(flags).env("AWS_EC2_METADATA_DISABLED", "true").run().code, Some(2));
}

#[test]
fn secrets_of_a_report_are_not_passed_on() {
    let story = Story::new();
    let report = story.place.scan(["r", "--show-secrets"]).stdout;
    let secret = story.secret("used");
    assert!(String::from_utf8_lossy(&report).contains(secret));
    for format in ["text", "json", "jsonl", "csv"] {
        let output = story.offline(&["triage", "-", "--format", format]).stdin(report.clone()).run();
        assert_eq!(output.code, Some(1));
        assert!(!format!("{output:?}").contains(secret), "{format}");
    }
}

#[test]
fn what_is_wrong_is_told_and_not_shown() {
    let story = Story::new();
    let secret = story.secret("used");
    story.place.write("wrong", format!("{secret}\n")).write("wrong.csv", format!("{}\n{secret}", credential_report()));
    let scan = ["scan", "r", "--triage"];
    for (args, words) in [
        (&["triage", "wrong"][..], &["reading findings from wrong", "line 1"][..]),
        (&["triage", "nothing.json"], &["nothing.json", "access key id"]),
        (&["triage", "AKIAxyz", "report.jsonl"], &["one report of keysweep"]),
        (&["triage"], &["FINDINGS|KEY_ID"]),
        (&["triage", story.id("used"), "--access-keys", "wrong"], &["wrong", "line 1", "list-access-keys"]),
        (&["triage", story.id("used"), "--access-keys", "-"], &["how old it is"]),
        (&["triage", story.id("used"), "--access-keys", "keys.json", "--profile", "x"], &["cannot be used with"]),
        (&["triage", story.id("used"), "--access-keys", "keys.json", "--verify-with-secret"], &["cannot be used with"]),
        (&[&scan[..], &["--credential-report", "wrong.csv"]].concat(), &["wrong.csv", "line 6", "fields"]),
        (&[&scan[..], &["--credential-report", "keys.json"]].concat(), &["keys.json", "base64 -d"]),
        (&[&scan[..], &["--access-keys", "report.csv"]].concat(), &["report.csv", "line 1"]),
        (&["scan", "r", "--profile", "x"], &["add --triage"]),
        (&["scan", "r", "--verify-with-secret"], &["add --triage"]),
    ] {
        let output = story.place.invocation(args).env("AWS_EC2_METADATA_DISABLED", "true").run();
        assert_eq!((output.code, output.stdout.len()), (Some(2), 0), "{output:?}");
        output.expect_stderr(words);
        assert!(!output.stderr.contains(secret), "{output:?}");
    }
}
