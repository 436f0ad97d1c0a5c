//! What `keysweep triage` tells: each credential with its verdict, the most urgent first for people, and as the report had it for
//! programs.

use std::io::{self, BufWriter, Write};

use serde_json::{Map, Value, json};

use super::Shape;
use super::csv::{cell, io_error};
use super::json::{write_told, write_told_lines};
use super::sanitize::visible;
use super::text::{STRONG, status_style};
use super::units::plural;
use super::verdict::{Wire, last_used, of_each, reason};
use crate::key::AccountId;
use crate::triage::inventory::LastUsed;
use crate::triage::verdict::{Status, Verdict};

/// Everything that is told.
#[derive(Clone, Debug)]
pub struct Triaged<'a> {
    /// The credentials, in the order of the report or of the command line.
    pub credentials: Vec<Judged<'a>>,
    /// The summary of the report.
    pub summary: Map<String, Value>,
    /// Text has colours.
    pub colour: bool,
}

/// A credential and what triage came to.
#[derive(Clone, Debug)]
pub struct Judged<'a> {
    /// As the report tells it, without a verdict.
    pub told: &'a Map<String, Value>,
    /// The verdict.
    pub verdict: &'a Verdict,
}

/// Writes it.
///
/// # Errors
/// Those of `out`.
pub fn write(shape: Shape, triaged: &Triaged<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut out = BufWriter::new(out);
    match shape {
        Shape::Text => text(triaged, &mut out)?,
        Shape::Json => document(triaged, &mut out)?,
        Shape::Jsonl => lines(triaged, &mut out)?,
        Shape::Csv => table(triaged, &mut out)?,
    }
    out.flush()
}

impl Judged<'_> {
    fn field(&self, name: &str) -> Option<&str> {
        self.told.get(name)?.as_str()
    }

    fn alias(&self) -> Option<&str> {
        self.told.get("secrets")?.as_array()?.iter().find_map(|secret| secret.get("alias")?.as_str())
    }

    /// What people know it by.
    fn name(&self) -> &str {
        let names = [self.field("access_key_id"), self.alias(), self.field("rule")];
        names.into_iter().flatten().next().unwrap_or("credential")
    }

    /// The first place, and how many there are more.
    fn place(&self) -> Option<String> {
        let places = self.told.get("occurrences")?.as_array()?;
        let first = places.first()?;
        let named = first["path"].as_str().or(first["commit"].as_str()).or(first["source"].as_str())?;
        let more = match places.len() {
            1 => String::new(),
            all => format!(" and {}", plural(all as u64 - 1, "more place")),
        };
        let line = first["line"].as_u64().map_or(String::new(), |line| format!(":{line}"));
        Some(format!("{}{line}{more}", visible(named)))
    }

    /// As the report has it, and the verdict.
    fn told(&self) -> Map<String, Value> {
        let mut told = self.told.clone();
        told.insert("verdict".to_owned(), json!(Wire::new(self.verdict)));
        told
    }
}

fn text(triaged: &Triaged<'_>, out: &mut dyn Write) -> io::Result<()> {
    let styled = |style, text: &str| if triaged.colour { format!("{style}{text}{style:#}") } else { text.to_owned() };
    let mut sorted: Vec<&Judged<'_>> = triaged.credentials.iter().collect();
    sorted.sort_by_key(|one| (urgency(one.verdict), one.name()));
    for one in sorted {
        let status = styled(status_style(one.verdict), &one.verdict.status.name().to_uppercase());
        writeln!(out, "{status}  {}", styled(STRONG, &visible(one.name())))?;
        for sentence in &one.verdict.evidence {
            writeln!(out, "    {}", visible(sentence))?;
        }
        if let Some(place) = one.place() {
            writeln!(out, "    It stands in {place}.")?;
        }
        writeln!(out)?;
    }
    let all = triaged.credentials.iter().map(|one| one.verdict);
    match triaged.credentials.len() {
        0 => writeln!(out, "No credentials to judge."),
        count => writeln!(out, "{}: {}.", plural(count as u64, "credential"), of_each(all)),
    }
}

/// What is live comes first, then what may be.
fn urgency(verdict: &Verdict) -> (bool, bool, Status) {
    (!verdict.is_live(), verdict.status != Status::Unknown, verdict.status)
}

fn document(triaged: &Triaged<'_>, out: &mut dyn Write) -> io::Result<()> {
    let findings: Vec<Map<String, Value>> = triaged.credentials.iter().map(Judged::told).collect();
    write_told(&findings, &triaged.summary, out)
}

fn lines(triaged: &Triaged<'_>, out: &mut dyn Write) -> io::Result<()> {
    write_told_lines(triaged.credentials.iter().map(Judged::told), &triaged.summary, out)
}

const HEADER: [&str; 12] = [
    "access_key_id",
    "alias",
    "status",
    "live",
    "account_id",
    "user_name",
    "created",
    "last_used",
    "last_used_service",
    "last_used_region",
    "used_since_exposed",
    "reason",
];

