//! A request, taken apart: which operation, with what, signed by whom, and whether the signature is right.

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::answer::{Protocol, Refusal};
pub(crate) use super::request::{Request, form_fields, percent_encoded};

/// What it asks for.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// Such as `iam`.
    pub(crate) service: String,
    /// Such as `ListUsers`.
    pub(crate) operation: String,
    /// The form's fields, or those of the JSON.
    pub(crate) parameters: BTreeMap<String, String>,
    /// The access key id that it is signed with.
    pub(crate) signer: Option<String>,
    /// When it came, in seconds since 1970.
    pub(crate) at: i64,
    /// The port that it came from: each connection has another.
    pub(crate) connection: u16,
    /// What became of it, if that was something else than usual.
    pub(crate) fault: Option<String>,
    /// The status of the answer; 0 when there was none.
    pub(crate) status: u16,
}

impl Call {
    pub(crate) fn of(request: &Request, at: i64, connection: u16) -> Self {
        let target = request.headers.get("x-amz-target").and_then(|target| target.split_once('.'));
        let (operation, parameters) = match target {
            Some((_, operation)) => (operation.to_owned(), json_fields(&request.body)),
            None => {
                let form = form_fields(&request.body);
                (form.get("Action").cloned().unwrap_or_default(), form)
            }
        };
        let scope = Signature::of(request);
        let service = scope.as_ref().map(|scope| scope.service.clone()).unwrap_or_default();
        let signer = scope.map(|scope| scope.id);
        Self { service, operation, parameters, signer, at, connection, fault: None, status: 0 }
    }

    /// How its service writes.
    pub(crate) fn protocol(&self) -> Protocol {
        if self.service == "organizations" { Protocol::Json } else { Protocol::Query }
    }

    /// `iam:ListUsers`.
    pub(crate) fn action(&self) -> String {
        format!("{}:{}", self.service, self.operation)
    }

    /// Whether it would change something.
    pub(crate) fn changes(&self) -> bool {
        let verbs = [
            "Add",
            "Attach",
            "Create",
            "Deactivate",
            "Delete",
            "Detach",
            "Put",
            "Remove",
            "Reset",
            "Set",
            "Tag",
            "Update",
        ];
        verbs.iter().any(|verb| self.operation.starts_with(verb))
    }

    /// A parameter that need not be there.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    /// One that must.
    pub(crate) fn needed(&self, name: &str) -> Result<&str, Refusal> {
        let field = name.chars().next().map(|first| first.to_ascii_lowercase()).into_iter().chain(name.chars().skip(1));
        let why = || {
            let field: String = field.collect();
            Refusal::invalid(format!(
                "1 validation error detected: Value null at '{field}' failed to satisfy constraint: Member must not be null"
            ))
        };
        self.parameter(name).ok_or_else(why)
    }
}

/// The parts of an `Authorization` header.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>
#[derive(Clone, Debug)]
pub(crate) struct Signature {
    pub(super) id: String,
    pub(super) day: String,
    pub(super) region: String,
    pub(super) service: String,
    /// Which headers are signed, with semicolons between.
    pub(super) headers: String,
    pub(super) signature: String,
}

impl Signature {
    pub(crate) fn of(request: &Request) -> Option<Self> {
        let fields = request.headers.get("authorization")?.strip_prefix("AWS4-HMAC-SHA256")?;
        let field = |name: &str| {
            fields.split(',').find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('=')).map(str::to_owned)
        };
        let credential = field("Credential")?;
        let [id, day, region, service, _] = credential.split('/').collect::<Vec<_>>().try_into().ok()?;
        Some(Self {
            id: id.to_owned(),
            day: day.to_owned(),
            region: region.to_owned(),
            service: service.to_owned(),
            headers: field("SignedHeaders")?,
            signature: field("Signature")?,
        })
    }

    /// What it has to be when that secret made it.
    pub(crate) fn by(&self, secret: &str, request: &Request) -> String {
        let Request { method, path, headers, body } = request;
        let value = |name: &str| headers.get(name).map(|value| value.trim()).unwrap_or_default();
        let lines: String = self.headers.split(';').map(|name| format!("{name}:{}\n", value(name))).collect();
        let canonical = format!("{method}\n{path}\n\n{lines}\n{}\n{}", self.headers, hex(&Sha256::digest(body)));
        let scope = format!("{}/{}/{}/aws4_request", self.day, self.region, self.service);
        let text = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{}", value("x-amz-date"), hex(&Sha256::digest(canonical)));
        let key = [&self.day, &self.region, &self.service, "aws4_request"]
            .into_iter()
            .fold(format!("AWS4{secret}").into_bytes(), |key, part| mac(&key, part.as_bytes()));
        hex(&mac(&key, text.as_bytes()))
    }
}

impl Request {
    /// When it was signed, by its sender's clock.
    pub(crate) fn signed_at(&self) -> Option<i64> {
        let text = self.headers.get("x-amz-date")?;
        Timestamp::strptime("%Y%m%dT%H%M%S%z", text.replace('Z', "+0000")).ok().map(Timestamp::as_second)
    }
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn json_fields(body: &[u8]) -> BTreeMap<String, String> {
    let fields: BTreeMap<String, serde_json::Value> = serde_json::from_slice(body).unwrap_or_default();
    let text = |value: serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    fields.into_iter().map(|(name, value)| (name, text(value))).collect()
}
