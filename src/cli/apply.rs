//! What `deactivate` and `undo` share: a plan is shown, approved, written into a journal and done; and who does it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};

use super::args::{ApprovalArgs, OwnerArgs, Shape};
use super::exit::Exit;
use super::{output, owner};
use crate::aws::{Account, Caller};
use crate::key::AccountId;
use crate::report::plan as told;
use crate::response::journal::{Header, Journal, JournalError, Record, State};
use crate::response::plan::{Actor, Plan};
use crate::response::run::{Outcomes, World, run};
use crate::response::{Change, Switch};

/// Who acts, in which accounts.
pub(super) struct Asker {
    pub(super) caller: Caller,
    pub(super) reached: BTreeMap<AccountId, Account>,
}

impl Asker {
    /// Signs in, and reaches the accounts of these changes.
    pub(super) fn reach(args: &OwnerArgs, changes: &[Change]) -> Result<Self> {
        let home = owner::connect(args)?;
        let caller = home.caller().clone();
        let mut others: BTreeSet<AccountId> = changes.iter().map(|change| change.target.account).collect();
        others.remove(&caller.account);
        let mut reached = BTreeMap::new();
        if let Some(role) = args.role_name.as_deref().filter(|_| !others.is_empty()) {
            // A journal may name any account, and a role of that name may be anybody's.
            let organization = home.organization().map_err(|gap| anyhow!("asking AWS failed: {}", gap.why))?;
            for account in others {
                match organization.iter().any(|member| member.account == account) {
                    true => match home.assume(account, role) {
                        Ok(there) => drop(reached.insert(account, there)),
                        Err(gap) => output::note(&format!("account {account} could not be reached: {}", gap.why)),
                    },
                    false => output::note(&format!("account {account} is none of the organization and is not asked")),
                }
            }
        }
        reached.insert(caller.account, home);
        Ok(Self { caller, reached })
    }

    pub(super) fn switch(&self, account: AccountId) -> Option<&dyn Switch> {
        self.reached.get(&account).map(|account| account as &dyn Switch)
    }

    /// What time it is to AWS, in seconds since 1970.
    fn time(&self) -> i64 {
        self.reached.get(&self.caller.account).map_or_else(now, Account::time)
    }

    pub(super) fn actor(&self) -> Actor {
        Actor {
            arn: self.caller.arn.clone(),
            access_key_ids: self.caller.access_key_ids.clone(),
            accounts: self.reached.keys().copied().collect(),
        }
    }
}

/// A plan on its way.
pub(super) struct Job<'a> {
    pub(super) asker: &'a Asker,
    pub(super) approval: &'a ApprovalArgs,
    /// `deactivate`, `undo` or `resume`.
    pub(super) command: &'a str,
    /// The journal that is taken back.
    pub(super) undoes: Option<String>,
}

