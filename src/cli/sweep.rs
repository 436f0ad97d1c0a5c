//! `keysweep sweep`: buckets through the sweep. Which they are and who sees them is settled here; how what is found is judged and told is
//! `search`'s business.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail};

use super::args::SweepArgs;
use super::buckets::{self, Survey};
use super::exit::Exit;
use super::output::{self, Whole};
use super::search::{self, Telling};
use super::viewers;
use crate::aws::store::{Store, StoreOptions};
use crate::blob::Blob;
use crate::exposure::OfObjects;
use crate::finding::Finding;
use crate::provenance::StoredObject;
use crate::report::estimate::{self, Listed};
use crate::report::{self, Format};
use crate::source::s3::{BucketGlobs, Buckets, Estimate, Options, State, Target};
use crate::source::{Sink, Skipped, Source, Taken};

pub(super) fn run(args: &SweepArgs) -> Result<Exit> {
    check(args)?;
    let search = search::begin(&args.search, &[])?;
    let (scanner, digest) = search::scanner(&args.search)?;
    let Found { views, skipped } = find(args)?;
    let options = options(args, digest);
    let buckets = views.iter().map(|view| Buckets::new(view.store.clone(), view.targets.clone(), options.clone()));
    let buckets = buckets.collect::<Result<Vec<_>, _>>()?;
    if args.work.dry_run {
        return dry_run(args, &buckets, skipped);
    }
    let purge_list = args.work.purge_list.as_deref().map(Whole::beside).transpose()?;
    let sources: Vec<Box<dyn Source>> = buckets.into_iter().map(|buckets| Box::new(buckets) as _).collect();
    let mut outcome = search::sweep(&args.search, &sources, &scanner, &search::options(&args.search, false))?;
    search::complete_tally(&mut outcome, skipped, may_be_empty(args));
    search.judge(&mut outcome);
    let public = public(&views, &outcome.findings);
    let telling = Telling { may_be_empty: may_be_empty(args), purge_list, public: Some(&public), ..Telling::default() };
    search.tell(outcome, &scanner, telling)
}

/// Who may read the objects in which something was found, each asked as it was read.
fn public(views: &[View], findings: &[Finding]) -> OfObjects {
    let places = findings.iter().flat_map(|finding| &finding.occurrences);
    let found: Vec<&Arc<StoredObject>> = places.filter_map(|place| place.provenance.stored()).collect();
    let of_view = |view: &View| {
        let is_there = |object: &Arc<StoredObject>| view.targets.iter().any(|one| *one.bucket == *object.bucket);
        view.store.public(found.iter().copied().filter(|object| is_there(object)).cloned().collect())
    };
    views.iter().flat_map(of_view).collect()
}

/// Buckets, with the eyes that they are seen with.
struct View {
    store: Store,
    targets: Vec<Target>,
}

/// What there is to sweep, and what could not be found out.
struct Found {
    views: Vec<View>,
    skipped: Vec<Skipped>,
}

/// What doesn't go together, and clap does not know of.
fn check(args: &SweepArgs) -> Result<()> {
    let (buckets, objects) = (&args.buckets, &args.objects);
    if (buckets.public || buckets.all) && !args.targets.is_empty() {
        bail!("--public and --all find the buckets themselves: leave them or the named ones out");
    }
    if buckets.inventory.is_some() && !args.targets.is_empty() {
        bail!(
            "--inventory says itself which bucket it is of: leave the named ones out, or use --include for a part of it"
        );
    }
    let (_, excluded) = objects.excluded();
    if !excluded.is_empty() && !buckets.public && !buckets.all {
        bail!("--exclude s3://… leaves out buckets that --public or --all find; here they are named one by one");
    }
    if args.search.owner_side.owner.organization && !buckets.public && !buckets.all && !args.search.owner_side.triage {
        bail!("--organization finds buckets in all accounts: add --public or --all");
    }
    Ok(())
}

fn find(args: &SweepArgs) -> Result<Found> {
    let owner = &args.search.owner_side.owner;
    let options =
        StoreOptions { request_payer: args.buckets.request_payer, at_once: usize::from(args.work.concurrency) };
    if args.buckets.public || args.buckets.all {
        return discover(args, &viewers::callers(owner, &options)?, options);
    }
    let store = if args.buckets.anonymous {
        viewers::stranger(owner, options)?
    } else {
        let account = super::owner::connect(owner).context("to read as a stranger add --anonymous")?;
        Store::of(&account, options)?
    };
    viewers::tell(&store);
    let targets = args.buckets.inventory.iter().chain(&args.targets).cloned().collect();
    Ok(Found { views: vec![View { store, targets }], skipped: Vec::new() })
}

