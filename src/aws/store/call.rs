//! The one way by which requests about a bucket go out: to the region that it turns out to be in, at its own pace, and again where that may help.
//! What an answer means is worked out in `no`.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{Instant, sleep};

use super::connect::Inner;
use super::gate::{Gate, Turn};
use super::no::{Refusal, Repeat, region_of};
use super::{Bucket, No, StoreError};

/// How often a request is repeated that was turned away because there were too many.
const TURNED_AWAY: u32 = 12;

/// What is asked, for counts and for words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask {
    /// S3's name for the operation: `GetObject`.
    pub(super) operation: &'static str,
    /// The permission that it takes: `s3:GetObjectVersion`.
    pub(super) permission: &'static str,
    /// It is about an object, which may be gone, and not about all of a bucket.
    pub(super) is_of_object: bool,
}

/// How a bucket is reached. All who ask for it share this.
pub(super) struct Reach {
    name: Arc<str>,
    gate: Arc<Gate>,
    line: RwLock<Line>,
    /// Nothing speaks against the region.
    is_found: AtomicBool,
    /// As long as it is not found, one asks and the others wait: else all would be sent on at once.
    finding: Mutex<()>,
}

/// To where requests go.
#[derive(Clone)]
struct Line {
    client: Client,
    /// `None` for what the configuration says.
    region: Option<Arc<str>>,
}

impl Reach {
    pub(super) fn new(name: Arc<str>, inner: &Inner) -> Self {
        Self {
            name,
            gate: Arc::new(Gate::new(inner.options.at_once, inner.patience.pauses)),
            line: RwLock::new(Line { client: inner.client(None), region: None }),
            is_found: AtomicBool::new(false),
            finding: Mutex::default(),
        }
    }

    pub(super) fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(super) fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    fn line(&self) -> Line {
        self.line.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn moves(&self, line: Line) {
        *self.line.write().unwrap_or_else(PoisonError::into_inner) = line;
    }

    /// Waits until nobody else is finding out where it is.
    async fn found(&self) -> Option<MutexGuard<'_, ()>> {
        if self.is_found.load(Ordering::Acquire) {
            return None;
        }
        let finding = self.finding.lock().await;
        (!self.is_found.load(Ordering::Acquire)).then_some(finding)
    }

    fn is_found(&self) {
        if !self.is_found.load(Ordering::Relaxed) {
            self.is_found.store(true, Ordering::Release);
        }
    }
}

/// What was tried of one request.
#[derive(Default)]
struct Tried {
    /// Attempts that came to an error which may not come again.
    failed: u32,
    turned_away: u32,
    /// To where it was sent on.
    regions: Vec<Arc<str>>,
}

impl Bucket {
    /// Makes a request. `send` does so once, by the client that it is given; with a turn, which it holds, how long the answer takes is noted.
    ///
    /// # Errors
    /// When all attempts came to nothing.
    pub(super) async fn call<T, E, F>(
        &self,
        ask: Ask,
        mut turn: Option<&mut Turn>,
        send: impl Fn(&Client) -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let (reach, mut tried) = (&*self.reach, Tried::default());
        loop {
            self.open().await?;
            let finding = reach.found().await;
            let line = reach.line();
            self.store.inner.count(ask.operation);
            let sent = Instant::now();
            let error = match send(&self.client(line.client.clone())).await {
                Ok(answer) => {
                    reach.is_found();
                    // How long lists take says nothing of objects.
                    if turn.is_some() {
                        reach.gate.answered(sent);
                    } else {
                        reach.gate.let_in();
                    }
                    return Ok(answer);
                }
                Err(error) => error,
            };
            let (repeat, error) = match Refusal::of(error, ask, &self.store.inner.viewer) {
                Refusal::Elsewhere(region) => {
                    self.follow(&line, region, &mut tried).await?;
                    continue;
                }
                Refusal::Here(repeat, error) => (repeat, error),
            };
            reach.is_found();
            drop(finding);
            match repeat {
                Repeat::Never => {
                    reach.gate.let_in();
                    return Err(error);
                }
                Repeat::Soon => {
                    tried.failed += 1;
                    if tried.failed >= self.store.inner.patience.attempts {
                        return Err(error);
                    }
                    sleep(self.backoff(tried.failed)).await;
                }
                Repeat::Slower => {
                    reach.gate.slow_down(sent);
                    tried.turned_away += 1;
                    if tried.turned_away >= TURNED_AWAY {
                        return Err(error);
                    }
                    if let Some(turn) = turn.as_deref_mut() {
                        turn.again().await;
                    }
                }
            }
        }
    }

