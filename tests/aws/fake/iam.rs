//! IAM: what it answers to the calls that keysweep makes.
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_Operations.html>

use super::access::Principal;
use super::answer::{Refusal, date, element, members};
use super::call::{Call, percent_encoded};
use super::world::{Account, Credential, Key, User, World};

type Outcome = Result<String, Refusal>;

/// An operation's outcome, when the caller may do it.
pub(super) fn answer(world: &mut World, who: &Principal, call: &Call, now: i64) -> Outcome {
    who.may(&call.action(), &resource(who, call), world)?;
    let (page, lag) = (world.page, world.lag);
    let account = world.account(&who.account);
    match call.operation.as_str() {
        "GenerateCredentialReport" => Ok(account.generate_report(now)),
        "GetCredentialReport" => account.get_report(now),
        "GetAccountSummary" => Ok(summary(account)),
        "ListUsers" => list_users(account, call, page),
        "GetUser" => Ok(format!("<User>{}</User>", user_xml(account, user(account, who, call)?))),
        "GetLoginProfile" => login_profile(user(account, who, call)?),
        "ListAccessKeys" => list_access_keys(account, who, call, page),
        "GetAccessKeyLastUsed" => last_used(account, who, call),
        "UpdateAccessKey" => update_access_key(account, who, call, lag),
        "ListAttachedUserPolicies" => attached(user(account, who, call)?, call, page),
        "GetUserPolicy" => get_policy(user(account, who, call)?, call),
        "PutUserPolicy" => put_policy(account, who, call),
        "DeleteUserPolicy" => delete_policy(account, who, call),
        "ListServiceSpecificCredentials" => list_credentials(account, who, call, page),
        "UpdateServiceSpecificCredential" => update_credential(account, who, call),
        other => {
            Err(Refusal::new(400, "InvalidAction", format!("Could not find operation {other} for version 2010-05-08")))
        }
    }
}

/// What a call is about, as denials spell it.
fn resource(who: &Principal, call: &Call) -> String {
    match (call.operation.as_str(), call.parameter("UserName"), call.parameter("AccessKeyId")) {
        ("GetAccessKeyLastUsed", _, Some(id)) => format!("access key {id}"),
        ("ListUsers", ..) => format!("arn:aws:iam::{}:user/", who.account),
        (_, Some(name), _) => format!("user {name}"),
        _ => "*".to_owned(),
    }
}

/// The user whom a call names, or the caller when that is a user.
fn user_name<'a>(who: &'a Principal, call: &'a Call) -> Result<&'a str, Refusal> {
    let why = "Must specify userName when calling with non-User credentials";
    call.parameter("UserName").or(who.user.as_deref()).ok_or_else(|| Refusal::invalid(why))
}

fn user<'a>(account: &'a Account, who: &Principal, call: &Call) -> Result<&'a User, Refusal> {
    let name = user_name(who, call)?;
    account.users.get(name).ok_or_else(|| no_such_user(name))
}

fn no_such_user(name: &str) -> Refusal {
    Refusal::no_such(format!("The user with name {name} cannot be found."))
}

/// A page of a list: the items, and how it goes on.
fn page(name: &str, items: Vec<String>, call: &Call, most: Option<usize>) -> Outcome {
    let asked: usize = call.parameter("MaxItems").map_or(Ok(100), str::parse).unwrap_or(0);
    if !(1..=1000).contains(&asked) {
        let why = "1 validation error detected: Value at 'maxItems' failed to satisfy constraint: Member must have value between 1 and 1000";
        return Err(Refusal::invalid(why));
    }
    let start = match call.parameter("Marker") {
        None => 0,
        Some(marker) => marker
            .strip_prefix("from/")
            .and_then(|start| start.parse().ok())
            .filter(|&start: &usize| start <= items.len())
            .ok_or_else(|| Refusal::invalid("Invalid Marker."))?,
    };
    let end = items.len().min(start + asked.min(most.unwrap_or(usize::MAX)));
    let is_truncated = end < items.len();
    let marker = if is_truncated { element("Marker", format!("from/{end}")) } else { String::new() };
    let items = items.into_iter().take(end).skip(start);
    Ok(members(name, items) + &element("IsTruncated", is_truncated.to_string()) + &marker)
}

