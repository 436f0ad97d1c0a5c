//! The clients of one account's services, as one caller, and the one way by which its reads go out: at the account's pace, and not at all
//! once it is clear that nobody answers.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use tokio::sync::OnceCell;
use tokio::task::JoinSet;

use super::Caller;
use super::calls::{Calls, Watch};
use super::connect::unpooled;
use super::pace::Pace;
use super::trouble::{Kind, QUARANTINE, Trouble};
use crate::response::Fault;
use crate::triage::inventory::Gap;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(3);
/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(10);
/// How long a call may take with all its attempts and the pauses between them.
const CALL: Duration = Duration::from_secs(60);
/// How often a call that changes nothing is tried.
const ATTEMPTS: u32 = 5;

/// How often a call that changes nothing is repeated.
pub(super) fn patience() -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(ATTEMPTS)
        .with_initial_backoff(Duration::from_millis(500))
        .with_max_backoff(Duration::from_secs(8))
}

/// How long is waited for an answer.
pub(super) fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder().connect_timeout(CONNECT).operation_attempt_timeout(ATTEMPT).operation_timeout(CALL).build()
}

/// Everything that talks to one account as one caller. Clones share all of it but what [`Client::afresh`] renews.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) config: SdkConfig,
    pub(super) caller: Arc<Caller>,
    pub(super) iam: aws_sdk_iam::Client,
    pub(super) sts: aws_sdk_sts::Client,
    pub(super) organizations: aws_sdk_organizations::Client,
    pub(super) calls: Calls,
    /// For changes, each on a connection of its own.
    pub(super) unpooled: SharedHttpClient,
    pace: Arc<Pace>,
    /// What stands in the way of every further call.
    halted: Arc<OnceLock<Trouble>>,
    /// The quarantine policy that the caller's own user has.
    quarantine: Arc<OnceCell<Option<String>>>,
}

impl Client {
    pub(super) fn new(config: SdkConfig, calls: Calls, caller: Caller) -> Self {
        let pace = Arc::new(Pace::new());
        let watch = Watch { calls: calls.clone(), pace: pace.clone() };
        let iam = aws_sdk_iam::config::Builder::from(&config).interceptor(watch.clone()).build();
        let organizations = aws_sdk_organizations::config::Builder::from(&config).interceptor(watch.clone()).build();
        Self {
            caller: Arc::new(caller),
            iam: aws_sdk_iam::Client::from_conf(iam),
            sts: sts(&config, watch),
            organizations: aws_sdk_organizations::Client::from_conf(organizations),
            calls,
            unpooled: unpooled(),
            pace,
            halted: Arc::default(),
            quarantine: Arc::default(),
            config,
        }
    }

    /// The same, for a new question: what stood in the way of the last one may be gone.
    pub(super) fn afresh(&self) -> Self {
        Self { halted: Arc::default(), ..self.clone() }
    }

    /// Makes a call that changes nothing, when its turn has come.
    pub(super) async fn read<T, E>(
        &self,
        call: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T, Trouble>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let _turn = self.pace.turn().await;
        if let Some(trouble) = self.halted.get() {
            return Err(trouble.clone());
        }
        call.await.map_err(|error| {
            let trouble = Trouble::from(error);
            if trouble.is_everybodys() {
                let _ = self.halted.set(trouble.clone());
            }
            trouble
        })
    }

    /// What could not be learnt, for what is told of it: `doing` is what was being done, `operation` the permission that it needs.
    pub(super) async fn gap(&self, trouble: &Trouble, doing: &str, operation: &str) -> Gap {
        let why = format!("{doing} failed: {}{}", trouble.why(), self.quarantined(trouble).await);
        Gap { why, permission: trouble.permission(operation) }
    }

    /// The same for what could not be read or switched.
    pub(super) async fn fault(&self, trouble: &Trouble, doing: &str, operation: &str) -> Fault {
        let Gap { why, permission } = self.gap(trouble, doing, operation).await;
        let is_everybodys = trouble.is_everybodys() || trouble.kind == Kind::Failed;
        Fault { why, effect: trouble.effect, permission, is_everybodys }
    }

