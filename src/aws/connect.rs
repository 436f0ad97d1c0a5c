//! Signing in: from a profile, a role or whatever the default chain finds to a client that knows as whom AWS takes it. Where to is
//! configuration too: `AWS_ENDPOINT_URL` and those of single services are the SDK's business.

use std::sync::Arc;

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder, ConnectorBuilder};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

use super::calls::{Calls, Watch};
use super::client::{Client, patience, sts, timeouts};
use super::pace::Pace;
use super::signers::Signers;
use super::trouble::{Trouble, causes};
use super::{Caller, Identity, NoAccount};
use crate::key::{AccessKeyId, AccountId};
use crate::triage::inventory::Gap;

/// The region of STS where nothing says another: there it is everywhere.
pub(super) const REGION: Region = Region::from_static("us-east-1");
/// As what CloudTrail knows our sessions of roles.
const SESSION: &str = "keysweep";

/// A role to be, and what it asks for.
pub(super) struct Role<'a> {
    pub(super) arn: &'a str,
    pub(super) external_id: Option<&'a str>,
    pub(super) mfa: Option<&'a (String, String)>,
}

/// Finds credentials, assumes the role if there is one, and asks AWS who that is.
pub(super) async fn connect(identity: &Identity) -> Result<Client, NoAccount> {
    let calls = Calls::default();
    let signers = Signers::default();
    let mut config = load(identity, &signers).await;
    signers.extend(key_of(&config, identity).await?);
    if let Some(arn) = &identity.role_arn {
        let role = Role { arn, external_id: identity.external_id.as_deref(), mfa: identity.mfa.as_ref() };
        let session = assume(&sts(&config, watch(&calls)), &role)
            .await
            .map_err(|trouble| NoAccount(format!("assuming the role {arn} failed: {}", refused_role(&trouble))))?;
        signers.extend(AccessKeyId::shaped(session.credentials.access_key_id().as_bytes()));
        config = signed_by(&config, session.credentials);
    }
    let identity = sts(&config, watch(&calls)).get_caller_identity().send().await.map_err(|error| {
        NoAccount(format!(
            "asking AWS who the caller is (sts:GetCallerIdentity) failed: {}",
            Trouble::from(error).why()
        ))
    })?;
    let account = identity.account().and_then(|account| AccountId::parse(account).ok());
    match (account, identity.arn) {
        (Some(account), Some(arn)) => {
            Ok(Client::new(config, calls, Caller { account, arn, access_key_ids: signers.all() }))
        }
        _ => Err(NoAccount("AWS does not say which account the caller belongs to; is the endpoint AWS's?".to_owned())),
    }
}

/// The same account's neighbour: assumes a role there with the credentials at hand.
pub(super) async fn neighbour(client: &Client, account: AccountId, role: &str) -> Result<Client, Gap> {
    let arn = format!("arn:{}:iam::{account}:role/{role}", client.caller.partition());
    let doing = format!("assuming the role {arn}");
    let role = Role { arn: &arn, external_id: None, mfa: None };
    match assume(&client.sts, &role).await {
        Ok(session) => {
            let access_key_id = AccessKeyId::shaped(session.credentials.access_key_id().as_bytes());
            let access_key_ids = client.caller.access_key_ids.iter().copied().chain(access_key_id).collect();
            let caller = Caller { account, arn: session.arn, access_key_ids };
            Ok(Client::new(signed_by(&client.config, session.credentials), client.calls.clone(), caller))
        }
        Err(trouble) => Err(client.gap(&trouble, &doing, "sts:AssumeRole").await),
    }
}

struct Session {
    credentials: Credentials,
    arn: String,
}

