//! Takes back what a journal says was done, and nothing else: what stood so before stays so, and what somebody has changed since is left
//! alone.

use super::journal::{Record, State};
use super::plan::{Plan, Reason, Refusal, Step};
use super::{Change, Position, Subject, Switch, plan};
use crate::key::AccountId;

/// What would be done to take back what a journal did. How everything stands is read now.
pub fn plan<'a>(record: &Record, switch: &dyn Fn(AccountId) -> Option<&'a dyn Switch>, actor: &plan::Actor) -> Plan {
    let mut undo = Plan::default();
    let done = record.header.changes.iter().zip(&record.states).filter(|(_, state)| state.may_be_done());
    // The last first, as what is stacked is unstacked.
    for (change, state) in done.rev() {
        let back = Change { target: change.target.clone(), from: change.to, to: change.from };
        take_back(&mut undo, &back, state, switch(back.target.account), actor);
    }
    undo
}

fn take_back(undo: &mut Plan, back: &Change, state: &State, switch: Option<&dyn Switch>, actor: &plan::Actor) {
    let Change { target, from, to } = back;
    let mut refuse = |reason, why| undo.refusals.push(Refusal { called: target.to_string(), reason, why });
    if let Some(why) = actor.is_cut_off_by(back) {
        return refuse(Reason::OwnKey, why.to_owned());
    }
    let Some(switch) = switch else {
        let why = format!(
            "account {} was not reached; sign in to it, or use --organization --role-name NAME",
            target.account
        );
        return refuse(Reason::Unknown, why);
    };
    match switch.read(target) {
        Ok(seen) if seen == *from => undo.steps.push(Step {
            change: back.clone(),
            last_use: String::new(),
            holdings: Vec::new(),
            warnings: warnings(target, *to, state),
        }),
        Ok(seen) if seen == *to => undo.done.push(format!("{target} is {} already", target.subject.stands(seen))),
        Ok(seen) => refuse(
            Reason::Changed,
            format!(
                "it is {} now, and not {} as it was left",
                target.subject.stands(seen),
                target.subject.stands(*from)
            ),
        ),
        Err(fault) => refuse(Reason::Unknown, fault.why),
    }
}

fn warnings(target: &super::Target, to: Position, state: &State) -> Vec<String> {
    let mut all = Vec::new();
    if state.receipt.as_ref().is_none_or(|receipt| receipt.result != super::journal::Outcome::Confirmed) {
        all.push("the journal does not know whether the change was made; it reads as if it was".to_owned());
    }
    match (&target.subject, to) {
        (Subject::Sessions { .. }, Position::On) => all.push("sessions that have not expired work again".to_owned()),
        (_, Position::On) => all.push("it leaked: whoever found it can use it again".to_owned()),
        _ => {}
    }
    all
}
