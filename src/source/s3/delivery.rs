//! What an inventory lists, in place of lists: its manifest and its data files are brought from the bucket that they were delivered to. How they are written
//! is `inventory`'s business, which of the entries are read `dispatch`'s.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::inventory::{DataFile, Manifest};
use super::list::{self, Step, Unit};
use super::remote::Remote;
use super::{Skipped, Target};
use crate::aws::store::{Entry, Lane, Store, StoreError, Wanted};

/// A manifest names a few thousand files at most.
const MANIFEST: u64 = 64 << 20;

/// An inventory that is being read.
pub(super) struct Delivery {
    pub(super) store: Store,
    pub(super) manifest: Manifest,
    /// Noncurrent versions are asked for.
    pub(super) versions: bool,
}

impl Delivery {
    /// Brings the manifest.
    ///
    /// # Errors
    /// When it can't be had or is none.
    pub(super) async fn at(store: Store, at: &Target, versions: bool) -> Result<Self, Skipped> {
        let failed = |why: String| {
            Skipped::new(list::name(&at.bucket, &at.prefix), format!("reading the inventory failed: {why}"))
        };
        let bucket = store.bucket(&at.bucket);
        let body =
            bucket.get(bucket.turn().await, &wanted(&at.prefix)).await.map_err(|error| failed(error.to_string()))?;
        if body.length > MANIFEST {
            return Err(failed(format!("{} bytes are too many for a manifest: name the manifest.json", body.length)));
        }
        let json = body.whole().await.map_err(|error| failed(error.to_string()))?;
        let manifest = Manifest::parse(&json).map_err(failed)?;
        Ok(Self { store, manifest, versions })
    }

    /// Requests that it takes to read it.
    pub(super) fn requests(&self) -> u64 {
        1 + self.manifest.files.len() as u64
    }

    /// Hands out its entries. It ends when nobody takes them any more.
    pub(super) fn follow(self, handle: &Handle) -> mpsc::Receiver<Step> {
        let (steps, taken) = mpsc::channel(list::AHEAD);
        handle.spawn_blocking(move || self.files(&steps));
        taken
    }

    fn files(&self, steps: &mpsc::Sender<Step>) {
        let unit = Arc::new(Unit::of_inventory());
        let (mut has_versions, lane) = (false, Lane::new());
        for file in &self.manifest.files {
            let mut each = |mut entries: Vec<Entry>| {
                has_versions |= entries.iter().any(|entry| entry.version_id.is_some());
                if !self.versions {
                    entries.retain(|entry| entry.is_latest && !entry.is_delete_marker);
                    // Whoever names a version needs another permission.
                    entries.iter_mut().for_each(|entry| entry.version_id = None);
                }
                steps.blocking_send(Step::Page(unit.clone(), entries, None)).is_ok()
            };
            let opened = lane.as_ref().map_err(Clone::clone).and_then(|lane| self.open(lane, file));
            let read = match opened {
                Ok(mut remote) => self.manifest.entries(file, &mut remote, &mut each),
                Err(error) => Err(error.to_string()),
            };
            if let Err(why) = read {
                let what = list::name(&self.manifest.destination, &file.key);
                let why = format!(
                    "reading this part of the inventory failed: {why}; what it lists was not read, or not all of it"
                );
                drop(steps.blocking_send(Step::Failed(Skipped::new(what, why))));
            }
            if steps.is_closed() {
                return;
            }
        }
        if self.versions && !has_versions {
            let why = "its inventory lists current versions alone: noncurrent ones were not read; leave out --versions, or have it list all versions";
            drop(steps.blocking_send(Step::Failed(Skipped::new(list::name(&self.manifest.bucket, ""), why))));
        }
    }

    fn open<'a>(&self, lane: &'a Lane, file: &DataFile) -> Result<Remote<'a>, StoreError> {
        let (bucket, wanted) = (self.store.bucket(&self.manifest.destination).by(lane), wanted(&file.key));
        let body = lane.block_on(async { bucket.get(bucket.turn().await, &wanted).await })?;
        let wanted = Wanted { etag: body.etag.clone(), ..wanted };
        Ok(Remote::new(lane, bucket, wanted, body))
    }
}

fn wanted(key: &str) -> Wanted {
    Wanted { key: key.into(), version_id: None, etag: Box::default(), from: 0 }
}