fn table(triaged: &Triaged<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut table = ::csv::Writer::from_writer(out);
    table.write_record(HEADER).map_err(io_error)?;
    for one in &triaged.credentials {
        let verdict = one.verdict;
        let (service, region) = match &verdict.last_used {
            Some(LastUsed::At { service, region, .. }) => (service.as_deref(), region.as_deref()),
            _ => (None, None),
        };
        let row = [
            one.field("access_key_id").unwrap_or_default().to_owned(),
            one.alias().unwrap_or_default().to_owned(),
            verdict.status.name().to_owned(),
            verdict.is_live().to_string(),
            verdict.account.as_ref().map(AccountId::to_string).unwrap_or_default(),
            verdict.user.clone().unwrap_or_default(),
            verdict.created.and_then(super::utc).unwrap_or_default(),
            last_used(verdict.last_used.as_ref()),
            service.unwrap_or_default().to_owned(),
            region.unwrap_or_default().to_owned(),
            verdict.used_since_exposed.map(|yes| yes.to_string()).unwrap_or_default(),
            reason(verdict).unwrap_or_default().to_owned(),
        ];
        table.write_record(row.map(|text| cell(&text))).map_err(io_error)?;
    }
    table.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "AKIAIOSFODNN7EXAMPLE";

    fn told(id: &str) -> Map<String, Value> {
        let places = json!([{"path": "a\u{1b}b", "line": 3}, {"path": "c", "line": 1}]);
        let value = json!({"access_key_id": id, "rule": "r", "secrets": [], "occurrences": places, "verdict": null});
        value.as_object().unwrap().clone()
    }

    fn verdict(status: Status) -> Verdict {
        let evidence = vec!["It is so.\u{1b}[2J".to_owned()];
        Verdict { user: Some("=ann".to_owned()), evidence, ..Verdict::new(status) }
    }

    fn written(shape: Shape, all: &[(Map<String, Value>, Verdict)]) -> String {
        let credentials = all.iter().map(|(told, verdict)| Judged { told, verdict }).collect();
        let summary = json!({"findings": 2, "complete": true}).as_object().unwrap().clone();
        let mut out = Vec::new();
        write(shape, &Triaged { credentials, summary, colour: false }, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn two() -> Vec<(Map<String, Value>, Verdict)> {
        vec![(told("AKIAI44QH8DHBEXAMPLE"), verdict(Status::Deleted)), (told(ID), verdict(Status::Active))]
    }

    #[test]
    fn people_are_told_the_most_urgent_first_and_nothing_acts() {
        let text = written(Shape::Text, &two());
        let expected = "ACTIVE  AKIAIOSFODNN7EXAMPLE\n    It is so.\\u{1b}[2J\n    It stands in a\\u{1b}b:3 and 1 more place.\n\n\
                        DELETED  AKIAI44QH8DHBEXAMPLE\n    It is so.\\u{1b}[2J\n    It stands in a\\u{1b}b:3 and 1 more place.\n\n\
                        2 credentials: 1 active, 1 deleted.\n";
        assert_eq!(text, expected);
        assert_eq!(written(Shape::Text, &[]), "No credentials to judge.\n");
        let mut odd = told(ID);
        odd["occurrences"] = json!([{"path": "a", "line": "\u{202e}"}]);
        let text = written(Shape::Text, &[(odd, verdict(Status::Active))]);
        assert!(text.contains("It stands in a.\n"), "{text}");
    }

    #[test]
    fn what_may_be_live_comes_before_what_is_over() {
        let over = Verdict { is_over: true, ..verdict(Status::Temporary) };
        let order = [
            verdict(Status::Active),
            verdict(Status::Temporary),
            verdict(Status::Unknown),
            over,
            verdict(Status::Inactive),
        ];
        assert!(order.is_sorted_by_key(urgency));
    }

    #[test]
    fn programs_get_the_report_with_verdicts_in_its_order() {
        let document: Value = serde_json::from_str(&written(Shape::Json, &two())).unwrap();
        let text = written(Shape::Jsonl, &two());
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(
            (lines.len(), &lines[2]["type"], &document["summary"]["findings"]),
            (3, &json!("summary"), &json!(2))
        );
        for (line, finding) in lines.iter().zip(document["findings"].as_array().unwrap()) {
            assert_eq!((&line["schema"], &line["type"]), (&json!("keysweep/v1"), &json!("finding")));
            assert_eq!(line["verdict"], finding["verdict"]);
        }
        assert_eq!(lines[0]["verdict"]["status"], "deleted");
        assert_eq!((&lines[1]["verdict"]["status"], &lines[1]["verdict"]["live"]), (&json!("active"), &json!(true)));
    }

    #[test]
    fn a_spreadsheet_gets_no_formula() {
        let text = written(Shape::Csv, &two());
        let rows: Vec<&str> = text.lines().collect();
        assert_eq!((rows.len(), rows[0].split(',').count()), (3, HEADER.len()));
        assert_eq!(rows[2], format!("{ID},,active,true,,'=ann,,,,,,"));
    }
}
