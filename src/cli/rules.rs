//! `keysweep rules`: what the rules are, and whether they do what their examples say.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::args::{RulesArgs, RulesCommand};
use super::exit::Exit;
use crate::engine::rule::{RuleSet, check};

pub(super) fn run(args: &RulesArgs) -> Result<Exit> {
    let mut out = io::stdout().lock();
    match &args.command {
        RulesCommand::List => list(&mut out),
        RulesCommand::Check { files } => check(files, &mut out),
    }
}

fn list(out: &mut dyn Write) -> Result<Exit> {
    for rule in RuleSet::builtin().iter() {
        writeln!(out, "{:<28} {:<9} {}", rule.id, rule.severity.to_string(), rule.description)?;
    }
    Ok(Exit::Clean)
}

fn check(files: &[PathBuf], out: &mut dyn Write) -> Result<Exit> {
    let sets = if files.is_empty() {
        vec![("the built-in rules".to_owned(), RuleSet::builtin())]
    } else {
        files.iter().map(|file| load(file)).collect::<Result<_>>()?
    };
    let mut failures = 0;
    for (name, rules) in sets {
        for failure in check::check(&rules) {
            failures += 1;
            writeln!(out, "{name}: {failure}")?;
        }
        let examples: usize = rules.iter().map(|rule| rule.examples.len() + rule.negative_examples.len()).sum();
        writeln!(out, "{name}: {} rules, {examples} examples checked", rules.iter().count())?;
    }
    Ok(Exit::of(failures, true, 1))
}

fn load(file: &Path) -> Result<(String, RuleSet)> {
    let name = file.display().to_string();
    let text = fs::read_to_string(file).with_context(|| format!("reading the rules of {name} failed"))?;
    let rules = RuleSet::parse(&name, &text).with_context(|| format!("the rules of {name} can't be used"))?;
    Ok((name, rules))
}
