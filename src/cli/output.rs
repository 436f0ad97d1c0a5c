//! Where reports go: standard output in one format, and any number of files in theirs.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tempfile::NamedTempFile;

use super::args::SearchArgs;
use crate::report::{self, Format, Occasion, Report};

/// A file that is written beside its place, which is tried before the scan so that a wrong path is known at once, and takes it when it is
/// whole: what stood there is lost neither to an interruption nor before it was scanned.
pub(super) struct Whole {
    path: PathBuf,
    file: NamedTempFile,
}

/// A file that will hold a report.
pub(super) struct OutputFile {
    format: Format,
    file: Whole,
}

impl Whole {
    pub(super) fn beside(path: &Path) -> Result<Self> {
        let name = path.display();
        if path.is_dir() || path.as_os_str().as_encoded_bytes().ends_with(b"/") {
            bail!("making the file {name} failed: it is a directory; name a file in it");
        }
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = NamedTempFile::with_prefix_in(".keysweep-", directory)
            .with_context(|| format!("making the file {name} failed"))?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Writes it and puts it into its place.
    pub(super) fn fill(mut self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
        write(&mut self.file)
            .and_then(|()| self.file.as_file().sync_all())
            .and_then(|()| Ok(self.file.persist(&self.path)?))
            .with_context(|| format!("writing the file {} failed", self.path.display()))?;
        Ok(())
    }
}

/// Opens every file that was asked for.
pub(super) fn open_files(paths: &[PathBuf]) -> Result<Vec<OutputFile>> {
    paths.iter().map(|path| open(path)).collect()
}

fn open(path: &Path) -> Result<OutputFile> {
    let name = path.display();
    let Some(format) = Format::of_file(path) else {
        bail!("can't tell the format of --output {name}: let it end in .txt, .json, .jsonl, .sarif, .csv or .xml");
    };
    Ok(OutputFile { format, file: Whole::beside(path)? })
}

/// Writes the report everywhere it was asked for.
pub(super) fn write(
    report: &Report<'_>,
    args: &SearchArgs,
    occasion: Option<Occasion>,
    files: Vec<OutputFile>,
) -> Result<()> {
    for OutputFile { format, file } in files {
        file.fill(|out| report::write(format, report, out))?;
    }
    if let Some(occasion) = occasion {
        return report::stopped(report, occasion, &mut io::stderr().lock()).context("saying why it stops failed");
    }
    let Some(format) = args.format.or((!args.quiet).then_some(Format::Text)) else {
        return Ok(());
    };
    let report = Report { colour: wants_colour(), ..report.clone() };
    report::write(format, &report, &mut io::stdout().lock()).context("writing the report failed")
}

/// When a scan began that ends now and took so many seconds. <https://reproducible-builds.org/specs/source-date-epoch/> says it is another
/// time: then the same input gives the same report in GitLab's format too.
pub(super) fn ran(seconds: f64) -> [i64; 2] {
    let fixed = std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|epoch| epoch.parse().ok());
    match fixed {
        Some(epoch) => [epoch, epoch],
        None => {
            let end = jiff::Timestamp::now().as_second();
            [end - seconds as i64, end]
        }
    }
}

/// The text report is on a terminal.
pub(super) fn is_read_by_a_person(args: &SearchArgs) -> bool {
    io::stdout().is_terminal() && args.format.unwrap_or(Format::Text) == Format::Text && !args.quiet
}

/// Colour is for terminals, unless <https://no-color.org> is set or the terminal knows none.
pub(super) fn wants_colour() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    io::stdout().is_terminal() && !is_set("NO_COLOR") && !is_dumb
}

/// One line on standard error, harmless to a terminal.
pub(super) fn note(text: &str) {
    // Nothing can be done when even standard error is gone.
    let _ = writeln!(io::stderr(), "keysweep: {}", report::sanitize(text));
}