async fn assume(sts: &aws_sdk_sts::Client, role: &Role<'_>) -> Result<Session, Trouble> {
    let (serial, code) = role.mfa.cloned().unzip();
    let answer = sts
        .assume_role()
        .role_arn(role.arn)
        .role_session_name(SESSION)
        .set_external_id(role.external_id.map(str::to_owned))
        .set_serial_number(serial)
        .set_token_code(code)
        .send()
        .await?;
    let credentials = answer.credentials.ok_or_else(|| Trouble::answer("AWS gave no credentials"))?;
    let expires = std::time::SystemTime::try_from(credentials.expiration).ok();
    Ok(Session {
        credentials: Credentials::new(
            credentials.access_key_id,
            credentials.secret_access_key,
            Some(credentials.session_token),
            expires,
            "AssumeRole",
        ),
        arn: answer.assumed_role_user.map_or_else(|| role.arn.to_owned(), |user| user.arn),
    })
}

/// A role says no in one way, whatever the reason.
fn refused_role(trouble: &Trouble) -> String {
    let advice = "; the role must trust the caller, and may ask for --external-id or --mfa-serial";
    format!("{}{}", trouble.why(), trouble.permission("").map_or("", |_| advice))
}

async fn load(identity: &Identity, signers: &Signers) -> SdkConfig {
    let http = signers.watch(http(None));
    let load = |region: Option<Region>| {
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http.clone())
            .retry_config(patience())
            .timeout_config(timeouts());
        if let Some(profile) = &identity.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = region {
            loader = loader.region(region);
        }
        loader.load()
    };
    let config = load(identity.region.clone().map(Region::new)).await;
    // Roles of a profile are assumed in the region too, so it must be known from the start.
    let config = if config.region().is_some() { config } else { load(Some(REGION)).await };
    let Some(profile) = &identity.profile else {
        return config;
    };
    // The default chain would look into the environment first; a profile that was named goes before it, as in the AWS CLI.
    let provider = ProviderConfig::default().with_http_client(http).with_region(config.region().cloned());
    let provider = ProfileFileCredentialsProvider::builder().profile_name(profile).configure(&provider).build();
    config.to_builder().credentials_provider(SharedCredentialsProvider::new(provider)).build()
}

/// An HTTP client that makes a connection for each request: on one that is kept a request is lost when the other end has closed it just
/// now, and of a change nobody would know what became of it.
pub(super) fn unpooled() -> SharedHttpClient {
    http(Some(0))
}

/// The SDK's own HTTP client, with rustls on ring, which builds with a C compiler alone; it keeps so many idle connections.
pub(super) fn http(idle: Option<usize>) -> SharedHttpClient {
    Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = ConnectorBuilder::default().tls_provider(Provider::Rustls(CryptoMode::Ring));
        connector.set_pool_max_idle_per_host(idle);
        connector.set_connector_settings(settings.cloned());
        connector.set_proxy_config(Some(ProxyConfig::from_env()));
        if let Some(components) = components {
            connector.set_sleep_impl(components.sleep_impl());
        }
        connector.build()
    })
}

/// The same endpoints and rules with other credentials.
pub(super) fn signed_by(config: &SdkConfig, credentials: Credentials) -> SdkConfig {
    config.to_builder().credentials_provider(SharedCredentialsProvider::new(credentials)).build()
}

pub(super) fn watch(calls: &Calls) -> Watch {
    Watch { calls: calls.clone(), pace: Arc::new(Pace::new()) }
}

/// The key that calls are signed with.
async fn key_of(config: &SdkConfig, identity: &Identity) -> Result<Option<AccessKeyId>, NoAccount> {
    let provider = config.credentials_provider().ok_or_else(|| no_credentials(identity, None))?;
    let credentials = provider.provide_credentials().await.map_err(|error| no_credentials(identity, Some(&error)))?;
    Ok(AccessKeyId::shaped(credentials.access_key_id().as_bytes()))
}

