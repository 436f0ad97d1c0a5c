//! Findings out of an earlier report of keysweep, as one document or line by line, redacted or not: what triage asks about, and the rest
//! of each to be passed on as it is.

use serde_json::{Map, Value};

use super::lead::{Lead, Name};
use super::moment;
use crate::finding::is_called_key;
use crate::key::{AccessKeyId, AccountId, Secret};

/// What reports call the parts of a session's key, and a long-term API key of Bedrock.
const SESSION_TOKEN: &str = "session_token";
const BEDROCK: &str = "bedrock_api_key";

/// A report.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Its findings.
    pub findings: Vec<Reported>,
    /// Its summary, as it stands there.
    pub summary: Map<String, Value>,
}

/// A finding of a report.
#[derive(Clone, Debug)]
pub struct Reported {
    /// What it is asked about by.
    pub lead: Lead,
    /// Its secret access keys, of a report that shows them, best first.
    pub secrets: Vec<Secret>,
    /// The session token found with them.
    pub session_token: Option<Secret>,
    /// All that the report tells of it, but for the secrets themselves.
    pub told: Map<String, Value>,
}

/// Why a text is no report. No values are told: there may be secrets among them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoReport {
    /// It is no JSON, or something else than objects.
    #[error("line {0}, column {1}: that is no report of keysweep as JSON or JSON Lines")]
    Syntax(usize, usize),
    /// Another program wrote it, or another version.
    #[error("its schema is not \"keysweep/v1\": it is no report of keysweep, or one of another version")]
    Schema,
    /// It ends in the middle of something.
    #[error("it ends on line {0} in the middle of something: it was cut short")]
    Ends(usize),
    /// There is something in it that is passed over by nobody.
    #[error(
        "part {0} of it is neither a finding nor a summary nor a document with both: another version of keysweep may have made it"
    )]
    Part(usize),
    /// A finding is something else.
    #[error("finding {0} is no object")]
    Finding(usize),
    /// It is more than one.
    #[error("it has several summaries: these are several reports; hand them over one by one")]
    Several,
    /// A finding is none.
    #[error("finding {0}: its `access_key_id` is no access key id")]
    Id(usize),
    /// The last line is missing.
    #[error("it has no summary: it was cut short")]
    CutShort,
}

/// All findings of a report.
///
/// # Errors
/// When it is none, or not whole.
pub fn parse(text: &str) -> Result<Report, NoReport> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut found = Vec::new();
    let mut summary = None;
    let parts = serde_json::Deserializer::from_str(text).into_iter::<Map<String, Value>>();
    for (number, part) in (1..).zip(parts) {
        let mut part = part.map_err(|error| NoReport::read(&error))?;
        if part.remove("schema") != Some("keysweep/v1".into()) {
            return Err(NoReport::Schema);
        }
        let told = match part.remove("type") {
            Some(kind) if kind == "finding" => {
                found.push(Value::Object(part));
                continue;
            }
            Some(kind) if kind == "summary" => part,
            Some(_) => return Err(NoReport::Part(number)),
            None => match (part.remove("findings"), part.remove("summary")) {
                (Some(Value::Array(all)), Some(Value::Object(told))) => {
                    found.extend(all);
                    told
                }
                (Some(Value::Array(_)), None) => return Err(NoReport::CutShort),
                _ => return Err(NoReport::Part(number)),
            },
        };
        if summary.replace(told).is_some() {
            return Err(NoReport::Several);
        }
    }
    let findings = (1..).zip(found).map(|(number, told)| match told {
        Value::Object(told) => Reported::new(told).ok_or(NoReport::Id(number)),
        _ => Err(NoReport::Finding(number)),
    });
    Ok(Report { findings: findings.collect::<Result<_, _>>()?, summary: summary.ok_or(NoReport::CutShort)? })
}

impl NoReport {
    /// What serde says of it may show the values.
    fn read(error: &serde_json::Error) -> Self {
        if error.is_eof() { Self::Ends(error.line()) } else { Self::Syntax(error.line(), error.column()) }
    }
}

impl Report {
    /// Everything was read that the scan was to read.
    pub fn is_complete(&self) -> bool {
        self.summary.get("complete") != Some(&Value::Bool(false))
    }

