//! Lists: pages of objects, of versions, and of buckets. Keys come percent-encoded, because XML has no way to write all that they may hold: one key
//! with a control character would make its whole page unreadable.

use std::cmp::Reverse;
use std::sync::Arc;

use aws_sdk_s3::operation::list_object_versions::ListObjectVersionsOutput;
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::types::{CommonPrefix, DeleteMarkerEntry, EncodingType, Object, ObjectVersion, RequestPayer};
use aws_smithy_types::date_time::DateTime;
use bstr::{BString, ByteSlice};
use percent_encoding::percent_decode;

use super::call::Ask;
use super::{Bucket, Entry, Listed, Listing, Marker, No, Page, Store, StoreError};

/// The most that S3 gives.
const MAX_KEYS: i32 = 1000;

const OBJECTS: Ask = Ask { operation: "ListObjectsV2", permission: "s3:ListBucket", is_of_object: false };
const VERSIONS: Ask = Ask { operation: "ListObjectVersions", permission: "s3:ListBucketVersions", is_of_object: false };
const BUCKETS: Ask = Ask { operation: "ListBuckets", permission: "s3:ListAllMyBuckets", is_of_object: false };

/// One page of a bucket.
pub(super) async fn page(bucket: &Bucket, listing: &Listing, from: Option<&Marker>) -> Result<Page, StoreError> {
    let page =
        if listing.versions { versions(bucket, listing, from).await } else { objects(bucket, listing, from).await }?;
    if page.next.is_some() && page.next.as_ref() == from {
        return Err(cut_short());
    }
    Ok(page)
}

