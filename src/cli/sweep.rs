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
use crate::aws::Account;
use crate::aws::store::{Store, StoreOptions};
use crate::blob::Blob;
use crate::exposure::OfObjects;
use crate::finding::{Finding, Occurrence};
use crate::provenance::{Origin, StoredObject, StoredPart};
use crate::report::estimate::{self, Listed};
use crate::report::{self, Format};
use crate::source::s3::{BucketGlobs, Buckets, Estimate, Options, State, Target};
use crate::source::{Sink, Skipped, Source, Taken};
use crate::sweep::Tally;

pub(super) fn run(args: &SweepArgs) -> Result<Exit> {
    check(args)?;
    let search = search::begin(&args.search, &[])?;
    let (scanner, digest) = search::scanner(&args.search)?;
    let Found { views, skipped, home } = find(args)?;
    let options = options(args, digest);
    let buckets = views.iter().map(|view| Buckets::new(view.store.clone(), view.targets.clone(), options.clone()));
    let buckets = buckets.collect::<Result<Vec<_>, _>>()?;
    if args.work.dry_run {
        return dry_run(args, &buckets, skipped);
    }
    let purge_list = args.work.purge_list.as_deref().map(Whole::beside).transpose()?;
    let sources: Vec<Box<dyn Source>> = buckets.into_iter().map(|buckets| Box::new(buckets) as _).collect();
    let mut outcome = search::sweep(&args.search, &sources, &scanner, &search::options(&args.search, false))?;
    outcome.tally.skipped.extend(unchosen(args, &outcome.tally));
    search::complete_tally(&mut outcome, skipped, may_be_empty(args));
    search.judge(&mut outcome);
    let public = public(&views, &outcome.findings);
    if args.search.verbose {
        buckets::tell_requests(views.iter().map(|view| &view.store));
    }
    let telling = Telling {
        may_be_empty: may_be_empty(args),
        purge_list,
        public: Some(&public),
        shard: args.work.shard,
        home,
        ..Telling::default()
    };
    search.tell(outcome, &scanner, telling)
}

