//! A request as AWS's clients send it over HTTP/1.1, read from a connection, and how they encode text in it.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read};
use std::net::TcpStream;

/// A request as it came over the wire.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// With the query, still encoded.
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// The next request on a connection; `None` at its end.
    pub(crate) fn read(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Self>> {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let mut words = line.split_whitespace().map(str::to_owned);
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let mut request = Self { method, path, ..Self::default() };
        loop {
            let mut line = String::new();
            stream.read_line(&mut line)?;
            let Some((name, value)) = line.split_once(':') else { break };
            request.headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let length = request.headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        request.body.resize(length, 0);
        stream.read_exact(&mut request.body)?;
        Ok(Some(request))
    }
}

/// The fields of a form, or of a query.
pub(crate) fn form_fields(body: &[u8]) -> BTreeMap<String, String> {
    let body = String::from_utf8_lossy(body);
    let fields = body.split('&').filter(|field| !field.is_empty());
    let fields = fields.map(|field| field.split_once('=').unwrap_or((field, "")));
    fields.map(|(name, value)| (decoded(&name.replace('+', " ")), decoded(&value.replace('+', " ")))).collect()
}

/// Without percent codes.
pub(crate) fn decoded(text: &str) -> String {
    let mut pieces = text.split('%');
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let (digits, rest) = piece.split_at(2);
        bytes.push(u8::from_str_radix(digits, 16).expect("two hexadecimal digits behind a percent sign"));
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).expect("what clients send is UTF-8")
}

/// With percent codes for all but these characters, letters and digits.
pub(crate) fn encoded(text: &str, kept: &[u8]) -> String {
    let byte = |byte: u8| match byte.is_ascii_alphanumeric() || kept.contains(&byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// As `GetUserPolicy` writes documents.
pub(crate) fn percent_encoded(text: &str) -> String {
    encoded(text, b"-._~")
}

#[test]
fn forms_are_taken_apart() {
    let fields = form_fields(b"Action=PutUserPolicy&UserName=a%2Bb&PolicyDocument=%7B%22a%22%3A+1%7D&Empty=&bare");
    assert_eq!(fields["UserName"], "a+b");
    assert_eq!(fields["PolicyDocument"], "{\"a\": 1}");
    assert_eq!(fields["Empty"], "");
    assert_eq!(fields["bare"], "");
    assert_eq!(decoded(&percent_encoded("{\"ä\": 1}")), "{\"ä\": 1}");
}
