//! What the fake knows: accounts with their users, keys and roles, the organization they are in, sessions that were handed out.
//! How a test describes it stands here; what is answered from it does in `iam`, `sts` and `organizations`.

use std::collections::{BTreeMap, BTreeSet};

use super::ids::{id_of, secret_of};
use super::report::Report;

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct World {
    /// By account number.
    pub(crate) accounts: BTreeMap<String, Account>,
    /// The accounts of the organization, the management account first; empty when there is none.
    pub(crate) organization: Vec<String>,
    /// Those of them that were closed.
    pub(crate) suspended: Vec<String>,
    /// Sessions of roles by their access key id.
    pub(crate) sessions: BTreeMap<String, Session>,
    /// By how many seconds AWS's clock is ahead of this machine's.
    pub(crate) clock_ahead: i64,
    /// So many items stand on a page at most, whatever was asked for.
    pub(crate) page: Option<usize>,
    /// So many times a list shows the former state after a change.
    pub(crate) lag: u32,
    /// Denials name the policy that denies, as AWS began to do in 2026.
    pub(crate) names_policies: bool,
    /// Two different secrets signed calls with one id: for five seconds after a wrong one the right one is refused too.
    pub(crate) refused: BTreeMap<String, i64>,
}

/// One account.
#[derive(Debug, Default)]
pub(crate) struct Account {
    /// Twelve digits.
    pub(crate) number: String,
    /// Its users by name.
    pub(crate) users: BTreeMap<String, User>,
    /// Keys of users by id.
    pub(crate) keys: BTreeMap<String, Key>,
    /// Service-specific credentials by id.
    pub(crate) credentials: BTreeMap<String, Credential>,
    /// Keys of the root user by id.
    pub(crate) root_keys: BTreeMap<String, Key>,
    /// Roles by name.
    pub(crate) roles: BTreeMap<String, Role>,
    /// The credential report, as far as it was asked for.
    pub(crate) report: Report,
}

/// A user.
#[derive(Clone, Debug, Default)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) created: i64,
    pub(crate) has_password: bool,
    pub(crate) has_mfa: bool,
    /// Names of managed policies.
    pub(crate) attached: Vec<String>,
    /// Inline policies, name and document.
    pub(crate) inline: BTreeMap<String, String>,
    /// Ids of access keys, in the order of creation.
    pub(crate) keys: Vec<String>,
    pub(crate) permissions: Permissions,
}

/// An access key.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) secret: String,
    /// Empty for the root user.
    pub(crate) user: String,
    /// `Active`, `Inactive` or `Expired`.
    pub(crate) status: String,
    pub(crate) created: i64,
    /// When, in which service, in which region.
    pub(crate) last_used: Option<(i64, String, String)>,
    /// What lists still show, and how often they will.
    pub(crate) shown: Option<(String, u32)>,
}

/// A service-specific credential.
#[derive(Clone, Debug)]
pub(crate) struct Credential {
    pub(crate) id: String,
    pub(crate) user: String,
    pub(crate) service: String,
    pub(crate) alias: Option<String>,
    pub(crate) status: String,
    pub(crate) created: i64,
    pub(crate) expires: Option<i64>,
}

/// A role that can be assumed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Role {
    pub(crate) name: String,
    /// Accounts whose users and roles may assume it.
    pub(crate) trusts: Vec<String>,
    pub(crate) external_id: Option<String>,
    /// Serial number and code of the second factor that it asks for.
    pub(crate) mfa: Option<(String, String)>,
    pub(crate) permissions: Permissions,
}

/// A session of a role.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) secret: String,
    pub(crate) token: String,
    pub(crate) account: String,
    pub(crate) role: String,
    pub(crate) name: String,
    pub(crate) expires: i64,
}

/// What a user or a role may do.
#[derive(Clone, Debug, Default)]
pub(crate) enum Permissions {
    /// Everything.
    #[default]
    All,
    /// These actions, such as `iam:ListUsers`.
    Only(BTreeSet<String>),
    /// All but these.
    But(BTreeSet<String>),
}

impl Permissions {
    /// These actions and nothing else.
    pub(crate) fn only(actions: &[&str]) -> Self {
        Self::Only(actions.iter().map(|&action| action.to_owned()).collect())
    }

    /// Everything else.
    pub(crate) fn but(actions: &[&str]) -> Self {
        Self::But(actions.iter().map(|&action| action.to_owned()).collect())
    }

    pub(super) fn allow(&self, action: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(actions) => actions.contains(action),
            Self::But(actions) => !actions.contains(action),
        }
    }
}

