//! One row for each place at which a credential stands, for spreadsheets. Secrets are redacted whatever was asked for: a
//! spreadsheet is mailed around.

use std::borrow::Cow;
use std::io::{self, Write};

use super::Report;
use super::json::Occurrence;
use super::sanitize::visible;
use super::stored::Public;
use super::verdict;
use crate::finding::suppression::Suppression;
use crate::triage::verdict::Verdict;

const HEADER: [&str; 30] = [
    "fingerprint",
    "rule",
    "severity",
    "access_key_id",
    "account_id",
    "account",
    "source",
    "path",
    "member",
    "line",
    "column",
    "commit",
    "author",
    "date",
    "in_head",
    "secrets",
    "expires",
    "suppressed_by",
    "suppressed_source",
    "suppressed_reason",
    "status",
    "user_name",
    "last_used",
    "used_since_exposed",
    "bucket",
    "key",
    "version_id",
    "etag",
    "last_modified",
    "public",
];

/// Header and rows, RFC 4180 but for the line ends, which are bare newlines.
pub(super) fn write(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut table = ::csv::Writer::from_writer(out);
    table.write_record(HEADER).map_err(io_error)?;
    for finding in report.findings {
        let id = finding.access_key_id;
        let account = report.account(finding);
        let secrets: Vec<_> = finding.secrets.iter().map(|(_, s)| s.redacted()).collect();
        let about = [
            report.fingerprint(&finding.fingerprint).to_string(),
            finding.rule.to_string(),
            report.severity(finding).to_string(),
            id.map(|id| id.to_string()).unwrap_or_default(),
            account.map(|(account, _)| account.to_string()).unwrap_or_default(),
            account.map(|(_, standing)| standing.name()).unwrap_or_default().to_owned(),
        ];
        let secrets = secrets.join(";");
        let verdict = verdict_cells(report.verdict(finding));
        for place in &finding.occurrences {
            let suppressed = suppression_cells(place.suppressed.as_ref());
            let place = Occurrence::new(report, place);
            let expires = place.expires.clone().unwrap_or_default();
            let (stored, place) = (stored_cells(&place), place_cells(&place));
            let row = about.iter().chain(&place).chain([&secrets, &expires]);
            let row = row.chain(&suppressed).chain(&verdict).chain(&stored);
            table.write_record(row.map(|text| cell(text))).map_err(io_error)?;
        }
    }
    table.flush()
}

/// What says that the place does not count, and why.
fn suppression_cells(suppression: Option<&Suppression>) -> [String; 3] {
    let Some(Suppression { by, source, reason }) = suppression else {
        return Default::default();
    };
    [by.name().to_owned(), source.to_string(), reason.as_deref().unwrap_or_default().to_owned()]
}

/// What triage came to, where it was asked for.
fn verdict_cells(verdict: Option<&Verdict>) -> [String; 4] {
    let Some(verdict) = verdict else {
        return Default::default();
    };
    [
        verdict.status.name().to_owned(),
        verdict.user.clone().unwrap_or_default(),
        verdict::last_used(verdict.last_used.as_ref()),
        verdict.used_since_exposed.map(|yes| yes.to_string()).unwrap_or_default(),
    ]
}

fn place_cells(place: &Occurrence<'_>) -> [String; 9] {
    let text = |cell: &Option<Cow<'_, str>>| cell.as_deref().unwrap_or_default().to_owned();
    [
        place.source.to_owned(),
        text(&place.path),
        text(&place.member),
        place.line.to_string(),
        place.column.to_string(),
        place.commit.clone().unwrap_or_default(),
        text(&place.author),
        place.date.clone().unwrap_or_default(),
        place.in_head.map(|yes| yes.to_string()).unwrap_or_default(),
    ]
}

/// What only objects of buckets have.
fn stored_cells(place: &Occurrence<'_>) -> [String; 6] {
    [
        place.bucket.unwrap_or_default().to_owned(),
        place.key.as_deref().unwrap_or_default().to_owned(),
        place.version_id.unwrap_or_default().to_owned(),
        place.etag.unwrap_or_default().to_owned(),
        place.last_modified.clone().unwrap_or_default(),
        place.public.as_ref().map(Public::in_words).unwrap_or_default(),
    ]
}

/// A cell that no spreadsheet takes for a formula: <https://owasp.org/www-community/attacks/CSV_Injection>.
pub(super) fn cell(text: &str) -> String {
    let shown = visible(text);
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']) {
        format!("'{shown}")
    } else {
        shown.into_owned()
    }
}

