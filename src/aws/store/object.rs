//! Requests for single objects: their bytes, their metadata, their tags.

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use bstr::ByteSlice;

use super::call::Ask;
use super::gate::Turn;
use super::list::payer;
use super::words::decoded;
use super::{Bucket, No, StoreError, Wanted};

/// Asks for an object's bytes from `from` on, as long as its entity tag is `etag`, if that is not empty.
pub(super) async fn open(
    bucket: &Bucket,
    turn: &mut Turn,
    wanted: &Wanted,
    from: u64,
    etag: &str,
) -> Result<GetObjectOutput, StoreError> {
    let key = key(wanted)?;
    let ask = ask("GetObject", wanted, "s3:GetObject", "s3:GetObjectVersion");
    bucket
        .call(ask, Some(turn), |s3| {
            s3.get_object()
                .bucket(&**bucket.name())
                .key(key)
                .set_version_id(wanted.version_id.as_deref().map(str::to_owned))
                .set_range((from > 0).then(|| format!("bytes={from}-")))
                .set_if_match((!etag.is_empty()).then(|| quoted(etag)))
                .set_request_payer(payer(bucket))
                .send()
        })
        .await
}

pub(super) async fn metadata(
    bucket: &Bucket,
    turn: &mut Turn,
    wanted: &Wanted,
) -> Result<Vec<(String, String)>, StoreError> {
    let key = key(wanted)?;
    let ask = ask("HeadObject", wanted, "s3:GetObject", "s3:GetObjectVersion");
    let answer = bucket
        .call(ask, Some(turn), |s3| {
            s3.head_object()
                .bucket(&**bucket.name())
                .key(key)
                .set_version_id(wanted.version_id.as_deref().map(str::to_owned))
                .set_if_match((!wanted.etag.is_empty()).then(|| quoted(&wanted.etag)))
                .set_request_payer(payer(bucket))
                .send()
        })
        .await?;
    Ok(sorted(answer.metadata))
}

pub(super) async fn tags(
    bucket: &Bucket,
    turn: &mut Turn,
    wanted: &Wanted,
) -> Result<Vec<(String, String)>, StoreError> {
    let key = key(wanted)?;
    let ask = ask("GetObjectTagging", wanted, "s3:GetObjectTagging", "s3:GetObjectVersionTagging");
    let answer = bucket
        .call(ask, Some(turn), |s3| {
            s3.get_object_tagging()
                .bucket(&**bucket.name())
                .key(key)
                .set_version_id(wanted.version_id.as_deref().map(str::to_owned))
                .set_request_payer(payer(bucket))
                .send()
        })
        .await?;
    Ok(answer.tag_set.into_iter().map(|tag| (tag.key, tag.value)).collect())
}

/// In order of names, which the SDK has not, and as they were written.
pub(super) fn sorted(metadata: Option<impl IntoIterator<Item = (String, String)>>) -> Vec<(String, String)> {
    let pairs = metadata.into_iter().flatten();
    let mut sorted: Vec<(String, String)> = pairs.map(|(name, value)| (name, decoded(value))).collect();
    sorted.sort_unstable();
    sorted
}

pub(super) fn ask(operation: &'static str, wanted: &Wanted, current: &'static str, version: &'static str) -> Ask {
    let permission = if wanted.version_id.is_some() { version } else { current };
    Ask { operation, permission, is_of_object: true }
}

/// S3's keys are UTF-8; others can't be asked for.
pub(super) fn key(wanted: &Wanted) -> Result<&str, StoreError> {
    wanted.key.to_str().map_err(|_| StoreError {
        kind: No::Failed,
        code: Box::default(),
        why: "its key is no UTF-8 and can't be asked for".to_owned(),
        permission: None,
    })
}

/// As headers have it. A weak tag (`W/"…"`) has its quotes.
fn quoted(etag: &str) -> String {
    if etag.ends_with('"') { etag.to_owned() } else { format!("\"{etag}\"") }
}
