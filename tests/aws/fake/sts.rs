//! STS: who somebody is, whose an id is, and sessions of roles.
//! <https://docs.aws.amazon.com/STS/latest/APIReference/API_Operations.html>

use keysweep::key::AccessKeyId;

use super::access::Principal;
use super::answer::{Refusal, date, element};
use super::call::Call;
use super::ids::{id_of, secret_of};
use super::world::{Role, Session, World};

type Outcome = Result<String, Refusal>;

/// An operation's outcome, when the caller may do it.
pub(super) fn answer(world: &mut World, who: &Principal, call: &Call, now: i64) -> Outcome {
    match call.operation.as_str() {
        // It takes no permission.
        "GetCallerIdentity" => Ok(element("Arn", &who.arn)
            + &element("UserId", "AIDAEXAMPLEEXAMPLEEX")
            + &element("Account", &who.account)),
        "GetAccessKeyInfo" => account_of(world, who, call),
        "AssumeRole" => assume(world, who, call, now),
        other => {
            Err(Refusal::new(400, "InvalidAction", format!("Could not find operation {other} for version 2011-06-15")))
        }
    }
}

/// Works for the ids of everybody, and says nothing of whether they exist.
fn account_of(world: &World, who: &Principal, call: &Call) -> Outcome {
    who.may("sts:GetAccessKeyInfo", "*", world)?;
    let id = call.needed("AccessKeyId")?;
    let spelled = AccessKeyId::parse(id.as_bytes()).and_then(|id| id.account()).map(|account| account.to_string());
    let account = spelled.or_else(|| Some(world.key_account(id)?.to_owned()));
    // What AWS says of an old id that was never issued has not been recorded.
    account
        .map(|account| element("Account", account))
        .ok_or_else(|| Refusal::invalid("The access key id is not valid."))
}

fn assume(world: &mut World, who: &Principal, call: &Call, now: i64) -> Outcome {
    let (arn, name) = (call.needed("RoleArn")?, call.needed("RoleSessionName")?);
    who.may("sts:AssumeRole", arn, world)?;
    let denied = || {
        let message = format!("User: {} is not authorized to perform: sts:AssumeRole on resource: {arn}", who.arn);
        Refusal::new(403, "AccessDenied", message)
    };
    let (account, role) = arn
        .strip_prefix("arn:aws:iam::")
        .and_then(|rest| rest.split_once(":role/"))
        .and_then(|(account, role)| Some((account.to_owned(), world.accounts.get(account)?.roles.get(role)?)))
        .filter(|(_, role)| trusts(role, who, call))
        .ok_or_else(denied)?;
    let role = role.name.clone();
    let id = id_of(&["AS", "IA"].concat(), &account, world.sessions.len() as u64);
    let token = format!("token-of-{id}");
    let (secret, expires) = (secret_of(&id), now + 3600);
    let session = Session { secret, token, account, role, name: name.to_owned(), expires };
    let arn = format!("arn:aws:sts::{}:assumed-role/{}/{name}", session.account, session.role);
    let credentials = element("AccessKeyId", &id)
        + &element("SecretAccessKey", &session.secret)
        + &element("SessionToken", &session.token)
        + &element("Expiration", date(expires));
    world.sessions.insert(id, session);
    let user = element("AssumedRoleId", format!("AROAEXAMPLEEXAMPLEEX:{name}")) + &element("Arn", arn);
    Ok(format!("<Credentials>{credentials}</Credentials><AssumedRoleUser>{user}</AssumedRoleUser>"))
}

fn trusts(role: &Role, who: &Principal, call: &Call) -> bool {
    let given = (call.parameter("SerialNumber"), call.parameter("TokenCode"));
    role.trusts.contains(&who.account)
        && role.external_id.as_deref().is_none_or(|id| call.parameter("ExternalId") == Some(id))
        && role.mfa.as_ref().is_none_or(|(serial, code)| given == (Some(serial), Some(code)))
}

impl World {
    /// The account that has a key of that id.
    fn key_account(&self, id: &str) -> Option<&str> {
        let has =
            |account: &&super::world::Account| account.keys.contains_key(id) || account.root_keys.contains_key(id);
        self.accounts.values().find(has).map(|account| account.number.as_str())
    }
}
