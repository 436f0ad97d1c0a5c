//! Dumps of access keys as `aws iam list-access-keys` prints them, several one after the other, and of service-specific credentials as
//! `aws iam list-service-specific-credentials` does. Whose they are is found out elsewhere.

use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::credential_report::text;
use super::inventory::{KeyRecord, KeyStatus, ServiceCredential};
use super::moment;
use crate::key::AccessKeyId;

/// What one call printed: the credentials of one user, or of all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// The keys, `last_used` unknown.
    pub keys: Vec<KeyRecord>,
    /// The service-specific credentials.
    pub service_credentials: Vec<ServiceCredential>,
    /// There were more, which it does not have.
    pub is_truncated: bool,
}

/// Why a text is no dump. No values are told: who takes the wrong file may have secrets in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotADump {
    /// It is not even text in UTF-8.
    #[error("it is not text in UTF-8{}", if *.0 { " but in UTF-16, as PowerShell writes it; convert it first" } else { "" })]
    Encoding(bool),
    /// It is no JSON, or is about something else.
    #[error(
        "line {0}, column {1}: it should be the JSON that `aws iam list-access-keys` prints, `AccessKeyMetadata` with a `UserName`, an \
         `AccessKeyId`, a `Status` and a `CreateDate` in each"
    )]
    Syntax(usize, usize),
    /// There is nothing in it.
    #[error("it is empty; it should be the JSON that `aws iam list-access-keys` prints for each user")]
    Empty,
}

/// Reads a dump: documents one after the other, or arrays of documents or of what stands in them.
///
/// # Errors
/// When it is none.
pub fn parse(json: &[u8]) -> Result<Vec<Document>, NotADump> {
    let text = text(json).map_err(NotADump::Encoding)?;
    let mut documents = Vec::new();
    for part in serde_json::Deserializer::from_str(text).into_iter::<Part>() {
        // What serde says of it may show the values.
        let part = part.map_err(|error| NotADump::Syntax(error.line(), error.column()))?;
        documents.extend(part.0);
    }
    if documents.is_empty() { Err(NotADump::Empty) } else { Ok(documents) }
}

/// One value of the stream.
struct Part(Vec<Document>);

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PartVisitor)
    }
}

struct PartVisitor;

impl<'de> Visitor<'de> for PartVisitor {
    type Value = Part;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what `aws iam list-access-keys` prints")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Part, A::Error> {
        let mut documents = Vec::new();
        while let Some(part) = parts.next_element::<Part>()? {
            documents.extend(part.0);
        }
        Ok(Part(documents))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Part, A::Error> {
        let found = Found::deserialize(MapAccessDeserializer::new(map))?;
        found.into_document().map(|document| Part(vec![document])).ok_or_else(|| A::Error::custom("something else"))
    }
}

