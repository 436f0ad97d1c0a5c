//! How a verdict is written: as JSON in the schema `keysweep/v1`, and in the words that several formats share. What it comes to was judged
//! before.

use serde::Serialize;

use super::utc;
use crate::key::{AccessKeyId, AccountId};
use crate::triage::inventory::{Gap, LastUsed};
use crate::triage::verdict::{ReportEvidence, Status, Verdict};

/// A verdict as JSON.
#[derive(Serialize)]
pub(super) struct Wire<'a> {
    status: &'static str,
    live: bool,
    account_id: Option<String>,
    user_name: Option<&'a str>,
    service_credential_id: Option<&'a str>,
    created: Option<String>,
    last_used: Option<Used<'a>>,
    exposed: Option<String>,
    used_since_exposed: Option<bool>,
    quarantined_by: &'a [String],
    other_keys: Vec<OtherKey<'a>>,
    report: Option<Reported>,
    reason: Option<&'a str>,
    missing: Vec<Missing<'a>>,
    evidence: &'a [String],
}

/// A last use; all of it is null when there was none.
#[derive(Serialize)]
pub(super) struct Used<'a> {
    date: Option<String>,
    service: Option<&'a str>,
    region: Option<&'a str>,
}

#[derive(Serialize)]
struct OtherKey<'a> {
    access_key_id: &'a str,
    active: bool,
}

#[derive(Serialize)]
struct Reported {
    generated: Option<String>,
    exact: bool,
    slot: Option<u8>,
    mfa: Option<bool>,
    password: Option<bool>,
}

#[derive(Serialize)]
struct Missing<'a> {
    why: &'a str,
    permission: Option<&'a str>,
}

impl<'a> Wire<'a> {
    pub(super) fn new(verdict: &'a Verdict) -> Self {
        let of_other = |(id, active): &'a (AccessKeyId, bool)| OtherKey { access_key_id: id.as_str(), active: *active };
        Self {
            status: verdict.status.name(),
            live: verdict.is_live(),
            account_id: verdict.account.as_ref().map(AccountId::to_string),
            user_name: verdict.user.as_deref(),
            service_credential_id: verdict.service_credential_id.as_deref(),
            created: verdict.created.and_then(utc),
            last_used: verdict.last_used.as_ref().map(Used::new),
            exposed: verdict.exposed.and_then(utc),
            used_since_exposed: verdict.used_since_exposed,
            quarantined_by: &verdict.quarantined_by,
            other_keys: verdict.other_keys.iter().map(of_other).collect(),
            report: verdict.report.as_ref().map(Reported::new),
            reason: reason(verdict),
            missing: verdict.gaps.iter().map(Missing::new).collect(),
            evidence: &verdict.evidence,
        }
    }
}

impl<'a> Used<'a> {
    pub(super) fn new(used: &'a LastUsed) -> Self {
        match used {
            LastUsed::Never => Self { date: None, service: None, region: None },
            LastUsed::At { at, service, region } => {
                Self { date: utc(*at), service: service.as_deref(), region: region.as_deref() }
            }
        }
    }
}

impl Reported {
    fn new(row: &ReportEvidence) -> Self {
        let &ReportEvidence { generated, is_exact, slot, mfa, has_password } = row;
        Self { generated: utc(generated), exact: is_exact, slot, mfa, password: has_password }
    }
}

impl<'a> Missing<'a> {
    fn new(gap: &'a Gap) -> Self {
        Self { why: &gap.why, permission: gap.permission.as_deref() }
    }
}

/// Why nothing is known.
pub(super) fn reason(verdict: &Verdict) -> Option<&str> {
    let first = || verdict.gaps.first().map(|gap| &gap.why).or(verdict.evidence.first());
    (verdict.status == Status::Unknown).then(first)?.map(String::as_str)
}

/// The gist in a word or few, for the end of a sentence: `live: active`.
pub(super) fn gist(verdict: &Verdict) -> String {
    let status = verdict.status.name();
    if verdict.is_live() { format!("live: {status}") } else { status.to_owned() }
}

/// When it was last used, for a cell: a date, `never`, or nothing where it is not known.
pub(super) fn last_used(used: Option<&LastUsed>) -> String {
    match used {
        None => String::new(),
        Some(LastUsed::Never) => "never".to_owned(),
        Some(LastUsed::At { at, .. }) => utc(*at).unwrap_or_default(),
    }
}

/// How many of each status, the most urgent first: `1 active, 2 deleted`.
pub(super) fn of_each<'v>(verdicts: impl Iterator<Item = &'v Verdict>) -> String {
    let all: Vec<Status> = verdicts.map(|verdict| verdict.status).collect();
    let counted = Status::ALL.map(|status| (all.iter().filter(|one| **one == status).count(), status));
    let told: Vec<String> = counted
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, status)| format!("{count} {}", status.name()))
        .collect();
    told.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gist_says_what_is_live() {
        for (status, told) in
            [(Status::Active, "live: active"), (Status::Deleted, "deleted"), (Status::Root, "live: root")]
        {
            assert_eq!(gist(&Verdict::new(status)), told);
        }
        assert_eq!(gist(&Verdict { is_over: true, ..Verdict::new(Status::Temporary) }), "temporary");
    }

    #[test]
    fn statuses_are_counted_by_urgency() {
        let all = [Status::Deleted, Status::Active, Status::Deleted].map(Verdict::new);
        assert_eq!(of_each(all.iter()), "1 active, 2 deleted");
        assert_eq!(of_each([].iter()), "");
    }

    #[test]
    fn only_what_is_unknown_has_a_reason() {
        let gap = Gap { why: "no answer".to_owned(), permission: None };
        let with = |status| Verdict { gaps: vec![gap.clone()], evidence: vec!["b".to_owned()], ..Verdict::new(status) };
        assert_eq!(reason(&with(Status::Unknown)), Some("no answer"));
        assert_eq!(reason(&with(Status::Active)), None);
        assert_eq!(reason(&Verdict { gaps: vec![], ..with(Status::Unknown) }), Some("b"));
    }
}
