//! How S3 answers: XML, errors, and bodies that may break off.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::net::TcpStream;

use jiff::Timestamp;

use super::bucket::Content;

/// An answer before it goes over the wire.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    content: Content,
    /// Which of its bytes.
    from: u64,
    length: u64,
}

/// Why S3 does not do what was asked.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    status: u16,
    code: &'static str,
    message: String,
    headers: Vec<(String, String)>,
    /// Further elements of the error.
    details: String,
}

/// How much of a body goes out, and what becomes of the connection then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// All of it; the next request may come.
    Kept,
    /// So many bytes, then the connection is cut.
    Cut(u64),
    /// So many bytes, then nothing more.
    Stalled(u64),
}

impl Refusal {
    pub(crate) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), headers: Vec::new(), details: String::new() }
    }

    pub(crate) fn with(mut self, header: &str, value: impl Into<String>) -> Self {
        self.headers.push((header.to_owned(), value.into()));
        self
    }

    pub(crate) fn detail(mut self, name: &str, text: &str) -> Self {
        self.details += &element(name, text);
        self
    }

    pub(crate) fn denied() -> Self {
        Self::new(403, "AccessDenied", "Access Denied")
    }

    /// Asked too often.
    pub(crate) fn slow_down() -> Self {
        Self::new(503, "SlowDown", "Please reduce your request rate.")
    }

    /// S3 has a bad day.
    pub(crate) fn internal() -> Self {
        Self::new(500, "InternalError", "We encountered an internal error. Please try again.")
    }

    /// The key that it is encrypted with is not for the caller.
    pub(crate) fn kms() -> Self {
        let why = "User: arn:aws:iam::111122223333:user/reader is not authorized to perform: kms:Decrypt on the resource associated with \
                   this ciphertext because the resource does not exist in this Region, no resource-based policies allow access, or a \
                   resource-based policy explicitly denies access";
        Self::new(403, "AccessDenied", why)
    }
}

impl From<Refusal> for Answer {
    fn from(Refusal { status, code, message, headers, details }: Refusal) -> Self {
        let inside = element("Code", code) + &element("Message", &message) + &details;
        let body = format!("{HEAD}<Error>{inside}<RequestId>{REQUEST}</RequestId><HostId>host</HostId></Error>");
        let mut answer = Self::new(status).body(body.into_bytes()).with("Content-Type", "application/xml");
        answer.headers.extend(headers);
        answer
    }
}

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
const REQUEST: &str = "4442587FB7D0A2F9";

impl Answer {
    pub(super) fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), content: Content::default(), from: 0, length: 0 }
    }

    /// XML with this root element.
    pub(super) fn xml(root: &str, inside: &str) -> Self {
        let space = "http://s3.amazonaws.com/doc/2006-03-01/";
        let body = format!("{HEAD}<{root} xmlns=\"{space}\">{inside}</{root}>");
        Self::new(200).body(body.into_bytes()).with("Content-Type", "application/xml")
    }

    pub(super) fn with(mut self, header: &str, value: impl Into<String>) -> Self {
        self.headers.push((header.to_owned(), value.into()));
        self
    }

    pub(super) fn body(self, bytes: Vec<u8>) -> Self {
        let length = bytes.len() as u64;
        self.part(Content::from(bytes), 0, length)
    }

    /// With a part of an object as its body.
    pub(super) fn part(mut self, content: Content, from: u64, length: u64) -> Self {
        (self.content, self.from, self.length) = (content, from, length);
        self
    }

    /// Sends it, as far as `ending` lets it; of the answer to `HEAD` only the head.
    pub(super) fn write(&self, mut stream: &TcpStream, is_head: bool, ending: Ending) -> io::Result<()> {
        let now = http_date(Timestamp::now().as_second());
        let Self { status, length, .. } = self;
        let words = if *status < 300 { "OK" } else { "Error" };
        let mut head = format!(
            "HTTP/1.1 {status} {words}\r\nx-amz-request-id: {REQUEST}\r\nDate: {now}\r\nServer: AmazonS3\r\nContent-Length: {length}\r\n"
        );
        for (name, value) in &self.headers {
            write!(head, "{name}: {value}\r\n").expect("strings take everything");
        }
        head.push_str("\r\n");
        let sent = match ending {
            _ if is_head => 0,
            Ending::Kept => *length,
            Ending::Cut(after) | Ending::Stalled(after) => after.min(*length),
        };
        // Head and small bodies go out together.
        let mut buffer = head.into_bytes();
        let mut at = 0;
        while at < sent {
            let piece = (sent - at).min(PIECE);
            self.content.read(self.from + at, piece as usize, &mut buffer);
            at += piece;
            if at < sent {
                stream.write_all(&buffer)?;
                buffer.clear();
            }
        }
        stream.write_all(&buffer)
    }
}

const PIECE: u64 = 256 << 10;

/// An element with text in it.
pub(super) fn element(name: &str, text: &str) -> String {
    format!("<{name}>{}</{name}>", escaped(text))
}

/// Control characters too are written as references, which XML does not allow: that is how S3 breaks a list with one name.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c if c.is_ascii_control() => write!(escaped, "&#x{:x};", u32::from(c)).expect("strings take everything"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// A moment as lists have it.
pub(crate) fn date(seconds: i64) -> String {
    let text = Timestamp::from_second(seconds).expect("a moment of our time").to_string();
    text.replace('Z', ".000Z")
}

/// A moment as headers have it.
pub(super) fn http_date(seconds: i64) -> String {
    let moment = Timestamp::from_second(seconds).expect("a moment of our time");
    moment.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
