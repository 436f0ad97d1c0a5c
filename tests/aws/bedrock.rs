//! Long-term API keys of Bedrock: known by the alias that they spell, listed and switched off through an API of their own.

use crate::fake::{Fault, secret_of};
use crate::scene::{CREATED, HOME, Scene};
use crate::support::Output;

/// A key as Bedrock hands it out: base64 of its alias and a secret.
fn key(alias: &str) -> String {
    let secret = [secret_of(alias), secret_of("more")].concat();
    let plain = format!("BedrockAPIKey-{alias}-at-{HOME}:{}", &secret[..61]);
    format!("{}{}", ["AB", "SK"].concat(), aws_smithy_types::base64::encode(plain))
}

/// Three keys of two users, one expired, one gone, all of them leaked.
fn leaked() -> Scene {
    let scene = Scene::new();
    scene.fake.world(|world| {
        let account = world.account(HOME);
        account.bedrock("ann", "ACCAEXAMPLEACTIVE1", "q7xz", CREATED);
        account.bedrock("bob", "ACCAEXAMPLEEXPIRED", "k2mp", CREATED).expires = Some(CREATED + 60);
    });
    for alias in ["q7xz", "k2mp", "w9gn"] {
        scene.at.write(format!("{alias}.env"), format!("AWS_BEARER_TOKEN_BEDROCK={}\n", key(alias)));
    }
    scene
}

fn status_at(output: &Output, path: &str) -> String {
    let findings = output.findings();
    let finding = findings.iter().find(|finding| finding["occurrences"][0]["path"] == path);
    let finding = finding.unwrap_or_else(|| panic!("nothing in {path}: {output:?}"));
    finding["verdict"]["status"].as_str().unwrap_or("none").to_owned()
}

#[test]
fn they_are_judged_by_their_alias_and_switched_off_by_their_id() {
    let scene = leaked();
    let triaged = scene.run(["scan", "--triage", "--format", "jsonl", "."]);
    assert_eq!(triaged.code, Some(1), "{triaged:?}");
    let statuses = ["q7xz.env", "k2mp.env", "w9gn.env"].map(|path| status_at(&triaged, path));
    assert_eq!(statuses, ["active", "expired", "deleted"].map(str::to_owned), "{triaged:?}");
    // The redacted report is all that it takes.
    scene.at.write("triaged.jsonl", &triaged.stdout);
    let again = scene.run(["triage", "--format", "jsonl", "triaged.jsonl"]);
    assert_eq!(status_at(&again, "q7xz.env"), "active", "{again:?}");
    let flags = ["--apply", "--yes", "--journal", "journal.jsonl"];
    let applied = scene.run(["deactivate", "--from", "triaged.jsonl"].into_iter().chain(flags));
    assert_eq!(applied.code, Some(0), "{applied:?}");
    let status = || scene.fake.world(|world| world.account(HOME).credentials["ACCAEXAMPLEACTIVE1"].status.clone());
    assert_eq!(status(), "Inactive");
    let changed = ("UpdateServiceSpecificCredential".to_owned(), "ACCAEXAMPLEACTIVE1".to_owned());
    assert_eq!(scene.fake.log().changes(), [changed]);
    let undone = scene.run(["undo", "journal.jsonl", "--apply", "--yes", "--journal", "undo.jsonl"]);
    assert_eq!((undone.code, status().as_str()), (Some(0), "Active"), "{undone:?}");
}

#[test]
fn where_they_can_not_be_listed_they_are_unknown() {
    let scene = leaked();
    scene.fake.fault("ListServiceSpecificCredentials", 1..=usize::MAX, Fault::server_error());
    let triaged = scene.run(["scan", "--triage", "--format", "jsonl", "."]);
    assert_eq!(triaged.code, Some(2), "{triaged:?}");
    assert_eq!(status_at(&triaged, "q7xz.env"), "unknown", "{triaged:?}");
}