/// A document, or an entry of one that stands by itself.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Found {
    access_key_metadata: Option<Vec<Key>>,
    service_specific_credentials: Option<Vec<Credential>>,
    #[serde(default)]
    is_truncated: bool,
    /// What the AWS CLI writes when it was told to stop early.
    next_token: Option<String>,
    access_key_id: Option<Id>,
    service_specific_credential_id: Option<String>,
    user_name: Option<String>,
    status: Option<Status>,
    create_date: Option<Moment>,
    service_credential_alias: Option<String>,
    service_name: Option<String>,
    expiration_date: Option<Moment>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Key {
    user_name: String,
    access_key_id: Id,
    status: Status,
    create_date: Option<Moment>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Credential {
    user_name: String,
    service_specific_credential_id: String,
    status: Status,
    create_date: Option<Moment>,
    service_credential_alias: Option<String>,
    service_name: String,
    expiration_date: Option<Moment>,
}

impl Found {
    /// `None` when it is neither.
    fn into_document(self) -> Option<Document> {
        let is_truncated = self.is_truncated || self.next_token.is_some();
        let (keys, credentials) = (self.access_key_metadata, self.service_specific_credentials);
        if keys.is_some() || credentials.is_some() {
            return Some(Document {
                keys: keys.into_iter().flatten().map(KeyRecord::from).collect(),
                service_credentials: credentials.into_iter().flatten().map(ServiceCredential::from).collect(),
                is_truncated,
            });
        }
        let (user_name, status, create_date) = (self.user_name?, self.status?, self.create_date);
        if let Some(access_key_id) = self.access_key_id {
            let key = Key { user_name, access_key_id, status, create_date };
            return Some(Document { keys: vec![key.into()], ..Document::default() });
        }
        let credential = Credential {
            user_name,
            service_specific_credential_id: self.service_specific_credential_id?,
            status,
            create_date,
            service_credential_alias: self.service_credential_alias,
            service_name: self.service_name?,
            expiration_date: self.expiration_date,
        };
        Some(Document { service_credentials: vec![credential.into()], ..Document::default() })
    }
}

impl From<Key> for KeyRecord {
    fn from(key: Key) -> Self {
        Self {
            id: key.access_key_id.0,
            user: key.user_name,
            status: key.status.0,
            created: key.create_date.map(|moment| moment.0),
            last_used: None,
        }
    }
}

impl From<Credential> for ServiceCredential {
    fn from(credential: Credential) -> Self {
        Self {
            id: credential.service_specific_credential_id,
            alias: credential.service_credential_alias,
            service: credential.service_name,
            user: credential.user_name,
            status: credential.status.0,
            created: credential.create_date.map(|moment| moment.0),
            expires: credential.expiration_date.map(|moment| moment.0),
        }
    }
}

/// AWS vouches for it, and so does whoever emulates AWS.
struct Id(AccessKeyId);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        AccessKeyId::shaped(text.as_bytes()).map(Self).ok_or_else(|| D::Error::custom("no access key id"))
    }
}

struct Status(KeyStatus);

impl<'de> Deserialize<'de> for Status {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        KeyStatus::parse(&text).map(Self).ok_or_else(|| D::Error::custom("no status"))
    }
}

/// RFC 3339, or seconds since 1970, which is the other way in which the AWS CLI and SDKs write dates.
struct Moment(i64);

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MomentVisitor)
    }
}

struct MomentVisitor;