impl Job<'_> {
    /// Shows a plan and, if it is to be and is approved, does it.
    pub(super) fn plan(&self, plan: Plan, place: Option<&Path>) -> Result<Exit> {
        if !self.approval.apply || plan.steps.is_empty() {
            self.show(&plan, None)?;
            return Ok(match (plan.refusals.is_empty(), plan.steps.is_empty()) {
                (false, _) => Exit::Incomplete,
                (true, true) => Exit::Clean,
                (true, false) => Exit::Found(1),
            });
        }
        self.approved(&plan)?;
        let now = self.asker.time();
        let plan = plan.as_of(now);
        let header = Header {
            code: plan.code(),
            caller: self.asker.caller.arn.clone(),
            account: self.asker.caller.account.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: now,
            undoes: self.undoes.clone(),
            changes: plan.changes(),
        };
        let mut journal = create(place, self.command, &header)?;
        let states = vec![State::default(); header.changes.len()];
        let record = Record { header, states, torn: 0 };
        let path = journal.path().to_owned();
        self.act(&plan, &mut journal, &record, &path)
    }

    /// Shows what a journal has left and, if it is to be and is approved, does it.
    pub(super) fn resume(&self, path: &Path, journal: Option<&mut Journal>, record: &Record) -> Result<Exit> {
        let plan = Plan { steps: told::left(record), ..Plan::default() };
        let actor = self.asker.actor();
        let cut_off = plan.steps.iter().find_map(|step| Some((step, actor.is_cut_off_by(&step.change)?)));
        if let Some((step, why)) = cut_off {
            bail!("{} can't be switched: {why}", step.change.target);
        }
        match journal {
            Some(journal) if !plan.steps.is_empty() => {
                self.approved(&plan)?;
                self.act(&plan, journal, record, path)
            }
            _ => {
                output::note(&format!("journal: {}", path.display()));
                self.show(&plan, None)?;
                Ok(if plan.steps.is_empty() { Exit::Clean } else { Exit::Found(1) })
            }
        }
    }

    /// Shows the plan to whoever is to approve it.
    fn approved(&self, plan: &Plan) -> Result<()> {
        if self.approval.format.is_text() {
            self.show(plan, None)?;
        } else if !self.approval.yes {
            written(told::write_text(plan, true, &mut io::stderr().lock()), "showing the plan failed")?;
        }
        if self.approval.yes {
            return Ok(());
        }
        let code = plan.code();
        let _ = write!(io::stderr(), "Type the code of the plan, {code}, to do this: ");
        let typed = terminal()?.context("there is no terminal to ask on")?;
        if !typed.trim().eq_ignore_ascii_case(&code) {
            bail!("that is not the code of the plan, {code}; nothing was changed");
        }
        Ok(())
    }

    fn act(&self, plan: &Plan, journal: &mut Journal, record: &Record, path: &Path) -> Result<Exit> {
        output::note(&format!("journal: {}", path.display()));
        // A second signal ends it at once: the journal is enough.
        let _ = ctrlc::set_handler(|| {
            if INTERRUPTED.swap(true, Ordering::SeqCst) {
                end();
            }
        });
        let is_text = self.approval.format.is_text();
        let world = World {
            switch: &|account| self.asker.switch(account),
            pause: &|read| std::thread::sleep(Duration::from_millis(250 << read.min(6))),
            is_interrupted: &|| INTERRUPTED.load(Ordering::SeqCst),
            clock: &|| self.asker.time(),
            // Whether somebody still reads along makes no difference to what is to be done.
            told: &|seq, receipt| {
                if is_text {
                    let _ = writeln!(io::stdout(), "{}", told::receipt(&record.header.changes[seq], receipt));
                }
            },
        };
        let outcomes = run(journal, record, &world);
        self.tell(plan, record, &outcomes, path)?;
        let is_good = outcomes.is_good() && plan.refusals.is_empty();
        Ok(if is_good { Exit::Clean } else { Exit::Incomplete })
    }

    fn tell(&self, plan: &Plan, record: &Record, outcomes: &Outcomes, path: &Path) -> Result<()> {
        let path = path.display().to_string();
        if self.approval.format.is_text() {
            let text = told::outcome(record, outcomes, &path);
            written(io::stdout().write_all(text.as_bytes()), "writing what came of it failed")?;
        } else {
            self.show(plan, Some(&told::Done { record, outcomes, journal: &path }))?;
        }
        if let Some(why) = &outcomes.stopped {
            output::note(&format!("stopped: {why}"));
        }
        Ok(())
    }

    fn show(&self, plan: &Plan, done: Option<&told::Done<'_>>) -> Result<()> {
        let mut out = io::stdout().lock();
        let shown = match self.approval.format {
            Shape::Text => told::write_text(plan, self.approval.apply, &mut out),
            Shape::Json => told::write_json(plan, self.command, done, &mut out),
        };
        written(shown, "writing the plan failed")
    }
}

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

#[expect(clippy::exit, reason = "who interrupts a second time does not want to wait")]
fn end() {
    std::process::exit(130);
}

/// There is nothing to do, and nobody was asked.
pub(super) fn nothing(approval: &ApprovalArgs, command: &str) -> Result<()> {
    if approval.format.is_text() {
        return Ok(());
    }
    written(told::write_json(&Plan::default(), command, None, &mut io::stdout().lock()), "writing the plan failed")
}

