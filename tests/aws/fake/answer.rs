//! How AWS writes answers: XML of the Query protocol, JSON of Organizations, and the errors of both.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde_json::json;

/// An answer before it goes over the wire, where more may become of it.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) body: String,
}

/// Why AWS does not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
}

/// How a service writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// IAM and STS.
    Query,
    /// Organizations.
    Json,
}

impl Refusal {
    pub(crate) fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into() }
    }

    /// There is no such thing.
    pub(crate) fn no_such(message: impl Into<String>) -> Self {
        Self::new(404, "NoSuchEntity", message)
    }

    /// What was asked is not understood.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "ValidationError", message)
    }

    /// Too many calls.
    pub(crate) fn throttling() -> Self {
        Self::new(400, "Throttling", "Rate exceeded")
    }
}

impl Answer {
    /// What an operation came to: the inside of its result element, or all of its JSON.
    pub(crate) fn to(protocol: Protocol, operation: &str, outcome: Result<String, Refusal>) -> Self {
        match (protocol, outcome) {
            (Protocol::Query, Ok(result)) => Self::xml(200, wrapped(operation, &result)),
            (Protocol::Query, Err(refusal)) => Self::xml(refusal.status, error_xml(&refusal)),
            (Protocol::Json, Ok(body)) => Self::json(200, body),
            (Protocol::Json, Err(Refusal { status, code, message })) => {
                Self::json(status, json!({"__type": code, "Message": message}).to_string())
            }
        }
    }

    fn xml(status: u16, body: String) -> Self {
        Self { status, content_type: "text/xml", body }
    }

    fn json(status: u16, body: String) -> Self {
        Self { status, content_type: "application/x-amz-json-1.1", body }
    }
}

fn wrapped(operation: &str, result: &str) -> String {
    let space = match operation {
        "AssumeRole" | "GetAccessKeyInfo" | "GetCallerIdentity" => "https://sts.amazonaws.com/doc/2011-06-15/",
        _ => "https://iam.amazonaws.com/doc/2010-05-08/",
    };
    // Operations that change something and have nothing to say have no result element.
    let result = match result {
        "" => String::new(),
        _ => format!("<{operation}Result>{result}</{operation}Result>"),
    };
    format!(
        "<{operation}Response xmlns=\"{space}\">{result}<ResponseMetadata><RequestId>\
         00000000-0000-4000-8000-000000000000</RequestId></ResponseMetadata></{operation}Response>"
    )
}

fn error_xml(Refusal { status, code, message }: &Refusal) -> String {
    let at = if *status < 500 { "Sender" } else { "Receiver" };
    let (code, message) = (escaped(code), escaped(message));
    format!(
        "<ErrorResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><Error><Type>{at}</Type><Code>{code}</Code>\
         <Message>{message}</Message></Error><RequestId>00000000-0000-4000-8000-000000000000</RequestId></ErrorResponse>"
    )
}

/// An element with text in it.
pub(crate) fn element(name: &str, text: impl AsRef<str>) -> String {
    format!("<{name}>{}</{name}>", escaped(text.as_ref()))
}

/// A list of elements, `member` each.
pub(crate) fn members(name: &str, members: impl IntoIterator<Item = String>) -> String {
    let mut list = String::new();
    for member in members {
        write!(list, "<member>{member}</member>").expect("strings take everything");
    }
    format!("<{name}>{list}</{name}>")
}

/// A moment as AWS writes it: UTC, whole seconds.
pub(crate) fn date(seconds: i64) -> String {
    Timestamp::from_second(seconds).expect("a moment of our time").to_string()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
