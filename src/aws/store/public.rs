//! Who may read what was found in buckets: asks for a bucket's settings once and, where these count, for the ACLs of its objects. What that
//! comes to is worked out in `exposure`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::task::JoinSet;

use super::{Bucket, Store, StoreError, Viewer, Wanted, settings};
use crate::exposure::{self, Exposure, Grant, OfObjects, Publicness};
use crate::provenance::{StoredObject, StoredPart};

type Parts = BTreeSet<StoredPart>;

pub(super) async fn of_objects(store: &Store, parts: Vec<(Arc<StoredObject>, StoredPart)>) -> OfObjects {
    let mut by_bucket: BTreeMap<Arc<str>, BTreeMap<Arc<StoredObject>, Parts>> = BTreeMap::new();
    for (object, part) in parts {
        by_bucket.entry(object.bucket.clone()).or_default().entry(object).or_default().insert(part);
    }
    let mut all = OfObjects::new();
    for (name, objects) in by_bucket {
        let bucket = store.bucket(&name);
        let facts = match store.viewer() {
            Viewer::Stranger => settings::of_what_a_stranger_read(),
            Viewer::Caller(_) => bucket.facts().await,
        };
        let exposure = Arc::new(exposure::judge(&name, &facts));
        let mut asked = JoinSet::new();
        for (object, parts) in objects {
            asked.spawn(of_object(bucket.clone(), exposure.clone(), object, parts));
        }
        all.extend(asked.join_all().await.into_iter().flatten());
    }
    all
}

type OfPart = ((StoredObject, StoredPart), Publicness);

async fn of_object(bucket: Bucket, exposure: Arc<Exposure>, object: Arc<StoredObject>, parts: Parts) -> Vec<OfPart> {
    // What is public by its bucket's settings is so whatever its own ACL says.
    let acl = if parts.iter().any(|&part| exposure.needs_object_acl(&object, part)) {
        own_acl(&bucket, &object).await
    } else {
        Ok(Vec::new())
    };
    let public = |part| match &acl {
        Err(error) if exposure.needs_object_acl(&object, part) => {
            Publicness::Unknown(format!("reading its ACL failed: {error}"))
        }
        acl => exposure.of_object(&object, part, Some(acl.as_deref().unwrap_or_default())),
    };
    parts.into_iter().map(|part| (((*object).clone(), part), public(part))).collect()
}

/// In its turn: there may be thousands.
async fn own_acl(bucket: &Bucket, object: &StoredObject) -> Result<Vec<Grant>, StoreError> {
    let wanted =
        Wanted { key: object.key.clone(), version_id: object.version_id.clone(), etag: Box::default(), from: 0 };
    bucket.object_acl(bucket.turn().await, &wanted).await
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::super::tests::{Reply, Server, error, reply};
    use super::*;

    const NOBODY: &str = "<AccessControlPolicy/>";

    fn object(key: &str, is_masked: bool) -> Arc<StoredObject> {
        let (bucket, version_id) = ("b".into(), None);
        Arc::new(StoredObject {
            bucket,
            key: key.into(),
            version_id,
            is_latest: true,
            etag: "".into(),
            last_modified: None,
            is_masked,
        })
    }

    fn of(server: &Server, parts: &[(&Arc<StoredObject>, StoredPart)]) -> Vec<Publicness> {
        let store = server.owned();
        let all = store.public(parts.iter().map(|(object, part)| ((*object).clone(), *part)).collect());
        let of = |(object, part): &(&Arc<StoredObject>, StoredPart)| all[&((***object).clone(), *part)].clone();
        parts.iter().map(of).collect()
    }

    /// A bucket without settings, but for its ACL.
    fn plain(line: &str, acl: &str) -> Reply {
        match line {
            line if line.contains("policy") => error("404 Not Found", "NoSuchBucketPolicy", "x"),
            line if line.contains("ownershipControls") => error("404 Not Found", "OwnershipControlsNotFoundError", "x"),
            line if line.contains("ublicAccessBlock") => {
                error("404 Not Found", "NoSuchPublicAccessBlockConfiguration", "x")
            }
            line if line.contains("location") => reply("200 OK", &[], "<LocationConstraint/>"),
            line if line.starts_with("GET /b/?acl") || line.starts_with("GET /b?acl") => reply("200 OK", &[], acl),
            _ => reply("200 OK", &[], NOBODY),
        }
    }

    fn everybody_lists() -> String {
        "<AccessControlPolicy><AccessControlList><Grant><Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
         xsi:type=\"Group\"><URI>http://acs.amazonaws.com/groups/global/AllUsers</URI></Grantee><Permission>READ</Permission></Grant>\
         </AccessControlList></AccessControlPolicy>"
            .to_owned()
    }

    #[test]
    fn settings_are_asked_for_once_and_acls_as_many_at_a_time_as_the_bucket_takes() {
        static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);
        static MOST: AtomicUsize = AtomicUsize::new(0);
        let server = Server::new(|request, _| {
            let now = UNDER_WAY.fetch_add(1, Ordering::SeqCst) + 1;
            MOST.fetch_max(now, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(1));
            UNDER_WAY.fetch_sub(1, Ordering::SeqCst);
            plain(&request.line, NOBODY)
        });
        let objects: Vec<_> = (0..500).map(|number| object(&format!("k{number}"), false)).collect();
        let parts: Vec<_> = objects
            .iter()
            .flat_map(|object| [StoredPart::Body, StoredPart::Metadata].map(|part| (object, part)))
            .collect();
        let public = of(&server, &parts);
        assert!(public.iter().all(|public| *public == Publicness::No(None)), "{:?}", public[0]);
        assert_eq!(server.requests().len(), 500 + 7);
        assert!(MOST.load(Ordering::SeqCst) <= 64, "{MOST:?}");
    }

    #[test]
    fn a_key_is_read_by_whoever_lists() {
        let server = Server::new(|request, _| plain(&request.line, &everybody_lists()));
        let (plain, masked) = (object("k", false), object("wJal…", true));
        let by_list = Publicness::Yes(vec!["ACL grant READ to everyone".to_owned()]);
        let parts = [(&plain, StoredPart::Key), (&masked, StoredPart::Key), (&plain, StoredPart::Body)];
        assert_eq!(of(&server, &parts), [by_list.clone(), by_list, Publicness::No(None)]);
        let [masked] = of(&server, &[(&masked, StoredPart::Body)]).try_into().unwrap();
        assert!(matches!(&masked, Publicness::Unknown(why) if why.contains("masked")), "{masked:?}");
        assert_eq!(server.count("wJal"), 0, "a key that is not whole is not asked for");
    }

    #[test]
    fn what_could_not_be_asked_is_not_known() {
        let server = Server::new(|request, _| match &*request.line {
            line if line.starts_with("GET /b/k?") => error("403 Forbidden", "AccessDenied", "Access Denied"),
            line => plain(line, NOBODY),
        });
        let plain = object("k", false);
        let public = of(&server, &[(&plain, StoredPart::Body), (&plain, StoredPart::Tags)]);
        assert!(matches!(&public[0], Publicness::Unknown(why) if why.contains("s3:GetObjectAcl")), "{public:?}");
        assert_eq!(public[1], Publicness::No(None), "no ACL gives tags");
    }
}
