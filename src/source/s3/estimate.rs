//! What a sweep would read and ask for, worked out from lists alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::filter::{Sample, is_archived};
use super::list::{self, Lists, Step};
use super::pick::{Picked, Picker};
use super::{Buckets, Estimate};
use crate::aws::store::Entry;
use crate::source::Sink;

/// Lists all targets, bucket after bucket. What can't be listed goes to `sink`.
pub(super) fn estimate(buckets: &Buckets, picker: &Picker, sink: &dyn Sink) -> Estimate {
    let mut estimate = Estimate::default();
    for (name, prefixes) in &buckets.targets {
        Estimating { buckets, picker, sink, estimate: &mut estimate }.bucket(name, prefixes);
    }
    estimate
}

struct Estimating<'a> {
    buckets: &'a Buckets,
    picker: &'a Picker,
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
                    let mut picked = self.picked(&name, entries);
                    match samples.get_mut(unit.target) {
                        Some(sample) => sample.offer(&name, picked.reading.into_iter().map(|(entry, _)| entry)),
                        None => self.count(&mut picked),
                    }
                }
                Step::Failed(skipped) => self.sink.skipped(skipped),
                Step::Empty(target) => target.unread().into_iter().for_each(|skipped| self.sink.skipped(skipped)),
                Step::Begins(..) => {}
            }
        }
        for sample in samples {
            let reading = self.picker.prints(&name, sample.entries());
            self.count(&mut Picked { reading, ..Picked::default() });
        }
        self.estimate.list_requests += requests.load(Ordering::Relaxed);
    }

    /// Looks through a page, and counts what of it can't be read.
    fn picked(&mut self, bucket: &Arc<str>, entries: Vec<Entry>) -> Picked {
        let mut picked = self.picker.pick(bucket, entries);
        // What is written down about objects that can't be read themselves is not their bytes.
        picked.reading.retain(|(entry, _)| !is_archived(entry) && !entry.is_delete_marker);
        for (objects, bytes) in picked.archived.values() {
            self.estimate.archived.0 += objects;
            self.estimate.archived.1 += bytes;
        }
        picked.skipped.drain(..).for_each(|skipped| self.sink.skipped(skipped));
        picked
    }

    fn count(&mut self, picked: &mut Picked) {
        self.picker.leave_known(picked);
        self.estimate.known += picked.clean;
        for (entry, _) in &picked.reading {
            self.estimate.objects += 1;
            self.estimate.bytes += entry.size;
            self.estimate.get_requests += u64::from(entry.size > 0 || self.picker.metadata);
        }
    }
}
