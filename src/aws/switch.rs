//! Reads and sets what `response` switches. A change is one attempt: whether to try again is decided by who reads it again first.

use std::borrow::Cow;

use aws_config::retry::RetryConfig;
use aws_sdk_iam::config::Builder;
use aws_sdk_iam::types::StatusType;
use percent_encoding::percent_decode_str;

use super::client::Client;
use super::trouble::{Kind, Trouble};
use super::user::Whose;
use crate::response::sessions::{denies_sessions, deny_sessions_document};
use crate::response::{Effect, Fault, Position, Subject, Target};
use crate::triage::inventory::KeyStatus;

pub(super) async fn read(client: &Client, target: &Target) -> Result<Position, Fault> {
    in_its_account(client, target)?;
    let user = target.user.as_str();
    let (position, operation) = match &target.subject {
        Subject::AccessKey(id) => {
            let keys = client.keys_of(user).await;
            (
                keys.map(|keys| position(keys.iter().find(|key| key.id == *id).map(|key| key.status))),
                "iam:ListAccessKeys",
            )
        }
        Subject::ServiceCredential { id } => {
            let all = client.service_credentials(Whose::Of(user)).await;
            let status = all.map(|all| position(all.iter().find(|one| one.id == *id).map(|one| one.status)));
            (status, "iam:ListServiceSpecificCredentials")
        }
        Subject::Sessions { policy, issued_before } => {
            (sessions(client, user, policy, *issued_before).await, "iam:GetUserPolicy")
        }
    };
    match position {
        Ok(position) => Ok(position),
        // The user is gone, and all of the user's credentials with it.
        Err(Trouble { kind: Kind::Missing, .. }) => Ok(Position::Gone),
        Err(trouble) => Err(client.fault(&trouble, &format!("reading the state of {target}"), operation).await),
    }
}

pub(super) async fn set(client: &Client, target: &Target, to: Position) -> Result<(), Fault> {
    in_its_account(client, target)?;
    let status = match to {
        Position::On => StatusType::Active,
        Position::Off => StatusType::Inactive,
        Position::Expired | Position::Gone | Position::Other => {
            return Err(refused(format!("switching {target} to {} is not possible", to.name())));
        }
    };
    let (done, operation) = change(client, target, to, status).await;
    match done {
        Ok(()) => Ok(()),
        Err(trouble) => Err(client.fault(&trouble, &format!("switching {target} {}", to.name()), operation).await),
    }
}

/// The one place where something in AWS is changed.
async fn change(
    client: &Client,
    target: &Target,
    to: Position,
    status: StatusType,
) -> (Result<(), Trouble>, &'static str) {
    let (iam, user) = (&client.iam, target.user.as_str());
    match &target.subject {
        Subject::AccessKey(id) => {
            let call = iam.update_access_key().user_name(user).access_key_id(id.as_str()).status(status);
            let done = call.customize().config_override(once(client)).send().await;
            (done.map(drop).map_err(Trouble::from), "iam:UpdateAccessKey")
        }
        Subject::ServiceCredential { id } => {
            let call = iam.update_service_specific_credential().user_name(user);
            let call = call.service_specific_credential_id(id).status(status);
            let done = call.customize().config_override(once(client)).send().await;
            (done.map(drop).map_err(Trouble::from), "iam:UpdateServiceSpecificCredential")
        }
        Subject::Sessions { policy, issued_before } if to == Position::Off => {
            let document = deny_sessions_document(*issued_before);
            let call = iam.put_user_policy().user_name(user).policy_name(policy).policy_document(document);
            let done = call.customize().config_override(once(client)).send().await;
            (done.map(drop).map_err(Trouble::from), "iam:PutUserPolicy")
        }
        Subject::Sessions { policy, .. } => {
            let call = iam.delete_user_policy().user_name(user).policy_name(policy);
            let done = call.customize().config_override(once(client)).send().await;
            (done.map(drop).map_err(Trouble::from), "iam:DeleteUserPolicy")
        }
    }
}

fn once(client: &Client) -> Builder {
    aws_sdk_iam::Config::builder().retry_config(RetryConfig::disabled()).http_client(client.unpooled.clone())
}

/// A name is a user's in every account: the wrong one must not be switched.
fn in_its_account(client: &Client, target: &Target) -> Result<(), Fault> {
    let here = client.caller.account;
    if target.account == here {
        return Ok(());
    }
    Err(refused(format!("{target} can't be reached by a caller of account {here}; sign in to its own account")))
}

fn refused(why: String) -> Fault {
    Fault { why, effect: Effect::None, permission: None, is_everybodys: false }
}

fn position(status: Option<KeyStatus>) -> Position {
    match status {
        None => Position::Gone,
        Some(KeyStatus::Active) => Position::On,
        Some(KeyStatus::Inactive) => Position::Off,
        Some(KeyStatus::Expired) => Position::Expired,
    }
}

async fn sessions(client: &Client, user: &str, policy: &str, issued_before: i64) -> Result<Position, Trouble> {
    let call = client.iam.get_user_policy().user_name(user).policy_name(policy).send();
    match client.read(call).await {
        Ok(answer) if denies_sessions(&decoded(&answer.policy_document), issued_before) => Ok(Position::Off),
        Ok(_) => Ok(Position::Other),
        // Of a user who is gone AWS says "The user with name … cannot be found."
        Err(trouble) if trouble.kind == Kind::Missing && !trouble.message.contains("user with name") => {
            Ok(Position::On)
        }
        Err(trouble) => Err(trouble),
    }
}

/// IAM gives policies percent-encoded (RFC 3986), emulators not always. JSON has no `%` of its own outside of strings.
fn decoded(document: &str) -> Cow<'_, str> {
    percent_decode_str(document).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_decoded_and_plain_ones_stay() {
        assert_eq!(decoded("%7B%22a%22%3A%20%22%C3%A9%2b%22%7D"), "{\"a\": \"é+\"}");
        assert_eq!(decoded("{\"a\": \"1+1 %\"}"), "{\"a\": \"1+1 %\"}");
        assert_eq!(decoded("%4"), "%4");
        assert_eq!(decoded("%zz%+1"), "%zz%+1");
    }

    #[test]
    fn a_status_is_a_position() {
        assert_eq!(position(None), Position::Gone);
        assert_eq!(position(Some(KeyStatus::Active)), Position::On);
        assert_eq!(position(Some(KeyStatus::Inactive)), Position::Off);
        assert_eq!(position(Some(KeyStatus::Expired)), Position::Expired);
    }
}
