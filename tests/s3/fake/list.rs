//! Lists of objects and of versions, page by page.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html>

use std::fmt::Write as _;
use std::ops::Bound;

use super::answer::{Answer, Refusal, date, element};
use super::bucket::{Bucket, Object};
use super::call::Call;
use crate::request::encoded;

/// A line of a list.
enum Item<'a> {
    Version { key: &'a str, object: &'a Object, is_latest: bool },
    Prefix(String),
}

/// What is asked for.
struct Asked<'a> {
    prefix: &'a str,
    delimiter: Option<&'a str>,
    encodes: bool,
    versions: bool,
    most: usize,
}

impl<'a> Asked<'a> {
    fn of(call: &'a Call, versions: bool) -> Self {
        Self {
            prefix: call.parameter("prefix").unwrap_or_default(),
            delimiter: call.parameter("delimiter").filter(|delimiter| !delimiter.is_empty()),
            encodes: call.parameter("encoding-type") == Some("url"),
            versions,
            most: call.parameter("max-keys").and_then(|most| most.parse().ok()).unwrap_or(1000).min(1000),
        }
    }

    /// A name as lists have it: with `encoding-type=url` a space is `+`.
    fn name(&self, text: &str) -> String {
        if self.encodes { encoded(text, b"-._*/ ").replace(' ', "+") } else { text.to_owned() }
    }

    /// What of a key's beginning is told instead of the key.
    fn directory(&self, key: &str) -> Option<String> {
        let delimiter = self.delimiter?;
        let at = key[self.prefix.len()..].find(delimiter)?;
        Some(key[..self.prefix.len() + at + delimiter.len()].to_owned())
    }

    /// The lines from there on, and whether there are more than asked for. `within` is a version of the first key after which it begins.
    fn page<'b>(&self, bucket: &'b Bucket, from: &Place) -> (Vec<Item<'b>>, bool) {
        let mut items = Vec::new();
        let mut begin = from.bound(self.prefix);
        let mut after = from.version();
        while let Some((key, versions)) = bucket.objects.range::<str, _>((as_deref(&begin), Bound::Unbounded)).next() {
            if !key.starts_with(self.prefix) {
                break;
            }
            let last = versions.len() - 1;
            let shown = versions
                .iter()
                .enumerate()
                .rev()
                .filter(|(number, object)| self.versions || *number == last && !object.is_delete_marker);
            let mut shown = shown.peekable();
            begin = Bound::Excluded(key.clone());
            match self.directory(key).filter(|_| shown.peek().is_some()) {
                Some(directory) => {
                    begin = Bound::Excluded(beyond(&directory));
                    items.push(Item::Prefix(directory));
                }
                None => items.extend(
                    shown
                        .skip_while(|(_, object)| {
                            after.is_some_and(|(at, version)| at == key && object.version != version)
                        })
                        .skip(usize::from(after.is_some_and(|(at, _)| at == key)))
                        .map(|(number, object)| Item::Version { key, object, is_latest: number == last }),
                ),
            }
            after = None;
            if items.len() > self.most {
                items.truncate(self.most);
                return (items, true);
            }
        }
        (items, false)
    }

    fn head(&self, call: &Call, truncated: bool) -> String {
        let mut head = element("Name", &call.bucket)
            + &element("Prefix", &self.name(self.prefix))
            + &element("MaxKeys", &self.most.to_string())
            + &element("IsTruncated", &truncated.to_string());
        if let Some(delimiter) = self.delimiter {
            head += &element("Delimiter", &self.name(delimiter));
        }
        if self.encodes {
            head += &element("EncodingType", "url");
        }
        head
    }

    fn write(&self, item: &Item<'_>, list: &mut String) {
        match item {
            Item::Prefix(prefix) => {
                *list += &format!("<CommonPrefixes>{}</CommonPrefixes>", element("Prefix", &self.name(prefix)));
            }
            Item::Version { key, object, is_latest } => {
                let mut inside = element("Key", &self.name(key)) + &element("LastModified", &date(object.written));
                if self.versions {
                    inside += &element("VersionId", &object.version);
                    inside += &element("IsLatest", &is_latest.to_string());
                }
                let root = match (self.versions, object.is_delete_marker) {
                    (true, true) => "DeleteMarker",
                    (true, false) => "Version",
                    (false, _) => "Contents",
                };
                if !object.is_delete_marker {
                    inside += &element("ETag", &format!("\"{}\"", object.etag));
                    inside += &element("Size", &object.content.len().to_string());
                    inside += &element("StorageClass", object.class);
                }
                write!(list, "<{root}>{inside}</{root}>").expect("strings take everything");
            }
        }
    }
}

