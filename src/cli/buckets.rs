//! `keysweep buckets`: which buckets are public, and by what. The survey is that of `keysweep sweep --public` too.

use std::collections::BTreeSet;
use std::io;

use anyhow::{Context, Result, bail};

use super::args::BucketsArgs;
use super::exit::Exit;
use super::output;
use super::viewers;
use crate::aws::store::{Store, StoreOptions, Viewer};
use crate::exposure::{self, Exposure, Facts, Publicness};
use crate::key::AccountId;
use crate::report::{self, buckets::Row, plural};
use crate::source::Skipped;

/// Requests to one bucket that may be under way: its settings are few.
const AT_ONCE: usize = 16;

pub(super) fn run(args: &BucketsArgs) -> Result<Exit> {
    if args.owner.is_offline() {
        bail!(
            "who may read a bucket is asked of S3, and not of files: leave out --credential-report and --access-keys"
        );
    }
    let options = StoreOptions { request_payer: false, at_once: AT_ONCE };
    let stores = if args.anonymous {
        vec![viewers::stranger(&args.owner, options)?]
    } else {
        viewers::callers(&args.owner, &options)?.1
    };
    stores.iter().for_each(|store| viewers::tell(store, "reading"));
    let names = (!args.names.is_empty()).then_some(&args.names[..]);
    let Survey { buckets, skipped } = survey(&stores, names);
    let missing: Vec<Skipped> = skipped.into_iter().chain(buckets.iter().filter_map(Surveyed::unlearnt)).collect();
    for Skipped { what, why } in &missing {
        output::note(&format!("not known: {what}: {why}"));
    }
    if args.verbose {
        tell_requests(&stores);
    }
    let public = buckets.iter().filter(|one| one.exposure.public.is_yes()).count();
    let shown = buckets.iter().filter(|one| !args.public || one.exposure.public.is_yes());
    let rows: Vec<Row<'_>> = shown.map(Surveyed::row).collect();
    report::buckets::write(args.format.into(), &rows, &missing, &mut io::stdout().lock())
        .context("writing the table of buckets failed")?;
    Ok(Exit::of(public, missing.is_empty(), 1))
}

/// How many requests each kind took.
pub(super) fn tell_requests<'s>(stores: impl IntoIterator<Item = &'s Store>) {
    for store in stores {
        let requests = store.requests();
        let each: Vec<String> = requests.iter().map(|(name, count)| format!("{name} {count}")).collect();
        output::note(&format!("{} to S3: {}", plural(requests.values().sum(), "request"), each.join(", ")));
    }
}

/// What was learnt of buckets.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// By account, in order of names.
    pub(super) buckets: Vec<Surveyed>,
    /// Accounts whose buckets could not be listed, and named buckets that no account has.
    pub(super) skipped: Vec<Skipped>,
}

/// A bucket and who may do what to it.
#[derive(Debug)]
pub(super) struct Surveyed {
    /// Whose it is; `None` where that is not known, as where a stranger looked.
    pub(super) account: Option<AccountId>,
    pub(super) name: String,
    pub(super) facts: Facts,
    pub(super) exposure: Exposure,
}

/// Looks at the buckets of these names, or at all of each account.
pub(super) fn survey(stores: &[Store], names: Option<&[String]>) -> Survey {
    let mut survey = Survey::default();
    let mut left: BTreeSet<&String> = names.into_iter().flatten().collect();
    for store in stores {
        let is_listed = !matches!((stores, names), ([_], Some(_)));
        let of_store = match is_listed {
            // They need not be its own.
            false => left.iter().map(|name| (*name).clone()).collect(),
            true => match listed(store) {
                Ok(all) => all.into_iter().filter(|name| names.is_none() || left.contains(name)).collect(),
                Err(skipped) => {
                    survey.skipped.push(skipped);
                    Vec::new()
                }
            },
        };
        survey.add(store, of_store, is_listed, &mut left);
    }
    // Where an account could not be listed they may be that one's, which was said.
    survey.skipped.extend(left.iter().map(|name| {
        Skipped::new(format!("s3://{name}"), "none of the accounts that were asked lists a bucket of that name")
    }));
    survey
}

/// The names of all buckets of an account.
pub(super) fn listed(store: &Store) -> Result<Vec<String>, Skipped> {
    let listed = store.handle().block_on(store.buckets());
    let listed = listed.map_err(|why| {
        let whose = account(store).map_or_else(|| "the account".to_owned(), |account| format!("account {account}"));
        Skipped::new(format!("the buckets of {whose}"), format_args!("listing them failed: {why}"))
    })?;
    Ok(listed.into_iter().map(|bucket| bucket.name).collect())
}

fn account(store: &Store) -> Option<AccountId> {
    match store.viewer() {
        Viewer::Caller(caller) => Some(caller.account),
        Viewer::Stranger => None,
    }
}

impl Survey {
    fn add(&mut self, store: &Store, names: Vec<String>, is_listed: bool, left: &mut BTreeSet<&String>) {
        let facts = store.handle().block_on(store.survey(&names));
        for (name, facts) in names.into_iter().zip(facts) {
            left.remove(&name);
            let exposure = exposure::judge(&name, &facts);
            // Another account's would not have told it anything.
            let account = account(store).filter(|_| is_listed || !facts.are_unknown());
            self.buckets.push(Surveyed { account, name, facts, exposure });
        }
    }
}

impl Surveyed {
    /// What of it could not be learnt.
    pub(super) fn unlearnt(&self) -> Option<Skipped> {
        let Exposure { public, list, read, .. } = &self.exposure;
        let (what, why) = match (public, list, read) {
            (_, Publicness::Unknown(why), Publicness::Unknown(other)) if why == other => ("list and read it", why),
            (_, Publicness::Unknown(why), _) => ("list it", why),
            (_, _, Publicness::Unknown(why)) => ("read what is in it", why),
            (Publicness::Unknown(why), ..) => ("write to it", why),
            _ => return None,
        };
        Some(Skipped::new(format!("s3://{}", self.name), format_args!("whether the public may {what}: {why}")))
    }

    /// As it is told.
    pub(super) fn row(&self) -> Row<'_> {
        let account = self.account.map(|account| account.to_string());
        Row { account, bucket: &self.name, region: self.facts.region.as_deref(), exposure: &self.exposure }
    }
}
