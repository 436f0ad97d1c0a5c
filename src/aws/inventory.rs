//! Fills an inventory: what one account says of the credentials that it is asked about. By the route that costs fewer calls; where that
//! one is barred, by the other.

use std::collections::{BTreeMap, BTreeSet};

use super::client::{Client, each};
use super::keys::Summary;
use super::trouble::{Kind, Trouble};
use super::user::{Whose, users_of};
use crate::key::{AccessKeyId, KeyKind};
use crate::triage::credential_report::CredentialReport;
use crate::triage::inventory::{Gap, Inventory, KeyRecord, LastUsed, UserRecord};
use crate::triage::lead::Name;

const LAST_USED: &str = "iam:GetAccessKeyLastUsed";
const LIST_KEYS: &str = "iam:ListAccessKeys";
const LIST_USERS: &str = "iam:ListUsers";
const LIST_SERVICE: &str = "iam:ListServiceSpecificCredentials";
const SUMMARY: &str = "iam:GetAccountSummary";

/// With so few hits the number of users is not asked: it could save no more calls than it costs time.
const FEW: usize = 8;
/// How many users are on a page of `ListUsers`.
const USERS_A_PAGE: u64 = 1000;

/// How keys are looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    /// Each key's user, and that user's keys.
    KeyByKey,
    /// All keys of all users.
    EveryUser,
}

/// The route that costs fewer calls.
fn route(hits: usize, users: Option<u64>) -> Route {
    let hits = u64::try_from(hits).unwrap_or(u64::MAX);
    match users {
        // On both the last use of each that is found is asked. Key by key asks about those that don't exist too, which are most of what
        // leaks; listing everything asks about the users who have none.
        Some(users) if users + users.div_ceil(USERS_A_PAGE) < hits => Route::EveryUser,
        _ => Route::KeyByKey,
    }
}

/// Asks about these credentials of the account.
pub(super) async fn take(client: &Client, names: &[Name], now: i64) -> Inventory {
    let mut inventory = Inventory::new(client.caller.account, now, true);
    let ids: BTreeSet<AccessKeyId> = names.iter().filter_map(long_term).collect();
    if !ids.is_empty() {
        // AWS makes the report while the keys are looked up.
        let report = tokio::spawn({
            let client = client.clone();
            async move { client.credential_report().await }
        });
        look_up(client, &mut inventory, &ids).await;
        add_report(&mut inventory, report.await.ok());
        add_quarantine(client, &mut inventory, &ids).await;
    }
    let aliases: Vec<Option<&str>> = names.iter().filter_map(alias).collect();
    if !aliases.is_empty() {
        add_service_credentials(client, &mut inventory, &aliases).await;
    }
    inventory
}

/// All keys of all users.
pub(super) async fn take_all(client: &Client, now: i64) -> Result<Inventory, Gap> {
    let mut inventory = Inventory::new(client.caller.account, now, true);
    let report = tokio::spawn({
        let client = client.clone();
        async move { client.credential_report().await }
    });
    if let Some(gap) = index(client, &mut inventory).await {
        report.abort();
        return Err(gap);
    }
    add_report(&mut inventory, report.await.ok());
    Ok(inventory)
}

/// An id that can be asked about: sessions are not.
fn long_term(name: &Name) -> Option<AccessKeyId> {
    match name {
        Name::AccessKey(id) if id.kind() == KeyKind::LongTerm => Some(*id),
        _ => None,
    }
}

/// An alias, if it is told, of a service-specific credential.
fn alias(name: &Name) -> Option<Option<&str>> {
    match name {
        Name::ServiceCredential { alias, .. } => Some(alias.as_deref()),
        _ => None,
    }
}

