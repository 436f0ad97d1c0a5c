//! `--ci`: what of a repository is new to the job that runs. `systems` reads the variables that CI systems set, `plan` holds them to the
//! repository; here both are given what they ask for, and people are told what came of it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use self::plan::Repository;
use self::systems::Job;
use super::args::ScanArgs;
use super::output;
use crate::blob::ObjectId;
use crate::source::git::asked;
use crate::source::git::mirror;
use crate::source::tree::git_dir::GitDir;

mod plan;
mod systems;

pub(super) use self::plan::Plan as CiPlan;

/// The arguments with the range that the job is about, where `--ci` asks for it and no flag names another.
///
/// # Errors
/// Where there is no job of a known CI system, and where its repository can't be asked.
pub(super) fn applied(mut args: ScanArgs) -> Result<ScanArgs> {
    if !args.ci {
        return Ok(args);
    }
    if args.history().is_some() {
        tell(&args, "--history and --since say what to scan: the job is not asked");
        return Ok(args);
    }
    let [target] = &args.targets[..] else {
        bail!("--ci is about one repository: name one target, or leave it out for the one that the job checked out");
    };
    let job = job()?;
    let plan = plan::of(&job, &Checkout::open(target)?)?;
    for note in &plan.notes {
        tell(&args, note);
    }
    args.ci_plan = plan;
    Ok(args)
}

fn tell(args: &ScanArgs, note: &str) {
    if !args.search.quiet {
        output::note(note);
    }
}

fn job() -> Result<Job> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let read = |path: &str| fs::read_to_string(path).with_context(|| format!("reading the event {path} failed"));
    match systems::detect(&variable, &read)? {
        Some(job) => Ok(job),
        None => bail!(
            "--ci: this is no job of a CI system that keysweep knows ({}); name what is new with --since REV or --history BASE..HEAD",
            systems::NAMES
        ),
    }
}

/// What the job checked out.
struct Checkout(GitDir);

impl Checkout {
    fn open(target: &Path) -> Result<Self> {
        let name = target.display();
        if target.to_str().is_some_and(mirror::is_url) && !target.exists() {
            bail!(
                "--ci is about what the job checked out, and {} is elsewhere",
                mirror::without_password(&name.to_string())
            );
        }
        match GitDir::of(target) {
            Ok(Some(repository)) => Ok(Self(repository)),
            Ok(None) => {
                bail!("--ci: {name} is no git repository; check one out first, and name the root of its working tree")
            }
            Err(why) => bail!("--ci: reading {name} failed: {why}"),
        }
    }
}

impl Repository for Checkout {
    fn commits(&self, spec: &str) -> Result<Vec<ObjectId>> {
        Ok(asked::commits(&self.0, spec)?)
    }

    fn objects(&self, name: &str) -> Result<Vec<ObjectId>> {
        Ok(asked::objects(&self.0, name)?)
    }

    fn is_shallow(&self) -> bool {
        asked::is_shallow(&self.0)
    }
}
