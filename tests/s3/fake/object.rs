//! An object's bytes, head and tags.

use super::answer::{Answer, Refusal, element, http_date};
use super::bucket::{Bucket, Object};
use super::call::Call;

pub(super) fn content(bucket: &Bucket, call: &Call) -> Result<Answer, Refusal> {
    let object = found(bucket, call)?;
    if call.if_match.as_ref().is_some_and(|tag| *tag != object.etag) {
        let why = "At least one of the pre-conditions you specified did not hold";
        return Err(Refusal::new(412, "PreconditionFailed", why).detail("Condition", "If-Match"));
    }
    if object.is_archived() && call.operation == "GetObject" {
        let why = "The operation is not valid for the object's storage class";
        return Err(Refusal::new(403, "InvalidObjectState", why).detail("StorageClass", object.class));
    }
    let size = object.content.len();
    let (status, from, length) = match &call.range {
        None => (200, 0, size),
        Some(range) => {
            let (from, length) = within(range, size).ok_or_else(|| {
                Refusal::new(416, "InvalidRange", "The requested range is not satisfiable")
                    .detail("ActualObjectSize", &size.to_string())
                    .with("Content-Range", format!("bytes */{size}"))
            })?;
            (206, from, length)
        }
    };
    let mut answer = Answer::new(status)
        .with("ETag", format!("\"{}\"", object.etag))
        .with("Last-Modified", http_date(object.written))
        .with("Accept-Ranges", "bytes")
        .with("Content-Type", "binary/octet-stream");
    if status == 206 {
        answer = answer.with("Content-Range", format!("bytes {from}-{}/{size}", from + length - 1));
    }
    if bucket.versioned {
        answer = answer.with("x-amz-version-id", object.version.clone());
    }
    if object.class != "STANDARD" {
        answer = answer.with("x-amz-storage-class", object.class);
    }
    if let Some(encoding) = object.encoding {
        answer = answer.with("Content-Encoding", encoding);
    }
    if !object.tags.is_empty() {
        answer = answer.with("x-amz-tagging-count", object.tags.len().to_string());
    }
    if bucket.requester_pays {
        answer = answer.with("x-amz-request-charged", "requester");
    }
    for (name, value) in &object.metadata {
        answer = answer.with(&format!("x-amz-meta-{name}"), value.clone());
    }
    Ok(answer.part(object.content.clone(), from, length))
}

pub(super) fn tags(bucket: &Bucket, call: &Call) -> Result<Answer, Refusal> {
    let tag =
        |(name, value): &(&str, String)| format!("<Tag>{}{}</Tag>", element("Key", name), element("Value", value));
    let tags: String = found(bucket, call)?.tags.iter().map(tag).collect();
    Ok(Answer::xml("Tagging", &format!("<TagSet>{tags}</TagSet>")))
}

/// The version that is asked for, which is not a delete marker.
fn found<'a>(bucket: &'a Bucket, call: &Call) -> Result<&'a Object, Refusal> {
    let no_key = || Refusal::new(404, "NoSuchKey", "The specified key does not exist.").detail("Key", &call.key);
    let versions = bucket.objects.get(&call.key).ok_or_else(no_key)?;
    match &call.version {
        None => versions
            .last()
            .filter(|object| !object.is_delete_marker)
            .ok_or_else(|| no_key().with("x-amz-delete-marker", "true")),
        Some(version) => {
            let why = "The specified version does not exist.";
            let found = versions.iter().find(|object| object.version == *version);
            match found.ok_or_else(|| Refusal::new(404, "NoSuchVersion", why))? {
                marker if marker.is_delete_marker => {
                    let why = "The specified method is not allowed against this resource.";
                    Err(Refusal::new(405, "MethodNotAllowed", why).with("x-amz-delete-marker", "true"))
                }
                object => Ok(object),
            }
        }
    }
}

/// Where a range begins and how long it is; `None` when there is nothing of it.
fn within(range: &str, size: u64) -> Option<(u64, u64)> {
    let (from, to) = range.strip_prefix("bytes=")?.split_once('-')?;
    let (from, to) = match (from.parse::<u64>().ok(), to.parse::<u64>().ok()) {
        (None, last) => (size.saturating_sub(last?), size),
        (Some(from), to) => (from, to.map_or(size, |to| to.saturating_add(1).min(size))),
    };
    (from < to).then(|| (from, to - from))
}