    /// Lets findings count that a report has as suppressed, which a scan that knows them to be live never does.
    pub fn count(&mut self, live: impl Iterator<Item = bool>) {
        for (finding, _) in self.findings.iter_mut().zip(live).filter(|(_, is_live)| *is_live) {
            let Some(why @ Value::Object(_)) = finding.told.get_mut("suppressed").map(Value::take) else {
                continue;
            };
            add(self.summary.get_mut("findings"), 1);
            add(self.summary.get_mut("suppressed"), -1);
            let by = why["by"].as_str().unwrap_or_default();
            add(self.summary.get_mut("suppressed_by").and_then(|all| all.get_mut(by)), -1);
        }
    }
}

/// To a number, if it is one.
fn add(number: Option<&mut Value>, more: i64) {
    if let Some(number) = number
        && let Some(sum) = number.as_i64().and_then(|before| before.checked_add(more))
    {
        *number = sum.max(0).into();
    }
}

impl Reported {
    /// `None` when its id is none.
    fn new(mut told: Map<String, Value>) -> Option<Self> {
        let mut secrets = Vec::new();
        let mut session_token = None;
        let mut alias = None;
        let mut is_bedrock = false;
        for secret in told.get_mut("secrets").and_then(Value::as_array_mut).into_iter().flatten() {
            let kind = secret["kind"].as_str().unwrap_or_default().to_owned();
            is_bedrock |= kind == BEDROCK;
            alias = alias.or_else(|| secret["alias"].as_str().map(str::to_owned));
            // What is passed on is shown to others.
            let value = secret.as_object_mut().and_then(|secret| secret.remove("value"));
            let Some(value) = value.as_ref().and_then(Value::as_str).map(Secret::new) else {
                continue;
            };
            if is_called_key(&kind) {
                secrets.push(value);
            } else if kind == SESSION_TOKEN {
                session_token = session_token.or(Some(value));
            }
        }
        let account = told.get("account_id").and_then(Value::as_str).and_then(|text| AccountId::parse(text).ok());
        let name = match told.get("access_key_id") {
            Some(Value::String(id)) => Name::AccessKey(AccessKeyId::shaped(id.as_bytes())?),
            Some(Value::Null) | None if alias.is_some() || is_bedrock && account.is_some() => {
                Name::ServiceCredential { alias, account }
            }
            Some(Value::Null) | None => Name::Nameless,
            Some(_) => return None,
        };
        let lead = Lead { name, exposed: exposed(&told) };
        Some(Self { lead, secrets, session_token, told })
    }
}

