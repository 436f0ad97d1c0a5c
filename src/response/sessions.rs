//! The sessions of a user: the inline policy that denies everything to those that were issued before a moment. It does what the console's
//! "Revoke active sessions" does for roles, on a user. Requests that are signed with an access key itself have no `aws:TokenIssueTime`,
//! so other keys of the user go on working. Sessions of roles that the key assumed are not the user's, and not reached by it.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_revoke-sessions.html>

use serde_json::Value;

use super::Subject;

/// How long it takes IAM to let everybody know that a key is inactive, in seconds: so long sessions may be minted from it.
pub const SETTLING: i64 = 30;

/// How long after the approval of so many steps sessions are still denied, in seconds. Until a key's turn has come, sessions may be minted
/// from it.
pub fn margin(steps: usize) -> i64 {
    i64::try_from(steps).map_or(i64::from(u32::MAX), |steps| 120 + 2 * steps)
}

/// The policy, as JSON. `issued_before` is in seconds since 1970; the same moment gives the same text.
pub fn deny_sessions_document(issued_before: i64) -> String {
    let at = moment(issued_before);
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Deny","Action":"*","Resource":"*","Condition":{{"DateLessThan":{{"aws:TokenIssueTime":"{at}"}}}}}}]}}"#
    )
}

/// A policy says exactly that, however it is laid out.
pub fn denies_sessions(policy: &str, issued_before: i64) -> bool {
    let parse = |text: &str| serde_json::from_str::<Value>(text).ok();
    parse(policy).is_some_and(|policy| Some(policy) == parse(&deny_sessions_document(issued_before)))
}

/// The sessions that were issued before a moment, as what is switched. The policy's name has the moment in it: where a policy of that
/// name is, it says the same, unless somebody else wrote it.
pub fn subject(issued_before: i64) -> Subject {
    let compact: String = moment(issued_before).chars().filter(|c| c.is_ascii_alphanumeric()).collect();
    Subject::Sessions { policy: format!("KeysweepRevokeSessions-{compact}"), issued_before }
}

/// RFC 3339 in UTC, in whole seconds.
pub(crate) fn moment(seconds: i64) -> String {
    let bounds = jiff::Timestamp::MIN.as_second()..=jiff::Timestamp::MAX.as_second();
    let seconds = seconds.clamp(*bounds.start(), *bounds.end());
    jiff::Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |moment| moment.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_sessions_are_denied_everything() {
        let document: serde_json::Value = serde_json::from_str(&deny_sessions_document(1_796_055_481)).unwrap();
        let statement = &document["Statement"][0];
        assert_eq!(
            (&statement["Effect"], &statement["Action"], &statement["Resource"]),
            (&"Deny".into(), &"*".into(), &"*".into())
        );
        assert_eq!(statement["Condition"]["DateLessThan"]["aws:TokenIssueTime"], "2026-11-30T16:18:01Z");
    }

    #[test]
    fn the_policy_is_named_by_the_moment_with_what_iam_allows_in_names() {
        let Subject::Sessions { policy, issued_before } = subject(1_796_055_481) else { panic!() };
        assert_eq!((policy.as_str(), issued_before), ("KeysweepRevokeSessions-20261130T161801Z", 1_796_055_481));
        for odd in [i64::MIN, i64::MAX, -1, 0] {
            let Subject::Sessions { policy, .. } = subject(odd) else { panic!() };
            assert!(policy.len() <= 128, "{policy}");
        }
    }

    #[test]
    fn it_is_recognised_however_it_is_laid_out_and_nothing_else_is() {
        let text = deny_sessions_document(1_767_225_600);
        let document: Value = serde_json::from_str(&text).unwrap();
        let pretty = serde_json::to_string_pretty(&document).unwrap();
        assert!(denies_sessions(&text, 1_767_225_600) && denies_sessions(&pretty, 1_767_225_600));
        assert!(!denies_sessions(&text, 1_767_225_601));
        assert!(!denies_sessions(&text.replace("Deny", "Allow"), 1_767_225_600));
        assert!(!denies_sessions("", 1_767_225_600));
    }
}
