//! `keysweep baseline`: what of a scan, a report or the command line goes into `.keysweepignore` and what leaves it; `show` tells
//! what is in it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tempfile::NamedTempFile;

use super::args::{AddArgs, BaselineArgs, BaselineCommand, PlaceArgs, PruneArgs};
use super::exit::Exit;
use super::known::{self, Known};
use super::{lists, output, scan, search};
use crate::baseline::entry::Entry;
use crate::baseline::file::{ATTRIBUTE, Added, IgnoreFile};
use crate::baseline::globs::{self, Globs};
use crate::baseline::prune::{Useless, useless};
use crate::baseline::reach::Reach;
use crate::baseline::{FILE_NAME, List, report};
use crate::finding::keyed::{FingerprintKey, Print};
use crate::finding::suppression::By;
use crate::finding::{Finding, Fingerprint};
use crate::key::AccessKeyId;
use crate::report::{plural, sanitize};
use crate::sweep::Outcome;

mod show;

pub(super) fn run(args: &BaselineArgs) -> Result<Exit> {
    match &args.command {
        BaselineCommand::Add(args) => add(args),
        BaselineCommand::Prune(args) => prune(args),
        BaselineCommand::Show(args) => show::run(args),
    }
}

/// The file that is kept, as it stands.
struct Kept {
    path: PathBuf,
    name: String,
    file: IgnoreFile,
    /// The directory whose `.gitattributes` speaks of it; `None` outside of a working tree.
    tree: Option<PathBuf>,
    reach: Reach,
}

impl Kept {
    fn open(place: &PlaceArgs) -> Result<Self> {
        let home = known::home(&place.target);
        let own = home.as_ref().and_then(|home| home.file());
        let Some(path) = place.file.clone().or_else(|| own.clone()) else {
            let what = if home.is_some() { "is a bare repository and " } else { "" };
            bail!("{} {what}has no place for a {FILE_NAME}; name a file with --file", place.target.display());
        };
        let name = known::name(&path);
        let text = known::read_own(&path)?.unwrap_or_default();
        let file = known::parse(&text, &name)?;
        let reach = home.as_ref().map_or_else(Reach::everything, |home| home.reach(true));
        let is_own = own.as_ref() == Some(&path);
        let tree = home.map(|home| home.root).filter(|root| is_own && root.join(".git").exists());
        Ok(Self { path, name, file, tree, reach })
    }

    fn list(&self) -> List {
        let entries = self.file.entries().cloned().collect();
        List { by: By::IgnoreFile, name: self.name.as_str().into(), entries, reach: self.reach.clone() }
    }

    /// Writes the file, and that git is to merge it by lines. Returns what was written.
    fn save(&self) -> Result<Vec<String>> {
        let text = self.file.text().with_context(|| format!("writing {} failed, and it stays as it was", self.name))?;
        write(&self.path, &text)?;
        let mut written = vec![self.name.clone()];
        if let Some(tree) = &self.tree {
            let path = tree.join(".gitattributes");
            let text = known::read_own(&path)?.unwrap_or_default();
            if !has_attribute(&text) {
                let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
                write(&path, &format!("{text}{end}{ATTRIBUTE}\n"))?;
                written.push(known::name(&path));
            }
        }
        Ok(written)
    }
}

/// Whether `.gitattributes` says how the file is merged, whatever it says.
fn has_attribute(text: &str) -> bool {
    text.lines().any(|line| {
        let mut words = line.split_whitespace();
        words.next().is_some_and(|path| path.trim_start_matches('/') == FILE_NAME)
            && words.any(|word| word.contains("merge"))
    })
}

/// Writes beside the place and then takes it, so that nothing is lost to an interruption.
fn write(path: &Path, text: &str) -> Result<()> {
    let failed = || format!("writing {} failed", path.display());
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = NamedTempFile::with_prefix_in(".keysweep-", directory).with_context(failed)?;
    file.write_all(text.as_bytes()).with_context(failed)?;
    share(&file, path).with_context(failed)?;
    file.persist(path).with_context(failed)?;
    Ok(())
}

