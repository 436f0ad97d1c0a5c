//! Which accounts there are: the organization's, and that of an id which does not spell it.

use super::Member;
use super::client::{Client, pages};
use super::trouble::Trouble;
use crate::key::{AccessKeyId, AccountId};
use crate::triage::inventory::Gap;

impl Client {
    /// The accounts of the organization.
    pub(super) async fn organization_accounts(&self) -> Result<Vec<Member>, Gap> {
        let listed = pages(|token| async {
            let page = self.read(self.organizations.list_accounts().set_next_token(token).send()).await?;
            let accounts = page.accounts.unwrap_or_default().into_iter();
            let accounts: Result<_, Trouble> = accounts.map(member).collect();
            Ok((accounts?, page.next_token))
        });
        match listed.await {
            Ok(accounts) => Ok(accounts),
            Err(trouble) => {
                let doing = "listing the accounts of the organization";
                Err(self.gap(&trouble, doing, "organizations:ListAccounts").await)
            }
        }
    }

    /// The account of a key, whoever has it.
    pub(super) async fn account_of(&self, id: AccessKeyId) -> Result<AccountId, Gap> {
        let call = self.sts.get_access_key_info().access_key_id(id.as_str()).send();
        let told = self.read(call).await.and_then(|answer| parse(answer.account.unwrap_or_default()));
        match told {
            Ok(account) => Ok(account),
            Err(trouble) => {
                let doing = format!("asking for the account of access key {id}");
                Err(self.gap(&trouble, &doing, "sts:GetAccessKeyInfo").await)
            }
        }
    }
}

fn member(account: aws_sdk_organizations::types::Account) -> Result<Member, Trouble> {
    let is_shut = |state: &str| ["SUSPENDED", "CLOSED", "PENDING_CLOSURE", "PENDING_ACTIVATION"].contains(&state);
    // Its state says more than its status, which AWS is about to take away, and emulators have that alone.
    let is_open = match (&account.state, &account.status) {
        (Some(state), _) => !is_shut(state.as_str()),
        (None, Some(status)) => !is_shut(status.as_str()),
        (None, None) => true,
    };
    Ok(Member { account: parse(account.id.unwrap_or_default())?, is_open })
}

fn parse(number: String) -> Result<AccountId, Trouble> {
    AccountId::parse(&number)
        .map_err(|why| Trouble::answer(format!("AWS calls {number:?} an account number, but {why}")))
}
