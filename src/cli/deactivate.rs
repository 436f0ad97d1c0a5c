//! `keysweep deactivate`: what is to be switched off, named, by a report or by a journal; how it stands is asked of AWS.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::apply::{self, Asker, Job};
use super::args::DeactivateArgs;
use super::exit::Exit;
use super::{accounts, lists, output, owner};
use crate::aws::{Account, Asked};
use crate::finding::accounts::Standing;
use crate::key::AccessKeyId;
use crate::report::plural;
use crate::response::journal::{self, Journal};
use crate::response::plan::{Candidate, Plan, Terms};
use crate::response::protect::Protect;
use crate::response::wanted::{self, Wanted};
use crate::triage::inventory::{Gap, KeyStatus, UserRecord};
use crate::triage::judge::judge;
use crate::triage::lead::{Lead, Name};
use crate::triage::verdict::{Status, Verdict};

pub(super) fn run(args: &DeactivateArgs) -> Result<Exit> {
    if args.ids.is_empty() && args.from.is_none() && args.resume.is_none() {
        bail!(
            "nothing was named that is to be switched off: give ids, or --from a triaged report, or --resume a journal"
        );
    }
    let protect = Protect::new(&args.protect).context("reading --protect failed")?;
    apply::may_begin(&args.approval, &args.owner)?;
    match &args.resume {
        Some(journal) => resume(args, journal.as_deref()),
        None => deactivate(args, &protect),
    }
}

fn deactivate(args: &DeactivateArgs, protect: &Protect) -> Result<Exit> {
    let accounts = accounts::load(&args.account)?;
    let (wanted, is_all) = match &args.from {
        Some(file) => listed(file)?,
        None => (named(&args.ids, args.user.as_deref())?, true),
    };
    if wanted.is_empty() && is_all {
        output::note("there is nothing active in it");
    }
    if wanted.is_empty() {
        apply::nothing(&args.approval, "deactivate")?;
        return Ok(if is_all { Exit::Clean } else { Exit::Incomplete });
    }
    let names: Vec<Name> = wanted.iter().map(name).collect();
    let home = owner::connect(&args.owner)?;
    let caller = home.caller().clone();
    let asked = owner::ask_as(home, &args.owner, accounts, &names)?;
    let now = apply::now();
    let candidates: Vec<Candidate> = wanted
        .into_iter()
        .zip(names)
        .map(|(wanted, name)| candidate(wanted, name, &asked, caller.account, now))
        .collect();
    let asker = Asker { caller, reached: asked.reached };
    let actor = asker.actor();
    let terms = Terms { protect, actor: &actor, revoke_sessions: args.revoke_sessions, now };
    let plan = Plan::new(&candidates, terms);
    let job = Job { asker: &asker, approval: &args.approval, command: "deactivate", undoes: None };
    let exit = job.plan(plan, args.journal.as_deref())?;
    Ok(if is_all { exit } else { Exit::Incomplete })
}

/// Takes up a journal.
fn resume(args: &DeactivateArgs, path: Option<&Path>) -> Result<Exit> {
    let path = path.map_or_else(newest, |path| Ok(path.to_owned()))?;
    // Without --apply the file is left as it is.
    let (mut journal, record, _held) = if args.approval.apply {
        let (journal, record) = Journal::open(&path)?;
        (Some(journal), record, None)
    } else {
        let (record, held) = journal::consult(&path)?;
        (None, record, Some(held))
    };
    if record.torn > 0 {
        output::note(&apply::torn(&path));
    }
    let asker = Asker::reach(&args.owner, &record.header.changes)?;
    let job = Job { asker: &asker, approval: &args.approval, command: "resume", undoes: None };
    job.resume(&path, journal.as_mut(), &record)
}

/// The newest journal of the default place that has steps left.
fn newest() -> Result<PathBuf> {
    let directory = apply::state_directory()?;
    let found = match journal::unfinished(&directory) {
        Ok(found) => found,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            return Err(error).with_context(|| format!("looking for journals in {} failed", directory.display()));
        }
    };
    match found.first() {
        Some(path) => Ok(path.clone()),
        None => bail!("no run in {} has anything left to do; name a journal, as --resume JOURNAL", directory.display()),
    }
}

/// What a report calls active, and whether that could all be named.
fn listed(file: &Path) -> Result<(Vec<Wanted>, bool)> {
    let text = lists::read(file, "the triaged report")?;
    let name = lists::name(file);
    let listed = wanted::listed(&text).with_context(|| format!("reading the triaged report {name} failed"))?;
    if !listed.others.is_empty() {
        let others: Vec<String> = listed.others.iter().map(|(status, count)| format!("{count} {status}")).collect();
        output::note(&format!("{name} has other findings, which are left alone: {}", others.join(", ")));
    }
    if listed.nameless > 0 {
        let count = plural(listed.nameless, "credential");
        output::note(&format!(
            "{name} calls {count} active that it names by no id: switch off what they belong to by hand"
        ));
    }
    let open = listed.open();
    if open > 0 {
        output::note(&format!(
            "{name} has {} that may work all the same: let `keysweep triage` judge what it could not, and root switch off what is root's",
            plural(open, "finding")
        ));
    }
    Ok((listed.wanted, listed.nameless == 0 && open == 0))
}

