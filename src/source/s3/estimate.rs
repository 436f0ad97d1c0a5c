//! What a sweep would read and ask for, worked out from lists alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;

use super::delivery::Delivery;
use super::filter::{Sample, is_archived};
use super::list::{self, Lists, Step};
use super::pick::{Picked, Picker};
use super::{Buckets, Estimate, Target};
use crate::aws::store::Entry;
use crate::source::Sink;

/// Lists all targets, bucket after bucket. What can't be listed goes to `sink`.
pub(super) fn estimate(buckets: &Buckets, picker: &Picker, sink: &dyn Sink) -> Estimate {
    let mut estimate = Estimate::default();
    let mut estimating = Estimating { buckets, picker, sink, estimate: &mut estimate };
    for (name, prefixes) in &buckets.targets {
        estimating.bucket(name, prefixes);
    }
    if let Some(inventory) = &buckets.options.inventory {
        estimating.inventory(inventory);
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
        let bucket = self.buckets.store.bucket(name);
        let name = bucket.name().clone();
        // All is listed anew: how far an unfinished sweep was says nothing of how much is left.
        let lists = Lists { bucket, versions: self.buckets.options.versions, memory: None, requests: requests.clone() };
        let steps = list::follow(lists, prefixes.to_vec(), &self.buckets.store.handle());
        self.take(&name, prefixes.len(), steps);
        self.estimate.list_requests += requests.load(Ordering::Relaxed);
    }

    fn inventory(&mut self, at: &Target) {
        let (store, handle) = (&self.buckets.store, self.buckets.store.handle());
        match handle.block_on(Delivery::at(store.clone(), at, self.buckets.options.versions)) {
            Err(skipped) => self.sink.skipped(skipped),
            Ok(delivery) => {
                self.estimate.list_requests += delivery.requests();
                let bucket = store.bucket(&delivery.manifest.bucket);
                self.take(bucket.name(), 1, delivery.follow(&handle));
            }
        }
    }

    fn take(&mut self, name: &Arc<str>, targets: usize, mut steps: mpsc::Receiver<Step>) {
        let sample = self.buckets.options.sample;
        let mut samples: Vec<Sample> = (0..targets).filter_map(|_| sample.map(Sample::new)).collect();
        while let Some(step) = steps.blocking_recv() {
            match step {
                Step::Page(unit, entries, _) => {
                    let mut picked = self.picked(name, entries);
                    match samples.get_mut(unit.target) {
                        Some(sample) => sample.offer(name, picked.reading.into_iter().map(|(entry, _)| entry)),
                        None => self.count(&mut picked),
                    }
                }
                Step::Failed(skipped) => self.sink.skipped(skipped),
                Step::Empty(target) => target.unread().into_iter().for_each(|skipped| self.sink.skipped(skipped)),
                Step::Begins(..) => {}
            }
        }
        for sample in samples {
            let reading = self.picker.prints(name, sample.entries());
            self.count(&mut Picked { reading, ..Picked::default() });
        }
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
