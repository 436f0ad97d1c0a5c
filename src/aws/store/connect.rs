//! From credentials, or from none, to clients of S3: one for each region, on one pool of connections and on a runtime of their own.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::endpoint::{DefaultResolver, EndpointFuture, Params, ResolveEndpoint};
use aws_sdk_s3::config::{RequestChecksumCalculation, ResponseChecksumValidation};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::OnceCell;

use super::call::Reach;
use super::gate::Pauses;
use super::{StoreOptions, Viewer};
use crate::aws::connect::{REGION, http};
use crate::aws::{Account, NoAccount};
use crate::exposure::{Block, Fact};

/// How long is waited for what, and how often.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// For a connection.
    pub(super) connect: Duration,
    /// For the first byte of an answer.
    pub(super) answer: Duration,
    /// For the next byte of a body.
    pub(super) stall: Duration,
    /// Before a second attempt; it doubles with each.
    pub(super) backoff: Duration,
    /// How many attempts a request has whose answer is an error of the server's or of the network's; and a body without a byte more.
    pub(super) attempts: u32,
    /// For a bucket that is asked too much.
    pub(super) pauses: Pauses,
}

impl Patience {
    pub(super) const USUAL: Self = Self {
        connect: Duration::from_secs(3),
        answer: Duration::from_secs(30),
        // The SDK looks back one second before it begins to count.
        stall: Duration::from_secs(9),
        backoff: Duration::from_millis(100),
        attempts: 5,
        pauses: Pauses {
            first: Duration::from_millis(250),
            longest: Duration::from_secs(10),
            patience: Duration::from_secs(60),
        },
    };
}

/// What all clones of a store share.
pub(super) struct Inner {
    pub(super) viewer: Viewer,
    pub(super) options: StoreOptions,
    pub(super) patience: Patience,
    config: SdkConfig,
    clients: Mutex<HashMap<String, Client>>,
    buckets: Mutex<HashMap<Arc<str>, Arc<Reach>>>,
    requests: Mutex<BTreeMap<&'static str, u64>>,
    /// Requests have gone to an endpoint that somebody configured.
    pub(super) is_elsewhere: Arc<AtomicBool>,
    /// The account's public access block, once it is asked for.
    pub(super) account_block: OnceCell<Fact<Block>>,
    /// `None` once it is being shut down.
    runtime: Option<Runtime>,
}

pub(super) fn of(account: &Account, options: StoreOptions) -> Result<Inner, NoAccount> {
    let viewer = Viewer::Caller(account.client.caller.clone());
    Ok(Inner::new(viewer, account.client.config.clone(), options, Patience::USUAL, runtime()?))
}

pub(super) fn stranger(profile: Option<&str>, region: Option<&str>, options: StoreOptions) -> Result<Inner, NoAccount> {
    let runtime = runtime()?;
    let mut of_profile = ProfileFileRegionProvider::builder();
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).no_credentials().http_client(http(None));
    if let Some(profile) = profile {
        of_profile = of_profile.profile_name(profile);
        loader = loader.profile_name(profile);
    }
    // The default chain would ask the machine's metadata service too, which no stranger has.
    let region = RegionProviderChain::first_try(region.map(|region| Region::new(region.to_owned())))
        .or_else(EnvironmentVariableRegionProvider::new())
        .or_else(of_profile.build())
        .or_else(REGION);
    let config = runtime.block_on(loader.region(region).load());
    Ok(Inner::new(Viewer::Stranger, config, options, Patience::USUAL, runtime))
}

/// A runtime of its own: a sweep asks from many threads at once, for as long as it lasts.
pub(super) fn runtime() -> Result<Runtime, NoAccount> {
    Builder::new_multi_thread()
        .thread_name("keysweep-s3")
        .enable_all()
        .build()
        .map_err(|error| NoAccount(format!("starting to talk to the network failed: {error}")))
}

impl Inner {
    pub(super) fn new(
        viewer: Viewer,
        config: SdkConfig,
        options: StoreOptions,
        patience: Patience,
        runtime: Runtime,
    ) -> Self {
        let timeouts = TimeoutConfig::builder().connect_timeout(patience.connect).read_timeout(patience.answer).build();
        let stalls = StalledStreamProtectionConfig::enabled().grace_period(patience.stall).build();
        let config = config
            .to_builder()
            // Connections belong to the runtime that made them: the account's own would hang on this one.
            .http_client(http(Some(options.at_once)))
            // What is repeated when is `call`'s business: the SDK knows nothing of the pace of single buckets.
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            .stalled_stream_protection(stalls)
            // The network has its own checksums, and a scanner that reads a bit wrong misses at most that line: not worth
            // hashing each body once more than the engine does.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .build();
        Self {
            viewer,
            options,
            patience,
            config,
            clients: Mutex::default(),
            buckets: Mutex::default(),
            requests: Mutex::default(),
            is_elsewhere: Arc::default(),
            account_block: OnceCell::new(),
            runtime: Some(runtime),
        }
    }

    pub(super) fn handle(&self) -> Handle {
        self.runtime.as_ref().expect("it is there until this is dropped").handle().clone()
    }

    /// The client of a region; of where the configuration says, if none is named.
    pub(super) fn client(&self, region: Option<&str>) -> Client {
        let region = region.or_else(|| self.config.region().map(Region::as_ref)).unwrap_or_default();
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(region) {
            return client.clone();
        }
        let config = aws_sdk_s3::config::Builder::from(&self.config)
            .region(Region::new(region.to_owned()))
            .endpoint_resolver(PathStyle { rules: DefaultResolver::new(), is_used: self.is_elsewhere.clone() })
            .build();
        let client = Client::from_conf(config);
        clients.insert(region.to_owned(), client.clone());
        client
    }

