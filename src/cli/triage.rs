//! `keysweep triage`: findings and ids to the owner's side, the answers to the judge, verdicts to the reports. A scan does the same with
//! what it has just found.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

use super::accounts;
use super::args::{OwnerArgs, TriageArgs, TriageShape};
use super::exit::Exit;
use super::lists;
use super::offline;
use super::output;
use super::owner;
use crate::aws::{Account, Asked};
use crate::engine::SecretKind;
use crate::finding::accounts::Accounts;
use crate::finding::{Finding, Fingerprint};
use crate::key::{AccessKeyId, Secret};
use crate::report::triage::{Judged, Triaged};
use crate::report::{self, plural};
use crate::source::Skipped;
use crate::triage::inventory::{Gap, Knowledge};
use crate::triage::judge::judge;
use crate::triage::lead::{Lead, Name};
use crate::triage::reported::{self, Reported};
use crate::triage::verdict::{Status, Verdict};

pub(super) fn run(args: &TriageArgs) -> Result<Exit> {
    let accounts = accounts::load(&args.account)?;
    let mut report = reported(&args.what)?;
    let suspects: Vec<Suspect> = report.findings.iter().map(Suspect::reported).collect();
    let opinion = opinion(&args.owner, None, accounts, &suspects, args.verify.verify_with_secret, args.verbose)?;
    let (unlearnt, verdicts) = (opinion.unlearnt(&suspects), opinion.verdicts);
    if !report.is_complete() {
        output::note("the scan that made this report did not read everything: there may be more keys than these");
    }
    report.count(verdicts.iter().map(Verdict::is_live));
    add_unlearnt(&mut report.summary, &unlearnt);
    let credentials =
        report.findings.iter().zip(&verdicts).map(|(found, verdict)| Judged { told: &found.told, verdict }).collect();
    let triaged = Triaged { credentials, summary: report.summary, colour: output::wants_colour() };
    report::triage::write(args.format.into(), &triaged, &mut io::stdout().lock())
        .context("writing the verdicts failed")?;
    if args.format != TriageShape::Text || opinion.barred.is_some() {
        unlearnt.iter().for_each(|gap| output::note(&format!("not known: {}: {}", gap.what, gap.why)));
    }
    let live = verdicts.iter().filter(|verdict| verdict.is_live()).count();
    Ok(Exit::of(live, unlearnt.is_empty(), 1))
}

/// What triage comes to for findings, and what could not be learnt.
pub(super) struct OfFindings {
    pub(super) accounts: Accounts,
    pub(super) verdicts: BTreeMap<Fingerprint, Verdict>,
    pub(super) unlearnt: Vec<Skipped>,
    /// Nobody could be asked at all.
    pub(super) is_barred: bool,
}

/// Judges what a scan has found, by asking `home` if somebody is signed in to already.
///
/// # Errors
/// When the organization can't be listed, or a file can't be read.
pub(super) fn of_findings(
    owner: &OwnerArgs,
    home: Option<Account>,
    accounts: Accounts,
    findings: &[Finding],
    verify: bool,
    verbose: bool,
) -> Result<OfFindings> {
    let suspects: Vec<Suspect> = findings.iter().map(Suspect::found).collect();
    let opinion = opinion(owner, home, accounts, &suspects, verify, verbose)?;
    let unlearnt = opinion.unlearnt(&suspects);
    let verdicts = findings.iter().map(|finding| finding.fingerprint).zip(opinion.verdicts).collect();
    Ok(OfFindings { accounts: opinion.knowledge.accounts, verdicts, unlearnt, is_barred: opinion.barred.is_some() })
}

/// Reads files for nothing, so that a wrong one is known before a long scan.
///
/// # Errors
/// When one can't be read or is not what it should be.
pub(super) fn check_files(owner: &OwnerArgs) -> Result<()> {
    if owner.is_offline() { offline::inventories(owner).map(drop) } else { Ok(()) }
}