/// All buckets of the account.
pub(super) async fn buckets(store: &Store) -> Result<Vec<Listed>, StoreError> {
    // They are no bucket's business: one without a name asks.
    let account = store.bucket("");
    let (mut all, mut token) = (Vec::new(), None::<String>);
    loop {
        let page = account
            .call(BUCKETS, None, |s3| {
                s3.list_buckets().max_buckets(MAX_KEYS).set_continuation_token(token.clone()).send()
            })
            .await?;
        all.extend(page.buckets.unwrap_or_default().into_iter().filter_map(|bucket| {
            let created = bucket.creation_date.map(|date| date.secs());
            Some(Listed { name: bucket.name?, created, region: bucket.bucket_region })
        }));
        match page.continuation_token.filter(|token| !token.is_empty()) {
            None => break,
            next if next == token => return Err(cut_short()),
            next => token = next,
        }
    }
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

async fn objects(bucket: &Bucket, listing: &Listing, from: Option<&Marker>) -> Result<Page, StoreError> {
    let (token, after) = match from {
        Some(Marker::Token(token)) => (Some(token), None),
        Some(Marker::After(key, _)) => (None, Some(key)),
        None => (None, None),
    };
    let page = bucket
        .call(OBJECTS, None, |s3| {
            s3.list_objects_v2()
                .bucket(&**bucket.name())
                .set_prefix(prefix(listing))
                .set_delimiter(delimiter(listing))
                .set_continuation_token(token.cloned())
                .set_start_after(after.cloned())
                .set_request_payer(payer(bucket))
                .encoding_type(EncodingType::Url)
                .max_keys(MAX_KEYS)
                .send()
        })
        .await
        .map_err(|error| blinded(error))?;
    of_objects(page)
}

async fn versions(bucket: &Bucket, listing: &Listing, from: Option<&Marker>) -> Result<Page, StoreError> {
    let (key, version) = match from {
        Some(Marker::After(key, version)) => (Some(key), version.as_ref()),
        Some(Marker::Token(_)) => return Err(cut_short()),
        None => (None, None),
    };
    let page = bucket
        .call(VERSIONS, None, |s3| {
            s3.list_object_versions()
                .bucket(&**bucket.name())
                .set_prefix(prefix(listing))
                .set_delimiter(delimiter(listing))
                .set_key_marker(key.cloned())
                .set_version_id_marker(version.cloned())
                .set_request_payer(payer(bucket))
                .encoding_type(EncodingType::Url)
                .max_keys(MAX_KEYS)
                .send()
        })
        .await
        .map_err(|error| blinded(error))?;
    of_versions(page)
}

fn of_objects(page: ListObjectsV2Output) -> Result<Page, StoreError> {
    let decoder = Decoder::of(page.encoding_type.as_ref());
    let next = match (page.is_truncated, page.next_continuation_token) {
        (Some(true), Some(token)) if !token.is_empty() => Some(Marker::Token(token)),
        (Some(true), _) => return Err(cut_short()),
        _ => None,
    };
    let entries = page.contents.unwrap_or_default().into_iter().filter_map(|object| decoder.object(object)).collect();
    Ok(Page { entries, prefixes: decoder.prefixes(page.common_prefixes)?, next })
}

fn of_versions(page: ListObjectVersionsOutput) -> Result<Page, StoreError> {
    let decoder = Decoder::of(page.encoding_type.as_ref());
    let next = match (page.is_truncated, page.next_key_marker) {
        (Some(true), Some(key)) if !key.is_empty() => {
            Some(Marker::After(text(decoder.decode(&key))?, page.next_version_id_marker.filter(|id| !id.is_empty())))
        }
        (Some(true), _) => return Err(cut_short()),
        _ => None,
    };
    let versions = page.versions.unwrap_or_default().into_iter().filter_map(|version| decoder.version(version));
    let markers =
        page.delete_markers.unwrap_or_default().into_iter().filter_map(|marker| decoder.delete_marker(marker));
    let mut entries: Vec<Entry> = versions.chain(markers).collect();
    // The SDK tells the two apart, S3 sent them in one order: by key, the newest version first.
    entries.sort_by(|a, b| order(a).cmp(&order(b)));
    Ok(Page { entries, prefixes: decoder.prefixes(page.common_prefixes)?, next })
}

fn order(entry: &Entry) -> (&BString, bool, Reverse<Option<i64>>) {
    (&entry.key, !entry.is_latest, Reverse(entry.last_modified))
}

/// How what is in a page is written.
#[derive(Clone, Copy)]
struct Decoder {
    is_encoded: bool,
}

impl Decoder {
    /// Some servers ignore that it was asked for; they say so by not saying that they did it.
    fn of(encoding: Option<&EncodingType>) -> Self {
        Self { is_encoded: encoding == Some(&EncodingType::Url) }
    }

    /// As forms are: a space is a plus, a plus is `%2B`.
    fn decode(self, text: &str) -> BString {
        if !self.is_encoded {
            return text.into();
        }
        if text.contains('+') {
            return percent_decode(text.replace('+', " ").as_bytes()).collect::<Vec<u8>>().into();
        }
        percent_decode(text.as_bytes()).collect::<Vec<u8>>().into()
    }

    fn prefixes(self, prefixes: Option<Vec<CommonPrefix>>) -> Result<Vec<String>, StoreError> {
        let prefixes = prefixes.unwrap_or_default().into_iter().filter_map(|prefix| prefix.prefix);
        prefixes.map(|prefix| text(self.decode(&prefix))).collect()
    }

    fn object(self, object: Object) -> Option<Entry> {
        Some(Entry {
            key: self.decode(&object.key?),
            version_id: None,
            is_latest: true,
            is_delete_marker: false,
            size: size(object.size),
            etag: bare(object.e_tag),
            last_modified: seconds(object.last_modified),
            storage_class: object.storage_class.as_ref().map(|class| class.as_str()).unwrap_or_default().into(),
        })
    }

    fn version(self, version: ObjectVersion) -> Option<Entry> {
        Some(Entry {
            key: self.decode(&version.key?),
            version_id: version.version_id.map(Arc::from),
            is_latest: version.is_latest.unwrap_or_default(),
            is_delete_marker: false,
            size: size(version.size),
            etag: bare(version.e_tag),
            last_modified: seconds(version.last_modified),
            storage_class: version.storage_class.as_ref().map(|class| class.as_str()).unwrap_or_default().into(),
        })
    }

    fn delete_marker(self, marker: DeleteMarkerEntry) -> Option<Entry> {
        Some(Entry {
            key: self.decode(&marker.key?),
            version_id: marker.version_id.map(Arc::from),
            is_latest: marker.is_latest.unwrap_or_default(),
            is_delete_marker: true,
            size: 0,
            etag: Box::default(),
            last_modified: seconds(marker.last_modified),
            storage_class: Box::default(),
        })
    }
}

fn prefix(listing: &Listing) -> Option<String> {
    Some(listing.prefix.clone()).filter(|prefix| !prefix.is_empty())
}

fn delimiter(listing: &Listing) -> Option<String> {
    listing.by_directory.then(|| "/".to_owned())
}

pub(super) fn payer(bucket: &Bucket) -> Option<RequestPayer> {
    bucket.store().inner.options.request_payer.then_some(RequestPayer::Requester)
}

/// An entity tag without its quotes.
pub(super) fn bare(etag: Option<String>) -> Box<str> {
    etag.as_deref().unwrap_or_default().trim_matches('"').into()
}

fn size(size: Option<i64>) -> u64 {
    size.and_then(|size| u64::try_from(size).ok()).unwrap_or_default()
}

fn seconds(date: Option<DateTime>) -> Option<i64> {
    date.map(|date| date.secs())
}

/// What a request is to name goes out as text.
fn text(bytes: BString) -> Result<String, StoreError> {
    String::from_utf8(bytes.into()).map_err(|error| {
        failed(format!("the list goes on at {}, which is no UTF-8 and can't be asked for", error.as_bytes().as_bstr()))
    })
}

fn cut_short() -> StoreError {
    failed("the list is cut short, and the answer does not say where it goes on".to_owned())
}

fn failed(why: String) -> StoreError {
    StoreError { kind: No::Failed, code: Box::default(), why, permission: None }
}

/// A page that can't be read may have been spoilt by one key.
fn blinded(error: StoreError) -> StoreError {
    if error.kind == No::Failed && error.code.is_empty() && error.why.contains("can't be understood") {
        let why = format!(
            "{}; if it is, a key in this page may hold what XML can't, and the server ignores encoding-type=url",
            error.why
        );
        return StoreError { why, ..error };
    }
    error
}