/// A temporary file is its owner's alone; this one is as open as the one it replaces.
#[cfg(unix)]
fn share(file: &NamedTempFile, path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let permissions = fs::metadata(path).map_or_else(|_| fs::Permissions::from_mode(0o644), |old| old.permissions());
    file.as_file().set_permissions(permissions)
}

#[cfg(not(unix))]
fn share(_: &NamedTempFile, _: &Path) -> io::Result<()> {
    Ok(())
}

/// What is to be added, and what a person would call it.
struct Wanted {
    entry: Entry,
    called: String,
    /// What of it was seen.
    scope: Scope,
}

/// How much of a credential is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    /// All that was found.
    Found,
    /// An id that was found without its secret.
    Alone,
    /// What was named, and not looked for: whatever belongs to it.
    Named,
}

impl Scope {
    fn of(id_only: bool) -> Self {
        if id_only { Self::Alone } else { Self::Found }
    }

    /// What is to be said of it.
    fn told(self) -> &'static str {
        match self {
            Self::Found => "",
            Self::Alone => " (the id alone: with its secret it will be reported)",
            Self::Named => " (its secret too, wherever it is found)",
        }
    }
}

fn add(args: &AddArgs) -> Result<Exit> {
    let mut kept = Kept::open(&args.place)?;
    let key = known::key()?;
    let paths = Globs::new(args.path.clone()).context("--path can't be used")?;
    let reason = args.reason.as_deref().map(str::trim).unwrap_or_default().to_owned();
    if reason.is_empty() && !args.import_ignores {
        bail!("--reason is empty: write why these credentials need not be reported");
    }
    let template =
        |print| Entry { until: args.until, paths: paths.clone(), reason: reason.clone(), ..Entry::bare(print) };
    let (wanted, is_complete) =
        if args.import_ignores { imported(args)? } else { asked_for(args, key.as_ref(), &template)? };
    let mut told: Vec<String> = Vec::new();
    for Wanted { mut entry, called, scope } in wanted {
        entry.id_only = scope == Scope::Alone;
        let line = format!("{called}  {}{}", entry.reason, scope.told());
        match kept.file.add(entry) {
            Added::New => told.push(format!("added    {line}")),
            Added::Replaced => told.push(format!("replaced {line}")),
            Added::Known => {}
        }
    }
    let mut out = io::stdout().lock();
    if told.is_empty() {
        writeln!(out, "{} stays as it is: there is nothing new.", sanitize(&kept.name))?;
    } else {
        let written = kept.save()?;
        told.iter().try_for_each(|line| writeln!(out, "{}", sanitize(line)))?;
        let changed = if told.len() == 1 { "1 entry".to_owned() } else { format!("{} entries", told.len()) };
        writeln!(out, "{changed} written to {}; commit {}.", sanitize(&kept.name), sanitize(&written.join(" and ")))?;
    }
    Ok(if is_complete { Exit::Clean } else { Exit::Incomplete })
}

/// A credential that may be added: how it may be named, and what a person would call it.
struct Candidate {
    print: Print,
    called: String,
    scope: Scope,
}

/// What was named, or else everything that was found; and whether everything was read for it.
fn asked_for(
    args: &AddArgs,
    key: Option<&FingerprintKey>,
    entry: &dyn Fn(Print) -> Entry,
) -> Result<(Vec<Wanted>, bool)> {
    let named: Vec<Name> = args.which.iter().enumerate().map(|(at, text)| name(at + 1, text)).collect::<Result<_>>()?;
    let must_look = named.is_empty() || named.iter().any(|name| matches!(name, Name::Start(_)));
    let (candidates, is_complete) = match (must_look, &args.from[..]) {
        (false, _) => (Vec::new(), true),
        (true, []) => found(args, key)?,
        (true, reports) => (reported(reports, key)?, true),
    };
    let own = |print: &Print| own(print, key);
    let wanted = |candidate: &Candidate| {
        let entry = entry(own(&candidate.print));
        Wanted { entry, called: candidate.called.clone(), scope: candidate.scope }
    };
    if named.is_empty() {
        return Ok((candidates.iter().map(wanted).collect(), is_complete));
    }
    let all = named.iter().map(|name| match name {
        Name::Whole(print, id) => {
            let own = own(print);
            let called = id.map_or_else(|| own.short(), |id| id.to_string());
            Ok(Wanted { entry: entry(own), called, scope: Scope::Named })
        }
        Name::Start(digits) => starting(digits, &candidates, &own).map(wanted),
    });
    Ok((all.collect::<Result<_>>()?, is_complete))
}