    /// The region that it was reached in; `None` as long as nothing there has answered.
    pub(super) fn region(&self) -> Option<String> {
        let is_found = self.reach.is_found.load(Ordering::Relaxed);
        let region = self.reach.line().client.config().region().map(|region| region.as_ref().to_owned());
        region.filter(|_| is_found)
    }

    /// The pause before the next attempt, when so many have failed.
    pub(super) fn backoff(&self, failed: u32) -> Duration {
        self.store.inner.patience.backoff * 2_u32.saturating_pow(failed.saturating_sub(1).min(6))
    }

    async fn open(&self) -> Result<(), StoreError> {
        self.reach.gate.open().await.map_err(|_| StoreError {
            kind: No::SlowDown,
            code: "SlowDown".into(),
            why: "the bucket has answered nothing but that it is asked too often; try again later".to_owned(),
            permission: None,
        })
    }

    /// Goes on in the region where the bucket is said to be.
    async fn follow(&self, from: &Line, region: Option<String>, tried: &mut Tried) -> Result<(), StoreError> {
        let now = self.reach.line();
        if now.region != from.region {
            // Somebody else has followed it meanwhile.
            return Ok(());
        }
        let region: Arc<str> = match region {
            Some(region) => region.into(),
            None => self.ask_for_region(&from.client).await?.into(),
        };
        if from.region.as_ref() == Some(&region) || tried.regions.contains(&region) {
            let why = format!(
                "S3 says that the bucket is in {region}, and in {region} that it is elsewhere; name its region with --region"
            );
            return Err(StoreError { kind: No::Failed, code: "PermanentRedirect".into(), why, permission: None });
        }
        tried.regions.push(region.clone());
        self.reach.moves(Line { client: self.store.inner.client(Some(&region)), region: Some(region) });
        Ok(())
    }