/// Finds buckets in the accounts, all or those that are public. Of these it is told by what.
fn discover(args: &SweepArgs, stores: &[Store], options: StoreOptions) -> Result<Found> {
    stores.iter().for_each(viewers::tell);
    let (_, excluded) = args.objects.excluded();
    let excluded = BucketGlobs::new(&excluded).map_err(|why| anyhow!("--exclude s3://…: {why}"))?;
    let Found { mut views, skipped } =
        if args.buckets.public { public_buckets(stores, &excluded) } else { all_buckets(stores, &excluded) };
    let found: usize = views.iter().map(|view| view.targets.len()).sum();
    if found == 0 && skipped.is_empty() {
        output::note("no bucket is to be read: none was found that was asked for");
    }
    if args.buckets.anonymous {
        let store = viewers::stranger(&args.search.owner_side.owner, options)?;
        viewers::tell(&store);
        views = vec![View { store, targets: views.into_iter().flat_map(|view| view.targets).collect() }];
    }
    Ok(Found { views, skipped })
}

fn all_buckets(stores: &[Store], excluded: &BucketGlobs) -> Found {
    let mut found = Found { views: Vec::new(), skipped: Vec::new() };
    for store in stores {
        match buckets::listed(store) {
            Ok(names) => {
                let names = names.into_iter().filter(|name| !excluded.hold(name));
                found.views.push(View { store: store.clone(), targets: names.map(whole).collect() });
            }
            Err(skipped) => found.skipped.push(skipped),
        }
    }
    found
}

/// Buckets that the public may list or read. Of which that could not be learnt is unread: it may well be one.
fn public_buckets(stores: &[Store], excluded: &BucketGlobs) -> Found {
    let mut found = Found { views: Vec::new(), skipped: Vec::new() };
    let mut by_object_acls = 0;
    for store in stores {
        let Survey { buckets, skipped } = buckets::survey(std::slice::from_ref(store), None);
        found.skipped.extend(skipped);
        let mut targets = Vec::new();
        for bucket in buckets.into_iter().filter(|bucket| !excluded.hold(&bucket.name)) {
            if let Some(why) = bucket.open_to_readers() {
                output::note(&format!("s3://{} is public: {why}", bucket.name));
                targets.push(whole(bucket.name));
            } else if let Some(skipped) = bucket.unlearnt() {
                found.skipped.push(skipped);
            } else if bucket.exposure.heeds_object_acls() {
                by_object_acls += 1;
            }
        }
        found.views.push(View { store: store.clone(), targets });
    }
    if by_object_acls > 0 {
        let buckets = report::plural(by_object_acls, "more bucket");
        output::note(&format!(
            "{buckets} may have single objects that are public by their own ACLs: --all reads these too"
        ));
    }
    found
}

fn whole(bucket: String) -> Target {
    Target { bucket, prefix: String::new() }
}

fn options(args: &SweepArgs, rules: [u8; 32]) -> Options {
    let objects = &args.objects;
    let (exclude, _) = objects.excluded();
    Options {
        versions: objects.versions,
        metadata: objects.metadata,
        include: objects.include.clone(),
        exclude,
        newer_than: objects.newer_than.map(|when| when.seconds(jiff::Timestamp::now())),
        max_size: args.search.limits.max_file_size,
        sample: objects.sample.map(Into::into),
        shard: args.work.shard,
        max_in_flight: args.work.max_in_flight,
        state: args.work.state.clone().map(|directory| State { directory, digest: rules }),
        inventory: args.buckets.inventory.clone(),
    }
}

/// A part of what there is may hold nothing.
fn may_be_empty(args: &SweepArgs) -> bool {
    let objects = &args.objects;
    objects.newer_than.is_some() || args.work.shard.is_some() || args.buckets.public || args.buckets.all
}

/// Lists, reads nothing, and says what reading takes.
fn dry_run(args: &SweepArgs, buckets: &[Buckets], skipped: Vec<Skipped>) -> Result<Exit> {
    let unread = Unread(Mutex::new(skipped));
    let started = Instant::now();
    let mut total = Estimate::default();
    for buckets in buckets {
        match buckets.estimate(&unread) {
            Ok(one) => total.add(&one),
            Err(error) => unread.skipped(error.into()),
        }
    }
    let skipped = unread.0.into_inner().unwrap_or_else(PoisonError::into_inner);
    let listed = Listed { estimate: &total, seconds: started.elapsed().as_secs_f64(), skipped: &skipped };
    let is_json = matches!(args.search.format, Some(Format::Json | Format::Jsonl));
    estimate::write(&listed, is_json, &mut io::stdout().lock()).context("writing the estimate failed")?;
    search::tell_unread(&skipped);
    Ok(Exit::of(0, skipped.is_empty() || args.search.allow_incomplete, 0))
}

/// Gathers what could not be listed.
struct Unread(Mutex<Vec<Skipped>>);

impl Sink for Unread {
    fn blob(&self, _: Blob<'_>) -> Taken {
        Taken::default()
    }

    fn skipped(&self, skipped: Skipped) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(skipped);
    }

    fn max_size(&self) -> Option<u64> {
        None
    }
}
