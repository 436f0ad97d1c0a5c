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
use super::no::{Refusal, region_of};
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
    /// Something there has answered: the region is right.
    is_found: AtomicBool,
    /// As long as it is not found, one asks and the others wait.
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
            let error = match send(&line.client).await {
                Ok(answer) => {
                    reach.is_found();
                    if turn.is_some() { reach.gate.answered(sent) } else { reach.gate.let_in() }
                    return Ok(answer);
                }
                Err(error) => error,
            };
            match Refusal::of(error, ask, &self.store.inner.viewer) {
                Refusal::Elsewhere(region) => self.follow(&line, region, &mut tried).await?,
                Refusal::SlowDown(error) => {
                    drop(finding);
                    reach.gate.slow_down(sent);
                    tried.turned_away += 1;
                    if tried.turned_away >= TURNED_AWAY {
                        return Err(error);
                    }
                    if let Some(turn) = turn.as_deref_mut() {
                        turn.again().await;
                    }
                }
                Refusal::Again(error) => {
                    drop(finding);
                    tried.failed += 1;
                    if tried.failed >= self.store.inner.patience.attempts {
                        return Err(error);
                    }
                    sleep(self.backoff(tried.failed)).await;
                }
                Refusal::No(error) => {
                    reach.is_found();
                    reach.gate.let_in();
                    return Err(error);
                }
            }
        }
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
            let why = format!("S3 says that the bucket is in {region}, and in {region} that it is elsewhere; name its region with --region");
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
