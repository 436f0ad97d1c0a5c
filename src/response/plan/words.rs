//! What a plan says of its steps: when a key was last used and what that means, what else its user holds, what is to be minded.

use super::refuse::{is_user, told};
use super::{Candidate, Plan, Terms};
use crate::response::wanted::Wanted;
use crate::response::{Subject, sessions};
use crate::triage::inventory::{KeyStatus, LastUsed};
use crate::triage::moment::{DAY, HOUR, MINUTE};

/// When it was last used, and what that means for switching it off.
pub(super) fn last_use(candidate: &Candidate, now: i64) -> String {
    let is_key = matches!(candidate.wanted, Wanted::AccessKey(_));
    match &candidate.verdict.last_used {
        None if !is_key => "AWS does not tell when it was last used: something may stop working".to_owned(),
        None => "last use not known: something may stop working".to_owned(),
        Some(LastUsed::Never) => "never used, as far as AWS noted".to_owned(),
        Some(LastUsed::At { at, service, region }) => {
            let from = match (service, region) {
                (Some(service), Some(region)) => format!(" from {service}/{region}"),
                (Some(one), None) | (None, Some(one)) => format!(" from {one}"),
                (None, None) => String::new(),
            };
            let age = now.saturating_sub(*at);
            let meaning = match age / DAY {
                ..1 => "something will stop working",
                1..90 => "something may stop working",
                _ => "it is not likely that something needs it",
            };
            format!("used {}{from} ({}): {meaning}", ago(age), sessions::moment(*at))
        }
    }
}

/// Seconds as people say them.
fn ago(seconds: i64) -> String {
    let (count, unit) = match seconds {
        ..MINUTE => return "just now".to_owned(),
        MINUTE..HOUR => (seconds / MINUTE, "minute"),
        HOUR..DAY => (seconds / HOUR, "hour"),
        _ => (seconds / DAY, "day"),
    };
    format!("{count} {unit}{} ago", if count == 1 { "" } else { "s" })
}

/// What else the user of a credential holds.
pub(super) fn holdings(candidate: &Candidate) -> Vec<String> {
    let Candidate { wanted, verdict, holder } = candidate;
    let state = |is_active: bool| if is_active { "active" } else { "inactive" };
    let mut all: Vec<String> =
        verdict.other_keys.iter().map(|(id, is_active)| format!("access key {id}, {}", state(*is_active))).collect();
    match holder.has_password {
        Some(true) => all.push("a password for the console".to_owned()),
        Some(false) => {}
        None => all.push("perhaps a password: that is not known".to_owned()),
    }
    match &holder.service_credentials {
        None => all.push("perhaps service credentials: that is not known".to_owned()),
        Some(credentials) => {
            let others = credentials
                .iter()
                .filter(|other| !matches!(wanted, Wanted::ServiceCredential { id, .. } if *id == other.id));
            all.extend(others.map(|other| {
                format!(
                    "service credential {} for {}, {}",
                    other.id,
                    other.service,
                    state(other.status == KeyStatus::Active)
                )
            }));
        }
    }
    all
}

/// What is to be minded of a credential.
pub(super) fn warnings(candidate: &Candidate) -> Vec<String> {
    let Candidate { verdict, holder, .. } = candidate;
    let mut all = Vec::new();
    let quarantine = holder.quarantined_by.as_ref().unwrap_or(&verdict.quarantined_by);
    if !quarantine.is_empty() {
        all.push(format!(
            "AWS has quarantined the user ({}); leave that policy until its case is closed",
            quarantine.join(", ")
        ));
    }
    if verdict.other_keys.iter().any(|(_, is_active)| *is_active) {
        all.push("the user has another active key, which whoever had this one may have made: look at it".to_owned());
    }
    all.extend(holder.missing.iter().map(|gap| format!("not known: {}", told(gap))));
    all
}

/// What is to be minded of denied sessions.
pub(super) fn of_sessions(margin: i64) -> Vec<String> {
    vec![
        format!(
            "everything is denied to sessions of the user that were issued before this is done, and for about {} minutes after; whoever has a \
             working key or the password can make new ones then",
            (margin + 59) / 60
        ),
        "sessions of roles that the key assumed are not the user's and go on: revoke those at the role".to_owned(),
    ]
}

/// What is to be known of the plan as a whole.
pub(super) fn of_the_whole(plan: &mut Plan, candidates: &[Candidate], terms: Terms<'_>) {
    let keys = || plan.steps.iter().filter(|step| matches!(step.change.target.subject, Subject::AccessKey(_)));
    let is_own = |step: &super::Step| {
        let target = &step.change.target;
        is_user(&terms.actor.arn, target.account, &target.user)
    };
    let mut notes = Vec::new();
    if plan.steps.iter().any(is_own) {
        notes.push("keysweep itself acts as the user of one of these".to_owned());
    }
    if keys().next().is_some() {
        notes.push("a password for SES's SMTP that was made from an access key stops working with it".to_owned());
        if !terms.revoke_sessions {
            notes.push(
                "sessions that were minted from a key go on after it is off, those of GetSessionToken up to 36 hours: --revoke-sessions \
                 denies them"
                    .to_owned(),
            );
        }
    } else if !terms.revoke_sessions
        && candidates.iter().any(|c| matches!(c.wanted, Wanted::AccessKey(_)))
        && !plan.done.is_empty()
    {
        notes.push("sessions that were minted from a key before it was off may go on, up to 36 hours: --revoke-sessions denies them".to_owned());
    }
    plan.notes = notes;
}