/// What is asked about, and what of it could sign a call.
struct Suspect {
    lead: Lead,
    secrets: Vec<Secret>,
    session_token: Option<Secret>,
}

impl Suspect {
    fn found(finding: &Finding) -> Self {
        let of = |kind: SecretKind| {
            let all = finding.secrets.iter().filter(move |(other, _)| *other == kind);
            all.map(|(_, secret)| secret.clone())
        };
        let secrets = of(SecretKind::SecretAccessKey).collect();
        Self { lead: Lead::of(finding), secrets, session_token: of(SecretKind::SessionToken).next() }
    }

    fn reported(found: &Reported) -> Self {
        let Reported { lead, secrets, session_token, .. } = found;
        Self { lead: lead.clone(), secrets: secrets.clone(), session_token: session_token.clone() }
    }

    fn id(&self) -> Option<AccessKeyId> {
        match self.lead.name {
            Name::AccessKey(id) => Some(id),
            _ => None,
        }
    }
}

/// What is known, and a verdict for each suspect.
struct Opinion {
    knowledge: Knowledge,
    verdicts: Vec<Verdict>,
    /// Why nobody could be asked.
    barred: Option<String>,
}

impl Opinion {
    /// What could not be learnt, as what was not read.
    fn unlearnt(&self, suspects: &[Suspect]) -> Vec<Skipped> {
        match &self.barred {
            Some(why) => vec![Skipped::new("whether what was found is live", why.as_str())],
            None => unlearnt(suspects.iter().map(|suspect| &suspect.lead).zip(&self.verdicts)),
        }
    }
}

fn opinion(
    owner: &OwnerArgs,
    home: Option<Account>,
    accounts: Accounts,
    suspects: &[Suspect],
    verify: bool,
    verbose: bool,
) -> Result<Opinion> {
    let names: Vec<Name> = suspects.iter().map(|suspect| suspect.lead.name.clone()).collect();
    let mut asked = owner::ask(owner, home, accounts, &names)?;
    let now = jiff::Timestamp::now().as_second();
    if verify {
        verify_with_secrets(&mut asked, suspects, now);
    }
    if verbose {
        tell_calls(&asked);
    }
    let verdicts = suspects.iter().map(|suspect| judge(&suspect.lead, &asked.knowledge, now)).collect();
    Ok(Opinion { knowledge: asked.knowledge, verdicts, barred: asked.barred })
}

/// Signs a call with each secret that was found, but for those of canaries.
fn verify_with_secrets(asked: &mut Asked, suspects: &[Suspect], now: i64) {
    let Some(account) = asked.home.and_then(|home| asked.reached.get(&home)) else {
        return;
    };
    for (id, found) in by_id(suspects) {
        if found.iter().any(|one| judge(&one.lead, &asked.knowledge, now).status == Status::Canary) {
            continue;
        }
        let secrets = distinct(found.iter().flat_map(|one| &one.secrets));
        let session_token = found.iter().find_map(|one| one.session_token.as_ref());
        asked.knowledge.verified.insert(id, account.verify(id, &secrets, session_token));
    }
}

/// What was found of each id: a report may have one several times, and STS minds how soon a second secret of it follows.
fn by_id(suspects: &[Suspect]) -> BTreeMap<AccessKeyId, Vec<&Suspect>> {
    let mut all: BTreeMap<AccessKeyId, Vec<&Suspect>> = BTreeMap::new();
    for suspect in suspects {
        if let Some(id) = suspect.id() {
            all.entry(id).or_default().push(suspect);
        }
    }
    all
}

/// Each once, in order.
fn distinct<'s>(secrets: impl Iterator<Item = &'s Secret>) -> Vec<Secret> {
    let mut all: Vec<Secret> = Vec::new();
    for secret in secrets {
        if !all.contains(secret) {
            all.push(secret.clone());
        }
    }
    all
}

/// How often AWS was called. Accounts that were reached from one another count together.
fn tell_calls(asked: &Asked) {
    let Some(account) = asked.reached.values().next() else {
        return output::note("nothing was asked of AWS");
    };
    tell_calls_of(account);
}

