//! Lists: pages of objects, of versions, and of buckets. Keys come percent-encoded, because XML has no way to write all that they may hold: one key
//! with a control character would make its whole page unreadable.

use std::cmp::Reverse;
use std::sync::Arc;

use aws_sdk_s3::operation::list_object_versions::ListObjectVersionsOutput;
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::types::{
    CommonPrefix, DeleteMarkerEntry, EncodingType, Object, ObjectVersion, OptionalObjectAttributes, RequestPayer,
    RestoreStatus,
};
use aws_smithy_types::date_time::DateTime;
use bstr::{BString, ByteSlice};
use percent_encoding::percent_decode;

use super::call::Ask;
use super::no::NOT_UNDERSTOOD;
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
                .optional_object_attributes(OptionalObjectAttributes::RestoreStatus)
                .max_keys(MAX_KEYS)
                .send()
        })
        .await
        .map_err(blinded)?;
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
                .optional_object_attributes(OptionalObjectAttributes::RestoreStatus)
                .max_keys(MAX_KEYS)
                .send()
        })
        .await
        .map_err(blinded)?;
    of_versions(page)
}

pub(super) fn of_objects(page: ListObjectsV2Output) -> Result<Page, StoreError> {
    let decoder = Decoder::of(page.encoding_type.as_ref());
    let next = match (page.is_truncated, page.next_continuation_token) {
        // Some servers tell of the one and not of the other.
        (Some(true) | None, Some(token)) if !token.is_empty() => Some(Marker::Token(token)),
        (Some(true), _) => return Err(cut_short()),
        _ => None,
    };
    let entries = page.contents.unwrap_or_default().into_iter().filter_map(|object| decoder.object(object)).collect();
    Ok(Page { entries, prefixes: decoder.prefixes(page.common_prefixes)?, next })
}

