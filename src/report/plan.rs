//! Plans of what is switched off or on, and what came of them, for people and as JSON (`keysweep-plan/v1`).

use std::fmt::Write as _;
use std::io::{self, Write};

use serde::Serialize;

use super::{plural, sanitize};
use crate::response::journal::{Outcome, Receipt, Record, State};
use crate::response::plan::{Plan, Step};
use crate::response::run::Outcomes;
use crate::response::{Change, Position, Subject};

/// What came of a plan.
pub struct Done<'a> {
    /// What its journal said before this run.
    pub record: &'a Record,
    /// What this run did.
    pub outcomes: &'a Outcomes,
    /// Where the journal is.
    pub journal: &'a str,
}

/// Writes a plan for people. `applies`: it is about to be done.
///
/// # Errors
/// Those of `out`.
pub fn write_text(plan: &Plan, applies: bool, out: &mut dyn Write) -> io::Result<()> {
    let mut text = String::new();
    heading(plan, &mut text);
    for step in &plan.steps {
        entry(verb(&step.change), &step.change.target.to_string(), &mut text);
        more(&step.last_use, &mut text);
        if !step.holdings.is_empty() {
            more(&format!("its user also holds: {}", step.holdings.join("; ")), &mut text);
        }
        step.warnings.iter().for_each(|warning| more(&format!("! {warning}"), &mut text));
    }
    for refusal in &plan.refusals {
        entry("refused", &format!("{} ({})", refusal.called, refusal.reason.name()), &mut text);
        more(&refusal.why, &mut text);
    }
    plan.done.iter().for_each(|done| entry("already", done, &mut text));
    if !plan.notes.is_empty() {
        text.push('\n');
    }
    plan.notes.iter().for_each(|note| line(&format!("Note: {note}."), &mut text));
    if !plan.steps.is_empty() && !applies {
        text.push_str("\nNothing was changed; --apply does it.\n");
    }
    out.write_all(text.as_bytes())
}

fn heading(plan: &Plan, text: &mut String) {
    let count = |position| plan.steps.iter().filter(|step| step.change.to == position).count() as u64;
    let parts = [
        (count(Position::Off), "to switch off"),
        (count(Position::On), "to switch on"),
        (plan.refusals.len() as u64, "refused"),
        (plan.done.len() as u64, "to be left as it is"),
    ];
    let told: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    let what = if told.is_empty() { "nothing to do".to_owned() } else { told.join(", ") };
    // Writing to a String can't fail.
    let _ = match plan.steps.as_slice() {
        [] => writeln!(text, "Plan: {what}"),
        _ => writeln!(text, "Plan {}: {what}", plan.code()),
    };
}

fn verb(change: &Change) -> &'static str {
    match (&change.target.subject, change.to) {
        (Subject::Sessions { .. }, Position::Off) => "deny",
        (Subject::Sessions { .. }, _) => "allow",
        (_, Position::Off) => "switch off",
        _ => "switch on",
    }
}

fn entry(verb: &str, what: &str, text: &mut String) {
    line(&format!("{verb:<12}{what}"), text);
}

fn more(what: &str, text: &mut String) {
    if !what.is_empty() {
        entry("", what, text);
    }
}

fn line(what: &str, text: &mut String) {
    text.push_str(&sanitize(what));
    text.push('\n');
}

/// What a journal has left to do, as steps of a plan.
pub fn left(record: &Record) -> Vec<Step> {
    let step = |seq: usize| Step {
        change: record.header.changes[seq].clone(),
        last_use: String::new(),
        holdings: Vec::new(),
        warnings: vec![so_far(&record.states[seq])],
    };
    record.left().into_iter().map(step).collect()
}

fn so_far(state: &State) -> String {
    match &state.receipt {
        None if state.is_begun => "it was about to be done when the run ended: it is read again first".to_owned(),
        None => "it was not begun".to_owned(),
        Some(Receipt { result, why, .. }) => {
            format!("it ended as {}{}", result.name(), why.as_ref().map_or(String::new(), |why| format!(": {why}")))
        }
    }
}

/// A receipt, on a line of its own.
pub fn receipt(change: &Change, receipt: &Receipt) -> String {
    let subject = &change.target.subject;
    let what = match receipt.result {
        Outcome::Confirmed => format!("is {} now", subject.stands(change.to)),
        Outcome::Unchanged => format!("was {} already", subject.stands(change.to)),
        Outcome::Failed => format!("was not changed: {}", receipt.why.as_deref().unwrap_or("nobody knows why")),
        Outcome::Unknown => format!("is not known: {}", receipt.why.as_deref().unwrap_or("nobody knows why")),
    };
    sanitize(&format!("{:<12}{} {what}", receipt.result.name(), change.target)).into_owned()
}

