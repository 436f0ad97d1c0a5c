//! `keysweep undo`: what a journal says was done is taken back.

use anyhow::{Result, bail};

use super::apply::{self, Asker, Job};
use super::args::UndoArgs;
use super::exit::Exit;
use super::output;
use crate::report::plural;
use crate::response::{journal, undo};

pub(super) fn run(args: &UndoArgs) -> Result<Exit> {
    apply::may_begin(&args.approval, &args.owner)?;
    let name = args.undone.display().to_string();
    // Held until the end: nobody goes on with it meanwhile.
    let (record, _held) = journal::consult(&args.undone)?;
    if record.torn > 0 {
        output::note(&apply::torn(&args.undone));
    }
    if !record.states.iter().any(journal::State::may_be_done) {
        bail!("the journal {name} says that nothing was changed, so there is nothing to take back");
    }
    let asker = Asker::reach(&args.owner, &record.header.changes)?;
    let plan = undo::plan(&record, &|account| asker.switch(account), &asker.actor());
    output::note(&format!("{name} has {}", plural(record.header.changes.len() as u64, "step")));
    let job = Job { asker: &asker, approval: &args.approval, command: "undo", undoes: Some(name) };
    job.plan(plan, args.journal.as_deref())
}