/// Where a page begins.
enum Place {
    Beginning,
    After(String),
    /// After all that begins so.
    Beyond(String),
    AfterVersion(String, String),
}

impl Place {
    fn of(item: &Item<'_>) -> Self {
        match item {
            Item::Prefix(prefix) => Self::Beyond(prefix.clone()),
            Item::Version { key, .. } => Self::After((*key).to_owned()),
        }
    }

    fn bound(&self, prefix: &str) -> Bound<String> {
        match self {
            Self::After(key) if key.as_str() >= prefix => Bound::Excluded(key.clone()),
            Self::Beyond(directory) if beyond(directory).as_str() >= prefix => Bound::Excluded(beyond(directory)),
            Self::AfterVersion(key, _) if key.as_str() >= prefix => Bound::Included(key.clone()),
            _ => Bound::Included(prefix.to_owned()),
        }
    }

    fn version(&self) -> Option<(&str, &str)> {
        match self {
            Self::AfterVersion(key, version) => Some((key, version)),
            _ => None,
        }
    }

    /// Tokens say nothing to whoever gets them.
    fn token(&self) -> String {
        let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
        match self {
            Self::After(key) => format!("k{}", hex(key)),
            Self::Beyond(prefix) => format!("p{}", hex(prefix)),
            Self::Beginning | Self::AfterVersion(..) => unreachable!("lists of objects go on after something"),
        }
    }

    fn of_token(token: &str) -> Option<Self> {
        let (kind, hex) = token.split_at_checked(1)?;
        let pairs = hex.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
        let text = String::from_utf8(pairs.collect::<Option<_>>()?).ok()?;
        Some(if kind == "k" { Self::After(text) } else { Self::Beyond(text) })
    }
}

/// A name after all that begin like this one.
fn beyond(prefix: &str) -> String {
    format!("{prefix}{}", char::MAX)
}

fn as_deref(bound: &Bound<String>) -> Bound<&str> {
    match bound {
        Bound::Included(key) => Bound::Included(key),
        Bound::Excluded(key) => Bound::Excluded(key),
        Bound::Unbounded => Bound::Unbounded,
    }
}

pub(super) fn objects(bucket: &Bucket, call: &Call) -> Result<Answer, Refusal> {
    let asked = Asked::of(call, false);
    let place = match (call.parameter("continuation-token"), call.parameter("start-after")) {
        (Some(token), _) => {
            let why = "The continuation token provided is incorrect";
            Place::of_token(token).ok_or_else(|| Refusal::new(400, "InvalidArgument", why))?
        }
        (None, Some(key)) => Place::After(key.to_owned()),
        (None, None) => Place::Beginning,
    };
    let (items, truncated) = asked.page(bucket, &place);
    let mut list = asked.head(call, truncated) + &element("KeyCount", &items.len().to_string());
    if let Some(last) = items.last().filter(|_| truncated) {
        list += &element("NextContinuationToken", &Place::of(last).token());
    }
    items.iter().for_each(|item| asked.write(item, &mut list));
    Ok(Answer::xml("ListBucketResult", &list))
}

pub(super) fn versions(bucket: &Bucket, call: &Call) -> Result<Answer, Refusal> {
    let asked = Asked::of(call, true);
    let key = call.parameter("key-marker").filter(|key| !key.is_empty());
    let place = match (key, call.parameter("version-id-marker").filter(|version| !version.is_empty())) {
        (Some(key), Some(version)) => Place::AfterVersion(key.to_owned(), version.to_owned()),
        (Some(key), None) if asked.delimiter.is_some_and(|delimiter| key.ends_with(delimiter)) => {
            Place::Beyond(key.to_owned())
        }
        (Some(key), None) => Place::After(key.to_owned()),
        (None, Some(_)) => {
            let why = "A version-id marker cannot be specified without a key marker.";
            return Err(Refusal::new(400, "InvalidArgument", why));
        }
        (None, None) => Place::Beginning,
    };
    let (items, truncated) = asked.page(bucket, &place);
    let mut list = asked.head(call, truncated);
    match items.last().filter(|_| truncated) {
        Some(Item::Prefix(prefix)) => list += &element("NextKeyMarker", &asked.name(prefix)),
        Some(Item::Version { key, object, .. }) => {
            list += &element("NextKeyMarker", &asked.name(key));
            list += &element("NextVersionIdMarker", &object.version);
        }
        None => {}
    }
    items.iter().for_each(|item| asked.write(item, &mut list));
    Ok(Answer::xml("ListVersionsResult", &list))
}
