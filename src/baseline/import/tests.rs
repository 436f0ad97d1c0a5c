//! Tests of what is taken over from other scanners.

use super::*;
use crate::baseline::tests::{AT, committed, file, finding};
use crate::provenance::Origin;

fn imported(imports: &Imports, finding: &Finding) -> Vec<String> {
    let mut finding = finding.clone();
    imports.mark(&mut finding);
    let marked = finding.occurrences.iter().filter(|place| place.suppressed.is_some());
    marked.map(|place| place.provenance.to_string()).collect()
}

fn gitleaks(text: &str) -> Imports {
    let (imports, notes) = Imports::gitleaks(".gitleaksignore", Reach::everything(), text);
    assert!(notes.is_empty(), "{notes:?}");
    imports
}

/// A place that HEAD still has.
fn in_head(number: u8, path: &str, line: u64) -> Occurrence {
    let mut place = committed(number, path, line);
    if let Origin::Commit { in_head, .. } = &mut place.provenance.origin {
        *in_head = Some(true);
    }
    place
}

#[test]
fn a_line_of_gitleaks_holds_for_the_credential_in_one_version_of_that_file() {
    let places = vec![
        file("a/b.env", 3),
        file("a/b.env", 9),
        committed(1, "a/b.env", 2),
        in_head(2, "a/b.env", 3),
        committed(3, "a/b.env", 3),
        file("c.env", 3),
    ];
    let finding = finding(AT, places);
    let [one, two, four] = [1, 2, 4].map(|number: u8| format!("{number:02x}").repeat(20));
    let file = || "a/b.env".to_owned();
    let present = [file(), file(), format!("{two}:a/b.env")];
    for line in [
        "a/b.env:aws-access-token:3",
        "./a/b.env:aws-access-token:9",
        "a\\b.env:aws-access-token:3",
        "# why\n\na/b.env:aws-access-key-id:3",
        // What that commit brought is what lies there.
        &format!("{two}:a/b.env:aws-access-token:3"),
    ] {
        assert_eq!(imported(&gitleaks(line), &finding), present, "{line}");
    }
    let old = gitleaks(&format!("{one}:a/b.env:aws-access-token:2"));
    assert_eq!(imported(&old, &finding), [format!("{one}:a/b.env")]);
    assert_eq!(old.paths_of(&finding), [b"a/b.env".to_vec()].into());
    for line in [
        "a/b.env:aws-access-token:4",
        // So it was once: what stands there now is something else.
        "a/b.env:aws-access-token:2",
        "a/b.env:github-pat:3",
        "b.env:aws-access-token:3",
        &format!("{four}:a/b.env:aws-access-token:3"),
        &format!("{one}:a/b.env:aws-access-token:3"),
    ] {
        let imports = gitleaks(line);
        assert!(imported(&imports, &finding).is_empty() && imports.paths_of(&finding).is_empty(), "{line}");
    }
}

#[test]
fn what_gitleaks_calls_a_generic_secret_stands_on_the_lines_of_the_pair() {
    let mut finding = finding(AT, vec![file("a", 3)]);
    finding.occurrences[0].snippet.lines = vec!["id".into(), "secret".into()];
    let on = |line: u64| !imported(&gitleaks(&format!("a:generic-api-key:{line}")), &finding).is_empty();
    assert_eq!([2, 3, 4, 5].map(on), [false, true, true, false]);
    finding.rule = "github-pat".into();
    assert!(imported(&gitleaks("a:generic-api-key:3"), &finding).is_empty());
    assert!(!imported(&gitleaks("a:github-pat:3"), &finding).is_empty());
}

#[test]
fn lines_that_are_something_else_are_told() {
    let text = "a:b\n:rule:1\na:rule:x\nc:d:e:rule:1\n";
    let (imports, notes) = Imports::gitleaks(".gitleaksignore", Reach::everything(), text);
    assert_eq!(notes.len(), 3);
    assert!(notes[0].starts_with("line 1 of .gitleaksignore is not"), "{notes:?}");
    assert_eq!(imports.paths.keys().collect::<Vec<_>>(), [b"c:d:e"]);
}

/// A baseline as detect-secrets 1.5 writes it, with the hash of a value.
fn secrets_baseline(path: &str, value: &str, is_secret: &str) -> String {
    use sha1::Digest;
    let hash: String = sha1::Sha1::digest(value).iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        r#"{{"version":"1.5.0","plugins_used":[],"filters_used":[],"generated_at":"2026-01-01T00:00:00Z","results":{{"{path}":[
        {{"type":"AWS Access Key","filename":"{path}","hashed_secret":"{hash}","is_verified":false,"line_number":1{is_secret}}}]}}}}"#
    )
}

#[test]
fn a_hash_of_detect_secrets_is_that_of_the_id_or_of_a_secret_in_the_same_file() {
    let mut finding = finding(AT, vec![file("a.env", 3), file("b.env", 3)]);
    finding.secrets = vec![(crate::engine::SecretKind::SecretAccessKey, crate::key::Secret::new("hush"))];
    let read = |text: &str| Imports::detect_secrets(".secrets.baseline", Reach::everything(), text).unwrap();
    for value in [AT, "hush"] {
        let (imports, notes) = read(&secrets_baseline("a.env", value, ""));
        assert_eq!(imported(&imports, &finding), ["a.env"]);
        assert!(notes.is_empty());
        assert!(imported(&read(&secrets_baseline("c.env", value, "")).0, &finding).is_empty());
    }
    assert!(imported(&read(&secrets_baseline("a.env", "other", "")).0, &finding).is_empty());
    assert_eq!(imported(&read(&secrets_baseline("a.env", AT, r#","is_secret":false"#)).0, &finding), ["a.env"]);
    let (imports, notes) = read(&secrets_baseline("a.env", AT, r#","is_secret":true"#));
    assert!(imported(&imports, &finding).is_empty() && notes[0].contains("audited as real secrets"), "{notes:?}");
}

#[test]
fn what_is_no_baseline_of_detect_secrets_is_refused_and_not_shown() {
    let error =
        Imports::detect_secrets("x", Reach::everything(), "{\n\"results\": \"hunter2\"}").unwrap_err().to_string();
    assert!(error.contains("line 2") && !error.contains("hunter2"), "{error}");
}
