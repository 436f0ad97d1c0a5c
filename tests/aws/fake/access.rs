//! Who signed a call, whether AWS takes that, and what they may do.

use super::answer::Refusal;
use super::call::{Call, Request, Signature};
use super::world::{Permissions, World};

/// AWS's own policies on users whose key stands in public, by this and a version.
const QUARANTINE: &str = "AWSCompromisedKeyQuarantine";

/// What they deny, of what is asked here.
const QUARANTINED: [&str; 4] = ["iam:UpdateAccessKey", "iam:DeleteAccessKey", "iam:ListUsers", "sts:GetSessionToken"];

/// By how much clocks may differ.
const SKEW: i64 = 5 * 60;

/// How long a wrong secret makes the right one be refused.
const SULKS: i64 = 5;

/// Whom a call is from.
#[derive(Clone, Debug)]
pub(crate) struct Principal {
    pub(crate) account: String,
    pub(crate) arn: String,
    /// The name of the user; `None` for roles and the root user.
    pub(crate) user: Option<String>,
    permissions: Permissions,
    quarantined_by: Option<String>,
}

impl Principal {
    /// Whether the caller may do it, and how AWS says no; `resource` as that operation's denials spell it.
    pub(crate) fn may(&self, action: &str, resource: &str, world: &World) -> Result<(), Refusal> {
        let Self { account: _, arn, user: _, permissions, quarantined_by } = self;
        let denied = |why: &str| {
            let message = format!("User: {arn} is not authorized to perform: {action} on resource: {resource} {why}");
            Err(Refusal::new(403, "AccessDenied", message))
        };
        match quarantined_by {
            Some(policy) if QUARANTINED.contains(&action) => match world.names_policies {
                true => denied(&format!(
                    "with an explicit deny in an identity-based policy: arn:aws:iam::aws:policy/{policy}"
                )),
                false => denied("with an explicit deny in an identity-based policy"),
            },
            _ if permissions.allow(action) => Ok(()),
            _ => denied(&format!("because no identity-based policy allows the {action} action")),
        }
    }
}

impl World {
    /// Whom a request is from.
    pub(super) fn caller(&mut self, request: &Request, call: &Call) -> Result<Principal, Refusal> {
        let missing = || Refusal::new(403, "MissingAuthenticationToken", "Request is missing Authentication Token");
        let signature = Signature::of(request).ok_or_else(missing)?;
        let now = call.at + self.clock_ahead;
        in_time(request, now)?;
        let unknown =
            || Refusal::new(403, "InvalidClientTokenId", "The security token included in the request is invalid.");
        let (principal, secret) = self.principal(&signature.id, request, now)?.ok_or_else(unknown)?;
        if self.refused.get(&signature.id).is_some_and(|&at| now - at < SULKS) {
            return Err(unknown());
        }
        if signature.by(&secret, request) != signature.signature {
            self.refused.insert(signature.id, now);
            let why = "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
                       Access Key and signing method. Consult the service documentation for details.";
            return Err(Refusal::new(403, "SignatureDoesNotMatch", why));
        }
        Ok(principal)
    }

    /// Who has a key that works, and its secret.
    fn principal(&self, id: &str, request: &Request, now: i64) -> Result<Option<(Principal, String)>, Refusal> {
        if let Some(session) = self.sessions.get(id) {
            if request.headers.get("x-amz-security-token") != Some(&session.token) {
                return Ok(None);
            }
            if session.expires <= now {
                let why = "The security token included in the request is expired";
                return Err(Refusal::new(403, "ExpiredToken", why));
            }
            let principal = Principal {
                account: session.account.clone(),
                arn: format!("arn:aws:sts::{}:assumed-role/{}/{}", session.account, session.role, session.name),
                user: None,
                permissions: self.accounts[&session.account].roles[&session.role].permissions.clone(),
                quarantined_by: None,
            };
            return Ok(Some((principal, session.secret.clone())));
        }
        let holder = self.accounts.values().find_map(|account| {
            let key = account.keys.get(id).or_else(|| account.root_keys.get(id))?;
            Some((account, key))
        });
        let Some((account, key)) = holder.filter(|(_, key)| key.status == "Active") else { return Ok(None) };
        let user = account.users.get(&key.user);
        let arn = match user {
            Some(user) => format!("arn:aws:iam::{}:user{}{}", account.number, user.path, user.name),
            None => format!("arn:aws:iam::{}:root", account.number),
        };
        let principal = Principal {
            account: account.number.clone(),
            arn,
            user: user.map(|user| user.name.clone()),
            permissions: user.map(|user| user.permissions.clone()).unwrap_or_default(),
            quarantined_by: user
                .and_then(|user| user.attached.iter().find(|policy| policy.starts_with(QUARANTINE)).cloned()),
        };
        Ok(Some((principal, key.secret.clone())))
    }
}

/// Calls that were signed by a clock that is wrong are refused.
fn in_time(request: &Request, now: i64) -> Result<(), Refusal> {
    let write = |at: i64| super::answer::date(at).replace(['-', ':'], "");
    let signed = request.signed_at().ok_or_else(|| {
        let why = "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.";
        Refusal::new(403, "IncompleteSignature", why)
    })?;
    let (then, at) = (write(signed), write(now));
    let why = if signed + SKEW < now {
        format!("Signature expired: {then} is now earlier than {} ({at} - 5 min.)", write(now - SKEW))
    } else if signed - SKEW > now {
        format!("Signature not yet current: {then} is still later than {} ({at} + 5 min.)", write(now + SKEW))
    } else {
        return Ok(());
    };
    Err(Refusal::new(403, "SignatureDoesNotMatch", why))
}
