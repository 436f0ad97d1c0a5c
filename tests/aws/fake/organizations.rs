//! Organizations: the list of accounts.
//! <https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListAccounts.html>

use serde_json::json;

use super::access::Principal;
use super::answer::Refusal;
use super::call::Call;
use super::world::World;

/// As many as AWS lists at once.
const PAGE: usize = 20;

/// An operation's outcome, when the caller may do it.
pub(super) fn answer(world: &World, who: &Principal, call: &Call) -> Result<String, Refusal> {
    let denied = || Refusal::new(400, "AccessDeniedException", "You don't have permissions to access this resource.");
    who.may(&call.action(), "*", world).map_err(|_| denied())?;
    if call.operation != "ListAccounts" {
        return Err(Refusal::new(400, "UnknownOperationException", ""));
    }
    if !world.organization.contains(&who.account) {
        let why = "Your account is not a member of an organization.";
        return Err(Refusal::new(400, "AWSOrganizationsNotInUseException", why));
    }
    if world.organization.first() != Some(&who.account) {
        return Err(denied());
    }
    let start: usize = call.parameter("NextToken").map_or(Ok(0), str::parse).unwrap_or(usize::MAX);
    let accounts: Vec<_> = world.organization.iter().skip(start).collect();
    let shown = accounts.len().min(world.page.unwrap_or(PAGE));
    let account = |number: &&String| {
        let arn = format!("arn:aws:organizations::{}:account/o-exampleorgid/{number}", who.account);
        let state = if world.suspended.contains(number) { "SUSPENDED" } else { "ACTIVE" };
        json!({"Id": number, "Arn": arn, "Name": format!("account {number}"), "Status": state, "State": state})
    };
    let mut page = json!({"Accounts": accounts[..shown].iter().map(account).collect::<Vec<_>>()});
    if shown < accounts.len() {
        page["NextToken"] = (start + shown).to_string().into();
    }
    Ok(page.to_string())
}
