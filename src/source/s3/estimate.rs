//! What a sweep would read and ask for, worked out from lists alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::dispatch::pick;
use super::filter::Sample;
use super::list::{self, Lists, Step};
use super::{Buckets, Estimate};
use crate::aws::store::Entry;
use crate::source::Sink;

/// Lists all targets, bucket after bucket. What can't be listed goes to `sink`.
pub(super) fn estimate(buckets: &Buckets, sink: &dyn Sink) -> Estimate {
    let mut estimate = Estimate::default();
    for (name, prefixes) in &buckets.targets {
        Estimating { buckets, sink, estimate: &mut estimate }.bucket(name, prefixes);
    }
    estimate
}

struct Estimating<'a> {
    buckets: &'a Buckets,
    sink: &'a dyn Sink,
    estimate: &'a mut Estimate,
}

impl Estimating<'_> {
    fn bucket(&mut self, name: &str, prefixes: &[String]) {
        let requests: Arc<AtomicU64> = Arc::default();
        let (bucket, options) = (self.buckets.store.bucket(name), &self.buckets.options);
        let name = bucket.name().clone();
        // All is listed anew: how far an unfinished sweep was says nothing of how much is left.
        let lists = Lists { bucket, versions: options.versions, memory: None, requests: requests.clone() };
        let mut samples: Vec<Sample> = prefixes.iter().filter_map(|_| options.sample.map(Sample::new)).collect();
        let mut steps = list::follow(lists, prefixes.to_vec(), &self.buckets.store.handle());
        while let Some(step) = steps.blocking_recv() {
            match step {
                Step::Page(unit, entries, _) => {
                    let read = self.page(&name, entries);
                    match samples.get_mut(unit.target) {
                        Some(sample) => read.into_iter().for_each(|entry| sample.offer(&name, entry)),
                        None => self.count(&read),
                    }
                }
                Step::Failed(skipped) => self.sink.skipped(skipped),
                Step::Empty(target) => target.unread().into_iter().for_each(|skipped| self.sink.skipped(skipped)),
                Step::Begins(..) => {}
            }
        }
        for sample in samples {
            self.count(&sample.entries());
        }
        self.estimate.list_requests += requests.load(Ordering::Relaxed);
    }

    /// What of a page would be read.
    fn page(&mut self, bucket: &Arc<str>, entries: Vec<Entry>) -> Vec<Entry> {
        let Buckets { filter, memory, options, .. } = self.buckets;
        let picked = pick(filter, memory.as_deref(), options.metadata, bucket, entries);
        for (objects, bytes) in picked.archived.values() {
            self.estimate.archived.0 += objects;
            self.estimate.archived.1 += bytes;
        }
        self.estimate.known += picked.clean;
        picked.skipped.into_iter().for_each(|skipped| self.sink.skipped(skipped));
        picked.reading.into_iter().map(|(entry, _)| entry).collect()
    }
}
