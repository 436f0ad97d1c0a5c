//! Goes through the steps of an approved plan, each with an intent in the journal before and a receipt after. A change is tried once
//! and then read until it shows; it is never repeated because it is not known what became of it.

use std::collections::BTreeMap;

use super::journal::{Journal, JournalError, Outcome, Receipt, Record, State};
use super::{Change, Effect, Fault, Position, Subject, Switch, sessions};
use crate::key::AccountId;

/// How often a change is read until it shows.
const READS: u32 = 6;

/// After so many steps in a row that came to nothing for a reason that others have too, AWS can't be reached or does not know the caller any
/// more, and the rest would only fail as slowly.
const PATIENCE: usize = 3;

/// What a run needs of the world.
pub struct World<'a> {
    /// What switches in an account; `None` for one that was not reached.
    pub switch: &'a dyn Fn(AccountId) -> Option<&'a dyn Switch>,
    /// Waits before a change is read again, the longer the more often it was read (from 1).
    pub pause: &'a dyn Fn(u32),
    /// Somebody wants it to end.
    pub is_interrupted: &'a dyn Fn() -> bool,
    /// What time it is, in seconds since 1970.
    pub clock: &'a dyn Fn() -> i64,
    /// Is told each receipt as it comes, with the number of its step.
    pub told: &'a dyn Fn(usize, &Receipt),
}

/// What came of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// The receipts of this run, by the number of their step.
    pub receipts: Vec<(usize, Receipt)>,
    /// Why it ended before all steps were done.
    pub stopped: Option<String>,
}

/// Does what is left of the steps of a journal: of one that was just made, all of them.
pub fn run(journal: &mut Journal, record: &Record, world: &World<'_>) -> Outcomes {
    let mut outcomes = Outcomes::default();
    let mut lost = 0;
    let mut on_until = BTreeMap::new();
    for seq in record.left() {
        if (world.is_interrupted)() {
            outcomes.stopped = Some("it was interrupted".to_owned());
            break;
        }
        let (change, state) = (&record.header.changes[seq], &record.states[seq]);
        let owner = (change.target.account, change.target.user.as_str());
        match step(journal, seq, change, state, on_until.get(&owner).copied(), world) {
            Err(stopped) => {
                outcomes.stopped = Some(stopped);
                break;
            }
            Ok((receipt, is_lost)) => {
                if record.header.undoes.is_none()
                    && let Some(until) = on_until_then(change, &receipt, world)
                {
                    let known = on_until.entry(owner).or_insert(until);
                    *known = until.max(*known);
                }
                (world.told)(seq, &receipt);
                outcomes.receipts.push((seq, receipt));
                lost = if is_lost { lost + 1 } else { 0 };
            }
        }
        if lost == PATIENCE {
            outcomes.stopped =
                Some(format!("{PATIENCE} steps in a row could not be done, and the rest would hardly fare better"));
            break;
        }
    }
    outcomes
}

impl Outcomes {
    /// Everything stands as it was to stand.
    pub fn is_good(&self) -> bool {
        self.stopped.is_none() && self.receipts.iter().all(|(_, receipt)| receipt.result.is_good())
    }
}

/// One step, and whether it came to nothing for a reason that others have too. An error is the journal's, and ends the run.
fn step(
    journal: &mut Journal,
    seq: usize,
    change: &Change,
    state: &State,
    on_until: Option<i64>,
    world: &World<'_>,
) -> Result<(Receipt, bool), String> {
    let (receipt, is_lost) = match (world.switch)(change.target.account) {
        None => (not_reached(change, state), false),
        Some(switch) => match before(change, state, switch) {
            Err(end) => end,
            Ok(()) if is_too_early(change, on_until) => (too_early(), false),
            Ok(()) => {
                journal.intent(seq, change, (world.clock)()).map_err(|error| not_begun(change, &error))?;
                after(change, switch.set(&change.target, change.to), switch, world)
            }
        },
    };
    journal.receipt(seq, &receipt, (world.clock)()).map_err(|error| untold(change, &receipt, &error))?;
    Ok((receipt, is_lost))
}

