//! What is to be switched off: as it is named, or as a triaged report names what it found active. Nothing else of the report is believed:
//! how a credential stands is asked again.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};

use crate::key::{AccessKeyId, AccountId};
use crate::triage::verdict::Status;

/// What has no verdict, among those that have another one.
const NOT_JUDGED: &str = "not judged";

/// A credential that somebody wants switched off.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wanted {
    /// An access key.
    AccessKey(AccessKeyId),
    /// A service-specific credential, which can only be looked up by its user.
    ServiceCredential {
        /// Its id.
        id: String,
        /// The name of its user.
        user: String,
        /// The account, if it is told; else the caller's.
        account: Option<AccountId>,
    },
}

/// What a triaged report lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// What it found active, each once, as they come.
    pub wanted: Vec<Wanted>,
    /// How many findings it has of every other status.
    pub others: BTreeMap<String, u64>,
    /// How many active ones it names by nothing that could be switched.
    pub nameless: u64,
}

/// Why a text is no triaged report.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTriaged {
    /// It is no JSON, or has other fields. The values are not told: there may be secrets among them.
    #[error("line {0}, column {1}: that is no report of keysweep as JSON or JSON Lines")]
    Syntax(usize, usize),
    /// Another program wrote it, or another version.
    #[error("its schema is {0:?} and not \"keysweep/v1\"")]
    Schema(String),
    /// An id is none.
    #[error("it has something else where an access key id should be")]
    Id,
    /// The last line is missing.
    #[error("it has no summary: it was cut short")]
    CutShort,
    /// Nobody asked AWS.
    #[error("none of its findings has a verdict; let `keysweep triage` judge them first")]
    NoVerdict,
}

/// The document, or a line of JSON Lines.
#[derive(Deserialize)]
struct Part {
    schema: String,
    #[serde(default)]
    findings: Findings,
    r#type: Option<String>,
    summary: Option<IgnoredAny>,
    #[serde(flatten)]
    found: Found,
}

#[derive(Deserialize)]
struct Found {
    access_key_id: Option<String>,
    account_id: Option<String>,
    verdict: Option<Judged>,
}

#[derive(Deserialize)]
struct Judged {
    status: String,
    user_name: Option<String>,
    service_credential_id: Option<String>,
    account_id: Option<String>,
}

/// The findings of a document; the last of some lines has how many there were instead.
#[derive(Default)]
struct Findings(Vec<Found>);

impl<'de> Deserialize<'de> for Findings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self::default())
    }
}

impl<'de> Visitor<'de> for Findings {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("findings, or how many there are")
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut all: A) -> Result<Self, A::Error> {
        while let Some(found) = all.next_element()? {
            self.0.push(found);
        }
        Ok(self)
    }
}