/// The writer's own error, so that a broken pipe is known as one.
pub(super) fn io_error(error: ::csv::Error) -> io::Error {
    match error.into_kind() {
        ::csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{Sample, canary, commit, file, finding, history, occurrence, stored, suppression};
    use super::*;
    use crate::engine::SecretKind;
    use crate::exposure::Publicness;
    use crate::finding::suppression::By;
    use crate::key::Secret;
    use crate::provenance::Origin;
    use crate::report::Format;

    fn rows(sample: &Sample) -> Vec<Vec<String>> {
        let text = sample.written(Format::Csv);
        ::csv::ReaderBuilder::new()
            .has_headers(false)
            .from_reader(text.as_bytes())
            .records()
            .map(|row| row.unwrap().iter().map(str::to_owned).collect())
            .collect()
    }

    #[test]
    fn every_place_is_a_row_under_the_header() {
        let mut sample = Sample::at(vec![]);
        let mut zipped = file("a.zip", 1);
        zipped.provenance = zipped.provenance.member(b"b, c.env");
        let mut places = vec![zipped, history(&commit(1, 0), "d.env", Some(false), 7)];
        places[1].expires = Some(1_709_287_200);
        places[0].suppressed = Some(suppression(By::Comment, "keysweep:allow", Some("a test")));
        sample.findings = vec![finding(&canary(), places)];
        sample.findings[0].secrets.push((SecretKind::SessionToken, Secret::new("short")));
        let fingerprint = sample.findings[0].fingerprint.to_string();
        let about = [&*fingerprint, "aws-access-key", "critical", &canary(), "171436882533", "canary"];
        let commit = "01".repeat(20);
        let row = |cells: &[&str]| {
            let mut row: Vec<String> = about.iter().chain(cells).map(|&cell| cell.to_owned()).collect();
            // Nothing else is known of either.
            row.resize(HEADER.len(), String::new());
            row
        };
        let suppressed = ["comment", "keysweep:allow", "a test"];
        let first = ["file", "a.zip", "b, c.env", "1", "5", "", "", "", "", "wJal…;…", ""];
        let [author, date] = ["Jane Doe <jane@example.com>", "2024-03-01T12:00:00+02:00"];
        let expires = "2024-03-01T10:00:00+00:00";
        let second = ["commit", "d.env", "", "7", "5", &commit, author, date, "false", "wJal…;…", expires];
        let header = HEADER.map(str::to_owned).to_vec();
        assert_eq!(rows(&sample), [header, row(&[&first[..], &suppressed].concat()), row(&second)]);
    }

    #[test]
    fn an_object_is_told_by_its_columns() {
        let mut sample = Sample::at(vec![stored("b", b"k/=1", Some("v1"), false)]);
        sample.publish(Publicness::Yes(vec!["policy statement PublicRead".to_owned()]));
        let rows = rows(&sample);
        assert_eq!(rows[1][6..8], ["object", "k/=1"]);
        let told = ["b", "k/=1", "v1", "e7ag", "2024-03-01T10:00:00+00:00", "yes, by policy statement PublicRead"];
        assert_eq!(rows[1][24..], told);
    }

    #[test]
    fn nothing_found_is_a_header_alone() {
        assert_eq!(rows(&Sample::default()), [HEADER]);
    }

    #[test]
    fn no_cell_is_a_formula() {
        for start in ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"] {
            let path = format!("{start}cmd|' /C calc'!A0");
            let mut sample = Sample::at(vec![file(&path, 1)]);
            sample.findings[0].secrets =
                vec![(SecretKind::SecretAccessKey, Secret::new(format!("{start}123456789012345678901234567890")))];
            let row = &rows(&sample)[1];
            assert_eq!(row[7], format!("'{}", visible(&path)));
            assert!(row.iter().all(|cell| cell.is_empty() || cell == &row[7] || !cell.starts_with(start)));
        }
    }

    #[test]
    fn cells_that_only_hold_such_a_character_stay_as_they_are() {
        let mut sample = Sample::at(vec![occurrence(Origin::Stdin, 1), file("a=b+c@d-e", 1)]);
        sample.findings[0].access_key_id = None;
        let rows = rows(&sample);
        assert_eq!(rows[1][3..8], ["", "", "", "stdin", ""]);
        assert_eq!(rows[2][7], "a=b+c@d-e");
    }
}