/// How a run ended, and what can be done now.
pub fn outcome(record: &Record, outcomes: &Outcomes, journal: &str) -> String {
    let count = |result| outcomes.receipts.iter().filter(|(_, receipt)| receipt.result == result).count();
    let mut parts: Vec<String> = [Outcome::Confirmed, Outcome::Unchanged, Outcome::Failed, Outcome::Unknown]
        .into_iter()
        .filter(|&result| count(result) > 0)
        .map(|result| format!("{} {}", count(result), result.name()))
        .collect();
    let not_begun = record.left().len() - outcomes.receipts.len();
    if not_begun > 0 {
        parts.push(format!("{not_begun} not done"));
    }
    let mut text = String::new();
    let steps = plural(record.left().len() as u64, "step");
    line(&format!("{steps}: {}", parts.join(", ")), &mut text);
    if !outcomes.is_good() {
        line(&format!("What is left: keysweep deactivate --resume {journal}"), &mut text);
    }
    line(&format!("To take it back: keysweep undo {journal}"), &mut text);
    text
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    command: &'a str,
    code: Option<String>,
    steps: Vec<StepDocument<'a>>,
    refusals: Vec<RefusalDocument<'a>>,
    already: &'a [String],
    notes: &'a [String],
    applied: bool,
    journal: Option<&'a str>,
    stopped: Option<&'a str>,
}

#[derive(Serialize)]
struct StepDocument<'a> {
    account_id: String,
    user_name: &'a str,
    kind: &'static str,
    id: &'a str,
    from: &'static str,
    to: &'static str,
    last_use: Option<&'a str>,
    holdings: &'a [String],
    warnings: &'a [String],
    /// What came of it; null while it is a plan, and for a step that was not begun.
    result: Option<&'static str>,
    observed: Option<&'static str>,
    why: Option<&'a str>,
}

#[derive(Serialize)]
struct RefusalDocument<'a> {
    what: &'a str,
    reason: &'static str,
    why: &'a str,
}

/// Writes a plan, and what came of it if it was done, as one JSON document.
///
/// # Errors
/// Those of `out`.
pub fn write_json(plan: &Plan, command: &str, done: Option<&Done<'_>>, out: &mut dyn Write) -> io::Result<()> {
    let steps = plan.steps.iter().map(|step| step_document(step, done));
    let refusals = plan.refusals.iter().map(|refusal| RefusalDocument {
        what: &refusal.called,
        reason: refusal.reason.name(),
        why: &refusal.why,
    });
    let document = Document {
        schema: "keysweep-plan/v1",
        command,
        code: (!plan.steps.is_empty()).then(|| plan.code()),
        steps: steps.collect(),
        refusals: refusals.collect(),
        already: &plan.done,
        notes: &plan.notes,
        applied: done.is_some(),
        journal: done.map(|done| done.journal),
        stopped: done.and_then(|done| done.outcomes.stopped.as_deref()),
    };
    serde_json::to_writer(&mut *out, &document)?;
    out.write_all(b"\n")
}

fn step_document<'a>(step: &'a Step, done: Option<&Done<'a>>) -> StepDocument<'a> {
    let Change { target, from, to } = &step.change;
    let receipt = done.and_then(|done| {
        let of_step = |(seq, _): &&(usize, Receipt)| done.record.header.changes[*seq].target == *target;
        done.outcomes.receipts.iter().find(of_step).map(|(_, receipt)| receipt)
    });
    let (kind, id) = match &target.subject {
        Subject::AccessKey(id) => ("access_key", id.as_str()),
        Subject::ServiceCredential { id } => ("service_credential", id.as_str()),
        Subject::Sessions { policy, .. } => ("sessions", policy.as_str()),
    };
    StepDocument {
        account_id: target.account.to_string(),
        user_name: &target.user,
        kind,
        id,
        from: from.name(),
        to: to.name(),
        last_use: Some(step.last_use.as_str()).filter(|text| !text.is_empty()),
        holdings: &step.holdings,
        warnings: &step.warnings,
        result: receipt.map(|receipt| receipt.result.name()),
        observed: receipt.and_then(|receipt| receipt.observed).map(Position::name),
        why: receipt.and_then(|receipt| receipt.why.as_deref()),
    }
}

#[cfg(test)]
mod tests;