/// Reads a triaged report, as a document or as JSON Lines.
///
/// # Errors
/// When it is none, or not whole.
pub fn listed(text: &str) -> Result<Listed, NotTriaged> {
    let mut listed = Listed::default();
    let (mut is_whole, mut judged, mut all) = (false, 0u64, 0u64);
    for part in serde_json::Deserializer::from_str(text).into_iter::<Part>() {
        let part = part.map_err(|error| NotTriaged::Syntax(error.line(), error.column()))?;
        if part.schema != "keysweep/v1" {
            return Err(NotTriaged::Schema(part.schema));
        }
        is_whole |= part.summary.is_some() || part.r#type.as_deref() == Some("summary");
        let line = Some(part.found).filter(|_| part.r#type.as_deref() == Some("finding"));
        for found in part.findings.0.into_iter().chain(line) {
            all += 1;
            judged += u64::from(found.verdict.is_some());
            listed.add(found)?;
        }
    }
    match () {
        () if !is_whole => Err(NotTriaged::CutShort),
        () if all > 0 && judged == 0 => Err(NotTriaged::NoVerdict),
        () => Ok(listed),
    }
}

impl Listed {
    /// How many of the others may well work, and are still there when everything that was taken is off.
    pub fn open(&self) -> u64 {
        [Status::Unknown.name(), Status::Root.name(), NOT_JUDGED]
            .iter()
            .filter_map(|&status| self.others.get(status))
            .sum()
    }

    fn add(&mut self, found: Found) -> Result<(), NotTriaged> {
        let Some(verdict) = found.verdict else {
            *self.others.entry(NOT_JUDGED.to_owned()).or_default() += 1;
            return Ok(());
        };
        if verdict.status != "active" {
            *self.others.entry(verdict.status).or_default() += 1;
            return Ok(());
        }
        let account = verdict.account_id.or(found.account_id);
        let account = account.and_then(|account| AccountId::parse(&account).ok());
        let wanted = match (verdict.service_credential_id, verdict.user_name, found.access_key_id) {
            (Some(id), Some(user), _) => Wanted::ServiceCredential { id, user, account },
            (_, _, Some(id)) => Wanted::AccessKey(AccessKeyId::shaped(id.as_bytes()).ok_or(NotTriaged::Id)?),
            _ => {
                self.nameless += 1;
                return Ok(());
            }
        };
        if !self.wanted.contains(&wanted) {
            self.wanted.push(wanted);
        }
        Ok(())
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AccessKey(id) => write!(f, "{id}"),
            Self::ServiceCredential { id, .. } => f.write_str(id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = r#"{"schema":"keysweep/v1","type":"#;

    fn id(rest: &str) -> String {
        ["AKIA", rest].concat()
    }

    fn finding(id: &str, verdict: &str) -> String {
        let id = if id.is_empty() { "null".to_owned() } else { format!("{id:?}") };
        format!(
            r#""fingerprint":"x","access_key_id":{id},"account_id":"111122223333","secrets":[{{"value":"s"}}],"verdict":{verdict}"#
        )
    }

    fn lines(findings: &[String]) -> String {
        let mut text: String = findings.iter().map(|finding| format!("{HEAD}\"finding\",{finding}}}\n")).collect();
        text.push_str(&format!("{HEAD}\"summary\",\"findings\":{}}}\n", findings.len()));
        text
    }

    #[test]
    fn what_is_active_is_taken_and_the_rest_counted() {
        let key = id("WDB7XWLS3OBANPCE");
        let all = [
            finding(&key, r#"{"status":"active","user_name":"ada"}"#),
            finding(&key, r#"{"status":"active","user_name":"ada"}"#),
            finding(&id("V7S32T2OSBFJQOIY"), r#"{"status":"inactive"}"#),
            finding("", r#"{"status":"active","user_name":"bot","service_credential_id":"ACCA1"}"#),
            finding("", r#"{"status":"active"}"#),
            finding(&id("V7S32T2OSBFJQOIY"), "null"),
        ];
        let found = listed(&lines(&all)).unwrap();
        let document =
            format!(r#"{{"schema":"keysweep/v1","findings":[{{{}}}],"summary":{{"findings":6}}}}"#, all.join("},{"));
        assert_eq!(listed(&document).unwrap(), found);
        let account = Some(AccountId::parse("111122223333").unwrap());
        assert_eq!(
            found.wanted,
            [
                Wanted::AccessKey(AccessKeyId::parse(key.as_bytes()).unwrap()),
                Wanted::ServiceCredential { id: "ACCA1".into(), user: "bot".into(), account },
            ]
        );
        let others: Vec<_> = found.others.iter().map(|(status, count)| (status.as_str(), *count)).collect();
        assert_eq!(found.open(), 1);
        assert_eq!((others, found.nameless), (vec![("inactive", 1), ("not judged", 1)], 1));
    }

    #[test]
    fn what_is_no_triaged_report_is_refused_and_not_shown() {
        let key = id("WDB7XWLS3OBANPCE");
        let untriaged = lines(&[finding(&key, "null")]);
        assert_eq!(listed(&untriaged), Err(NotTriaged::NoVerdict));
        assert_eq!(listed(&lines(&[])), Ok(Listed::default()));
        let whole = lines(&[finding(&key, r#"{"status":"active"}"#)]);
        assert_eq!(listed(whole.lines().next().unwrap()), Err(NotTriaged::CutShort));
        assert_eq!(listed(""), Err(NotTriaged::CutShort));
        assert_eq!(listed(&lines(&[finding("hunter2", r#"{"status":"active"}"#)])), Err(NotTriaged::Id));
        assert_eq!(listed(r#"{"schema":"x"}"#), Err(NotTriaged::Schema("x".into())));
        let error = listed("{\n\"schema\":\"keysweep/v1\",\"verdict\":\"hunter2\"}").unwrap_err().to_string();
        assert!(error.contains("line 2") && !error.contains("hunter2"), "{error}");
    }
}