impl World {
    /// The account of that number, which is made when there is none.
    pub(crate) fn account(&mut self, number: &str) -> &mut Account {
        let new = || Account { number: number.to_owned(), ..Account::default() };
        self.accounts.entry(number.to_owned()).or_insert_with(new)
    }

    /// An access key of a user wherever it is.
    pub(crate) fn key(&self, id: &str) -> Option<&Key> {
        self.accounts.values().find_map(|account| account.keys.get(id))
    }

    /// All that can be switched and how it stands: to compare a before with an after.
    pub(crate) fn state(&self) -> BTreeMap<String, String> {
        let keys = |account: &Account| -> Vec<_> {
            account.keys.values().map(|key| (key.id.clone(), key.status.clone())).collect()
        };
        let credentials = |account: &Account| -> Vec<_> {
            account.credentials.values().map(|it| (it.id.clone(), it.status.clone())).collect()
        };
        let policies = |account: &Account| -> Vec<_> {
            let of_user = |user: &User| {
                let name = user.name.clone();
                user.inline.clone().into_iter().map(move |(policy, text)| (format!("{name}/{policy}"), text))
            };
            account.users.values().flat_map(of_user).collect()
        };
        self.accounts.values().flat_map(|at| [keys(at), credentials(at), policies(at)]).flatten().collect()
    }
}

impl Account {
    /// A user with a path of `/`, who may do everything.
    pub(crate) fn user(&mut self, name: &str) -> &mut User {
        let new = || User { name: name.to_owned(), path: "/".to_owned(), created: 1_577_880_000, ..User::default() };
        self.users.entry(name.to_owned()).or_insert_with(new)
    }

    /// An active key of a user, who is made when there is none, never used. Its id is the same for the same seed.
    pub(crate) fn key(&mut self, user: &str, seed: u64, created: i64) -> &mut Key {
        let id = id_of("AKIA", &self.number, seed);
        self.key_with_id(user, &id, created)
    }

    /// The same with an id of one's own.
    pub(crate) fn key_with_id(&mut self, user: &str, id: &str, created: i64) -> &mut Key {
        self.user(user).keys.push(id.to_owned());
        let taken = self.keys.insert(id.to_owned(), Key::new(id, user, created));
        assert!(taken.is_none(), "two keys with the id {id}");
        self.keys.get_mut(id).expect("it was put there")
    }

    /// A key of the root user.
    pub(crate) fn root_key(&mut self, seed: u64, created: i64) -> &mut Key {
        let id = id_of("AKIA", &self.number, seed);
        self.root_keys.entry(id.clone()).or_insert_with(|| Key::new(&id, "", created))
    }

    /// A long-term key of Bedrock, whose alias is `BedrockAPIKey-<alias>-at-<account>`.
    pub(crate) fn bedrock(&mut self, user: &str, id: &str, alias: &str, created: i64) -> &mut Credential {
        self.user(user);
        let credential = Credential {
            id: id.to_owned(),
            user: user.to_owned(),
            service: "bedrock.amazonaws.com".to_owned(),
            alias: Some(format!("BedrockAPIKey-{alias}-at-{}", self.number)),
            status: "Active".to_owned(),
            created,
            expires: None,
        };
        self.credentials.entry(id.to_owned()).or_insert(credential)
    }

    /// A role that accounts trust, which may do everything.
    pub(crate) fn role(&mut self, name: &str, trusts: &[&str]) -> &mut Role {
        let trusts = trusts.iter().map(|&account| account.to_owned()).collect();
        let role = Role { name: name.to_owned(), trusts, ..Role::default() };
        self.roles.entry(name.to_owned()).or_insert(role)
    }

    /// As after `aws iam delete-access-key`.
    pub(crate) fn delete_key(&mut self, id: &str) {
        let key = self.keys.remove(id).expect("no such key");
        self.user(&key.user).keys.retain(|other| other != id);
    }
}

impl Key {
    fn new(id: &str, user: &str, created: i64) -> Self {
        Self {
            id: id.to_owned(),
            secret: secret_of(id),
            user: user.to_owned(),
            status: "Active".to_owned(),
            created,
            last_used: None,
            shown: None,
        }
    }

    /// Used then and there.
    pub(crate) fn used(&mut self, at: i64, service: &str, region: &str) -> &mut Self {
        self.last_used = Some((at, service.to_owned(), region.to_owned()));
        self
    }

    /// With another status.
    pub(crate) fn status(&mut self, status: &str) -> &mut Self {
        status.clone_into(&mut self.status);
        self
    }
}