/// Who may read the parts of objects in which something was found, each asked as it was read.
fn public(views: &[View], findings: &[Finding]) -> OfObjects {
    let places = findings.iter().flat_map(|finding| &finding.occurrences);
    let stored = |place: &Occurrence| match &place.provenance.origin {
        Origin::Stored { object, part } => Some((object.clone(), *part)),
        _ => None,
    };
    let found: Vec<(Arc<StoredObject>, StoredPart)> = places.filter_map(stored).collect();
    let of_view = |view: &View| {
        // Of which bucket an inventory is, it says itself.
        let is_there = |bucket: &str| matches!(views, [_]) || view.targets.iter().any(|one| one.bucket == bucket);
        view.store.public(found.iter().filter(|(object, _)| is_there(&object.bucket)).cloned().collect())
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
    /// Who was signed in to for that.
    home: Option<Account>,
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
    if args.search.known.import_ignores {
        bail!("--import-ignores reads files that lie beside what is scanned, and buckets have none: give --baseline");
    }
    check_moment(args)?;
    check_owner_side(args)?;
    if args.work.dry_run {
        check_dry_run(args)?;
    }
    Ok(())
}

/// Nothing can have been written later than now: that nothing was found would mean nothing.
fn check_moment(args: &SweepArgs) -> Result<()> {
    let now = jiff::Timestamp::now();
    if args.objects.newer_than.is_some_and(|when| when.seconds(now) >= now.as_second()) {
        bail!("--newer-than is not in the past, and nothing was written after it; is the clock right?");
    }
    Ok(())
}

/// Flags that say how somebody signs in, where nobody does.
fn check_owner_side(args: &SweepArgs) -> Result<()> {
    let (side, buckets) = (&args.search.owner_side, &args.buckets);
    if !side.triage && (side.verify.verify_with_secret || side.owner.is_offline()) {
        bail!("--verify-with-secret, --credential-report and --access-keys say how --triage judges: add --triage");
    }
    let finds = buckets.public || buckets.all;
    if side.owner.organization && !finds && !side.triage {
        bail!("--organization finds buckets in all accounts: add --public or --all");
    }
    if buckets.anonymous && side.owner.role_arn.is_some() && !finds && !side.triage {
        bail!("with --anonymous nobody signs in: leave out --role-arn, or add --public, --all or --triage");
    }
    Ok(())
}

/// An estimate is no report.
fn check_dry_run(args: &SweepArgs) -> Result<()> {
    if !args.search.output.is_empty() {
        bail!("--dry-run makes no report: leave out --output; the estimate goes to standard output");
    }
    if !matches!(args.search.format, None | Some(Format::Text | Format::Json | Format::Jsonl)) {
        bail!("--dry-run tells its estimate as text, json or jsonl");
    }
    Ok(())
}

fn find(args: &SweepArgs) -> Result<Found> {
    let owner = &args.search.owner_side.owner;
    let options =
        StoreOptions { request_payer: args.buckets.request_payer, at_once: usize::from(args.work.concurrency) };
    if args.buckets.public || args.buckets.all {
        return discover(args, options);
    }
    let (store, home) = if args.buckets.anonymous {
        (viewers::stranger(owner, options)?, asker(args))
    } else {
        let home = super::owner::connect(owner).context("to read as a stranger add --anonymous")?;
        (Store::of(&home, options)?, Some(home))
    };
    viewers::tell(&store, "reading");
    let targets = args.buckets.inventory.iter().chain(&args.targets).cloned().collect();
    Ok(Found { views: vec![View { store, targets }], skipped: Vec::new(), home })
}

/// Who is asked what is live, where nobody else signs in. If nobody can be, that is told when it is asked.
fn asker(args: &SweepArgs) -> Option<Account> {
    let side = &args.search.owner_side;
    let home = (side.triage && !side.owner.is_offline()).then(|| super::owner::connect(&side.owner).ok()).flatten()?;
    viewers::tell_caller(home.caller(), "asking what is live");
    Some(home)
}

/// Finds buckets in the accounts, all or those that are public. Of these it is told by what.
fn discover(args: &SweepArgs, options: StoreOptions) -> Result<Found> {
    let owner = &args.search.owner_side.owner;
    let (home, stores) = viewers::callers(owner, &options)?;
    let doing = if args.buckets.anonymous { "finding buckets" } else { "reading" };
    stores.iter().for_each(|store| viewers::tell(store, doing));
    let (_, excluded) = args.objects.excluded();
    let excluded = BucketGlobs::new(&excluded).map_err(|why| anyhow!("--exclude s3://…: {why}"))?;
    let (mut views, skipped) =
        if args.buckets.public { public_buckets(&stores, &excluded) } else { all_buckets(&stores, &excluded) };
    let found: usize = views.iter().map(|view| view.targets.len()).sum();
    if found == 0 && skipped.is_empty() {
        output::note("no bucket is to be read: none was found that was asked for");
    }
    if args.buckets.anonymous {
        let store = viewers::stranger(owner, options)?;
        viewers::tell(&store, "reading");
        views = vec![View { store, targets: views.into_iter().flat_map(|view| view.targets).collect() }];
    }
    Ok(Found { views, skipped, home: Some(home) })
}

fn all_buckets(stores: &[Store], excluded: &BucketGlobs) -> (Vec<View>, Vec<Skipped>) {
    let (mut views, mut unread) = (Vec::new(), Vec::new());
    for store in stores {
        match buckets::listed(store) {
            Ok(names) => {
                let names = names.into_iter().filter(|name| !excluded.hold(name));
                views.push(View { store: store.clone(), targets: names.map(whole).collect() });
            }
            Err(skipped) => unread.push(skipped),
        }
    }
    (views, unread)
}

/// Buckets that are public. Of which that could not be learnt is unread: it may well be one.
fn public_buckets(stores: &[Store], excluded: &BucketGlobs) -> (Vec<View>, Vec<Skipped>) {
    let (mut views, mut unread) = (Vec::new(), Vec::new());
    let mut by_object_acls = 0;
    for store in stores {
        let Survey { buckets, skipped } = buckets::survey(std::slice::from_ref(store), None);
        unread.extend(skipped);
        let mut targets = Vec::new();
        for bucket in buckets.into_iter().filter(|bucket| !excluded.hold(&bucket.name)) {
            if bucket.exposure.public.is_yes() {
                output::note(&format!("s3://{} is public: {}", bucket.name, bucket.row().because()));
                targets.push(whole(bucket.name));
            } else if let Some(skipped) = bucket.unlearnt() {
                unread.push(skipped);
            } else if bucket.exposure.heeds_object_acls() {
                by_object_acls += 1;
            }
        }
        views.push(View { store: store.clone(), targets });
    }
    if by_object_acls > 0 {
        let buckets = report::plural(by_object_acls, "more bucket");
        output::note(&format!(
            "{buckets} may have single objects that are public by their own ACLs: --all reads these too"
        ));
    }
    (views, unread)
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

/// Globs that leave nothing of what was named are as likely wrong as they are right.
fn unchosen(args: &SweepArgs, tally: &Tally) -> Option<Skipped> {
    let (keys, _) = args.objects.excluded();
    let chooses = !args.objects.include.is_empty() || !keys.is_empty();
    let is_none = tally.bytes == 0 && tally.known == 0 && tally.skipped.is_empty();
    (chooses && is_none && !may_be_empty(args)).then(|| {
        Skipped::new(
            "the target",
            "--include and --exclude leave nothing of it: nothing was read; are the globs right?",
        )
    })
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