impl Visitor<'_> for MomentVisitor {
    type Value = Moment;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a date")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Moment, E> {
        moment::parse(text).map(Moment).ok_or_else(|| E::custom("no date"))
    }

    fn visit_i64<E: Error>(self, seconds: i64) -> Result<Moment, E> {
        Ok(Moment(seconds))
    }

    fn visit_u64<E: Error>(self, seconds: u64) -> Result<Moment, E> {
        i64::try_from(seconds).map(Moment).map_err(E::custom)
    }

    fn visit_f64<E: Error>(self, seconds: f64) -> Result<Moment, E> {
        // What is beyond any calendar saturates.
        Ok(Moment(seconds.floor() as i64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "AKIA";

    /// Ids of tests are put together at run time so that no scanner flags this file.
    fn id(rest: &str) -> AccessKeyId {
        AccessKeyId::shaped([HEAD, rest].concat().as_bytes()).unwrap()
    }

    fn entry(user: &str, rest: &str, date: &str) -> String {
        format!(
            r#"{{"UserName": "{user}", "AccessKeyId": "{HEAD}{rest}", "Status": "Active", "CreateDate": {date}, "Other": [1]}}"#
        )
    }

    fn key(user: &str, rest: &str) -> KeyRecord {
        let created = Some(1_709_287_200);
        KeyRecord { id: id(rest), user: user.to_owned(), status: KeyStatus::Active, created, last_used: None }
    }

    const ONE: &str = "SP2TPHJSQH3FJRUX";
    const TWO: &str = "XYZDQCEN4B6JSJQI";

    #[test]
    fn documents_are_read_one_after_the_other_in_arrays_and_by_entries() {
        let (one, two) = (entry("ann", ONE, "\"2024-03-01T10:00:00Z\""), entry("bob", TWO, "1709287200"));
        let document = |entries: &str| format!("{{\"AccessKeyMetadata\": [{entries}], \"IsTruncated\": false}}");
        for text in [
            document(&format!("{one},{two}")),
            format!("{}\n{}{}", document(&one), document(""), document(&two)),
            format!("\u{feff}[{},\r\n{}]", document(&one), document(&two)),
            format!("[{one}, {two}]"),
            format!("[[{one}]]{two}"),
        ] {
            let keys: Vec<KeyRecord> =
                parse(text.as_bytes()).unwrap().into_iter().flat_map(|document| document.keys).collect();
            assert_eq!(keys, [key("ann", ONE), key("bob", TWO)], "{text}");
        }
    }

    #[test]
    fn dates_are_read_however_they_are_written() {
        for date in ["\"2024-03-01T12:00:00+02:00\"", "\"2024-03-01T10:00:00.25Z\"", "1709287200", "1709287200.75"] {
            let documents = parse(entry("ann", ONE, date).as_bytes()).unwrap();
            assert_eq!(documents[0].keys, [key("ann", ONE)], "{date}");
        }
    }

    #[test]
    fn a_page_that_others_follow_is_known_as_one() {
        for (rest, expected) in [
            (r#""IsTruncated": true, "Marker": "x""#, true),
            (r#""NextToken": "x""#, true),
            (r#""IsTruncated": false"#, false),
        ] {
            let text = format!("{{\"AccessKeyMetadata\": [], {rest}}}");
            assert_eq!(parse(text.as_bytes()).unwrap()[0].is_truncated, expected, "{rest}");
        }
    }

    #[test]
    fn service_credentials_are_read_where_they_come_by() {
        let entry = r#"{"UserName": "ann", "Status": "Inactive", "CreateDate": "2024-03-01T10:00:00+00:00",
            "ServiceSpecificCredentialId": "ACCA1", "ServiceCredentialAlias": "ann-at-111122223333", "ServiceName": "bedrock.amazonaws.com",
            "ExpirationDate": "2024-03-02T10:00:00+00:00"}"#;
        for text in [format!("{{\"ServiceSpecificCredentials\": [{entry}]}}"), format!("[{entry}]")] {
            let credential = &parse(text.as_bytes()).unwrap()[0].service_credentials[0];
            assert_eq!(credential.alias.as_deref(), Some("ann-at-111122223333"));
            assert_eq!((credential.id.as_str(), credential.user.as_str()), ("ACCA1", "ann"));
            assert_eq!(
                (credential.status, credential.service.as_str()),
                (KeyStatus::Inactive, "bedrock.amazonaws.com")
            );
            assert_eq!((credential.created, credential.expires), (Some(1_709_287_200), Some(1_709_373_600)));
        }
    }

    #[test]
    fn what_is_no_dump_is_refused_with_its_place_and_not_shown() {
        let secret = "hunter2";
        let whole = entry("ann", ONE, "\"2024-03-01T10:00:00Z\"");
        // Where the value ends that is not taken.
        let behind = |text: &str| format!("line 1, column {}:", text.find(secret).unwrap() + secret.len() + 1);
        for field in ["Active", &[HEAD, ONE].concat(), "2024-03-01T10:00:00Z"] {
            let text = whole.replace(field, secret);
            let error = parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(&behind(&text)) && !error.contains(secret), "{error}\n{text}");
        }
        for (text, place) in [
            (format!("\n{secret}"), "line 2, column 1:"),
            (format!("\"{secret}\""), "line 1, column"),
            (format!("{whole}\n{{\"Users\": [\"{secret}\"]}}"), "line 2, column"),
            (whole.replace("UserName", secret), "line 1, column"),
            (whole[..whole.len() - 1].to_owned(), "line 1, column"),
        ] {
            let error = parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(place) && !error.contains(secret), "{error}\n{text}");
        }
    }

    #[test]
    fn what_is_empty_or_no_text_is_refused() {
        for text in ["", " \n", "[]", "[[]]"] {
            assert_eq!(parse(text.as_bytes()), Err(NotADump::Empty), "{text}");
        }
        assert_eq!(parse(b"\xff\xfe{\0"), Err(NotADump::Encoding(true)));
        assert!(parse(b"\xff\xfe{\0").unwrap_err().to_string().contains("UTF-16"));
        assert_eq!(parse(b"{\"a\xff"), Err(NotADump::Encoding(false)));
    }
}