/// What was typed.
fn named(ids: &[String], user: Option<&str>) -> Result<Vec<Wanted>> {
    if let Some(user) = user.filter(|_| !ids.iter().any(|id| is_service_credential(id))) {
        bail!(
            "--user {user} is for ids of service-specific credentials (ACCA…), and none is given: whose an access key is is asked of AWS, \
             so leave it out"
        );
    }
    ids.iter()
        .map(|id| match (is_service_credential(id), user) {
            (true, Some(user)) => {
                Ok(Wanted::ServiceCredential { id: id.clone(), user: user.to_owned(), account: None })
            }
            (true, None) => bail!(
                "{id} is the id of a service-specific credential, which can only be looked up by its user: name that with --user"
            ),
            // What is no id is not shown: it may be a secret.
            (false, _) => AccessKeyId::check(id.as_bytes()).map(Wanted::AccessKey).map_err(|why| {
                anyhow::anyhow!("one of the ids is no access key id: {why}; secrets are not needed here and should not be typed")
            }),
        })
        .collect()
}

/// Ids of service-specific credentials begin like those of keys, and most are longer.
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_ServiceSpecificCredentialMetadata.html>
fn is_service_credential(id: &str) -> bool {
    id.starts_with("ACCA")
        && (20..=128).contains(&id.len())
        && id.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_')
}

/// As whom AWS is asked about it.
fn name(wanted: &Wanted) -> Name {
    match wanted {
        Wanted::AccessKey(id) => Name::AccessKey(*id),
        // Its id is asked of its user; this is for its account to be reached.
        Wanted::ServiceCredential { account: Some(account), .. } => {
            Name::ServiceCredential { alias: None, account: Some(*account) }
        }
        Wanted::ServiceCredential { account: None, .. } => Name::Nameless,
    }
}

/// What is known of it now.
fn candidate(wanted: Wanted, name: Name, asked: &Asked, home: crate::key::AccountId, now: i64) -> Candidate {
    match &wanted {
        Wanted::AccessKey(_) => {
            let verdict = judge(&Lead { name, exposed: None }, &asked.knowledge, now);
            let account = verdict.account.and_then(|account| asked.reached.get(&account));
            let holder =
                account.zip(verdict.user.as_deref()).map_or_else(UserRecord::default, |(a, user)| a.user(user));
            Candidate { wanted, verdict, holder }
        }
        Wanted::ServiceCredential { id, user, account } => {
            let account = account.unwrap_or(home);
            let unasked = asked.knowledge.unasked.get(&account);
            let (verdict, holder) = match asked.reached.get(&account) {
                Some(reached) => service_credential(id, user, reached, now),
                None => {
                    let status = match asked.knowledge.accounts.standing(account) {
                        Standing::Canary => Status::Canary,
                        Standing::Foreign => Status::Foreign,
                        Standing::Ours | Standing::Unknown => Status::Unknown,
                    };
                    let gaps = unasked.into_iter().cloned().collect();
                    (Verdict { gaps, ..Verdict::new(status) }, UserRecord::default())
                }
            };
            Candidate { wanted: wanted.clone(), verdict: Verdict { account: Some(account), ..verdict }, holder }
        }
    }
}

/// What a user says of a service-specific credential.
fn service_credential(id: &str, user: &str, account: &Account, now: i64) -> (Verdict, UserRecord) {
    let holder = account.user(user);
    let found = holder.service_credentials.as_ref().map(|all| all.iter().find(|credential| credential.id == id));
    let status = match found {
        None => Status::Unknown,
        Some(None) => Status::Deleted,
        Some(Some(credential)) => match credential.status {
            KeyStatus::Active if credential.expires.is_some_and(|at| at <= now) => Status::Expired,
            KeyStatus::Active => Status::Active,
            KeyStatus::Inactive => Status::Inactive,
            KeyStatus::Expired => Status::Expired,
        },
    };
    let gaps: Vec<Gap> = if status == Status::Unknown { holder.missing.clone() } else { Vec::new() };
    let verdict = Verdict {
        user: Some(user.to_owned()),
        service_credential_id: Some(id.to_owned()),
        created: found.flatten().and_then(|credential| credential.created),
        gaps,
        ..Verdict::new(status)
    };
    (verdict, holder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_told_apart_and_what_is_none_is_not_shown() {
        let key = ["AKIA", "WDB7XWLS3OBANPCE"].concat();
        let service = ["ACCA", "12345678901234EXAMPLE"].concat();
        let both = named(&[key.clone(), service.clone()], Some("bot")).unwrap();
        assert!(matches!(&both[..], [Wanted::AccessKey(_), Wanted::ServiceCredential { user, .. }] if user == "bot"));
        assert!(named(std::slice::from_ref(&key), Some("bot")).unwrap_err().to_string().contains("--user bot"));
        assert!(named(&[service], None).unwrap_err().to_string().contains("--user"));
        let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        let error = named(&[key, secret.to_owned()], None).unwrap_err().to_string();
        assert!(error.contains("40 characters") && !error.contains(secret), "{error}");
    }
}
