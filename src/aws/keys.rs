//! Access keys of users: which there are, and when one was last used.

use aws_sdk_iam::types::AccessKeyMetadata;

use super::client::{Client, next_page, pages};
use super::trouble::Trouble;
use crate::key::AccessKeyId;
use crate::triage::inventory::{KeyRecord, KeyStatus, LastUsed};

/// As many as IAM puts on a page at most.
const PAGE: i32 = 1000;

/// What an account says of itself (`GetAccountSummary`).
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountSummary.html>
#[derive(Clone, Copy, Debug)]
pub(super) struct Summary {
    /// How many users it has.
    pub(super) users: Option<u64>,
    /// How many access keys its root user has.
    pub(super) root_keys: Option<u32>,
}

impl Client {
    /// The names of all users.
    pub(super) async fn user_names(&self) -> Result<Vec<String>, Trouble> {
        pages(|marker| async {
            let call = self.iam.list_users().max_items(PAGE).set_marker(marker).send();
            let page = self.read(call).await?;
            let names = page.users.into_iter().map(|user| user.user_name).collect();
            Ok((names, next_page(page.is_truncated, page.marker)))
        })
        .await
    }

    /// All access keys of a user.
    pub(super) async fn keys_of(&self, user: &str) -> Result<Vec<KeyRecord>, Trouble> {
        pages(|marker| async {
            let call = self.iam.list_access_keys().user_name(user).set_marker(marker).send();
            let page = self.read(call).await?;
            let keys: Result<_, Trouble> = page.access_key_metadata.into_iter().map(|key| record(user, key)).collect();
            Ok((keys?, next_page(page.is_truncated, page.marker)))
        })
        .await
    }

    /// Whose a key is and when it was last used.
    pub(super) async fn last_used(&self, id: AccessKeyId) -> Result<(String, LastUsed), Trouble> {
        let answer = self.read(self.iam.get_access_key_last_used().access_key_id(id.as_str()).send()).await?;
        let user = answer.user_name.ok_or_else(|| Trouble::answer(format!("AWS names no user of {id}")))?;
        let told = |text: String| Some(text).filter(|text| !text.is_empty() && text != "N/A");
        let used = answer.access_key_last_used.and_then(|used| {
            let at = used.last_used_date?.secs();
            Some(LastUsed::At { at, service: told(used.service_name), region: told(used.region) })
        });
        Ok((user, used.unwrap_or(LastUsed::Never)))
    }

    /// How many users there are and whether root has keys.
    pub(super) async fn summary(&self) -> Result<Summary, Trouble> {
        let map = self.read(self.iam.get_account_summary().send()).await?.summary_map.unwrap_or_default();
        let number = |name: &str| map.iter().find(|(key, _)| key.as_str() == name).map(|(_, &number)| number);
        Ok(Summary {
            users: number("Users").and_then(|users| users.try_into().ok()),
            root_keys: number("AccountAccessKeysPresent").and_then(|keys| keys.try_into().ok()),
        })
    }
}

/// A key as it was listed. What can't be understood is an error: leaving it out would make it a key that does not exist.
fn record(user: &str, key: AccessKeyMetadata) -> Result<KeyRecord, Trouble> {
    let id = key.access_key_id.unwrap_or_default();
    let id = AccessKeyId::shaped(id.as_bytes())
        .ok_or_else(|| Trouble::answer(format!("AWS lists {id:?}, which is no access key id")))?;
    let status = key.status.map(|status| status.as_str().to_owned()).unwrap_or_default();
    let created = key.create_date.map(|date| date.secs());
    Ok(KeyRecord { id, user: user.to_owned(), status: parse_status(&status)?, created, last_used: None })
}

/// A status as AWS writes it.
pub(super) fn parse_status(status: &str) -> Result<KeyStatus, Trouble> {
    KeyStatus::parse(status).ok_or_else(|| {
        Trouble::answer(format!("AWS says that the status is {status:?}, which this version does not know"))
    })
}

#[cfg(test)]
mod tests {
    use aws_sdk_iam::types::StatusType;

    use super::*;

    fn listed(id: &str, status: StatusType) -> Result<KeyRecord, Trouble> {
        record("alice", AccessKeyMetadata::builder().access_key_id(id).status(status).build())
    }

    #[test]
    fn a_listed_key_that_is_not_understood_is_an_error() {
        let id = ["AKIA", "IOSFODNN7EXAMPLE"].concat();
        assert_eq!(listed(&id, StatusType::Expired).unwrap().status, KeyStatus::Expired);
        assert!(listed("nonsense", StatusType::Active).unwrap_err().message.contains("nonsense"));
        assert!(listed(&id, StatusType::from("Suspended")).unwrap_err().message.contains("Suspended"));
    }
}