fn of_versions(page: ListObjectVersionsOutput) -> Result<Page, StoreError> {
    let decoder = Decoder::of(page.encoding_type.as_ref());
    let next = match (page.is_truncated, page.next_key_marker) {
        (Some(true) | None, Some(key)) if !key.is_empty() => {
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
            storage_class: class(object.storage_class.as_ref().map(|class| class.as_str()), object.restore_status),
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
            storage_class: class(version.storage_class.as_ref().map(|class| class.as_str()), version.restore_status),
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

/// Where there is a restored copy, that is what is read.
fn class(class: Option<&str>, restored: Option<RestoreStatus>) -> Box<str> {
    let is_restored = restored.is_some_and(|restored| restored.restore_expiry_date.is_some());
    if is_restored { "STANDARD".into() } else { class.unwrap_or_default().into() }
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
    if error.kind != No::Failed || !error.code.is_empty() || !error.why.starts_with(NOT_UNDERSTOOD) {
        return error;
    }
    let why = format!(
        "{}; or a key in this page of the list holds what XML has no way to write, and the server does not encode keys \
         (encoding-type=url) as S3 does",
        error.why
    );
    StoreError { why, ..error }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Reply, Server, reply};
    use super::*;

    fn server(xml: &'static str) -> Server {
        Server::new(move |_, _| reply("200 OK", &[], xml))
    }

    fn ask(server: &Server, versions: bool, from: Option<&Marker>) -> Result<Page, StoreError> {
        let store = server.owned();
        let listing = Listing { prefix: "a b+".to_owned(), by_directory: true, versions };
        store.handle().block_on(store.bucket("b").list(&listing, from))
    }

    fn keys(page: &Page) -> Vec<&[u8]> {
        page.entries.iter().map(|entry| entry.key.as_slice()).collect()
    }

    #[test]
    fn a_page_is_read_with_keys_of_all_kinds() {
        let server = server(
            "<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>\
             <NextContinuationToken>to+ken%20</NextContinuationToken>\
             <Contents><Key>a+b%2Bc%25d</Key><LastModified>2026-11-30T00:00:10.000Z</LastModified><ETag>&quot;e1&quot;</ETag>\
             <Size>7</Size><StorageClass>DEEP_ARCHIVE</StorageClass></Contents>\
             <Contents><Key>%01%0A%0D/./%2F%2F</Key><Size>0</Size></Contents>\
             <Contents><Key>%F0%9F%94%91</Key><Size>5368709120</Size></Contents>\
             <CommonPrefixes><Prefix>a+b%2B%00/</Prefix></CommonPrefixes></ListBucketResult>",
        );
        let page = ask(&server, false, None).unwrap();
        assert_eq!(keys(&page), [&b"a b+c%d"[..], b"\x01\n\r/.///", "🔑".as_bytes()]);
        assert_eq!(page.prefixes, ["a b+\0/"]);
        // Tokens are no keys.
        assert_eq!(page.next, Some(Marker::Token("to+ken%20".to_owned())));
        let first = &page.entries[0];
        assert_eq!((first.size, &*first.etag, &*first.storage_class), (7, "e1", "DEEP_ARCHIVE"));
        assert_eq!(first.last_modified, Some(1_795_996_810));
        assert!(first.is_latest && first.version_id.is_none() && !first.is_delete_marker);
        assert_eq!(page.entries[2].size, 5 << 30);
        let asked = &server.requests()[0].line;
        for part in ["encoding-type=url", "max-keys=1000", "prefix=a%20b%2B", "delimiter=%2F"] {
            assert!(asked.contains(part), "{part}: {asked}");
        }
    }

    #[test]
    fn keys_that_were_not_encoded_are_left_as_they_are() {
        let server = server(
            "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>a+b%20c&amp;</Key></Contents></ListBucketResult>",
        );
        let page = ask(&server, false, None).unwrap();
        assert_eq!((keys(&page), &page.next), (vec![&b"a+b%20c&"[..]], &None));
    }

    #[test]
    fn a_list_goes_on_where_it_is_told_to() {
        let server = server("<ListBucketResult></ListBucketResult>");
        ask(&server, false, Some(&Marker::Token("t/1".to_owned()))).unwrap();
        ask(&server, false, Some(&Marker::After("k\u{1}+".to_owned(), None))).unwrap();
        // It knows nothing of versions, but was asked.
        let _ = ask(&server, true, Some(&Marker::After("k".to_owned(), None)));
        let _ = ask(&server, true, Some(&Marker::After("k".to_owned(), Some("v".to_owned()))));
        let lines: Vec<String> = server.requests().into_iter().map(|request| request.line).collect();
        assert!(lines[0].contains("continuation-token=t%2F1") && !lines[0].contains("start-after"), "{}", lines[0]);
        assert!(lines[1].contains("start-after=k%01%2B") && !lines[1].contains("continuation-token"), "{}", lines[1]);
        assert!(lines[2].contains("key-marker=k") && !lines[2].contains("version-id-marker"), "{}", lines[2]);
        let last = lines.last().unwrap();
        assert!(last.contains("key-marker=k") && last.contains("version-id-marker=v"), "{last}");
    }

    #[test]
    fn versions_and_delete_markers_come_in_one_order() {
        let version = |key: &str, id: &str, latest: bool, second: u8| {
            format!(
                "<Version><Key>{key}</Key><VersionId>{id}</VersionId><IsLatest>{latest}</IsLatest><Size>1</Size>\
                 <LastModified>2026-11-30T00:00:0{second}.000Z</LastModified><ETag>\"e\"</ETag></Version>"
            )
        };
        let xml = format!(
            "<ListVersionsResult><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>\
             <NextKeyMarker>b%01</NextKeyMarker><NextVersionIdMarker>b2</NextVersionIdMarker>{}{}{}\
             <DeleteMarker><Key>a</Key><VersionId>a3</VersionId><IsLatest>true</IsLatest>\
             <LastModified>2026-11-30T00:00:03.000Z</LastModified></DeleteMarker></ListVersionsResult>",
            version("a", "a2", false, 2),
            version("a", "null", false, 1),
            version("b%01", "b2", true, 2),
        );
        let server = Server::new(move |_, _| reply("200 OK", &[], &xml));
        let page = ask(&server, true, None).unwrap();
        let told: Vec<_> = page
            .entries
            .iter()
            .map(|entry| {
                (entry.key.as_slice(), entry.version_id.as_deref().unwrap(), entry.is_latest, entry.is_delete_marker)
            })
            .collect();
        let expected = [
            (&b"a"[..], "a3", true, true),
            (b"a", "a2", false, false),
            (b"a", "null", false, false),
            (b"b\x01", "b2", true, false),
        ];
        assert_eq!(told, expected);
        assert_eq!(page.next, Some(Marker::After("b\u{1}".to_owned(), Some("b2".to_owned()))));
    }

    #[test]
    fn a_list_goes_on_where_it_says_so_though_it_does_not_say_that_it_was_cut() {
        let token = "<ListBucketResult><NextContinuationToken>t</NextContinuationToken></ListBucketResult>";
        let key = "<ListVersionsResult><NextKeyMarker>k</NextKeyMarker></ListVersionsResult>";
        assert_eq!(ask(&server(token), false, None).unwrap().next, Some(Marker::Token("t".to_owned())));
        assert_eq!(ask(&server(key), true, None).unwrap().next, Some(Marker::After("k".to_owned(), None)));
    }

    #[test]
    fn a_list_that_goes_in_circles_or_nowhere_is_an_error() {
        let nowhere = "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>";
        let nowhere_of_versions = "<ListVersionsResult><IsTruncated>true</IsTruncated></ListVersionsResult>";
        let circle = "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>\
                      </ListBucketResult>";
        let circle_of_versions = "<ListVersionsResult><IsTruncated>true</IsTruncated><NextKeyMarker>k</NextKeyMarker>\
                                  <NextVersionIdMarker>v</NextVersionIdMarker></ListVersionsResult>";
        let (token, key) = (Marker::Token("t".to_owned()), Marker::After("k".to_owned(), Some("v".to_owned())));
        for (xml, versions, from) in [
            (nowhere, false, None),
            (nowhere_of_versions, true, None),
            (circle, false, Some(&token)),
            (circle_of_versions, true, Some(&key)),
        ] {
            let error = ask(&server(xml), versions, from).unwrap_err();
            assert!(error.kind == No::Failed && error.why.contains("cut short"), "{error}");
        }
    }

    #[test]
    fn a_page_that_one_key_spoilt_is_an_error_that_says_so() {
        for xml in ["<ListBucketResult><Contents><Key>a\u{1}b</Ke", "<html>", ""] {
            let server = server(xml);
            let page = ask(&server, false, None);
            let error = page.unwrap_err();
            assert!(error.kind == No::Failed && error.why.contains("encoding-type"), "{xml}: {error}");
        }
    }

    #[test]
    fn what_was_restored_is_read_from_its_copy() {
        let object = |key: &str, status: &str| {
            format!("<Contents><Key>{key}</Key><StorageClass>GLACIER</StorageClass>{status}</Contents>")
        };
        let under_way = "<RestoreStatus><IsRestoreInProgress>true</IsRestoreInProgress></RestoreStatus>";
        let done = "<RestoreStatus><IsRestoreInProgress>false</IsRestoreInProgress>\
                    <RestoreExpiryDate>2026-12-21T00:00:00.000Z</RestoreExpiryDate></RestoreStatus>";
        let objects = [object("a", ""), object("b", under_way), object("c", done)].concat();
        let server = Server::new(move |request, _| {
            assert_eq!(request.header("x-amz-optional-object-attributes"), Some("RestoreStatus"));
            reply("200 OK", &[], format!("<ListBucketResult>{objects}</ListBucketResult>"))
        });
        let page = ask(&server, false, None).unwrap();
        let classes: Vec<&str> = page.entries.iter().map(|entry| &*entry.storage_class).collect();
        assert_eq!(classes, ["GLACIER", "GLACIER", "STANDARD"]);
    }

    #[test]
    fn a_page_that_broke_off_is_asked_for_again() {
        let whole = "<ListBucketResult><Contents><Key>k</Key></Contents></ListBucketResult>";
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", whole.len());
        let server = Server::new(move |_, before| {
            let (head, part) = (head.clone(), whole.as_bytes()[..20].to_vec());
            match before {
                0 => Reply::Cut(head, part),
                1 => Reply::Stalled(head, part),
                _ => reply("200 OK", &[], whole),
            }
        });
        assert_eq!(keys(&ask(&server, false, None).unwrap()), [b"k"]);
        assert_eq!(server.requests().len(), 3);
    }

    #[test]
    fn buckets_are_listed_to_the_end_and_in_order() {
        let server = Server::new(|request, _| {
            let page = if request.line.contains("continuation-token=2") {
                "<Buckets><Bucket><Name>a</Name><CreationDate>2026-11-30T00:00:10.000Z</CreationDate>\
                 <BucketRegion>eu-west-1</BucketRegion></Bucket></Buckets>"
            } else {
                "<Buckets><Bucket><Name>b</Name></Bucket></Buckets><ContinuationToken>2</ContinuationToken>"
            };
            reply("200 OK", &[], format!("<ListAllMyBucketsResult>{page}</ListAllMyBucketsResult>"))
        });
        let store = server.owned();
        let listed = store.handle().block_on(store.buckets()).unwrap();
        let a = Listed { name: "a".to_owned(), created: Some(1_795_996_810), region: Some("eu-west-1".to_owned()) };
        assert_eq!(listed, [a, Listed { name: "b".to_owned(), created: None, region: None }]);
        assert_eq!(store.requests()["s3:ListBuckets"], 2);
    }

    #[test]
    fn buckets_that_go_in_circles_are_an_error() {
        let server =
            server("<ListAllMyBucketsResult><ContinuationToken>2</ContinuationToken></ListAllMyBucketsResult>");
        let store = server.owned();
        assert!(store.handle().block_on(store.buckets()).unwrap_err().why.contains("cut short"));
    }
}
