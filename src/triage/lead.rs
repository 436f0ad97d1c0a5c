//! What triage is asked about: a leaked credential with nothing of it that could be used.

use crate::finding::Finding;
use crate::key::{AccessKeyId, AccountId};

/// A leaked credential, as far as its owner's side is asked about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lead {
    /// What the owner's side knows it by.
    pub name: Name,
    /// When it was first seen where it should not be, in seconds since 1970: the date of the earliest commit or object that has it.
    /// `None` where no place has a date.
    pub exposed: Option<i64>,
}

/// What the owner's side knows a credential by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// An access key, long-term or temporary.
    AccessKey(AccessKeyId),
    /// A long-term API key of Bedrock (`ABSK…`), a service-specific credential: the public part of it, which IAM calls its alias, as in
    /// `BedrockAPIKey-q7xz-at-111122223333`.
    /// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_ServiceSpecificCredentialMetadata.html>
    ServiceCredential {
        /// The alias. `None` when only a redacted report is at hand that does not tell it.
        alias: Option<String>,
        /// The account that it names.
        account: Option<AccountId>,
    },
    /// Nothing that IAM could be asked about: a secret alone, a file, what somebody else issued.
    Nameless,
}

impl Lead {
    /// What a finding comes to.
    pub fn of(finding: &Finding) -> Self {
        let name = match (finding.access_key_id, finding.alias()) {
            (Some(id), _) => Name::AccessKey(id),
            (None, Some(alias)) => Name::ServiceCredential { alias: Some(alias), account: finding.account() },
            (None, None) => Name::Nameless,
        };
        Self { name, exposed: finding.exposed() }
    }
}

impl Name {
    /// The account that it spells, without asking anybody.
    pub fn account(&self) -> Option<AccountId> {
        match self {
            Self::AccessKey(id) => id.account(),
            Self::ServiceCredential { account, .. } => *account,
            Self::Nameless => None,
        }
    }

    /// Somebody can tell more of it than it does itself: whose it is, or whether it works.
    pub fn is_askable(&self) -> bool {
        *self != Self::Nameless && !self.account().is_some_and(|account| account.is_canary())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::ObjectId;
    use crate::engine::SecretKind;
    use crate::finding::snippet::Snippet;
    use crate::finding::{Fingerprint, Occurrence};
    use crate::key::Secret;
    use crate::location::Point;
    use crate::provenance::{Commit, Origin, Provenance, Timestamp};

    /// A finding at commits of these dates and in a file.
    fn finding(id: Option<&str>, secrets: Vec<(SecretKind, Secret)>, dates: &[i64]) -> Finding {
        let place = |origin| Occurrence {
            provenance: Provenance::new(origin),
            point: Point { line: 1, column: 1 },
            offset: 0,
            snippet: Snippet { first_line: 1, lines: vec![] },
            encoding: vec![],
            expires: None,
            comment: None,
            suppressed: None,
        };
        let commit = |&seconds: &i64| Commit {
            date: Timestamp { seconds, offset_minutes: 0 },
            repository: ".".into(),
            id: ObjectId::from_bytes(&[1; 20]).unwrap(),
            author: "ann".into(),
            reachable: true,
        };
        let message = |seconds| place(Origin::CommitMessage { commit: commit(seconds).into() });
        let file = place(Origin::File { path: "a".into() });
        Finding {
            fingerprint: Fingerprint::of(b"a"),
            rule: "r".into(),
            access_key_id: id.map(|id| AccessKeyId::parse(id.as_bytes()).unwrap()),
            secrets,
            occurrences: dates.iter().map(message).chain([file]).collect(),
            lapsed: None,
        }
    }

    #[test]
    fn the_earliest_date_is_when_it_was_exposed() {
        let id = "AKIAIOSFODNN7EXAMPLE";
        let name = Name::AccessKey(AccessKeyId::parse(id.as_bytes()).unwrap());
        for (dates, exposed) in [(&[300, 200, 250][..], Some(200)), (&[0, -5, 300], Some(300)), (&[], None)] {
            assert_eq!(Lead::of(&finding(Some(id), vec![], dates)), Lead { name: name.clone(), exposed });
        }
    }

    #[test]
    fn nobody_is_asked_about_traps_and_what_has_no_name() {
        let key = |text: &str| Name::AccessKey(AccessKeyId::parse(text.as_bytes()).unwrap());
        let (canary, own) = (["AKIA", "SP2TPHJSQH3FJRUX"].concat(), ["ASIA", "Y34FZKBOKMUTVV7A"].concat());
        let trap = Name::ServiceCredential { alias: None, account: AccountId::parse("171436882533").ok() };
        assert_eq!([key(&canary), trap, Name::Nameless].map(|name| name.is_askable()), [false; 3]);
        assert!(key(&own).is_askable() && key("AKIAIOSFODNN7EXAMPLE").is_askable());
    }

    #[test]
    fn a_key_of_bedrock_goes_by_its_alias() {
        // base64 of `BedrockAPIKey-q7xz-at-111122223333:`, and more behind it.
        let value = ["ABSK", "QmVkcm9ja0FQSUtleS1xN3h6LWF0LTExMTEyMjIyMzMzMzo="].concat();
        let secrets = vec![(SecretKind::BedrockApiKey, Secret::new(value))];
        let account = AccountId::parse("111122223333").ok();
        let alias = Some("BedrockAPIKey-q7xz-at-111122223333".to_owned());
        assert_eq!(Lead::of(&finding(None, secrets, &[])).name, Name::ServiceCredential { alias, account });
        let secrets = vec![(SecretKind::PrivateKey, Secret::new("x"))];
        assert_eq!(Lead::of(&finding(None, secrets, &[])).name, Name::Nameless);
    }
}
