//! What is not switched off, why, and what to do instead.

use super::{Actor, Candidate, Reason, Refusal, Terms};
use crate::key::AccountId;
use crate::response::protect::Protection;
use crate::response::wanted::Wanted;
use crate::response::{Subject, Target};
use crate::triage::inventory::Gap;
use crate::triage::verdict::{Status, Verdict};

/// What is to be switched, unless something speaks against it.
pub(super) fn target(candidate: &Candidate, terms: Terms<'_>) -> Result<Target, Refusal> {
    let Candidate { wanted, verdict, holder } = candidate;
    let refused = |(reason, why)| Refusal { called: wanted.to_string(), reason, why };
    if let Some(refusal) = by_status(verdict) {
        return Err(refused(refusal));
    }
    let target = switchable(wanted, verdict, terms.actor).map_err(refused)?;
    if terms.actor.signs_with(&target.subject) {
        return Err(refused((Reason::OwnKey, SIGNING_KEY.to_owned())));
    }
    match terms.protect.of(&target.user, holder.path.as_deref()) {
        Protection::None => Ok(target),
        protection => Err(refused((Reason::Protected, protected(&target.user, &protection, &holder.missing)))),
    }
}

/// What is to be said of a key that calls are signed with.
pub(super) const SIGNING_KEY: &str = "keysweep itself signs its calls with this key, or assumes its role with it; use credentials that do \
                                      not come from it, with --profile";

/// What is to be said of the sessions of whoever acts.
pub(super) const OWN_SESSIONS: &str =
    "keysweep itself acts as this user, whose sessions would be denied; use another principal for --revoke-sessions";

/// Whether denying the sessions of a user would cut off whoever acts.
pub(in crate::response) fn sessions(account: AccountId, user: &str, terms: Terms<'_>) -> Option<Refusal> {
    is_user(&terms.actor.arn, account, user).then(|| Refusal {
        called: format!("sessions of user {user} in {account}"),
        reason: Reason::OwnKey,
        why: OWN_SESSIONS.to_owned(),
    })
}

/// Whether an ARN is that of a user.
pub(super) fn is_user(arn: &str, account: AccountId, user: &str) -> bool {
    let mut parts = arn.splitn(6, ':').skip(4);
    let (of, resource) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let name = resource.strip_prefix("user/").and_then(|path| path.rsplit('/').next());
    of == account.to_string() && name.is_some_and(|name| name.eq_ignore_ascii_case(user))
}

fn by_status(verdict: &Verdict) -> Option<(Reason, String)> {
    let account = verdict.account.map_or("another account".to_owned(), |account| format!("account {account}"));
    Some(match verdict.status {
        Status::Active | Status::Inactive => return None,
        Status::Foreign => (
            Reason::Foreign,
            format!("it belongs to {account}, which is not among yours; tell its owner, or AWS (https://aws.amazon.com/security/vulnerability-reporting/), or name the account with --account if it is yours"),
        ),
        Status::Canary => (
            Reason::Canary,
            "it is a canary token: whoever laid it out waits for it to be used, and nobody else can switch it off".to_owned(),
        ),
        Status::Root => (
            Reason::Root,
            format!("it belongs to the root user of {account}, or can belong to nobody else any more; only root can switch it off: sign in as root, Security credentials, Access keys"),
        ),
        Status::Temporary if verdict.is_over => (Reason::Temporary, "it is a session's, and has expired by now: nothing is left to switch off".to_owned()),
        Status::Temporary => (
            Reason::Temporary,
            "it is a session's: it can't be switched off and expires by itself, after 36 hours at most. Of a role: IAM, Roles, Revoke sessions. Of a user: switch off the key that it was minted from, with --revoke-sessions".to_owned(),
        ),
        Status::Deleted => (Reason::Deleted, format!("{account} has no such credential any more: nothing is left to switch off")),
        Status::Expired => (Reason::Expired, "its time is over: nothing is left to switch off".to_owned()),
        Status::Unknown => (Reason::Unknown, unknown(&verdict.gaps)),
    })
}

/// What can be switched of what is known.
fn switchable(wanted: &Wanted, verdict: &Verdict, actor: &Actor) -> Result<Target, (Reason, String)> {
    let unknown = |why: &str| (Reason::Unknown, why.to_owned());
    let account = verdict.account.ok_or_else(|| unknown("its account is not known"))?;
    let user = verdict.user.clone().ok_or_else(|| {
        unknown("it works, but its user is not known: let somebody who may list the users of its account do this")
    })?;
    if !actor.accounts.contains(&account) {
        let why = format!("account {account} was not reached; sign in to it, or use --organization --role-name NAME");
        return Err((Reason::Unknown, why));
    }
    let subject = match wanted {
        Wanted::AccessKey(id) => Subject::AccessKey(*id),
        Wanted::ServiceCredential { id, .. } => Subject::ServiceCredential { id: id.clone() },
    };
    Ok(Target { account, user, subject })
}

fn protected(user: &str, protection: &Protection<'_>, missing: &[Gap]) -> String {
    match protection {
        Protection::Unclear(pattern) => {
            let why = match missing.iter().find(|gap| gap.permission.as_deref() == Some("iam:GetUser")) {
                Some(gap) => told(gap),
                None => "it could not be learnt".to_owned(),
            };
            format!("--protect {pattern} is about paths, and the path of user {user} is not known: {why}")
        }
        Protection::By(pattern) => {
            format!(
                "user {user} is protected by --protect {pattern}; run it without that if the key must go all the same"
            )
        }
        Protection::None => String::new(),
    }
}

fn unknown(gaps: &[Gap]) -> String {
    match gaps {
        [] => "how it stands could not be learnt".to_owned(),
        gaps => format!("how it stands could not be learnt: {}", gaps.iter().map(told).collect::<Vec<_>>().join("; ")),
    }
}

/// What could not be learnt, with the permission that is missing unless it is named there.
pub(super) fn told(gap: &Gap) -> String {
    match &gap.permission {
        Some(permission) if !gap.why.contains(permission.as_str()) => format!("{} (it takes {permission})", gap.why),
        _ => gap.why.clone(),
    }
}
