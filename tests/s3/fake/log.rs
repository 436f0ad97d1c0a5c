//! Every request that came, and what can be said of all of them.

use std::collections::BTreeMap;

use super::call::Call;

/// Requests in the order in which they were answered.
#[derive(Clone, Debug)]
pub(crate) struct Log(pub(crate) Vec<Call>);

impl Log {
    /// Those of an operation.
    pub(crate) fn of(&self, operation: &str) -> impl Iterator<Item = &Call> {
        self.0.iter().filter(move |call| call.operation == operation)
    }

    /// How many there were of an operation.
    pub(crate) fn count(&self, operation: &str) -> usize {
        self.of(operation).count()
    }

    /// How often the bytes of each object were asked for, by keys and versions.
    pub(crate) fn fetches(&self) -> BTreeMap<(&str, Option<&str>), usize> {
        let mut fetches = BTreeMap::new();
        for call in self.of("GetObject") {
            *fetches.entry((call.key.as_str(), call.version.as_deref())).or_insert(0) += 1;
        }
        fetches
    }

    /// The keys whose bytes were asked for.
    pub(crate) fn keys(&self) -> Vec<&str> {
        let mut keys: Vec<_> = self.of("GetObject").map(|call| call.key.as_str()).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// Checks that nothing was asked to be changed, and who signed: everything, or nothing.
    #[track_caller]
    pub(crate) fn expect_signed(&self, signed: bool) -> &Self {
        assert!(!self.0.is_empty());
        for call in &self.0 {
            assert_ne!(call.operation, "Change", "{call:?}");
            assert_eq!(call.signer.is_some(), signed, "{call:?}");
        }
        self
    }
}