/// As the key that is set writes it, where it was not written with one.
fn own(print: &Print, key: Option<&FingerprintKey>) -> Print {
    match print {
        Print::Plain(plain) => Print::new(plain, key),
        keyed => *keyed,
    }
}

/// How a credential is named on the command line.
enum Name {
    Whole(Print, Option<AccessKeyId>),
    /// The first digits of its fingerprint.
    Start(String),
}

fn name(number: usize, text: &str) -> Result<Name> {
    if let Some(id) = AccessKeyId::shaped(text.as_bytes()) {
        return Ok(Name::Whole(Print::Plain(Fingerprint::of(text.as_bytes())), Some(id)));
    }
    if let Ok(print) = text.parse::<Print>() {
        return Ok(Name::Whole(print, None));
    }
    let digits = text.to_ascii_lowercase();
    if (8..64).contains(&digits.len()) && digits.bytes().all(|c| c.is_ascii_hexdigit()) {
        return Ok(Name::Start(digits));
    }
    // Not shown: somebody may have written the secret there.
    bail!("argument {number} is neither an access key id nor a fingerprint nor at least eight of its first digits")
}

fn starting<'a>(digits: &str, candidates: &'a [Candidate], own: &dyn Fn(&Print) -> Print) -> Result<&'a Candidate> {
    let starts = |print: &Print| print.digits().to_string().starts_with(digits);
    let mut matching = candidates.iter().filter(|candidate| starts(&candidate.print) || starts(&own(&candidate.print)));
    match (matching.next(), matching.next()) {
        (Some(one), None) => Ok(one),
        (Some(one), Some(other)) => {
            bail!("two fingerprints begin with {digits}, of {} and of {}; write more of it", one.called, other.called)
        }
        (None, _) => bail!("nothing that is found and not yet known has a fingerprint that begins with {digits}"),
    }
}

/// What a scan reports now.
fn found(args: &AddArgs, key: Option<&FingerprintKey>) -> Result<(Vec<Candidate>, bool)> {
    let (outcome, _) = scanned(args)?;
    let new = outcome.findings.iter().filter(|finding| finding.suppressed().is_none());
    let candidate = |finding: &Finding| Candidate {
        print: Print::Plain(finding.fingerprint),
        called: called(finding, key),
        scope: Scope::of(finding.is_id_alone()),
    };
    Ok((new.map(candidate).collect(), outcome.tally.skipped.is_empty()))
}

fn scanned(args: &AddArgs) -> Result<(Outcome, Known)> {
    let scan = args.scan();
    let known = known::load(&scan.search, &scan.targets)?;
    let mut outcome = scan::sweep(&scan)?.outcome;
    known.apply(&mut outcome.findings).iter().chain(&outcome.notes).for_each(|note| output::note(note));
    search::tell_unread(&outcome.tally.skipped);
    Ok((outcome, known))
}

fn called(finding: &Finding, key: Option<&FingerprintKey>) -> String {
    match finding.access_key_id {
        Some(id) => id.to_string(),
        None => format!("{} ({})", Print::new(&finding.fingerprint, key).short(), finding.rule),
    }
}

/// What reports told of; what they told to be suppressed was known to somebody else.
fn reported(reports: &[PathBuf], key: Option<&FingerprintKey>) -> Result<Vec<Candidate>> {
    let mut all = Vec::new();
    for file in reports {
        let text = lists::read(file, "a report")?;
        let name = lists::name(file);
        let found = report::parse(&text).with_context(|| format!("reading the report {name} failed"))?;
        let new = found.into_iter().filter(|found| !found.suppressed);
        all.extend(new.map(|found| Candidate {
            called: found.access_key_id.unwrap_or_else(|| own(&found.print, key).short()),
            scope: Scope::of(found.id_only),
            print: found.print,
        }));
    }
    Ok(all)
}

