//! The fake against what real AWS was seen to answer, over plain sockets.

mod answers;
mod faults;
mod signatures;

use std::io::{Read, Write};
use std::net::TcpStream;

use super::call::{Request, Signature};
use super::{Fake, now};

const ACCOUNT: &str = "111122223333";

/// Who signs, and by which clock.
struct Client<'a> {
    fake: &'a Fake,
    id: String,
    secret: String,
    token: Option<String>,
    clock_ahead: i64,
}

/// Status, and body.
type Answered = (u16, String);

impl<'a> Client<'a> {
    fn new(fake: &'a Fake) -> Self {
        let (id, secret) = fake.caller.clone();
        Self::with(fake, &id, &secret)
    }

    fn with(fake: &'a Fake, id: &str, secret: &str) -> Self {
        Self { fake, id: id.to_owned(), secret: secret.to_owned(), token: None, clock_ahead: 0 }
    }

    /// Calls IAM or STS.
    fn call(&self, operation: &str, fields: &[(&str, &str)]) -> Answered {
        self.try_call(operation, fields).expect("no answer")
    }

    /// The same; `None` when the connection ends before the answer does.
    fn try_call(&self, operation: &str, fields: &[(&str, &str)]) -> Option<Answered> {
        let mut stream = TcpStream::connect(self.fake.address).ok()?;
        self.send(&mut stream, operation, fields).ok()?;
        receive(&mut stream)
    }

    fn send(&self, stream: &mut TcpStream, operation: &str, fields: &[(&str, &str)]) -> std::io::Result<()> {
        let service = match operation {
            "GetCallerIdentity" | "GetAccessKeyInfo" | "AssumeRole" => "sts",
            _ => "iam",
        };
        let fields: String =
            fields.iter().map(|(name, value)| format!("&{name}={}", super::call::percent_encoded(value))).collect();
        self.send_body(stream, service, None, format!("Action={operation}&Version=2010-05-08{fields}"))
    }

    fn send_body(
        &self,
        stream: &mut TcpStream,
        service: &str,
        target: Option<&str>,
        body: String,
    ) -> std::io::Result<()> {
        let date = super::answer::date(now() + self.clock_ahead).replace(['-', ':'], "");
        let mut request = Request { method: "POST".to_owned(), path: "/".to_owned(), ..Request::default() };
        request.headers.insert("host".to_owned(), self.fake.address.to_string());
        request.headers.insert("x-amz-date".to_owned(), date.clone());
        request.headers.extend(target.map(|target| ("x-amz-target".to_owned(), target.to_owned())));
        request.headers.extend(self.token.clone().map(|token| ("x-amz-security-token".to_owned(), token)));
        request.body = body.into_bytes();
        let mut signature = Signature {
            id: self.id.clone(),
            day: date[..8].to_owned(),
            region: "us-east-1".to_owned(),
            service: service.to_owned(),
            headers: request.headers.keys().cloned().collect::<Vec<_>>().join(";"),
            signature: String::new(),
        };
        signature.signature = signature.by(&self.secret, &request);
        let Signature { id, day, region, headers, signature, .. } = signature;
        let scope = format!("{id}/{day}/{region}/{service}/aws4_request");
        let authorization =
            format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={headers}, Signature={signature}");
        let headers: String = request.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let length = request.body.len();
        let head =
            format!("POST / HTTP/1.1\r\n{headers}Authorization: {authorization}\r\nContent-Length: {length}\r\n\r\n");
        stream.write_all(&[head.as_bytes(), &request.body].concat())
    }
}

/// Reads one answer; `None` when it does not come to its end.
fn receive(stream: &mut TcpStream) -> Option<Answered> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let status = head.split(' ').nth(1)?.parse().unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).ok()?;
    Some((status, String::from_utf8(body).unwrap()))
}

/// The text of the first element of that name.
#[track_caller]
fn text<'a>(body: &'a str, element: &str) -> &'a str {
    let start = body.find(&format!("<{element}>")).unwrap_or_else(|| panic!("no {element} in {body}"));
    let rest = &body[start + element.len() + 2..];
    &rest[..rest.find(&format!("</{element}>")).unwrap()]
}

/// The code and the message of a refusal.
#[track_caller]
fn refused((status, body): &Answered) -> (u16, &str, &str) {
    (*status, text(body, "Code"), text(body, "Message"))
}
