//! The lines of a journal, as they are written and read again.

use serde::{Deserialize, Serialize};

use super::{Header, Outcome, Receipt, Record, SCHEMA, State};
use crate::key::{AccessKeyId, AccountId};
use crate::response::{Change, Position, Subject, Target, sessions};

/// A line that is none of a journal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct BadLine {
    /// From 1.
    pub line: usize,
    /// What is wrong with it; nothing of it is shown.
    pub why: String,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line {
    Plan(WireHeader),
    Intent(WireIntent),
    Receipt(WireReceipt),
}

#[derive(Serialize, Deserialize)]
struct WireHeader {
    schema: String,
    code: String,
    caller: String,
    account: String,
    version: String,
    started: String,
    undoes: Option<String>,
    steps: Vec<WireChange>,
}

#[derive(Serialize, Deserialize, PartialEq)]
struct WireChange {
    account: String,
    user: String,
    #[serde(flatten)]
    subject: WireSubject,
    from: String,
    to: String,
}

#[derive(Serialize, Deserialize, PartialEq)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum WireSubject {
    AccessKey { id: String },
    ServiceCredential { id: String },
    Sessions { policy: String, issued_before: i64 },
}

#[derive(Serialize, Deserialize)]
struct WireIntent {
    seq: usize,
    at: String,
    #[serde(flatten)]
    change: WireChange,
}

#[derive(Serialize, Deserialize)]
struct WireReceipt {
    seq: usize,
    at: String,
    result: String,
    observed: Option<String>,
    why: Option<String>,
}

pub(super) fn header(header: &Header) -> String {
    written(&Line::Plan(WireHeader {
        schema: SCHEMA.to_owned(),
        code: header.code.clone(),
        caller: header.caller.clone(),
        account: header.account.clone(),
        version: header.version.clone(),
        started: sessions::moment(header.started),
        undoes: header.undoes.clone(),
        steps: header.changes.iter().map(wire).collect(),
    }))
}

pub(super) fn intent(seq: usize, change: &Change, now: i64) -> String {
    written(&Line::Intent(WireIntent { seq, at: sessions::moment(now), change: wire(change) }))
}

pub(super) fn receipt(seq: usize, receipt: &Receipt, now: i64) -> String {
    written(&Line::Receipt(WireReceipt {
        seq,
        at: sessions::moment(now),
        result: receipt.result.name().to_owned(),
        observed: receipt.observed.map(|position| position.name().to_owned()),
        why: receipt.why.clone(),
    }))
}

fn written(line: &Line) -> String {
    let mut text = serde_json::to_string(line).expect("strings and numbers can be written as JSON");
    text.push('\n');
    text
}

fn wire(change: &Change) -> WireChange {
    let Change { target: Target { account, user, subject }, from, to } = change;
    let subject = match subject {
        Subject::AccessKey(id) => WireSubject::AccessKey { id: id.to_string() },
        Subject::ServiceCredential { id } => WireSubject::ServiceCredential { id: id.clone() },
        Subject::Sessions { policy, issued_before } => {
            WireSubject::Sessions { policy: policy.clone(), issued_before: *issued_before }
        }
    };
    WireChange {
        account: account.to_string(),
        user: user.clone(),
        subject,
        from: from.name().to_owned(),
        to: to.name().to_owned(),
    }
}

/// Reads a journal. A last line without an end was cut short when its run was, and counts for nothing; everything else must be as it was
/// written.
///
/// # Errors
/// The first line that is not.
pub fn parse(bytes: &[u8]) -> Result<Record, BadLine> {
    let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    let mut lines = (1..).zip(bytes[..whole].split_inclusive(|&byte| byte == b'\n'));
    let bad = |line, why: &str| BadLine { line, why: why.to_owned() };
    let Some((number, first)) = lines.next() else {
        let why = if bytes.is_empty() { "it is empty" } else { "it has no whole line" };
        return Err(bad(1, &format!("{why}; a run that ended that early has changed nothing")));
    };
    let Ok(Line::Plan(wire)) = serde_json::from_slice(first) else {
        return Err(bad(number, "it is not the plan that a journal begins with"));
    };
    let header = read_header(wire).map_err(|why| bad(number, &why))?;
    let mut record = Record { states: vec![State::default(); header.changes.len()], header, torn: bytes.len() - whole };
    for (number, line) in lines {
        // What serde says of it may show what stands there.
        let line = serde_json::from_slice(line).map_err(|_| bad(number, "it is neither an intent nor a receipt"))?;
        record.take(line).map_err(|why| bad(number, why))?;
    }
    Ok(record)
}

impl Record {
    fn take(&mut self, line: Line) -> Result<(), &'static str> {
        const NO_STEP: &str = "it is about a step that the plan does not have";
        match line {
            Line::Plan(_) => Err("it is a second plan"),
            Line::Intent(WireIntent { seq, change, .. }) => {
                let known = self.header.changes.get(seq).ok_or(NO_STEP)?;
                if wire(known) != change {
                    return Err("it is about to do something else than the plan says");
                }
                let state = &mut self.states[seq];
                state.in_doubt |= state.is_begun && state.receipt.is_none();
                state.is_begun = true;
                state.receipt = None;
                Ok(())
            }
            Line::Receipt(WireReceipt { seq, result, observed, why, .. }) => {
                let state = self.states.get_mut(seq).ok_or(NO_STEP)?;
                let result = Outcome::parse(&result).ok_or("it has a result that there is none of")?;
                let observed =
                    observed.map(|name| Position::parse(&name).ok_or("it has a position that there is none of"));
                state.in_doubt |= result == Outcome::Unknown;
                state.receipt = Some(Receipt { result, observed: observed.transpose()?, why });
                Ok(())
            }
        }
    }
}

fn read_header(wire: WireHeader) -> Result<Header, String> {
    if wire.schema != SCHEMA {
        return Err(format!("its schema is {:?} and not {SCHEMA:?}", wire.schema));
    }
    let started: jiff::Timestamp = wire.started.parse().map_err(|_| "its beginning is no moment")?;
    let changes = wire.steps.into_iter().map(read_change).collect::<Result<Vec<_>, _>>()?;
    if wire.undoes.is_none() && changes.iter().any(|change| change.to == Position::On) {
        return Err("a step switches something on, which only a journal does that takes another one back".to_owned());
    }
    Ok(Header {
        code: wire.code,
        caller: wire.caller,
        account: wire.account,
        version: wire.version,
        started: started.as_second(),
        undoes: wire.undoes,
        changes,
    })
}

/// Only what a run writes: whatever else somebody put there must not be done when the journal is taken up again.
fn read_change(wire: WireChange) -> Result<Change, &'static str> {
    let account = AccountId::parse(&wire.account).map_err(|_| "a step has no account number")?;
    let subject = match wire.subject {
        WireSubject::AccessKey { id } => {
            Subject::AccessKey(AccessKeyId::shaped(id.as_bytes()).ok_or("a step has no access key id")?)
        }
        WireSubject::ServiceCredential { id } => Subject::ServiceCredential { id },
        WireSubject::Sessions { policy, issued_before } => {
            let subject = sessions::subject(issued_before);
            if subject != (Subject::Sessions { policy, issued_before }) {
                return Err("a step names a policy that is none of keysweep's");
            }
            subject
        }
    };
    match (Position::parse(&wire.from), Position::parse(&wire.to)) {
        (Some(from @ Position::On), Some(to @ Position::Off))
        | (Some(from @ Position::Off), Some(to @ Position::On)) => {
            Ok(Change { target: Target { account, user: wire.user, subject }, from, to })
        }
        _ => Err("a step switches nothing on or off"),
    }
}