/// What other scanners ignore and a scan finds, at the paths at which they ignore it.
fn imported(args: &AddArgs) -> Result<(Vec<Wanted>, bool)> {
    let (outcome, known) = scanned(args)?;
    let mut all = Vec::new();
    for finding in &outcome.findings {
        for imports in known.imports() {
            let paths: Vec<String> = imports.paths_of(finding).iter().map(|path| globs::exactly(path)).collect();
            if paths.is_empty() {
                continue;
            }
            let reason = args.reason.clone().unwrap_or_else(|| format!("imported from {}", imports.name));
            let paths = Globs::new(paths).context("a path of a finding can't be written as a pattern")?;
            let print = Print::new(&finding.fingerprint, known.key.as_ref());
            let entry = Entry { until: args.until, paths, reason, ..Entry::bare(print) };
            let scope = Scope::of(finding.is_id_alone());
            all.push(Wanted { entry, called: called(finding, known.key.as_ref()), scope });
        }
    }
    Ok((all, outcome.tally.skipped.is_empty()))
}

fn prune(args: &PruneArgs) -> Result<Exit> {
    // The file speaks of the whole working tree, of whatever part of it somebody stands in.
    let target = known::home(&args.place.target).map_or_else(|| args.place.target.clone(), |home| home.root);
    let place = PlaceArgs { target, file: args.place.file.clone() };
    let mut kept = Kept::open(&place)?;
    let mut scan = args.reading.scan(&place.target);
    // What comments allow is there all the same.
    scan.search.known.no_ignore = true;
    let known = known::load(&scan.search, &scan.targets)?;
    let outcome = scan::sweep(&scan)?.outcome;
    search::tell_unread(&outcome.tally.skipped);
    let is_complete = outcome.tally.skipped.is_empty();
    let list = kept.list();
    let useless: BTreeMap<usize, Useless> =
        useless(&list, is_complete.then_some(&outcome.findings[..]), known.terms()).into_iter().collect();
    let mut out = io::stdout().lock();
    for (&number, why) in &useless {
        let why = match why {
            Useless::Expired(until) => format!("expired on {until}"),
            Useless::Unmatched => "matches nothing any more".to_owned(),
            Useless::Repeated => "repeats another".to_owned(),
        };
        let entry = &list.entries[number];
        writeln!(out, "{}  {}: {}", entry.print.short(), why, sanitize(&entry.reason))?;
    }
    let dropped = plural(useless.len() as u64, "entry").replace("entrys", "entries");
    let left = list.entries.len() - useless.len();
    if args.dry_run {
        writeln!(out, "{dropped} of {} would be dropped and {left} stay.", sanitize(&kept.name))?;
    } else {
        kept.file.retain(|number| !useless.contains_key(&number));
        if !useless.is_empty() {
            kept.save()?;
        }
        writeln!(out, "{dropped} dropped from {}, {left} stay.", sanitize(&kept.name))?;
    }
    if !is_complete {
        output::note("not everything was read, so no entry was judged by what was found");
    }
    Ok(if is_complete { Exit::Clean } else { Exit::Incomplete })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_is_known_however_it_is_written() {
        for text in [ATTRIBUTE, "* text=auto\n/.keysweepignore  text merge=union\n", ".keysweepignore -merge"] {
            assert!(has_attribute(text), "{text}");
        }
        for text in ["", "# .keysweepignore merge=union", ".keysweepignore text", "a.keysweepignore merge=union"] {
            assert!(!has_attribute(text), "{text}");
        }
    }

    #[test]
    fn credentials_are_named_by_id_by_fingerprint_or_by_its_start() {
        let print = Fingerprint::of(b"AKIAIOSFODNN7EXAMPLE");
        let whole =
            |text: &str| matches!(name(1, text).unwrap(), Name::Whole(Print::Plain(found), _) if found == print);
        assert!(whole("AKIAIOSFODNN7EXAMPLE") && whole(&print.to_string()));
        let start = print.to_string()[..8].to_uppercase();
        assert!(matches!(name(1, &start).unwrap(), Name::Start(digits) if print.to_string().starts_with(&digits)));
        for bad in ["", "1a5d44a", "hunter2hunter2", "AKIAIOSFODNN7EXAMPL"] {
            let error = name(3, bad).err().unwrap().to_string();
            assert!(error.contains("argument 3") && (bad.is_empty() || !error.contains(bad)), "{error}");
        }
    }
}