/// Looks whether there is anything to be done; an error is the receipt of a step that ends here.
fn before(change: &Change, state: &State, switch: &dyn Switch) -> Result<(), (Receipt, bool)> {
    let subject = &change.target.subject;
    let end = |result, observed, why, is_lost| Err((Receipt { result, observed, why }, is_lost));
    match switch.read(&change.target) {
        Ok(seen) if seen == change.from => Ok(()),
        // What was about to be done when the last run ended was done by it.
        Ok(seen) if seen == change.to && state.may_be_done() => end(Outcome::Confirmed, Some(seen), None, false),
        Ok(seen) if seen == change.to => end(Outcome::Unchanged, Some(seen), None, false),
        Ok(seen) => {
            let why = format!(
                "it was {} when the plan was made and is {} now",
                subject.stands(change.from),
                subject.stands(seen)
            );
            end(Outcome::Failed, Some(seen), Some(why), false)
        }
        Err(fault) => {
            let result = if state.may_be_done() { Outcome::Unknown } else { Outcome::Failed };
            end(result, None, Some(fault.why.clone()), fault.is_everybodys)
        }
    }
}

/// Reads a change until it shows.
fn after(change: &Change, set: Result<(), Fault>, switch: &dyn Switch, world: &World<'_>) -> (Receipt, bool) {
    let doubt = match set {
        Ok(()) => None,
        Err(fault) if fault.effect == Effect::None => {
            let is_lost = fault.is_everybodys;
            return (Receipt { result: Outcome::Failed, observed: None, why: Some(fault.why) }, is_lost);
        }
        Err(fault) => Some(fault.why),
    };
    let mut last = None;
    for read in 1..=READS {
        match switch.read(&change.target) {
            Ok(seen) if seen == change.to => {
                return (Receipt { result: Outcome::Confirmed, observed: Some(seen), why: doubt }, false);
            }
            other => last = Some(other),
        }
        if read < READS {
            (world.pause)(read);
        }
    }
    let (observed, is_lost, reading) = match last {
        Some(Ok(seen)) => {
            (Some(seen), false, format!("re-read: still {} after {READS} reads", change.target.subject.stands(seen)))
        }
        Some(Err(fault)) => (None, fault.is_everybodys, format!("and it could not be re-read: {}", fault.why)),
        None => (None, false, String::new()),
    };
    let taken = doubt.unwrap_or_else(|| "AWS took the change".to_owned());
    (Receipt { result: Outcome::Unknown, observed, why: Some(format!("{taken}; {reading}")) }, is_lost)
}

/// Until when a key that was to be switched off was on; nothing of what was off before this run.
fn on_until_then(change: &Change, receipt: &Receipt, world: &World<'_>) -> Option<i64> {
    match (&change.target.subject, receipt.result, receipt.observed) {
        (Subject::AccessKey(_), Outcome::Confirmed, _) => Some((world.clock)().saturating_add(sessions::SETTLING)),
        (Subject::AccessKey(_), Outcome::Failed | Outcome::Unknown, Some(Position::Gone | Position::Expired)) => None,
        (Subject::AccessKey(_), Outcome::Failed | Outcome::Unknown, _) => Some(i64::MAX),
        _ => None,
    }
}

/// Sessions are to be denied that were issued before a moment at which a key of the user was still on: the later ones would go on.
fn is_too_early(change: &Change, on_until: Option<i64>) -> bool {
    match (&change.target.subject, change.to) {
        (Subject::Sessions { issued_before, .. }, Position::Off) => {
            on_until.is_some_and(|until| until > *issued_before)
        }
        _ => false,
    }
}

fn too_early() -> Receipt {
    let why = "a key of the user is on, or was for longer than the plan foresaw, and may have minted sessions that would not be denied; \
               plan it anew: keysweep deactivate --revoke-sessions with the ids of the user's keys";
    Receipt { result: Outcome::Failed, observed: Some(Position::On), why: Some(why.to_owned()) }
}

fn not_reached(change: &Change, state: &State) -> Receipt {
    let result = if state.may_be_done() { Outcome::Unknown } else { Outcome::Failed };
    let why = format!(
        "account {} was not reached; sign in to it, or use --organization --role-name NAME",
        change.target.account
    );
    Receipt { result, observed: None, why: Some(why) }
}

fn not_begun(change: &Change, error: &JournalError) -> String {
    format!("{error}; what is not written down is not done, so {} was left as it was", change.target)
}

fn untold(change: &Change, receipt: &Receipt, error: &JournalError) -> String {
    let stands = match receipt.result {
        Outcome::Confirmed => "was switched",
        Outcome::Unchanged | Outcome::Failed => "was not switched",
        Outcome::Unknown => "may have been switched",
    };
    format!("{error}; {} {stands}, and no more is done that could not be written down", change.target)
}

#[cfg(test)]
mod ended;
#[cfg(test)]
mod tests;