/// Whoever stops reading our output has not seen that everything is switched off: that is an error here, and not, as elsewhere, a good end.
fn written(done: io::Result<()>, doing: &str) -> Result<()> {
    done.map_err(|error| anyhow!("{doing}: {error}"))
}

/// Refuses what could not be approved or done, before anybody is asked.
pub(super) fn may_begin(approval: &ApprovalArgs, owner: &OwnerArgs) -> Result<()> {
    if owner.is_offline() {
        bail!(
            "what is to be switched is asked of AWS itself, and not of files: leave out --credential-report and --access-keys"
        );
    }
    if approval.apply && !approval.yes && !has_terminal() {
        bail!(
            "there is no terminal to ask for the code of the plan on; look at the plan without --apply, then add --yes; nothing was changed"
        );
    }
    Ok(())
}

/// What is to be said of a journal whose last line is cut.
pub(super) fn torn(path: &Path) -> String {
    format!(
        "the last line of the journal {} was cut short when its run ended; what it was about is read again",
        path.display()
    )
}

/// Seconds since 1970.
pub(super) fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// Where journals are kept unless somebody names another place.
pub(super) fn state_directory() -> Result<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = if cfg!(windows) {
        set("LOCALAPPDATA")
    } else {
        // A relative one is to be ignored: https://specifications.freedesktop.org/basedir-spec/latest/
        let state = set("XDG_STATE_HOME").filter(|path| path.is_absolute());
        state.or_else(|| set("HOME").map(|home| home.join(".local/state")))
    };
    base.map(|base| base.join("keysweep"))
        .context("there is no home directory to keep journals in; name a file with --journal")
}

/// Makes the journal where it is to be, or under a name of its own in the usual place.
fn create(place: Option<&Path>, command: &str, header: &Header) -> Result<Journal> {
    if let Some(path) = place {
        return Journal::create(path, header).map_err(|error| match &error {
            JournalError::Io { error: cause, .. } if cause.kind() == io::ErrorKind::AlreadyExists => anyhow!(
                "nothing was changed: {error}; a journal is never written over: name another file, or take that one up by --resume"
            ),
            _ => anyhow!("nothing was changed: {error}"),
        });
    }
    let directory = state_directory()?;
    private_directory(&directory).with_context(|| {
        format!(
            "nothing was changed: making the directory {} for the journal failed; name a file with --journal",
            directory.display()
        )
    })?;
    let at = jiff::Timestamp::from_second(header.started).map_or_else(|_| String::new(), |at| at.to_string());
    let at: String = at.chars().filter(char::is_ascii_alphanumeric).collect();
    for number in 1..100 {
        let more = if number == 1 { String::new() } else { format!("-{number}") };
        let path = directory.join(format!("{command}-{at}-{}{more}.jsonl", header.code));
        match Journal::create(&path, header) {
            Err(JournalError::Io { error, .. }) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made.context("nothing was changed"),
        }
    }
    bail!("nothing was changed: {} has a hundred journals of this second and plan", directory.display())
}

/// Makes a directory that is its owner's alone, and what is above it.
/// <https://specifications.freedesktop.org/basedir-spec/latest/>
fn private_directory(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Somebody sits there: at standard input, or, where that is a pipe, at the terminal that errors go to.
fn has_terminal() -> bool {
    io::stdin().is_terminal() || io::stderr().is_terminal()
}

/// A line that somebody types; `None` without a terminal.
fn terminal() -> Result<Option<String>> {
    let mut line = String::new();
    let read = if io::stdin().is_terminal() {
        io::stdin().lock().read_line(&mut line)
    } else if io::stderr().is_terminal() {
        let name = if cfg!(windows) { "CONIN$" } else { "/dev/tty" };
        File::open(name).and_then(|terminal| BufReader::new(terminal).read_line(&mut line))
    } else {
        return Ok(None);
    };
    read.context("reading the code from the terminal failed; nothing was changed")?;
    Ok(Some(line))
}
