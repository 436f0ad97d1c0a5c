//! `keysweep rules`: what the rules are, and whether they do what their examples say. Rule files are read here for all commands.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::args::{RuleFiles, RulesArgs, RulesCommand};
use super::exit::Exit;
use super::output;
use crate::engine::rule::{Pack, RuleSet, check};
use crate::report::{self, RuleInfo};

pub(super) fn run(args: &RulesArgs) -> Result<Exit> {
    let mut out = io::stdout().lock();
    match &args.command {
        RulesCommand::List(files) => list(files, &mut out),
        RulesCommand::Check { files } => check(files, &mut out),
    }
}

/// The rules that are always on and those that were asked for.
pub(super) fn load(files: &RuleFiles) -> Result<RuleSet> {
    let mut rules = RuleSet::builtin();
    for pack in &files.pack {
        rules.add(RuleSet::pack(*pack));
    }
    for file in &files.rules {
        add(&mut rules, file)?;
    }
    for note in rules.notes() {
        output::note(note);
    }
    Ok(rules)
}

fn list(files: &RuleFiles, out: &mut dyn Write) -> Result<Exit> {
    let rules = load(files)?;
    for rule in rules.iter().map(RuleInfo::from).chain(rules.foreign().iter().map(RuleInfo::from)) {
        // A file's author chose these words, and they are for a terminal.
        let [id, description] = [rule.id, rule.description].map(report::sanitize);
        writeln!(out, "{id:<28} {:<9} {description}", rule.severity.to_string())?;
    }
    Ok(Exit::Clean)
}

fn check(files: &[PathBuf], out: &mut dyn Write) -> Result<Exit> {
    let mut sets = Vec::new();
    for file in files {
        let mut rules = RuleSet::default();
        add(&mut rules, file)?;
        sets.push((file.display().to_string(), rules));
    }
    if files.is_empty() {
        let mut rules = RuleSet::default();
        Pack::ALL.into_iter().for_each(|pack| rules.add(RuleSet::pack(pack)));
        sets.push(("the built-in rules".to_owned(), rules));
    }
    let mut failures = 0;
    for (name, rules) in sets {
        for failure in check::check(&rules) {
            failures += 1;
            writeln!(out, "{name}: {failure}")?;
        }
        for note in rules.notes() {
            writeln!(out, "note: {}", report::sanitize(note))?;
        }
        let examples: usize = rules.iter().map(|rule| rule.examples.len() + rule.negative_examples.len()).sum();
        let count = |count: usize, noun| report::plural(count as u64, noun);
        let (ours, examples) = (count(rules.iter().count(), "rule"), count(examples, "example"));
        write!(out, "{name}: {ours}, {examples} checked")?;
        match rules.foreign().len() {
            0 => writeln!(out)?,
            foreign => writeln!(out, "; {} of gitleaks, without examples", count(foreign, "rule"))?,
        }
    }
    Ok(Exit::of(failures, true, 1))
}

fn add(rules: &mut RuleSet, file: &Path) -> Result<()> {
    let name = file.display().to_string();
    let text = fs::read_to_string(file).with_context(|| format!("reading the rules of {name} failed"))?;
    rules.load(&name, &text, &extended).with_context(|| format!("the rules of {name} can't be used"))
}

/// A file that another extends; its path is relative to that of the other.
fn extended(path: &str, from: &str) -> Result<(String, String), String> {
    let file = Path::new(from).parent().unwrap_or(Path::new("")).join(path);
    let name = file.display().to_string();
    match fs::read_to_string(&file) {
        Ok(text) => Ok((name, text)),
        Err(error) => Err(format!("reading {name}, which it extends, failed: {error}")),
    }
}
