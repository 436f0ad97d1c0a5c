//! S3 that answers what it is told to, on a port of this machine, and a store that looks at it without much patience.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;

use super::connect::{Inner, Patience, runtime};
use super::gate::Pauses;
use super::{Bucket, Store, StoreError, StoreOptions, Viewer, Wanted};
use crate::aws::Caller;
use crate::key::AccountId;

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// `GET /bucket/key?query`.
    pub(crate) line: String,
    /// In lower case, `name: value`.
    pub(crate) headers: Vec<String>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|header| header.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// What to send back; the connection stays open as long as it holds.
pub(crate) enum Reply {
    /// Head and body.
    Whole(String, Vec<u8>),
    /// A head, so much of its body, and the end of the connection.
    Cut(String, Vec<u8>),
    /// A head, so much of its body, and nothing more.
    Stalled(String, Vec<u8>),
}

pub(crate) fn reply(status: &str, headers: &[&str], body: impl AsRef<[u8]>) -> Reply {
    let body = body.as_ref();
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    Reply::Whole(format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n", body.len()), body.to_vec())
}

pub(crate) fn error(status: &str, code: &str, message: &str) -> Reply {
    reply(status, &[], format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>"))
}

/// A server that answers by a function of the request and of how many came before it, and the requests that it got.
pub(crate) struct Server {
    port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    pub(crate) fn new(answer: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (answer, seen) = (Arc::new(answer), requests.clone());
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (answer, seen) = (answer.clone(), seen.clone());
                thread::spawn(move || serve(stream, &*answer, &seen));
            }
        });
        Self { port, requests }
    }

    /// One that is not there.
    pub(crate) fn gone() -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self { port: free, requests: Arc::default() }
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// How many requests had this in their line.
    pub(crate) fn count(&self, part: &str) -> usize {
        self.requests().iter().filter(|request| request.line.contains(part)).count()
    }

    /// A store that names this server so.
    pub(crate) fn store(&self, viewer: Viewer, host: &str) -> Store {
        self.store_at_once(viewer, host, 64)
    }

    fn store_at_once(&self, viewer: Viewer, host: &str, at_once: usize) -> Store {
        let runtime = runtime().unwrap();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .endpoint_url(format!("http://{host}:{}", self.port));
        loader = match &viewer {
            Viewer::Stranger => loader.no_credentials(),
            Viewer::Caller(_) => {
                let id = ["AKIA", "IOSFODNN7EXAMPLE"].concat();
                loader.credentials_provider(Credentials::new(id, "none", None, None, "test"))
            }
        };
        let config = runtime.block_on(loader.load());
        let options = StoreOptions { request_payer: false, at_once };
        Store { inner: Arc::new(Inner::new(viewer, config, options, IMPATIENT, runtime)) }
    }

    /// As an account's user.
    pub(crate) fn owned(&self) -> Store {
        self.owned_at_once(64)
    }

    /// The same, of which no more requests may be under way to a bucket.
    pub(crate) fn owned_at_once(&self, at_once: usize) -> Store {
        let account = AccountId::parse("111122223333").unwrap();
        let arn = "arn:aws:iam::111122223333:user/a".to_owned();
        let caller = Caller { account, arn, access_key_ids: [].into() };
        self.store_at_once(Viewer::Caller(Arc::new(caller)), "127.0.0.1", at_once)
    }

    /// As a stranger.
    pub(crate) fn strange(&self) -> Store {
        self.store(Viewer::Stranger, "127.0.0.1")
    }
}

const IMPATIENT: Patience = Patience {
    connect: Duration::from_secs(3),
    answer: Duration::from_secs(5),
    stall: Duration::from_millis(100),
    backoff: Duration::from_millis(1),
    attempts: 4,
    pauses: Pauses {
        first: Duration::from_millis(1),
        longest: Duration::from_millis(4),
        patience: Duration::from_secs(3600),
    },
};

fn serve(stream: TcpStream, answer: &dyn Fn(&Request, usize) -> Reply, seen: &Mutex<Vec<Request>>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    while let Some(request) = read(&mut lines) {
        let number = {
            let mut seen = seen.lock().unwrap();
            seen.push(request.clone());
            seen.len() - 1
        };
        let is_head = request.line.starts_with("HEAD ");
        match answer(&request, number) {
            Reply::Whole(head, body) => {
                let body = if is_head { Vec::new() } else { body };
                stream.write_all(&[head.into_bytes(), body].concat()).unwrap();
            }
            Reply::Cut(head, body) => {
                stream.write_all(&[head.into_bytes(), body].concat()).unwrap();
                return;
            }
            Reply::Stalled(head, body) => {
                stream.write_all(&[head.into_bytes(), body].concat()).unwrap();
                // Until the other end has had enough.
                let _ = lines.read(&mut [0]);
                return;
            }
        }
    }
}

fn read(lines: &mut impl BufRead) -> Option<Request> {
    let mut line = || {
        let mut line = String::new();
        lines.read_line(&mut line).ok().filter(|&length| length > 0)?;
        Some(line.trim_end().to_owned())
    };
    let first = line()?;
    let mut headers = Vec::new();
    while let Some(header) = line().filter(|header| !header.is_empty()) {
        let (name, value) = header.split_once(": ").unwrap_or((&header, ""));
        headers.push(format!("{}: {value}", name.to_lowercase()));
    }
    Some(Request { line: first.trim_end_matches(" HTTP/1.1").to_owned(), headers })
}

pub(crate) fn wanted(key: &str) -> Wanted {
    Wanted { key: key.into(), version_id: None, etag: Box::default(), from: 0 }
}

/// Reads an object whole.
pub(crate) fn read_all(bucket: &Bucket, wanted: &Wanted) -> Result<Vec<u8>, StoreError> {
    bucket.store().handle().block_on(async {
        let turn = bucket.turn().await;
        bucket.get(turn, wanted).await?.whole().await
    })
}
