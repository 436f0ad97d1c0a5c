//! Every request that came, and what can be said of all of them.

use std::collections::{BTreeMap, BTreeSet};

use keysweep::key::AccessKeyId;

use super::call::Call;

/// Requests in the order in which they came.
#[derive(Clone, Debug)]
pub(crate) struct Log(pub(crate) Vec<Call>);

impl Log {
    /// How many there were of an operation.
    pub(crate) fn count(&self, operation: &str) -> usize {
        self.of(operation).count()
    }

    /// Those of an operation.
    pub(crate) fn of(&self, operation: &str) -> impl Iterator<Item = &Call> {
        self.0.iter().filter(move |call| call.operation == operation)
    }

    /// How many there were of each, by names such as `iam:ListUsers`.
    pub(crate) fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for call in &self.0 {
            *counts.entry(call.action()).or_insert(0) += 1;
        }
        counts
    }

    /// Those that would change something: operation, and what of.
    pub(crate) fn changes(&self) -> Vec<(String, String)> {
        let of = |call: &Call| {
            let names = ["AccessKeyId", "ServiceSpecificCredentialId", "PolicyName"];
            names.iter().find_map(|name| call.parameter(name)).unwrap_or_default().to_owned()
        };
        self.0.iter().filter(|call| call.changes()).map(|call| (call.operation.clone(), of(call))).collect()
    }

    /// The accounts in which somebody did something, by the keys that signed.
    pub(crate) fn accounts(&self) -> BTreeSet<String> {
        let account = |call: &Call| AccessKeyId::parse(call.signer.as_deref()?.as_bytes())?.account();
        self.0.iter().filter_map(account).map(|account| account.to_string()).collect()
    }

    /// Checks that nothing was asked to be changed.
    #[track_caller]
    pub(crate) fn expect_no_change(&self) -> &Self {
        assert!(self.changes().is_empty(), "something was changed: {:?}", self.changes());
        self
    }

    /// Checks that every call was signed, and none with any of these ids.
    #[track_caller]
    pub(crate) fn expect_not_signed_with<'a>(&self, ids: impl IntoIterator<Item = &'a str>) -> &Self {
        let ids: BTreeSet<_> = ids.into_iter().collect();
        for call in &self.0 {
            let signer = call.signer.as_deref().unwrap_or_else(|| panic!("not signed: {call:?}"));
            assert!(!ids.contains(signer), "signed with what was found: {call:?}");
        }
        self
    }

    /// Checks that nobody was asked about any of these ids.
    #[track_caller]
    pub(crate) fn expect_not_asked_about<'a>(&self, ids: impl IntoIterator<Item = &'a str>) -> &Self {
        let ids: BTreeSet<_> = ids.into_iter().collect();
        for call in &self.0 {
            let named = call.parameters.values().find(|value| ids.contains(value.as_str()));
            assert!(named.is_none(), "asked about what is nobody's business: {call:?}");
        }
        self
    }
}