/// The earliest date at which it stands anywhere.
fn exposed(told: &Map<String, Value>) -> Option<i64> {
    let places = told.get("occurrences").and_then(Value::as_array).into_iter().flatten();
    let dates = places.filter_map(|place| moment::parse(place["date"].as_str()?));
    dates.filter(|&seconds| seconds > 0).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "AKIAIOSFODNN7EXAMPLE";

    fn finding(id: &str, secrets: &str) -> String {
        format!(
            r#""fingerprint":"x","access_key_id":{id},"account_id":"111122223333","secrets":[{secrets}],
            "occurrences":[{{"date":"2024-03-01T12:00:00+02:00"}},{{"date":"2024-03-02T10:00:00+00:00"}},{{"date":null}}]"#
        )
    }

    fn one(id: &str, secrets: &str) -> Reported {
        let text = format!(r#"{{"schema":"keysweep/v1","findings":[{{{}}}],"summary":{{}}}}"#, finding(id, secrets));
        parse(&text).unwrap().findings.remove(0)
    }

    #[test]
    fn documents_and_lines_give_the_same() {
        let found = finding(&format!("\"{ID}\""), "").replace('\n', "");
        let document = format!(r#"{{"schema":"keysweep/v1","findings":[{{{found}}}],"summary":{{"findings":1}}}}"#);
        let head = r#"{"schema":"keysweep/v1","type":"#;
        let lines = format!("\u{feff}{head}\"finding\",{found}}}\r\n\n{head}\"summary\",\"findings\":1}}\n");
        let [one, other] = [document, lines].map(|text| parse(&text).unwrap());
        assert_eq!((one.findings.len(), &one.summary), (1, &other.summary));
        assert_eq!(one.findings[0].told, other.findings[0].told);
        let lead =
            Lead { name: Name::AccessKey(AccessKeyId::parse(ID.as_bytes()).unwrap()), exposed: Some(1_709_287_200) };
        assert_eq!((&one.findings[0].lead, &other.findings[0].lead), (&lead, &lead));
    }

    #[test]
    fn secrets_are_taken_out_of_what_is_passed_on() {
        let secrets = r#"{"kind":"secret_access_key","value":"hunter2","redacted":"…"},{"kind":"session_token","value":"hunter2b"}"#;
        let found = one(&format!("\"{ID}\""), secrets);
        assert_eq!(found.secrets, [Secret::new("hunter2")]);
        assert_eq!(found.session_token, Some(Secret::new("hunter2b")));
        let told = Value::Object(found.told).to_string();
        assert!(!told.contains("hunter2") && told.contains("redacted"), "{told}");
    }

    #[test]
    fn what_has_no_id_goes_by_its_alias_or_by_nothing() {
        let account = AccountId::parse("111122223333").ok();
        let alias = Some("a-at-111122223333".to_owned());
        for (secret, name) in [
            (r#"{"kind":"bedrock_api_key","alias":"a-at-111122223333"}"#, Name::ServiceCredential { alias, account }),
            (r#"{"kind":"bedrock_api_key"}"#, Name::ServiceCredential { alias: None, account }),
            (r#"{"kind":"private_key"}"#, Name::Nameless),
        ] {
            assert_eq!(one("null", secret).lead.name, name);
        }
    }

    #[test]
    fn what_is_live_is_counted_whatever_suppressed_it() {
        let text = r#"{"schema":"keysweep/v1","findings":[{"suppressed":{"by":"comment"}},{"suppressed":{"by":"comment"}},{"suppressed":null}],
            "summary":{"findings":1,"suppressed":2,"suppressed_by":{"comment":2},"complete":false}}"#;
        let mut report = parse(text).unwrap();
        report.count([true, false, true].into_iter());
        let told: Vec<_> = report.findings.iter().map(|one| one.told["suppressed"].is_null()).collect();
        assert_eq!(told, [true, false, true]);
        let expected = serde_json::json!({"findings":2,"suppressed":1,"suppressed_by":{"comment":1},"complete":false});
        assert_eq!(Value::Object(report.summary.clone()), expected);
        assert!(!report.is_complete());
    }

    #[test]
    fn what_is_no_report_is_refused_and_not_shown() {
        let secret = "hunter2";
        for (text, wrong) in [
            (format!("{{\"schema\":\"{secret}\"}}"), "schema"),
            (format!("[\"{secret}\"]"), "line 1, column"),
            ("{\n".to_owned(), "line 2"),
            (String::new(), "cut short"),
            (r#"{"schema":"keysweep/v1","findings":[]}"#.to_owned(), "cut short"),
            (r#"{"schema":"keysweep/v1","type":"finding","access_key_id":"AK"#.to_owned(), "cut short"),
            (r#"{"schema":"keysweep/v1","summary":{}}"#.to_owned(), "part 1"),
            (r#"{"schema":"keysweep/v1","type":"summary"}{"schema":"keysweep/v1","type":"x"}"#.to_owned(), "part 2"),
            (
                r#"{"schema":"keysweep/v1","type":"summary"}{"schema":"keysweep/v1","type":"summary"}"#.to_owned(),
                "one by one",
            ),
            (format!(r#"{{"schema":"keysweep/v1","findings":[{{}},"{secret}"],"summary":{{}}}}"#), "finding 2"),
            (r#"{"schema":"keysweep/v1","type":"finding"}"#.to_owned(), "cut short"),
            (
                format!(
                    r#"{{"schema":"keysweep/v1","findings":[{{}},{{"access_key_id":"{secret}"}}],"summary":{{}}}}"#
                ),
                "finding 2",
            ),
        ] {
            let error = parse(&text).unwrap_err().to_string();
            assert!(error.contains(wrong) && !error.contains(secret), "{error}");
        }
    }
}
