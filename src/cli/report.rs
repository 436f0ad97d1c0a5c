//! `keysweep report`: what is done with reports after they were made. How they are joined is `report::merge`'s business.

use std::io;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::args::{MergeArgs, MergeShape, ReportArgs, ReportCommand};
use super::exit::Exit;
use super::lists;
use super::output::{self, Whole};
use crate::report::Format;
use crate::report::merge::Merge;
use crate::triage::reported;

pub(super) fn run(args: &ReportArgs) -> Result<Exit> {
    match &args.command {
        ReportCommand::Merge(args) => merge(args),
    }
}

fn merge(args: &MergeArgs) -> Result<Exit> {
    if args.files.iter().filter(|file| *file == Path::new("-")).count() > 1 {
        bail!("standard input is given twice; write one of the reports to a file");
    }
    let shape = shape(args)?;
    let file = args.output.as_deref().map(Whole::beside).transpose()?;
    let mut merge = Merge::default();
    for file in &args.files {
        let name = lists::name(file);
        let text = lists::read(file, "a report")?;
        let report = reported::parse(&text).with_context(|| format!("reading a report from {name} failed"))?;
        merge.add(report).with_context(|| format!("joining the report in {name} with the others failed"))?;
    }
    let merged = merge.finish();
    match file {
        Some(file) => file.fill(|out| merged.write(shape.into(), out))?,
        None => merged.write(shape.into(), &mut io::stdout().lock()).context("writing the report failed")?,
    }
    let allowed = args.allow_incomplete && merged.is_any();
    if !merged.is_complete() {
        let so = if allowed { ", which --allow-incomplete lets pass" } else { "" };
        output::note(&format!("not everything was read that these reports are about{so}; the report lists what"));
    }
    Ok(Exit::of(merged.counting(), merged.is_complete() || allowed, args.exit_code))
}

/// The shape that was asked for by name, or by the ending of the file.
fn shape(args: &MergeArgs) -> Result<MergeShape> {
    let Some(file) = &args.output else {
        return Ok(args.format.unwrap_or(MergeShape::Jsonl));
    };
    match (args.format, Format::of_file(file)) {
        (Some(format), _) => Ok(format),
        (None, Some(Format::Json)) => Ok(MergeShape::Json),
        (None, Some(Format::Jsonl)) => Ok(MergeShape::Jsonl),
        _ => bail!(
            "can't tell the format of --output {}: let it end in .json or .jsonl, or add --format",
            file.display()
        ),
    }
}
