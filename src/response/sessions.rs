//! The inline policy that denies everything to sessions issued before a moment: its text, and whether a policy says just that.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_revoke-sessions.html>

use jiff::Timestamp;
use serde_json::{Value, json};

/// The policy as it is written; `issued_before` is in seconds since 1970.
pub fn deny_sessions_document(issued_before: i64) -> String {
    document(issued_before).to_string()
}

/// A policy says exactly that, however it is laid out.
pub fn denies_sessions(policy: &str, issued_before: i64) -> bool {
    serde_json::from_str::<Value>(policy).is_ok_and(|policy| policy == document(issued_before))
}

fn document(issued_before: i64) -> Value {
    // Beyond the year 9999 there is no session either.
    let moment = Timestamp::from_second(issued_before).unwrap_or(Timestamp::MAX);
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Deny",
            "Action": "*",
            "Resource": "*",
            "Condition": {"DateLessThan": {"aws:TokenIssueTime": moment.to_string()}},
        }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_denies_what_was_issued_before() {
        let text = deny_sessions_document(1_767_225_600);
        assert!(text.contains(r#""DateLessThan":{"aws:TokenIssueTime":"2026-01-01T00:00:00Z"}"#), "{text}");
        assert!(text.contains(r#""Effect":"Deny""#), "{text}");
    }

    #[test]
    fn it_is_recognised_however_it_is_laid_out_and_nothing_else_is() {
        let text = deny_sessions_document(1_767_225_600);
        let pretty = serde_json::to_string_pretty(&document(1_767_225_600)).unwrap();
        assert!(denies_sessions(&text, 1_767_225_600) && denies_sessions(&pretty, 1_767_225_600));
        assert!(!denies_sessions(&text, 1_767_225_601));
        assert!(!denies_sessions(&text.replace("Deny", "Allow"), 1_767_225_600));
        assert!(!denies_sessions("", 1_767_225_600));
    }
}