async fn look_up(client: &Client, inventory: &mut Inventory, ids: &BTreeSet<AccessKeyId>) {
    let summary = if ids.len() > FEW { client.summary().await.ok() } else { None };
    let first = route(ids.len(), summary.and_then(|summary| summary.users));
    let barred = follow(client, inventory, first, ids).await;
    // One who may not ask about a key may be allowed to list them all, and the other way round.
    let (other, again): (Route, BTreeSet<AccessKeyId>) = match first {
        Route::EveryUser => (Route::KeyByKey, barred.keys().copied().collect()),
        Route::KeyByKey => {
            let unseen = |gap: &Gap| gap.permission.as_deref() == Some(LAST_USED);
            (Route::EveryUser, barred.iter().filter(|(_, gap)| unseen(gap)).map(|(id, _)| *id).collect())
        }
    };
    let still_barred: BTreeSet<AccessKeyId> = if again.is_empty() {
        BTreeSet::new()
    } else {
        follow(client, inventory, other, &again).await.into_keys().collect()
    };
    let stays = |id: &AccessKeyId| !again.contains(id) || still_barred.contains(id);
    inventory.gaps.extend(barred.into_iter().filter(|(id, _)| stays(id)));
    if !inventory.absent.is_empty() {
        add_root_keys(client, inventory, summary).await;
    }
}

/// Looks keys up by one route; what that leaves open is returned, and why.
async fn follow(
    client: &Client,
    inventory: &mut Inventory,
    route: Route,
    ids: &BTreeSet<AccessKeyId>,
) -> BTreeMap<AccessKeyId, Gap> {
    match route {
        Route::KeyByKey => key_by_key(client, inventory, ids).await,
        Route::EveryUser => every_user(client, inventory, ids).await,
    }
}

async fn key_by_key(
    client: &Client,
    inventory: &mut Inventory,
    ids: &BTreeSet<AccessKeyId>,
) -> BTreeMap<AccessKeyId, Gap> {
    let (mut owners, mut gaps) = owners(client, inventory, ids).await;
    list_users_of(client, inventory, &mut owners, &mut gaps).await;
    // A user may have been renamed between the two calls, and an id may be told to be of a user who does not have it.
    let unlisted: BTreeSet<AccessKeyId> = owners.into_keys().collect();
    let (mut owners, late) = self::owners(client, inventory, &unlisted).await;
    gaps.extend(late);
    list_users_of(client, inventory, &mut owners, &mut gaps).await;
    inventory.absent.extend(owners.into_keys());
    gaps
}

impl Client {
    /// For [`each`]: a user and the keys.
    async fn listed(self, user: String) -> (String, Result<Vec<KeyRecord>, Trouble>) {
        let keys = self.keys_of(&user).await;
        (user, keys)
    }

    /// For [`each`]: a key, its user and last use.
    async fn asked(self, id: AccessKeyId) -> (AccessKeyId, Result<(String, LastUsed), Trouble>) {
        (id, self.last_used(id).await)
    }
}

/// By key, its user and last use, for those that have a user.
type Owners = BTreeMap<AccessKeyId, (String, LastUsed)>;

/// Asks for the users of keys. Those that have none are absent, those of which that could not be learnt are returned as such.
async fn owners(
    client: &Client,
    inventory: &mut Inventory,
    ids: &BTreeSet<AccessKeyId>,
) -> (Owners, BTreeMap<AccessKeyId, Gap>) {
    let (mut owners, mut gaps) = (Owners::new(), BTreeMap::new());
    for (id, answer) in each(ids.iter().copied(), |id| client.clone().asked(id)).await {
        match answer {
            // The root user is not one of IAM's, and is told in brackets if at all: no list of users has it.
            Ok((user, _)) if user.starts_with('<') => {
                inventory.absent.insert(id);
            }
            Ok(owner) => {
                owners.insert(id, owner);
            }
            Err(trouble) if trouble.is_no_key_of_ours(id) => {
                inventory.absent.insert(id);
            }
            Err(trouble) => {
                let doing = format!("asking for the user of access key {id}");
                gaps.insert(id, client.gap(&trouble, &doing, LAST_USED).await);
            }
        }
    }
    (owners, gaps)
}