    /// What is to be added to a no when the caller itself is in quarantine.
    async fn quarantined(&self, trouble: &Trouble) -> String {
        let policy = match trouble.quarantine() {
            Some(policy) => Some(policy.to_owned()),
            None if trouble.permission("").is_some() => self.callers_quarantine().await,
            None => None,
        };
        policy.map_or_else(String::new, |policy| in_quarantine(&self.caller, &policy))
    }

    /// The quarantine policy on the caller's own user, as far as it may be asked. It is asked once.
    async fn callers_quarantine(&self) -> Option<String> {
        let ask = || async {
            let user = self.caller.user_name()?;
            let policies = self.attached_policies(user).await.ok()?;
            policies.into_iter().find(|policy| policy.starts_with(QUARANTINE))
        };
        self.quarantine.get_or_init(ask).await.clone()
    }
}

/// The SDK shows the config files that it read with the secrets in them: nothing of it is shown.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("caller", &self.caller).finish_non_exhaustive()
    }
}

/// What is to be added to a no when such a policy has put the caller itself in quarantine.
pub(super) fn in_quarantine(caller: &Caller, policy: &str) -> String {
    format!(
        "; AWS has put the caller {} itself in quarantine ({policy}), because a key of it was found in public: sign in as \
         another user or role",
        caller.arn
    )
}

/// A client of STS.
pub(super) fn sts(config: &SdkConfig, watch: Watch) -> aws_sdk_sts::Client {
    aws_sdk_sts::Client::from_conf(aws_sdk_sts::config::Builder::from(config).interceptor(watch).build())
}

/// Does one task for each item, side by side as far as the pace lets them, and returns what they came to, in no order.
pub(super) async fn each<T, R: Send + 'static, F: Future<Output = R> + Send + 'static>(
    items: impl IntoIterator<Item = T>,
    task: impl Fn(T) -> F,
) -> Vec<R> {
    items.into_iter().map(task).collect::<JoinSet<R>>().join_all().await
}

/// Reads a list to its end, page by page. `page` takes the marker of the page and gives its items and the marker of the next one.
pub(super) async fn pages<T, F>(page: impl Fn(Option<String>) -> F) -> Result<Vec<T>, Trouble>
where
    F: Future<Output = Result<(Vec<T>, Option<String>), Trouble>>,
{
    let (mut all, mut marker) = (Vec::new(), None);
    loop {
        let (items, next) = page(marker.clone()).await?;
        all.extend(items);
        match next {
            None => return Ok(all),
            Some(next) if Some(&next) == marker.as_ref() || next.is_empty() => {
                return Err(Trouble::answer("AWS cut the list short and does not say where it goes on"));
            }
            next => marker = next,
        }
    }
}

/// The marker of the next page, as `IsTruncated` and `Marker` tell it.
pub(super) fn next_page(is_truncated: bool, marker: Option<String>) -> Option<String> {
    is_truncated.then(|| marker.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn wait<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    #[test]
    fn a_list_is_read_to_its_end() {
        let page = |marker: Option<String>| async move {
            let at: u32 = marker.map_or(0, |marker| marker.parse().unwrap());
            Ok((vec![at], (at < 3).then(|| (at + 1).to_string())))
        };
        assert_eq!(wait(pages(page)).unwrap(), [0, 1, 2, 3]);
    }

    #[test]
    fn a_list_that_goes_in_circles_is_an_error() {
        for marker in ["", "again"] {
            let asked = Cell::new(0);
            let page = |_| {
                asked.set(asked.get() + 1);
                async move { Ok((vec![0], next_page(true, Some(marker.to_owned())))) }
            };
            assert!(wait(pages(page)).unwrap_err().message.contains("cut the list short"));
            assert!(asked.get() <= 2, "{}", asked.get());
        }
        assert_eq!(next_page(true, None).as_deref(), Some(""));
        assert_eq!(next_page(false, Some("x".to_owned())), None);
    }
}