    pub(super) fn reach(&self, name: &str) -> Arc<Reach> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reach) = buckets.get(name) {
            return reach.clone();
        }
        let reach = Arc::new(Reach::new(name.into(), self));
        buckets.insert(name.into(), reach.clone());
        reach
    }

    /// A request goes out.
    pub(super) fn count(&self, operation: &'static str) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry(operation).or_default() += 1;
    }

    pub(super) fn requests(&self) -> BTreeMap<String, u64> {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.iter().map(|(operation, count)| (format!("s3:{operation}"), *count)).collect()
    }
}

/// The last to hold it may be a task on the runtime itself, which can't wait for its own end.
impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Names the bucket in the path wherever an endpoint is configured: a server of one's own seldom has a host name (and a certificate) for each.
/// To AWS the rules are its own.
#[derive(Debug)]
struct PathStyle {
    rules: DefaultResolver,
    /// Somebody has configured an endpoint.
    is_used: Arc<AtomicBool>,
}

impl ResolveEndpoint for PathStyle {
    fn resolve_endpoint<'a>(&'a self, params: &'a Params) -> EndpointFuture<'a> {
        if params.endpoint().is_some() {
            self.is_used.store(true, Ordering::Relaxed);
        }
        let is_arn = params.bucket().is_some_and(|bucket| bucket.starts_with("arn:"));
        if params.endpoint().is_none() || params.force_path_style() == Some(true) || is_arn {
            return self.rules.resolve_endpoint(params);
        }
        match in_path(params) {
            Some(params) => EndpointFuture::new(async move { self.rules.resolve_endpoint(&params).await }),
            None => self.rules.resolve_endpoint(params),
        }
    }
}

/// The same with the bucket in the path.
fn in_path(params: &Params) -> Option<Params> {
    let text = |text: Option<&str>| text.map(str::to_owned);
    Params::builder()
        .set_bucket(text(params.bucket()))
        .set_region(text(params.region()))
        .set_use_fips(params.use_fips())
        .set_use_dual_stack(params.use_dual_stack())
        .set_endpoint(text(params.endpoint()))
        .force_path_style(true)
        .set_accelerate(params.accelerate())
        .set_use_global_endpoint(params.use_global_endpoint())
        .set_key(text(params.key()))
        .set_prefix(text(params.prefix()))
        .set_use_arn_region(params.use_arn_region())
        .set_disable_s3_express_session_auth(params.disable_s3_express_session_auth())
        .build()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Server, read_all, reply, wanted};
    use super::super::{Store, Viewer};
    use super::*;

    #[test]
    fn a_configured_endpoint_has_the_bucket_in_its_path() {
        let server = Server::new(|_, _| reply("200 OK", &[], "x"));
        // By an address AWS's own rules do so too, by a name they don't.
        for host in ["127.0.0.1", "localhost"] {
            let bucket = server.store(Viewer::Stranger, host).bucket("a.b");
            assert_eq!(read_all(&bucket, &wanted("k")).unwrap(), b"x");
        }
        let lines: Vec<String> = server.requests().into_iter().map(|request| request.line).collect();
        assert!(lines.len() == 2 && lines.iter().all(|line| line.starts_with("GET /a.b/k?")), "{lines:?}");
    }

    #[test]
    fn a_stranger_is_where_it_is_told_and_looks_for_no_credentials() {
        let options = StoreOptions { request_payer: false, at_once: 1 };
        let inner = stranger(None, Some("eu-central-1"), options).unwrap();
        assert_eq!(inner.config.region().map(Region::as_ref), Some("eu-central-1"));
        assert!(inner.config.credentials_provider().is_none());
        assert_eq!(inner.viewer, Viewer::Stranger);
    }

    #[test]
    fn the_requester_pays_where_he_agreed_to() {
        let server = Server::new(|_, _| reply("200 OK", &[], "x"));
        let store = server.owned();
        read_all(&store.bucket("b"), &wanted("k")).unwrap();
        let mut inner = Arc::into_inner(store.inner).unwrap();
        inner.options.request_payer = true;
        let store = Store { inner: Arc::new(inner) };
        read_all(&store.bucket("b"), &wanted("k")).unwrap();
        let payers: Vec<bool> = server
            .requests()
            .iter()
            .map(|request| request.header("x-amz-request-payer") == Some("requester"))
            .collect();
        assert_eq!(payers, [false, true]);
    }

    #[test]
    fn the_last_to_hold_it_may_be_a_task_of_its_own() {
        let server = Server::new(|_, _| reply("200 OK", &[], "x"));
        let store = server.owned();
        let (handle, bucket) = (store.handle(), store.bucket("b"));
        let (done, is_done) = std::sync::mpsc::channel();
        let (go, may_go) = std::sync::mpsc::channel::<()>();
        handle.spawn(async move {
            may_go.recv().unwrap();
            let body = bucket.get(bucket.turn().await, &wanted("k")).await.unwrap().whole().await.unwrap();
            drop(bucket);
            done.send(body).unwrap();
        });
        drop(store);
        go.send(()).unwrap();
        assert_eq!(is_done.recv().unwrap(), b"x");
    }
}
