//! What is there: buckets, the versions of their objects, and bytes that need not be in memory.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::answer::{Answer, Refusal, date, element};
use super::call::Call;

/// When everything was written unless told: 2026-01-02T03:04:05Z.
const WRITTEN: i64 = 1_767_323_045;

/// Every bucket of an account.
#[derive(Clone, Debug, Default)]
pub(crate) struct World {
    buckets: BTreeMap<String, Bucket>,
}

/// A bucket.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bucket {
    /// Objects by keys, their versions from the oldest to the current one.
    pub(super) objects: BTreeMap<String, Vec<Object>>,
    /// New versions keep the old ones.
    pub(crate) versioned: bool,
    /// Who does not sign may list it.
    pub(crate) public_list: bool,
    /// Who does not sign may read what is in it.
    pub(crate) public_read: bool,
    /// Who reads has to say that they pay.
    pub(crate) requester_pays: bool,
    /// Where it is, and how it says so to whom asks elsewhere.
    pub(crate) region: Region,
    written: u64,
}

/// Where a bucket is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Region {
    /// Where everybody asks first.
    #[default]
    Usual,
    /// Elsewhere; who asks here is redirected.
    Redirects(&'static str),
    /// Elsewhere; who asks here signed wrongly.
    Refuses(&'static str),
}

/// A version of an object, or a delete marker.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(super) content: Content,
    pub(super) version: String,
    pub(super) is_delete_marker: bool,
    pub(super) etag: String,
    pub(super) written: i64,
    pub(super) class: &'static str,
    pub(super) metadata: Vec<(&'static str, String)>,
    pub(super) tags: Vec<(&'static str, String)>,
    pub(super) encoding: Option<&'static str>,
}

/// Bytes.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// These.
    Here(Arc<[u8]>),
    /// So many that say nothing, but for what was planted, by offsets in rising order.
    Made(u64, Arc<[(u64, Vec<u8>)]>),
}

impl Default for Content {
    fn default() -> Self {
        Self::Here(Arc::default())
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Here(bytes.into())
    }
}

/// What is between plants. Its length divides no power of two, so that places do not look alike.
const FILLER: &str = "2026-01-02 03:04:05 INFO request served in 12 ms, nothing of interest to anybody\n";

impl Content {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Here(bytes) => bytes.len() as u64,
            Self::Made(length, _) => *length,
        }
    }

    /// Appends `length` bytes from an offset on to `buffer`.
    pub(super) fn read(&self, from: u64, length: usize, buffer: &mut Vec<u8>) {
        let plants = match self {
            Self::Here(bytes) => return buffer.extend_from_slice(&bytes[from as usize..][..length]),
            Self::Made(_, plants) => plants,
        };
        let begin = buffer.len();
        let filler = FILLER.repeat(64 << 10).into_bytes();
        let mut skip = (from % FILLER.len() as u64) as usize;
        while buffer.len() < begin + length {
            let piece = (begin + length - buffer.len()).min(filler.len() - skip);
            buffer.extend_from_slice(&filler[skip..][..piece]);
            skip = 0;
        }
        for (at, bytes) in plants.iter() {
            for (offset, byte) in (*at..).zip(bytes) {
                if (from..from + length as u64).contains(&offset) {
                    buffer[begin + (offset - from) as usize] = *byte;
                }
            }
        }
    }
}

impl Object {
    /// With these bytes.
    pub(crate) fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self::of(Content::from(bytes.into()))
    }

    /// Of so many bytes, with some at some offsets.
    pub(crate) fn made(length: u64, mut plants: Vec<(u64, Vec<u8>)>) -> Self {
        plants.sort();
        Self::of(Content::Made(length, plants.into()))
    }

    fn of(content: Content) -> Self {
        Self {
            content,
            version: String::new(),
            is_delete_marker: false,
            etag: String::new(),
            written: WRITTEN,
            class: "STANDARD",
            metadata: Vec::new(),
            tags: Vec::new(),
            encoding: None,
        }
    }

    pub(crate) fn metadata(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.metadata.push((name, value.into()));
        self
    }

    pub(crate) fn tag(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.tags.push((name, value.into()));
        self
    }

    /// With a `Content-Encoding`.
    pub(crate) fn encoded(mut self, encoding: &'static str) -> Self {
        self.encoding = Some(encoding);
        self
    }

    /// In a storage class.
    pub(crate) fn class(mut self, class: &'static str) -> Self {
        self.class = class;
        self
    }

    /// Written then, in seconds since 1970.
    pub(crate) fn written(mut self, at: i64) -> Self {
        self.written = at;
        self
    }

    pub(super) fn is_archived(&self) -> bool {
        matches!(self.class, "GLACIER" | "DEEP_ARCHIVE")
    }
}