fn no_credentials(identity: &Identity, error: Option<&CredentialsError>) -> NoAccount {
    let (what, advice) = match &identity.profile {
        Some(profile) => (
            format!("the profile {profile} gives no AWS credentials"),
            format!("see `aws configure list-profiles` for its name, or sign in by `aws sso login --profile {profile}`"),
        ),
        None => (
            "no AWS credentials were found".to_owned(),
            "sign in by `aws sso login` or `aws configure`, set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or \
             name a profile with --profile"
                .to_owned(),
        ),
    };
    let why = match error {
        // That none of many ways was configured is what was just said.
        Some(CredentialsError::CredentialsNotLoaded(_)) if identity.profile.is_none() => String::new(),
        None => String::new(),
        Some(error) => format!(" ({})", causes(error)),
    };
    NoAccount(format!("{what}{why}; {advice}"))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;
    use std::time::Duration;

    use aws_config::timeout::TimeoutConfig;

    use super::*;
    use crate::aws::Account;
    use crate::response::{Effect, Fault, Position, Subject, Switch, Target};

    /// Switches a key off in an account behind a port, without waiting long for an answer.
    fn switch(port: u16) -> Result<(), Fault> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let id = ["AKIA", "IOSFODNN7EXAMPLE"].concat();
        let config = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http(None))
            .region(REGION)
            .endpoint_url(format!("http://127.0.0.1:{port}"))
            .retry_config(patience())
            .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(Duration::from_millis(300)).build())
            .credentials_provider(Credentials::new(&id, "none", None, None, "test"));
        let config = runtime.block_on(config.load());
        let account = AccountId::parse("111122223333").unwrap();
        let caller = Caller { account, arn: "arn:aws:iam::111122223333:user/a".to_owned(), access_key_ids: [].into() };
        let client = Client::new(config, Calls::default(), caller);
        let subject = Subject::AccessKey(AccessKeyId::parse(id.as_bytes()).unwrap());
        let owner = Account { client, runtime: Arc::new(runtime) };
        let done = owner.set(&Target { account, user: "alice".to_owned(), subject }, Position::Off);
        assert_eq!(owner.calls()["iam:UpdateAccessKey"], 1, "a change is one attempt");
        done
    }

    /// A port behind which each connection is answered so once a request has begun, and then closed; without an answer it stays open.
    fn server(answer: Option<&'static str>) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            let mut open = Vec::new();
            for mut stream in listener.incoming().map_while(Result::ok) {
                let _ = stream.read(&mut [0; 4096]);
                match answer {
                    Some(answer) => drop(stream.write_all(answer.as_bytes())),
                    None => open.push(stream),
                }
            }
        });
        port
    }

    #[test]
    fn what_was_never_sent_has_no_effect() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let fault = switch(free).unwrap_err();
        assert_eq!(fault.effect, Effect::None, "{fault}");
        assert!(fault.why.contains("AWS_ENDPOINT_URL") && fault.why.contains("user alice"), "{fault}");
    }

    #[test]
    fn what_was_sent_may_be_done_unless_aws_says_no() {
        let xml = "HTTP/1.1 404 Not Found\r\nContent-Length: 125\r\n\r\n<ErrorResponse><Error><Type>Sender</Type>\
                   <Code>NoSuchEntity</Code><Message>It cannot be found</Message></Error></ErrorResponse>      ";
        let cut = "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n<Upd";
        let failed = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n";
        let nonsense = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhtml";
        let cases = [
            (Some(""), Effect::Unknown),
            (Some(cut), Effect::Unknown),
            (Some(failed), Effect::Unknown),
            (None, Effect::Unknown),
            (Some(xml), Effect::None),
        ];
        for (answer, effect) in cases {
            let fault = switch(server(answer)).unwrap_err();
            assert_eq!(fault.effect, effect, "{answer:?}: {fault}");
        }
        // The answer to a change has nothing in it: the status is enough.
        assert_eq!(switch(server(Some(nonsense))), Ok(()));
    }

    #[test]
    fn a_caller_without_credentials_is_told_what_to_try() {
        let profile = Identity { profile: Some("work".to_owned()), ..Identity::default() };
        let nothing = CredentialsError::not_loaded_no_source();
        let why = no_credentials(&profile, Some(&nothing)).to_string();
        assert!(why.contains("profile work") && why.contains("aws sso login --profile work"), "{why}");
        let why = no_credentials(&Identity::default(), Some(&nothing)).to_string();
        assert!(why.starts_with("no AWS credentials were found; sign in"), "{why}");
        let broken = CredentialsError::provider_error("the process ended with 1");
        assert!(no_credentials(&Identity::default(), Some(&broken)).to_string().contains("ended with 1"));
    }
}
