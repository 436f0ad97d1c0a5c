//! The IAM policies under which keysweep works: what it calls and nothing else. They are data, in files beside this one, and stand in
//! `docs/iam.md` too.
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html>

/// What somebody is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// To judge leaked keys.
    Audit,
    /// To judge them and switch them off, but for users under `/breakglass/`.
    Deactivate,
    /// To deny the sessions of users, beside that.
    RevokeSessions,
    /// To reach the other accounts of an organization.
    Organization,
    /// To read buckets, and who else may.
    Sweep,
}

impl Policy {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Audit, Self::Deactivate, Self::RevokeSessions, Self::Organization, Self::Sweep];

    /// The policy, as JSON with a line end.
    pub fn document(self) -> &'static str {
        match self {
            Self::Audit => include_str!("policies/audit.json"),
            Self::Deactivate => include_str!("policies/deactivate.json"),
            Self::RevokeSessions => include_str!("policies/revoke-sessions.json"),
            Self::Organization => include_str!("policies/organization.json"),
            Self::Sweep => include_str!("policies/sweep.json"),
        }
    }

    /// What is to be known before somebody gets it.
    pub fn caution(self) -> Option<&'static str> {
        match self {
            Self::Audit => None,
            Self::Deactivate => Some(
                "whoever may switch a key off may switch it on again: IAM can't tell the two apart. Put the users who must always get in \
                 under /breakglass/, or change the path in the last statement",
            ),
            Self::RevokeSessions => Some(
                "iam:PutUserPolicy CAN GRANT ANYTHING to any user whom it covers, the holder included. Give it to a role of its own that is \
                 assumed with a second factor, for an incident and no longer, and never to a job that runs by itself",
            ),
            Self::Sweep => Some(
                "whoever may read every object of an account is as good as its owner: put the buckets that are to be swept in the place of \
                 the asterisks where they are few, and give the policy to a role for the sweep and no longer. What is encrypted with keys of \
                 KMS takes kms:Decrypt besides",
            ),
            Self::Organization => Some(
                "put the name of the role of --role-name in the place of keysweep; the role needs the policy audit or deactivate in each account",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    fn statements(policy: Policy) -> Vec<Value> {
        let document: Value = serde_json::from_str(policy.document()).unwrap();
        assert_eq!(document["Version"], "2012-10-17");
        document["Statement"].as_array().unwrap().clone()
    }

    fn words(value: &Value) -> Vec<String> {
        let list = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
        list.iter().map(|word| word.as_str().unwrap().to_owned()).collect()
    }

    fn actions(policy: Policy, effect: &str) -> BTreeSet<String> {
        statements(policy).iter().filter(|s| s["Effect"] == effect).flat_map(|s| words(&s["Action"])).collect()
    }

    #[test]
    fn each_allows_what_is_called_and_no_more() {
        let audit = [
            "iam:GenerateCredentialReport",
            "iam:GetAccessKeyLastUsed",
            "iam:GetAccountSummary",
            "iam:GetCredentialReport",
            "iam:ListAccessKeys",
            "iam:ListAttachedUserPolicies",
            "iam:ListServiceSpecificCredentials",
            "iam:ListUsers",
            "sts:GetAccessKeyInfo",
        ];
        let more = ["iam:GetLoginProfile", "iam:GetUser", "iam:UpdateAccessKey", "iam:UpdateServiceSpecificCredential"];
        let set = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<BTreeSet<String>>();
        assert_eq!(actions(Policy::Audit, "Allow"), set(&audit));
        assert_eq!(actions(Policy::Deactivate, "Allow"), set(&[&audit[..], &more].concat()));
        let sessions = ["iam:DeleteUserPolicy", "iam:GetUserPolicy", "iam:PutUserPolicy"];
        assert_eq!(actions(Policy::RevokeSessions, "Allow"), set(&sessions));
        let sweep = [
            "s3:GetAccountPublicAccessBlock",
            "s3:GetBucketAcl",
            "s3:GetBucketLocation",
            "s3:GetBucketOwnershipControls",
            "s3:GetBucketPolicy",
            "s3:GetBucketPolicyStatus",
            "s3:GetBucketPublicAccessBlock",
            "s3:GetObject",
            "s3:GetObjectAcl",
            "s3:GetObjectTagging",
            "s3:GetObjectVersion",
            "s3:GetObjectVersionAcl",
            "s3:GetObjectVersionTagging",
            "s3:ListAllMyBuckets",
            "s3:ListBucket",
            "s3:ListBucketVersions",
        ];
        assert_eq!(actions(Policy::Sweep, "Allow"), set(&sweep));
        assert_eq!(actions(Policy::Organization, "Allow"), set(&["organizations:ListAccounts", "sts:AssumeRole"]));
    }

    #[test]
    fn users_who_must_always_get_in_are_left_alone() {
        for policy in [Policy::Deactivate, Policy::RevokeSessions] {
            let changes = ["Update", "Put", "Delete"];
            let is_change = |action: &&String| changes.iter().any(|verb| action.contains(&format!(":{verb}")));
            let allowed = actions(policy, "Allow");
            let denied = actions(policy, "Deny");
            assert!(allowed.iter().filter(is_change).all(|action| denied.contains(action)), "{allowed:?} {denied:?}");
            for statement in statements(policy).iter().filter(|statement| statement["Effect"] == "Deny") {
                assert_eq!(words(&statement["Resource"]), ["arn:aws:iam::*:user/breakglass/*"]);
            }
        }
        assert!(actions(Policy::Audit, "Deny").is_empty());
    }

    #[test]
    fn they_fit_into_a_managed_policy() {
        for policy in Policy::ALL {
            let size = policy.document().chars().filter(|c| !c.is_whitespace()).count();
            assert!(size <= 6144 && policy.document().ends_with("}\n"), "{policy:?} has {size} characters");
        }
    }
}
