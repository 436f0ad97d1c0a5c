//! Rules as data: what `patterns/*.toml` says, read and checked. How rules are run is the scanner's business.

use std::fmt;
use std::sync::Arc;

/// How bad it is when what a rule finds has leaked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// Opens an account to anybody, as it stands.
    Critical,
    /// Opens something to anybody who also has what usually stands near.
    High,
    /// Tells of an account, or opens little.
    Medium,
    /// Worth knowing.
    Low,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        })
    }
}

/// One kind of credential and what to do about it.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Never changes once released.
    pub id: Arc<str>,
    /// What it finds, in a few words.
    pub description: String,
    /// How bad it is.
    pub severity: Severity,
    /// URL of the AWS page.
    pub reference: String,
    /// What to do.
    pub remediation: String,
}

/// All rules of a scan.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    rules: Vec<Rule>,
}

impl RuleSet {
    /// The rule of that id.
    pub fn get(&self, id: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| &*rule.id == id)
    }

    /// Every rule.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }
}
