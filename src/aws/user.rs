//! What a user holds beside access keys: path, password, service-specific credentials, AWS's quarantine.

use aws_sdk_iam::types::ServiceSpecificCredentialMetadata;

use super::client::{Client, next_page, pages};
use super::keys::parse_status;
use super::trouble::{Kind, QUARANTINE, Trouble};
use crate::triage::inventory::{ServiceCredential, UserRecord};

/// The service of long-term API keys (`ABSK…`).
const BEDROCK: &str = "bedrock.amazonaws.com";

/// Whose service-specific credentials.
#[derive(Clone, Copy, Debug)]
pub(super) enum Whose<'a> {
    /// Bedrock's of all users.
    EveryonesForBedrock,
    /// All of one user.
    Of(&'a str),
}

impl Client {
    /// Everything that is asked of a user. What fails is told in it.
    pub(super) async fn user(&self, name: &str) -> UserRecord {
        let mut user = UserRecord::default();
        match self.read(self.iam.get_user().user_name(name).send()).await {
            Ok(answer) => user.path = answer.user.map(|user| user.path),
            Err(trouble) => self.miss(&mut user, &trouble, "reading the path", name, "iam:GetUser").await,
        }
        match self.read(self.iam.get_login_profile().user_name(name).send()).await {
            Ok(_) => user.has_password = Some(true),
            Err(Trouble { kind: Kind::Missing, .. }) => user.has_password = Some(false),
            Err(trouble) => {
                self.miss(&mut user, &trouble, "reading the password's state", name, "iam:GetLoginProfile").await
            }
        }
        match self.service_credentials(Whose::Of(name)).await {
            Ok(credentials) => user.service_credentials = Some(credentials),
            Err(trouble) => {
                let operation = "iam:ListServiceSpecificCredentials";
                self.miss(&mut user, &trouble, "listing the service-specific credentials", name, operation).await;
            }
        }
        self.add_quarantine(&mut user, name).await;
        user
    }

    /// Asks for the quarantine policies of a user.
    pub(super) async fn add_quarantine(&self, user: &mut UserRecord, name: &str) {
        match self.attached_policies(name).await {
            Ok(mut policies) => {
                policies.retain(|policy| policy.starts_with(QUARANTINE));
                user.quarantined_by = Some(policies);
            }
            Err(trouble) => {
                self.miss(user, &trouble, "listing the attached policies", name, "iam:ListAttachedUserPolicies").await;
            }
        }
    }

    async fn miss(&self, user: &mut UserRecord, trouble: &Trouble, doing: &str, name: &str, operation: &str) {
        user.missing.push(self.gap(trouble, &format!("{doing} of user {name}"), operation).await);
    }

    /// The names of the managed policies attached to a user.
    pub(super) async fn attached_policies(&self, user: &str) -> Result<Vec<String>, Trouble> {
        pages(|marker| async {
            let call = self.iam.list_attached_user_policies().user_name(user).set_marker(marker).send();
            let page = self.read(call).await?;
            let policies = page.attached_policies.unwrap_or_default().into_iter();
            let names = policies.filter_map(|policy| policy.policy_name).collect();
            Ok((names, next_page(page.is_truncated, page.marker)))
        })
        .await
    }

    /// Service-specific credentials.
    pub(super) async fn service_credentials(&self, whose: Whose<'_>) -> Result<Vec<ServiceCredential>, Trouble> {
        pages(|marker| async {
            let call = self.iam.list_service_specific_credentials().set_marker(marker);
            let call = match whose {
                Whose::EveryonesForBedrock => call.all_users(true).service_name(BEDROCK),
                Whose::Of(user) => call.user_name(user),
            };
            let page = self.read(call.send()).await?;
            let credentials = page.service_specific_credentials.unwrap_or_default().into_iter();
            let credentials: Result<_, Trouble> = credentials.map(record).collect();
            Ok((credentials?, next_page(page.is_truncated, page.marker)))
        })
        .await
    }
}

fn record(credential: ServiceSpecificCredentialMetadata) -> Result<ServiceCredential, Trouble> {
    Ok(ServiceCredential {
        status: parse_status(credential.status.as_str())?,
        id: credential.service_specific_credential_id,
        alias: credential.service_credential_alias.filter(|alias| !alias.is_empty()),
        service: credential.service_name,
        user: credential.user_name,
        created: Some(credential.create_date.secs()),
        expires: credential.expiration_date.map(|date| date.secs()),
    })
}

/// The users that an alias such as `alice-at-111122223333` or, of a second one, `alice+1-at-111122223333` can be of, the likelier first: a
/// name may end in `+1` itself.
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_ServiceSpecificCredential.html>
pub(super) fn users_of(alias: &str) -> Vec<&str> {
    let Some((name, account)) = alias.rsplit_once("-at-") else {
        return Vec::new();
    };
    if name.is_empty() || account.len() != 12 || !account.bytes().all(|c| c.is_ascii_digit()) {
        return Vec::new();
    }
    let numbered = name
        .rsplit_once('+')
        .filter(|(user, number)| !user.is_empty() && !number.is_empty() && number.bytes().all(|c| c.is_ascii_digit()));
    numbered.map(|(user, _)| user).into_iter().chain([name]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_tells_whose_it_can_be() {
        for (alias, users) in [
            ("BedrockAPIKey-q7xz-at-111122223333", vec!["BedrockAPIKey-q7xz"]),
            ("alice+1-at-111122223333", vec!["alice", "alice+1"]),
            ("look-at-me-at-111122223333", vec!["look-at-me"]),
            ("a+b-at-111122223333", vec!["a+b"]),
            ("+1-at-111122223333", vec!["+1"]),
            ("-at-111122223333", vec![]),
            ("alice-at-home", vec![]),
            ("alice", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(users_of(alias), users, "{alias}");
        }
    }
}
