//! Who may read single objects: asks for their bucket's settings once and, where these count, for their own ACLs. What that comes to is worked
//! out in `exposure`.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::{Bucket, Store, Wanted};
use crate::exposure::{self, Exposure, OfObjects, Publicness};
use crate::provenance::StoredObject;

pub(super) async fn of_objects(store: &Store, objects: Vec<Arc<StoredObject>>) -> OfObjects {
    let mut by_bucket: BTreeMap<Arc<str>, Vec<Arc<StoredObject>>> = BTreeMap::new();
    for object in objects {
        by_bucket.entry(object.bucket.clone()).or_default().push(object);
    }
    let mut all = OfObjects::new();
    for (name, mut objects) in by_bucket {
        objects.sort();
        objects.dedup();
        let bucket = store.bucket(&name);
        let exposure = Arc::new(exposure::judge(&name, &bucket.facts().await));
        let mut asked = JoinSet::new();
        for object in objects {
            asked.spawn(of_object(bucket.clone(), exposure.clone(), object));
        }
        all.extend(asked.join_all().await);
    }
    all
}

async fn of_object(bucket: Bucket, exposure: Arc<Exposure>, object: Arc<StoredObject>) -> (StoredObject, Publicness) {
    let by_settings = exposure.of_object(&object, Some(&[]));
    // What is public by its bucket's policy is so whatever its own ACL says.
    let public = if by_settings.is_yes() || !exposure.heeds_object_acls() {
        by_settings
    } else {
        match bucket.object_acl(&wanted(&object)).await {
            Ok(grants) => exposure.of_object(&object, Some(&grants)),
            Err(error) => Publicness::Unknown(format!("reading its ACL failed: {error}")),
        }
    };
    ((*object).clone(), public)
}

fn wanted(object: &StoredObject) -> Wanted {
    Wanted { key: object.key.clone(), version_id: object.version_id.clone(), etag: Box::default(), from: 0 }
}
