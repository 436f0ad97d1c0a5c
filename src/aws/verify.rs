//! Tries whether a found pair works, which nobody does unless asked to: the one place where a call is signed with what was found.

use std::str;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use tokio::time::sleep;

use super::client::{Client, sts};
use super::connect::watch;
use super::trouble::{Kind, Trouble};
use crate::key::{AccessKeyId, AccountId, KeyKind, Secret};
use crate::triage::inventory::{Gap, Verified};

/// STS turns down a second secret of the same id that follows within about five seconds, right or wrong.
const BETWEEN: Duration = Duration::from_secs(6);

/// Signs `GetCallerIdentity` with each secret in turn.
pub(super) async fn verify(
    client: &Client,
    id: AccessKeyId,
    secrets: &[Secret],
    session_token: Option<&Secret>,
) -> Verified {
    if let Some(why) = lacks(id, secrets, session_token) {
        return Verified::Untried(Gap { why, permission: None });
    }
    // An id that does not spell its account can be a canary's too. Asking whose it is alarms nobody.
    let account = match id.account() {
        Some(account) => account,
        None => match client.account_of(id).await {
            Ok(account) => account,
            Err(gap) => return Verified::Untried(gap),
        },
    };
    if account.is_canary() {
        let why = format!("{id} is a canary's: a call signed with it would raise an alarm");
        return Verified::Untried(Gap { why, permission: None });
    }
    for (number, secret) in secrets.iter().enumerate() {
        if number > 0 {
            sleep(BETWEEN).await;
        }
        match try_one(client, id, secret, session_token).await {
            Ok(works) => return works,
            // This secret is not its own; another may be.
            Err(trouble) if trouble.code == "SignatureDoesNotMatch" && trouble.kind == Kind::Credentials => {}
            // The id itself is not taken.
            Err(trouble) if trouble.kind == Kind::Credentials => return Verified::Refused,
            Err(trouble) => {
                let why = format!("signing a call with the secret found with {id} failed: {}", trouble.why());
                return Verified::Untried(Gap { why, permission: None });
            }
        }
    }
    Verified::Refused
}

/// What it takes to sign a call, and was not found.
fn lacks(id: AccessKeyId, secrets: &[Secret], session_token: Option<&Secret>) -> Option<String> {
    if secrets.is_empty() {
        return Some(format!(
            "no call was signed with {id}, no secret of which is at hand; a report has secrets if it was made with --show-secrets"
        ));
    }
    let session = id.kind() == KeyKind::Temporary;
    (session && session_token.is_none())
        .then(|| format!("no session token was found with {id}, without which it can't work"))
}

async fn try_one(
    client: &Client,
    id: AccessKeyId,
    secret: &Secret,
    session_token: Option<&Secret>,
) -> Result<Verified, Trouble> {
    let text = |secret: &Secret| str::from_utf8(secret.expose()).map(str::to_owned);
    let (Ok(secret), Ok(token)) = (text(secret), session_token.map(text).transpose()) else {
        return Ok(Verified::Refused);
    };
    let credentials = Credentials::new(id.as_str(), secret, token, None, "found");
    // Neither the identities that the caller's clients keep nor their retries.
    let config = client
        .config
        .to_builder()
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .identity_cache(aws_config::identity::IdentityCache::no_cache())
        .retry_config(RetryConfig::disabled())
        .build();
    let answer = sts(&config, watch(&client.calls)).get_caller_identity().send().await?;
    let account = answer.account().and_then(|account| AccountId::parse(account).ok());
    Ok(Verified::Works { arn: answer.arn.unwrap_or_default(), account })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(kind: &str, rest: &str) -> AccessKeyId {
        AccessKeyId::parse([kind, rest].concat().as_bytes()).unwrap()
    }

    #[test]
    fn what_is_not_whole_is_not_tried() {
        let secret = [Secret::new(*b"not a secret of anybody's at all, really")];
        let (key, session) = (id("AKIA", "Y34FZKBOKMUTVV7A"), id("ASIA", "Y34FZKBOKMUTVV7A"));
        assert_eq!(lacks(key, &secret, None), None);
        assert!(lacks(key, &[], None).unwrap().contains("no secret"));
        assert!(lacks(session, &secret, None).unwrap().contains("session token"));
        assert_eq!(lacks(session, &secret, Some(&secret[0])), None);
    }
}