/// Lists the keys of these users, each once. What is found or can't be is taken out of `owners`; what stays, its user does not have.
async fn list_users_of(
    client: &Client,
    inventory: &mut Inventory,
    owners: &mut Owners,
    gaps: &mut BTreeMap<AccessKeyId, Gap>,
) {
    let users: BTreeSet<String> = owners.values().map(|(user, _)| user.clone()).collect();
    for (user, keys) in each(users, |user| client.clone().listed(user)).await {
        match keys {
            Ok(keys) => inventory.add_keys(keys),
            // Renamed or deleted just now.
            Err(Trouble { kind: Kind::Missing, .. }) => {}
            Err(trouble) => {
                let gap = client.gap(&trouble, &listing(&user), LIST_KEYS).await;
                for (id, _) in owners.extract_if(.., |_, (owner, _)| *owner == user) {
                    gaps.insert(id, gap.clone());
                }
            }
        }
    }
    owners.retain(|id, (_, used)| match inventory.keys.get_mut(id) {
        Some(key) => {
            key.last_used = Some(used.clone());
            false
        }
        None => true,
    });
}

fn listing(user: &str) -> String {
    format!("listing the access keys of user {user}")
}

async fn every_user(
    client: &Client,
    inventory: &mut Inventory,
    ids: &BTreeSet<AccessKeyId>,
) -> BTreeMap<AccessKeyId, Gap> {
    let hole = index(client, inventory).await;
    let (found, rest): (Vec<AccessKeyId>, Vec<AccessKeyId>) =
        ids.iter().partition(|id| inventory.keys.contains_key(id));
    add_last_used(client, inventory, &found).await;
    match hole {
        None => {
            inventory.absent.extend(rest);
            BTreeMap::new()
        }
        Some(gap) => rest.into_iter().map(|id| (id, gap.clone())).collect(),
    }
}

/// Lists all keys of all users. What is returned is why that is not all of them.
async fn index(client: &Client, inventory: &mut Inventory) -> Option<Gap> {
    let users = match client.user_names().await {
        Ok(users) => users,
        Err(trouble) => return Some(client.gap(&trouble, "listing all users", LIST_USERS).await),
    };
    let mut hole = None;
    // In the same order every time: of several troubles the first is told.
    let listed: BTreeMap<_, _> = each(users, |user| client.clone().listed(user)).await.into_iter().collect();
    for (user, keys) in listed {
        match keys {
            Ok(keys) => inventory.add_keys(keys),
            // Deleted since the users were listed.
            Err(Trouble { kind: Kind::Missing, .. }) => {}
            Err(trouble) if hole.is_none() => hole = Some(client.gap(&trouble, &listing(&user), LIST_KEYS).await),
            Err(_) => {}
        }
    }
    inventory.is_complete = hole.is_none();
    hole
}

async fn add_last_used(client: &Client, inventory: &mut Inventory, ids: &[AccessKeyId]) {
    let mut missing = None;
    let answers: BTreeMap<_, _> = each(ids.iter().copied(), |id| client.clone().asked(id)).await.into_iter().collect();
    for (id, answer) in answers {
        match (answer, inventory.keys.get_mut(&id)) {
            (Ok((_, used)), Some(key)) => key.last_used = Some(used),
            (Err(trouble), _) if missing.is_none() => {
                let doing = format!("asking for the last use of access key {id}");
                missing = Some(client.gap(&trouble, &doing, LAST_USED).await);
            }
            _ => {}
        }
    }
    inventory.missing.extend(missing);
}

async fn add_root_keys(client: &Client, inventory: &mut Inventory, summary: Option<Summary>) {
    let summary = match summary {
        Some(summary) => Ok(summary),
        None => client.summary().await,
    };
    match summary {
        Ok(summary) => inventory.root_keys = summary.root_keys,
        Err(trouble) => {
            let doing = "asking whether the root user has access keys";
            inventory.missing.push(client.gap(&trouble, doing, SUMMARY).await);
        }
    }
}