fn list_users(account: &Account, call: &Call, most: Option<usize>) -> Outcome {
    let prefix = call.parameter("PathPrefix").unwrap_or("/");
    let users = account.users.values().filter(|user| user.path.starts_with(prefix));
    page("Users", users.map(|user| user_xml(account, user)).collect(), call, most)
}

fn user_xml(account: &Account, user: &User) -> String {
    let User { name, path, created, .. } = user;
    let arn = format!("arn:aws:iam::{}:user{path}{name}", account.number);
    element("Path", path)
        + &element("UserName", name)
        + &element("UserId", "AIDAEXAMPLEEXAMPLEEX")
        + &element("Arn", arn)
        + &element("CreateDate", date(*created))
}

fn login_profile(user: &User) -> Outcome {
    if !user.has_password {
        return Err(Refusal::no_such(format!("Login Profile for User {} cannot be found.", user.name)));
    }
    let fields = element("UserName", &user.name) + &element("CreateDate", date(user.created));
    Ok(format!("<LoginProfile>{fields}<PasswordResetRequired>false</PasswordResetRequired></LoginProfile>"))
}

fn summary(account: &Account) -> String {
    let entry = |(key, value): (&str, usize)| {
        format!("<entry>{}{}</entry>", element("key", key), element("value", value.to_string()))
    };
    let quantities = [
        ("AccessKeysPerUserQuota", 2),
        ("AccountAccessKeysPresent", usize::from(!account.root_keys.is_empty())),
        ("AccountMFAEnabled", 1),
        ("Users", account.users.len()),
        ("UsersQuota", 5000),
    ];
    format!("<SummaryMap>{}</SummaryMap>", quantities.map(entry).concat())
}

fn list_access_keys(account: &mut Account, who: &Principal, call: &Call, most: Option<usize>) -> Outcome {
    let ids = user(account, who, call)?.keys.clone();
    let keys = ids.iter().map(|id| {
        let key = account.keys.get_mut(id).expect("users have keys that exist");
        let status = shown(key);
        element("UserName", &key.user)
            + &element("AccessKeyId", &key.id)
            + &element("Status", status)
            + &element("CreateDate", date(key.created))
    });
    let keys = keys.collect();
    page("AccessKeyMetadata", keys, call, most)
}

/// The status that lists show: for a while still the former one.
fn shown(key: &mut Key) -> String {
    match key.shown.take() {
        Some((former, left)) if left > 0 => {
            key.shown = Some((former.clone(), left - 1));
            former
        }
        _ => key.status.clone(),
    }
}

fn last_used(account: &Account, who: &Principal, call: &Call) -> Outcome {
    let id = call.needed("AccessKeyId")?;
    let Some(key) = account.keys.get(id) else {
        // Not NoSuchEntity, and without the colon of other denials.
        let message = format!(
            "User: {} is not authorized to perform iam:GetAccessKeyLastUsed on resource: access key {id}",
            who.arn
        );
        return Err(Refusal::new(403, "AccessDenied", message));
    };
    let used = match &key.last_used {
        Some((at, service, region)) => {
            element("LastUsedDate", date(*at)) + &element("ServiceName", service) + &element("Region", region)
        }
        None => element("ServiceName", "N/A") + &element("Region", "N/A"),
    };
    Ok(element("UserName", &key.user) + &format!("<AccessKeyLastUsed>{used}</AccessKeyLastUsed>"))
}

/// The only two that can be set.
fn status(call: &Call) -> Result<&str, Refusal> {
    let status = call.needed("Status")?;
    let why = format!(
        "1 validation error detected: Value '{status}' at 'status' failed to satisfy constraint: Member must satisfy enum \
         value set: [Active, Inactive]"
    );
    Some(status).filter(|status| ["Active", "Inactive"].contains(status)).ok_or_else(|| Refusal::invalid(why))
}

