//! `keysweep baseline show`: what each entry of a `.keysweepignore` knows, for people and as JSON.

use std::io::{self, Write};

use anyhow::Result;
use serde::Serialize;

use super::Kept;
use crate::cli::args::{Shape, ShowArgs};
use crate::cli::exit::Exit;
use crate::cli::known;
use crate::finding::keyed::Print;
use crate::report::{plural, sanitize};

/// `keysweep baseline show --format json`.
#[derive(Serialize)]
struct Shown<'a> {
    schema: &'static str,
    file: &'a str,
    entries: Vec<ShownEntry<'a>>,
}

#[derive(Serialize)]
struct ShownEntry<'a> {
    fingerprint: String,
    id_only: bool,
    reason: &'a str,
    until: Option<String>,
    expired: bool,
    paths: &'a [String],
    /// `none` for a plain fingerprint, else whether the key that is set made it.
    key: &'static str,
}

pub(super) fn run(args: &ShowArgs) -> Result<Exit> {
    let kept = Kept::open(&args.place)?;
    let (key, today) = (known::key()?, known::today());
    let entries = kept.file.entries().map(|entry| ShownEntry {
        fingerprint: entry.print.to_string(),
        id_only: entry.id_only,
        reason: &entry.reason,
        until: entry.until.map(|until| until.to_string()),
        expired: entry.has_expired(today),
        paths: entry.paths.lines(),
        key: match entry.print {
            Print::Plain(_) => "none",
            Print::Keyed { key: of, .. } if key.as_ref().is_some_and(|key| key.id() == of) => "own",
            Print::Keyed { .. } => "other",
        },
    });
    let shown = Shown { schema: "keysweep/baseline-v1", file: &kept.name, entries: entries.collect() };
    let mut out = io::stdout().lock();
    match args.format {
        Shape::Json => writeln!(out, "{}", serde_json::to_string(&shown)?)?,
        Shape::Text => show_text(&shown, &mut out)?,
    }
    Ok(Exit::Clean)
}

fn show_text(shown: &Shown<'_>, out: &mut dyn Write) -> io::Result<()> {
    for entry in &shown.entries {
        writeln!(out, "{}", entry.fingerprint)?;
        writeln!(out, "    reason  {}", sanitize(entry.reason))?;
        let expired = if entry.expired { ", which has passed: it is reported again" } else { "" };
        match &entry.until {
            Some(until) => writeln!(out, "    until   {until}{expired}")?,
            None => writeln!(out, "    until   it is dropped")?,
        }
        if entry.id_only {
            writeln!(out, "    covers  the id alone: with its secret it is reported")?;
        }
        match entry.paths {
            [] => writeln!(out, "    paths   all")?,
            paths => writeln!(out, "    paths   {}", sanitize(&paths.join("  ")))?,
        }
        match entry.key {
            "own" => writeln!(out, "    key     the one that is set")?,
            "other" => writeln!(out, "    key     another than is set: it is of no use without that")?,
            _ => {}
        }
        writeln!(out)?;
    }
    let all = plural(shown.entries.len() as u64, "entry").replace("entrys", "entries");
    let expired = shown.entries.iter().filter(|entry| entry.expired).count();
    writeln!(out, "{all} in {}, {expired} expired.", sanitize(shown.file))
}