fn add_report(inventory: &mut Inventory, report: Option<Result<CredentialReport, Gap>>) {
    match report {
        Some(Ok(report)) => inventory.report = Some(report),
        Some(Err(gap)) => inventory.missing.push(gap),
        // Its task was cut short, which is not done to it.
        None => {}
    }
}

/// Asks whether AWS has put the users of the hits in quarantine.
async fn add_quarantine(client: &Client, inventory: &mut Inventory, ids: &BTreeSet<AccessKeyId>) {
    let users: BTreeSet<String> =
        ids.iter().filter_map(|id| inventory.keys.get(id)).map(|key| key.user.clone()).collect();
    let ask = |name: String| {
        let client = client.clone();
        async move {
            let mut user = UserRecord::default();
            client.add_quarantine(&mut user, &name).await;
            (name, user)
        }
    };
    inventory.users.extend(each(users, ask).await);
}

async fn add_service_credentials(client: &Client, inventory: &mut Inventory, aliases: &[Option<&str>]) {
    let trouble = match client.service_credentials(Whose::EveryonesForBedrock).await {
        Ok(credentials) => return inventory.add_service_credentials(credentials),
        Err(trouble) => trouble,
    };
    let all = client.gap(&trouble, "listing the service-specific credentials of all users", LIST_SERVICE).await;
    for alias in aliases {
        let users = alias.map(users_of).unwrap_or_default();
        if users.is_empty() {
            inventory.service_gap.get_or_insert_with(|| all.clone());
        }
        for user in users {
            match client.service_credentials(Whose::Of(user)).await {
                Ok(credentials) => inventory.add_service_credentials(credentials),
                // Nor has a user who does not exist a credential.
                Err(Trouble { kind: Kind::Missing, .. }) => {}
                Err(trouble) => {
                    let doing = format!("listing the service-specific credentials of user {user}");
                    let gap = client.gap(&trouble, &doing, LIST_SERVICE).await;
                    inventory.service_gap.get_or_insert(gap);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_hits_are_looked_up_key_by_key_and_many_by_listing_everything() {
        for (hits, users, expected) in [
            (1, Some(0), Route::EveryUser),
            (1, Some(1), Route::KeyByKey),
            (10, Some(5000), Route::KeyByKey),
            (500, Some(5000), Route::KeyByKey),
            (500, Some(499), Route::KeyByKey),
            (500, Some(498), Route::EveryUser),
            (500, Some(3), Route::EveryUser),
            (500, None, Route::KeyByKey),
        ] {
            assert_eq!(route(hits, users), expected, "{hits} hits, {users:?} users");
        }
    }

    #[test]
    fn the_route_that_is_taken_is_hardly_ever_the_dearer_one() {
        for (hits, users) in (1..40_u64).flat_map(|hits| (1..40).map(move |users| (hits, users))) {
            // How many of the hits exist, and of how many users they are, who have two keys at most.
            for found in 0..=hits.min(2 * users) {
                for owners in found.div_ceil(2)..=found.min(users) {
                    let key_by_key = hits + owners;
                    let every_user = users + users.div_ceil(USERS_A_PAGE) + found;
                    let (cost, other) = match route(hits as usize, Some(users)) {
                        Route::KeyByKey => (key_by_key, every_user),
                        Route::EveryUser => (every_user, key_by_key),
                    };
                    // Dearer only where all is found, or where next to nothing is and the users are not many fewer than the hits.
                    let most = if found == 0 { 0 } else { users.min(hits) / 2 + 2 };
                    assert!(cost <= other + most, "{hits} hits, {users} users, {found} found: {cost}, not {other}");
                }
            }
        }
    }

    #[test]
    fn sessions_are_not_asked_about() {
        let name =
            |kind: &str| Name::AccessKey(AccessKeyId::parse([kind, "SP2TPHJSQH3FJRUX"].concat().as_bytes()).unwrap());
        assert!(long_term(&name("AKIA")).is_some());
        assert_eq!(long_term(&name("ASIA")), None);
        assert_eq!(long_term(&Name::Nameless), None);
    }
}