impl Bucket {
    /// Writes an object, or another version of it; which version that is.
    pub(crate) fn put(&mut self, key: &str, object: Object) -> String {
        self.written += 1;
        let mut hasher = DefaultHasher::new();
        match &object.content {
            Content::Here(bytes) => bytes.hash(&mut hasher),
            Content::Made(length, plants) => (length, plants).hash(&mut hasher),
        }
        let etag = format!("{:016x}{:016x}", hasher.finish(), object.content.len());
        self.push(key, Object { etag, ..object })
    }

    /// Deletes an object: where versions are kept, by a marker.
    pub(crate) fn delete(&mut self, key: &str) {
        self.written += 1;
        if self.versioned {
            self.push(key, Object { is_delete_marker: true, ..Object::new("") });
        } else {
            self.objects.remove(key);
        }
    }

    fn push(&mut self, key: &str, object: Object) -> String {
        let versions = self.objects.entry(key.to_owned()).or_default();
        let version = if self.versioned { format!("v{:031x}", self.written) } else { "null".to_owned() };
        if !self.versioned {
            versions.retain(|version| version.version != "null");
        }
        versions.push(Object { version: version.clone(), ..object });
        version
    }

    /// Everybody may list it and read what is in it.
    pub(crate) fn public(&mut self) -> &mut Self {
        (self.public_list, self.public_read) = (true, true);
        self
    }

    pub(super) fn region(&self) -> &'static str {
        match self.region {
            Region::Usual => "us-east-1",
            Region::Redirects(region) | Region::Refuses(region) => region,
        }
    }
}

impl World {
    pub(crate) fn bucket(&mut self, name: &str) -> &mut Bucket {
        self.buckets.entry(name.to_owned()).or_default()
    }

    /// The bucket that a request is for, if it came to the right place and whoever sent it may ask.
    pub(super) fn reached(&self, call: &Call) -> Result<&Bucket, Refusal> {
        let no_such = || Refusal::new(404, "NoSuchBucket", "The specified bucket does not exist");
        let bucket = self.buckets.get(&call.bucket).ok_or_else(no_such)?;
        let elsewhere = call.region.as_deref().is_some_and(|region| region != bucket.region());
        match bucket.region {
            Region::Redirects(region) if elsewhere => {
                let why = "The bucket you are attempting to access must be addressed using the specified endpoint. Please send all \
                           future requests to this endpoint.";
                return Err(Refusal::new(301, "PermanentRedirect", why).with("x-amz-bucket-region", region));
            }
            Region::Refuses(region) if elsewhere => {
                let wrong = call.region.as_deref().unwrap_or_default();
                let why = format!(
                    "The authorization header is malformed; the region '{wrong}' is wrong; expecting '{region}'"
                );
                let refusal = Refusal::new(400, "AuthorizationHeaderMalformed", why).detail("Region", region);
                return Err(refusal.with("x-amz-bucket-region", region));
            }
            _ => {}
        }
        let is_open = match call.operation {
            "ListObjectsV2" | "ListObjectVersions" | "HeadBucket" => bucket.public_list,
            "GetObject" | "HeadObject" => bucket.public_read,
            _ => false,
        };
        let may = call.signer.is_some() || is_open && !bucket.requester_pays;
        let pays = !bucket.requester_pays || call.pays;
        if may && pays { Ok(bucket) } else { Err(Refusal::denied().with("x-amz-bucket-region", bucket.region())) }
    }

    pub(super) fn list_buckets(&self, call: &Call) -> Result<Answer, Refusal> {
        if call.signer.is_none() {
            return Err(Refusal::denied());
        }
        let mut list = String::new();
        for (name, bucket) in &self.buckets {
            let inside = element("Name", name)
                + &element("CreationDate", &date(WRITTEN))
                + &element("BucketRegion", bucket.region());
            list.push_str(&format!("<Bucket>{inside}</Bucket>"));
        }
        let owner = "<Owner><ID>owner</ID></Owner>";
        Ok(Answer::xml("ListAllMyBucketsResult", &format!("{owner}<Buckets>{list}</Buckets>")))
    }
}
