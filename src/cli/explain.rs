//! `keysweep explain`: one file through the engine, with every reason.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::args::{ExplainArgs, Shape};
use super::exit::Exit;
use super::{lists, rules};
use crate::engine::Scanner;
use crate::place;
use crate::provenance::{Origin, Provenance};
use crate::report::RuleInfo;
use crate::report::explain::{self, Explanation};
use crate::source::archive;

/// Who asks about more has another question.
const LARGEST: u64 = 64 << 20;

pub(super) fn run(args: &ExplainArgs) -> Result<Exit> {
    let (file, line) = match &args.target {
        Some(file) => target(file),
        None => (PathBuf::from("-"), args.line_of_stdin),
    };
    let name = lists::name(&file);
    let bytes = read(&file).with_context(|| format!("reading {name} failed"))?;
    let scanner = Scanner::new(rules::load(&args.rules)?);
    let known = scanner.rules();
    let at = Provenance::new(provenance(&file));
    let explanation = Explanation {
        file: &name,
        line,
        bytes: &bytes,
        candidates: &scanner.explain(&bytes, |terms| place::holds(terms, &at)),
        keywords: &scanner.keywords(&bytes),
        rules: known.iter().map(RuleInfo::from).chain(known.foreign().iter().map(RuleInfo::from)).collect(),
        show_secrets: args.show_secrets,
        note: archive::detect(&bytes)
            .map(|_| "It is an archive, which is not opened here: unpack it and ask about what is in it."),
    };
    let mut out = io::stdout().lock();
    match args.format {
        Shape::Text => explain::write_text(&explanation, &mut out),
        Shape::Json => explain::write_json(&explanation, &mut out),
    }
    .context("writing the explanation failed")?;
    Ok(Exit::Clean)
}

fn provenance(file: &Path) -> Origin {
    if file == Path::new("-") {
        return Origin::Stdin;
    }
    Origin::File { path: file.as_os_str().as_encoded_bytes().into() }
}

/// A file and perhaps a line of it. A file that is there is taken by its whole name.
fn target(target: &Path) -> (PathBuf, Option<u64>) {
    let split = || {
        let (file, line) = target.to_str()?.rsplit_once(':')?;
        let line = line.parse().ok().filter(|&line| line > 0)?;
        (!file.is_empty() && !target.exists()).then(|| (file.into(), Some(line)))
    };
    split().unwrap_or_else(|| (target.to_owned(), None))
}

fn read(file: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut limited: Box<dyn Read> = if file == Path::new("-") {
        Box::new(io::stdin().lock().take(LARGEST + 1))
    } else if file.is_dir() {
        bail!("it is a directory; name one file, as FILE or FILE:LINE");
    } else {
        Box::new(File::open(file)?.take(LARGEST + 1))
    };
    limited.read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        bail!("it is larger than {} MiB; cut out the part in question and ask about that", LARGEST >> 20);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_what_follows_the_last_colon_of_what_is_no_file() {
        assert_eq!(target(Path::new("a:b:7")), ("a:b".into(), Some(7)));
        assert_eq!(target(Path::new("-:7")), ("-".into(), Some(7)));
        for whole in ["a", "a:", "a:0", "a:x", ":7", "-"] {
            assert_eq!(target(Path::new(whole)), (whole.into(), None));
        }
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a:7");
        std::fs::write(&file, "").unwrap();
        assert_eq!(target(&file), (file.clone(), None));
    }
}