/// The same of one account.
pub(super) fn tell_calls_of(account: &Account) {
    let calls = account.calls();
    let each: Vec<String> = calls.iter().map(|(name, count)| format!("{name} {count}")).collect();
    let all = plural(calls.values().sum(), "call");
    output::note(&format!("{all} to AWS: {}", if each.is_empty() { "none".to_owned() } else { each.join(", ") }));
}

/// Of which credentials it could not be learnt whether they are live.
fn unlearnt<'a>(judged: impl Iterator<Item = (&'a Lead, &'a Verdict)>) -> Vec<Skipped> {
    let mut all: Vec<Skipped> = judged
        .filter(|(_, verdict)| verdict.is_unlearnt())
        .map(|(lead, verdict)| {
            let name = match &lead.name {
                Name::AccessKey(id) => id.to_string(),
                Name::ServiceCredential { alias, .. } => alias.clone().unwrap_or_else(|| "a key of Bedrock".to_owned()),
                Name::Nameless => "a credential".to_owned(),
            };
            let why = verdict.gaps.first().map(Gap::told).unwrap_or_default();
            Skipped::new(format!("whether {name} is live"), why)
        })
        .collect();
    all.sort();
    all.dedup();
    all
}

fn add_unlearnt(summary: &mut Map<String, Value>, unlearnt: &[Skipped]) {
    if unlearnt.is_empty() {
        return;
    }
    summary.insert("complete".to_owned(), false.into());
    let skipped = summary.entry("skipped").or_insert_with(|| json!([]));
    if let Some(skipped) = skipped.as_array_mut() {
        skipped.extend(unlearnt.iter().map(|gap| json!({ "what": gap.what, "why": gap.why })));
    }
}

/// The report that was named, or one made of ids.
fn reported(what: &[String]) -> Result<reported::Report> {
    let ids: Vec<Option<AccessKeyId>> = what.iter().map(|word| AccessKeyId::shaped(word.as_bytes())).collect();
    if ids.iter().all(Option::is_some) {
        return Ok(of_ids(ids.into_iter().flatten()));
    }
    match what {
        [file] => read(Path::new(file)),
        _ => bail!(
            "give one report of keysweep, or any number of access key ids: twenty capitals and digits such as AKIA…"
        ),
    }
}

fn read(file: &Path) -> Result<reported::Report> {
    let name = lists::name(file);
    let text = lists::read(file, "findings").with_context(|| format!("{name} is no access key id either"))?;
    reported::parse(&text).with_context(|| format!("reading findings from {name} failed"))
}

/// A report as a scan would make it that found these ids, at no place.
fn of_ids(ids: impl Iterator<Item = AccessKeyId>) -> reported::Report {
    let mut all: Vec<AccessKeyId> = Vec::new();
    for id in ids {
        if !all.contains(&id) {
            all.push(id);
        }
    }
    let findings: Vec<Reported> = all.iter().map(|id| of_id(*id)).collect();
    let by = json!({ "ignore-file": 0, "baseline": 0, "imported": 0, "comment": 0 });
    let summary = json!({
        "findings": findings.len(), "suppressed": 0, "suppressed_by": by, "suppressed_occurrences": 0, "blobs": 0, "bytes": 0,
        "skipped": [], "complete": true,
    });
    reported::Report { findings, summary: object(summary) }
}

fn of_id(id: AccessKeyId) -> Reported {
    let account = id.account();
    let told = json!({
        "fingerprint": Fingerprint::of(id.as_str().as_bytes()).to_string(),
        "rule": "aws-access-key-id",
        "severity": "high",
        "access_key_id": id.as_str(),
        "account_id": account.map(|account| account.to_string()),
        "account": account.map(|account| Accounts::default().standing(account).name()),
        "secrets": [],
        "occurrences": [],
        "suppressed": null,
    });
    let lead = Lead { name: Name::AccessKey(id), exposed: None };
    Reported { lead, secrets: Vec::new(), session_token: None, told: object(told) }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
