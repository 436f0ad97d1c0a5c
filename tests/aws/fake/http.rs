//! HTTP/1.1 as far as AWS's clients speak it, the server's half: answers with a length, connections that are kept.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};

use jiff::Timestamp;

use super::answer::Answer;

/// How much of an answer goes out, and what becomes of the connection then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// All of it; the next request may come.
    Kept,
    /// Half of it, then the connection is cut.
    Cut,
    /// All of it, then this side says that nothing more will come, and reads no more.
    HalfClosed,
}

/// Writes an answer; whether the connection goes on.
pub(super) fn respond(mut stream: &TcpStream, answer: &Answer, now: i64, ending: Ending) -> io::Result<bool> {
    let Answer { status, content_type, body } = answer;
    let date =
        Timestamp::from_second(now).expect("a moment of our time").strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} {}\r\nx-amzn-RequestId: 00000000-0000-4000-8000-000000000000\r\nDate: {date}\r\n\
         Content-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n",
        if *status == 200 { "OK" } else { "Error" },
    );
    let sent = if ending == Ending::Cut { &body[..body.len() / 2] } else { body };
    stream.write_all([head.as_bytes(), sent.as_bytes()].concat().as_slice())?;
    match ending {
        Ending::Kept => return Ok(true),
        Ending::Cut => stream.shutdown(Shutdown::Both)?,
        Ending::HalfClosed => {
            stream.shutdown(Shutdown::Write)?;
            // Not closed, or the other side would be told so: it has to notice by itself.
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest)?;
        }
    }
    Ok(false)
}