    /// `HeadBucket` tells the region in a header, whatever else it says.
    async fn ask_for_region(&self, client: &Client) -> Result<String, StoreError> {
        self.store.inner.count("HeadBucket");
        let told = match client.head_bucket().bucket(&**self.name()).send().await {
            Ok(answer) => answer.bucket_region,
            Err(error) => error.raw_response().and_then(region_of),
        };
        told.ok_or_else(|| StoreError {
            kind: No::Failed,
            code: "PermanentRedirect".into(),
            why: "the bucket is in another region, and S3 does not say in which; name it with --region".to_owned(),
            permission: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Reply, Request, Server, error, read_all, reply, wanted};
    use super::super::{Listing, No};

    const LIST: &str = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
    const MOVED: &str = "<Error><Code>PermanentRedirect</Code><Message>Elsewhere</Message></Error>";

    /// The region that a request is signed for.
    fn region(request: &Request) -> String {
        let signature = request.header("authorization").unwrap_or_default();
        signature.split('/').nth(2).unwrap_or_default().to_owned()
    }

    fn list(server: &Server) -> Result<(), super::StoreError> {
        let store = server.owned();
        store.handle().block_on(store.bucket("b").list(&Listing::default(), None)).map(drop)
    }

    #[test]
    fn a_bucket_elsewhere_is_followed_once_and_then_known() {
        let headed = reply_moved;
        let server = Server::new(
            move |request, _| if region(request) == "eu-west-1" { reply("200 OK", &[], LIST) } else { headed() },
        );
        let store = server.owned();
        for _ in 0..3 {
            store.handle().block_on(store.bucket("b").list(&Listing::default(), None)).unwrap();
        }
        let regions: Vec<String> = server.requests().iter().map(region).collect();
        assert_eq!(regions, ["us-east-1", "eu-west-1", "eu-west-1", "eu-west-1"]);
        assert_eq!(store.requests()["s3:ListObjectsV2"], 4);
    }

    fn reply_moved() -> Reply {
        reply("301 Moved Permanently", &["x-amz-bucket-region: eu-west-1"], MOVED)
    }

    #[test]
    fn many_who_ask_first_do_not_all_ask_in_the_wrong_place() {
        let server = Server::new(|request, _| match region(request).as_str() {
            "eu-west-1" => reply("200 OK", &[], "x"),
            _ => reply_moved(),
        });
        let store = server.owned();
        let bucket = store.bucket("b");
        store.handle().block_on(async {
            let mut all = tokio::task::JoinSet::new();
            for _ in 0..20 {
                let bucket = bucket.clone();
                all.spawn(async move {
                    bucket.get(bucket.turn().await, &wanted("k")).await.unwrap().whole().await.unwrap()
                });
            }
            assert!(all.join_all().await.iter().all(|body| body == b"x"));
        });
        assert_eq!(server.requests().len(), 21);
    }

    #[test]
    fn other_ways_to_say_elsewhere_are_understood() {
        let malformed = "<Error><Code>AuthorizationHeaderMalformed</Code><Message>the region 'us-east-1' is wrong</Message>\
                         <Region>eu-west-1</Region></Error>";
        let location = "<Error><Code>IllegalLocationConstraintException</Code><Message>x</Message></Error>";
        for (status, headers, body, asks) in [
            ("400 Bad Request", &[][..], malformed, 2),
            ("307 Temporary Redirect", &["x-amz-bucket-region: eu-west-1"][..], MOVED, 2),
            // HeadBucket tells where, if nobody else does.
            ("301 Moved Permanently", &[][..], MOVED, 3),
            ("400 Bad Request", &[][..], location, 3),
        ] {
            let server = Server::new(move |request, _| match region(request).as_str() {
                "eu-west-1" => reply("200 OK", &[], LIST),
                _ if request.line.starts_with("HEAD") => {
                    reply("403 Forbidden", &["x-amz-bucket-region: eu-west-1"], "")
                }
                _ => reply(status, headers, body),
            });
            list(&server).unwrap();
            assert_eq!(server.requests().len(), asks, "{status} {body}");
        }
    }

    #[test]
    fn a_bucket_that_is_nowhere_is_an_error() {
        let circle = Server::new(|request, _| {
            let other = if region(request) == "eu-west-1" { "us-east-1" } else { "eu-west-1" };
            reply("301 Moved Permanently", &[&format!("x-amz-bucket-region: {other}")], MOVED)
        });
        let error = list(&circle).unwrap_err();
        assert!(error.kind == No::Failed && error.why.contains("elsewhere"), "{error}");
        assert!(circle.requests().len() <= 4);
        let silent = Server::new(|_, _| reply("301 Moved Permanently", &[], MOVED));
        let error = list(&silent).unwrap_err();
        assert!(error.why.contains("--region"), "{error}");
    }

    #[test]
    fn what_may_come_to_something_is_asked_again() {
        for (status, code) in [("500 Internal Server Error", "InternalError"), ("503 Service Unavailable", "SlowDown")]
        {
            let server = Server::new(
                move |_, before| if before < 2 { error(status, code, "x") } else { reply("200 OK", &[], "x") },
            );
            assert_eq!(read_all(&server.owned().bucket("b"), &wanted("k")).unwrap(), b"x");
            assert_eq!(server.requests().len(), 3, "{code}");
        }
    }

    #[test]
    fn what_comes_to_nothing_is_given_up() {
        let server =
            Server::new(|_, _| error("500 Internal Server Error", "InternalError", "We encountered an internal error"));
        let error = read_all(&server.owned().bucket("b"), &wanted("k")).unwrap_err();
        assert_eq!((error.kind, server.requests().len()), (No::Failed, 4));
        assert!(error.why.contains("again and again"), "{error}");
    }

    #[test]
    fn a_bucket_that_is_asked_too_much_holds_up_no_other() {
        let server = Server::new(|request, _| {
            if request.line.contains("/slow/") {
                error("503 Slow Down", "SlowDown", "Please reduce your request rate.")
            } else {
                reply("200 OK", &[], "x")
            }
        });
        let store = server.owned();
        let (slow, other) = (store.bucket("slow"), store.bucket("other"));
        let slow = store.handle().spawn(async move { slow.get(slow.turn().await, &wanted("k")).await.err().unwrap() });
        for _ in 0..50 {
            assert_eq!(read_all(&other, &wanted("k")).unwrap(), b"x");
        }
        let error = store.handle().block_on(slow).unwrap();
        assert!(error.kind == No::SlowDown && error.why.contains("too often"), "{error}");
        assert_eq!(server.count("/slow/"), 12);
        assert_eq!(server.count("/other/"), 50);
    }
}
