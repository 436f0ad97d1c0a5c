//! Whose account a credential belongs to, as far as its id and a list of one's own accounts tell. Where the list comes from is the
//! caller's business.

use std::collections::HashSet;

use crate::key::AccountId;

/// One's own accounts. With none, nothing is known to be foreign either.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accounts(HashSet<AccountId>);

/// How one stands to an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// One of one's own.
    Ours,
    /// None of them.
    Foreign,
    /// A maker of canary tokens has it, whatever the list says: using a key of it raises an alarm.
    Canary,
    /// There is no list.
    Unknown,
}

impl Accounts {
    /// One more of one's own.
    pub fn add(&mut self, account: AccountId) {
        self.0.insert(account);
    }

    /// What `account` is by this list.
    pub fn standing(&self, account: AccountId) -> Standing {
        match self {
            _ if account.is_canary() => Standing::Canary,
            Self(ours) if ours.is_empty() => Standing::Unknown,
            Self(ours) if ours.contains(&account) => Standing::Ours,
            _ => Standing::Foreign,
        }
    }
}

impl FromIterator<AccountId> for Accounts {
    fn from_iter<I: IntoIterator<Item = AccountId>>(accounts: I) -> Self {
        Self(accounts.into_iter().collect())
    }
}

impl Standing {
    /// What it is called in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Foreign => "foreign",
            Self::Canary => "canary",
            Self::Unknown => "unknown",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(text: &str) -> AccountId {
        AccountId::parse(text).unwrap()
    }

    #[test]
    fn what_is_not_on_the_list_is_foreign() {
        let ours: Accounts = ["111122223333", "000000000001"].map(account).into_iter().collect();
        assert_eq!(ours.standing(account("000000000001")), Standing::Ours);
        assert_eq!(ours.standing(account("000000000002")), Standing::Foreign);
    }

    #[test]
    fn without_a_list_nothing_is_foreign() {
        assert_eq!(Accounts::default().standing(account("111122223333")), Standing::Unknown);
    }

    #[test]
    fn a_canary_is_one_even_on_the_list() {
        let canary = account("171436882533");
        assert_eq!(Accounts::from_iter([canary]).standing(canary), Standing::Canary);
        assert_eq!(Accounts::default().standing(canary), Standing::Canary);
    }
}