fn update_access_key(account: &mut Account, who: &Principal, call: &Call, lag: u32) -> Outcome {
    let (id, status) = (call.needed("AccessKeyId")?, status(call)?);
    let name = user(account, who, call)?.name.clone();
    let key = account.keys.get_mut(id).filter(|key| key.user == name);
    let key = key.ok_or_else(|| Refusal::no_such(format!("The Access Key with id {id} cannot be found.")))?;
    if key.status != status {
        key.shown = (lag > 0).then(|| (key.status.clone(), lag));
    }
    status.clone_into(&mut key.status);
    Ok(String::new())
}

fn attached(user: &User, call: &Call, most: Option<usize>) -> Outcome {
    let policy =
        |name: &String| element("PolicyName", name) + &element("PolicyArn", format!("arn:aws:iam::aws:policy/{name}"));
    page("AttachedPolicies", user.attached.iter().map(policy).collect(), call, most)
}

fn get_policy(user: &User, call: &Call) -> Outcome {
    let name = call.needed("PolicyName")?;
    let document = user.inline.get(name).ok_or_else(|| no_such_policy(name))?;
    Ok(element("UserName", &user.name)
        + &element("PolicyName", name)
        + &element("PolicyDocument", percent_encoded(document)))
}

fn no_such_policy(name: &str) -> Refusal {
    Refusal::no_such(format!("The user policy with name {name} cannot be found."))
}

fn put_policy(account: &mut Account, who: &Principal, call: &Call) -> Outcome {
    let (name, document) = (call.needed("PolicyName")?, call.needed("PolicyDocument")?);
    if serde_json::from_str::<serde_json::Value>(document).is_err() {
        return Err(Refusal::new(400, "MalformedPolicyDocument", "Syntax errors in policy."));
    }
    let user = user(account, who, call)?.name.clone();
    account.user(&user).inline.insert(name.to_owned(), document.to_owned());
    Ok(String::new())
}

fn delete_policy(account: &mut Account, who: &Principal, call: &Call) -> Outcome {
    let name = call.needed("PolicyName")?;
    let user = user(account, who, call)?.name.clone();
    account.user(&user).inline.remove(name).ok_or_else(|| no_such_policy(name))?;
    Ok(String::new())
}

fn list_credentials(account: &Account, who: &Principal, call: &Call, most: Option<usize>) -> Outcome {
    let of = match call.parameter("AllUsers") {
        Some("true") => None,
        _ => Some(user(account, who, call)?.name.clone()),
    };
    let service = call.parameter("ServiceName");
    let asked = account.credentials.values().filter(|it| of.as_ref().is_none_or(|user| *user == it.user));
    let asked = asked.filter(|it| service.is_none_or(|service| service == it.service));
    page("ServiceSpecificCredentials", asked.map(credential_xml).collect(), call, most)
}

fn credential_xml(credential: &Credential) -> String {
    let Credential { id, user, service, alias, status, created, expires } = credential;
    let optional = |name: &str, value: Option<String>| value.map(|value| element(name, value)).unwrap_or_default();
    element("UserName", user)
        + &element("Status", status)
        + &optional("ServiceCredentialAlias", alias.clone())
        + &element("CreateDate", date(*created))
        + &optional("ExpirationDate", expires.map(date))
        + &element("ServiceSpecificCredentialId", id)
        + &element("ServiceName", service)
}

fn update_credential(account: &mut Account, who: &Principal, call: &Call) -> Outcome {
    let (id, status) = (call.needed("ServiceSpecificCredentialId")?, status(call)?);
    let name = user(account, who, call)?.name.clone();
    let credential = account.credentials.get_mut(id).filter(|it| it.user == name);
    let credential = credential.ok_or_else(|| Refusal::no_such(format!("No such credential {id} exists")))?;
    status.clone_into(&mut credential.status);
    Ok(String::new())
}
