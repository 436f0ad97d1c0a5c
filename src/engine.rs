//! The workbench: bytes in, matches out. It knows no files, no time, no threads and no provenance.
//!
//! `rule` holds the rules as data, `prefilter` finds the places worth a look, `window` runs regexes there, `beside` looks around
//! access key ids, `boundary` and `plausible` throw out what only looks like a credential, `decode` reads other encodings, `pair` joins ids with their secrets,
//! `dropped` has the reasons why something is no credential.

use std::ops::Range;
use std::sync::Arc;

use self::decode::Runs;
pub use self::dropped::Dropped;
use self::pair::{Part, Value};
use self::prefilter::{Hit, Prefilter};
use self::rule::pattern::Found;
use self::rule::{Kind, Rule, RuleSet};
use self::window::Cursor;
use crate::key::{AccessKeyId, Secret};
use crate::location::Span;

mod beside;
mod boundary;
mod decode;
mod dropped;
mod pair;
mod plausible;
mod prefilter;
pub mod rule;
mod window;
mod words;

/// A kind of secret value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SecretKind {
    /// The forty characters that go with an access key id.
    SecretAccessKey,
    /// The token that a temporary key needs besides.
    SessionToken,
    /// What an access key's secret becomes for sending mail by SMTP.
    SesSmtpPassword,
    /// A key of Amazon Bedrock, long-term or short-term.
    BedrockApiKey,
    /// A token of Amazon Marketplace Web Service.
    MwsAuthToken,
    /// A key of an AppSync API.
    AppsyncApiKey,
    /// A password for git over HTTPS, of CodeCommit or CodeCatalyst.
    GitPassword,
    /// A token for CodeArtifact repositories.
    CodeartifactToken,
    /// A password for ECR registries.
    EcrPassword,
    /// The signature of a presigned URL.
    PresignedUrl,
    /// The private key of an EC2 key pair or a CloudFront signer.
    PrivateKey,
    /// The password of a user for the console.
    ConsolePassword,
    /// What somebody else than AWS issued.
    Other,
}

/// How the bytes of a match were written, outermost first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Encoding {
    /// UTF-16, little endian.
    Utf16Le,
    /// UTF-16, big endian.
    Utf16Be,
    /// Base64 with either alphabet, perhaps over several lines (RFC 4648).
    Base64,
    /// Two hexadecimal digits for each byte.
    Hex,
    /// Deflated with a gzip header (RFC 1952).
    Gzip,
    /// Percent and two hexadecimal digits for some bytes, as in URLs (RFC 3986).
    Percent,
    /// Escape sequences of string literals: `\/`, `\n`, `\x2f`, `\u002f`, `\u{2f}` (RFC 8259 and its like).
    Escapes,
    /// Character references of HTML and XML: `&amp;`, `&#47;`, `&#x2f;`.
    Entities,
    /// Quoted-printable, as in mail (RFC 2045).
    QuotedPrintable,
    /// Cut into pieces that a program or a parser puts together.
    Split,
}

/// A secret value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundSecret {
    /// What it is.
    pub kind: SecretKind,
    /// The value, decoded.
    pub secret: Secret,
    /// The bytes that hold it, as they stand in the blob (before decoding).
    pub span: Span,
}

/// One credential at one place: an access key id, what secrets were found with it, or a secret alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// The id of the rule that found its first part.
    pub rule: Arc<str>,
    /// The access key id, or the secret when there is no id, as it stands in the blob.
    pub span: Span,
    /// The access key id.
    pub access_key_id: Option<AccessKeyId>,
    /// Secrets that belong to it, best first.
    pub secrets: Vec<FoundSecret>,
    /// What the bytes had to be decoded from; empty for plain text.
    pub encoding: Vec<Encoding>,
}

/// Runs rules over bytes. Cheap to share between threads, costly to make.
#[derive(Debug)]
pub struct Scanner {
    rules: RuleSet,
    prefilter: Prefilter,
}

impl SecretKind {
    /// Every kind.
    pub const ALL: [Self; 13] = [
        Self::SecretAccessKey,
        Self::SessionToken,
        Self::SesSmtpPassword,
        Self::BedrockApiKey,
        Self::MwsAuthToken,
        Self::AppsyncApiKey,
        Self::GitPassword,
        Self::CodeartifactToken,
        Self::EcrPassword,
        Self::PresignedUrl,
        Self::PrivateKey,
        Self::ConsolePassword,
        Self::Other,
    ];

    /// What it is called in rules and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::SecretAccessKey => "secret_access_key",
            Self::SessionToken => "session_token",
            Self::SesSmtpPassword => "ses_smtp_password",
            Self::BedrockApiKey => "bedrock_api_key",
            Self::MwsAuthToken => "mws_auth_token",
            Self::AppsyncApiKey => "appsync_api_key",
            Self::GitPassword => "git_password",
            Self::CodeartifactToken => "codeartifact_token",
            Self::EcrPassword => "ecr_password",
            Self::PresignedUrl => "presigned_url",
            Self::PrivateKey => "private_key",
            Self::ConsolePassword => "console_password",
            Self::Other => "other",
        }
    }
}

impl Encoding {
    /// What it is called in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Utf16Le => "utf-16le",
            Self::Utf16Be => "utf-16be",
            Self::Base64 => "base64",
            Self::Hex => "hex",
            Self::Gzip => "gzip",
            Self::Percent => "percent",
            Self::Escapes => "escapes",
            Self::Entities => "entities",
            Self::QuotedPrintable => "quoted-printable",
            Self::Split => "split",
        }
    }

    /// Whether every character takes two bytes.
    pub fn is_wide(self) -> bool {
        matches!(self, Self::Utf16Le | Self::Utf16Be)
    }
}

impl Scanner {
    /// A scanner of those rules.
    pub fn new(rules: RuleSet) -> Self {
        let prefilter = Prefilter::new(rules.iter().map(|rule| rule.keywords.as_slice()));
        Self { rules, prefilter }
    }

    /// The rules it runs.
    pub fn rules(&self) -> &RuleSet {
        &self.rules
    }

    /// Every credential in `bytes`, in order of [`Match::span`]. Where there is no keyword, nothing is allocated.
    pub fn scan(&self, bytes: &[u8]) -> Vec<Match> {
        self.joined(bytes, self.parts(bytes))
    }

    /// The same, found by running every regex over everything: what tests compare [`Scanner::scan`] with.
    #[doc(hidden)]
    pub fn scan_slowly(&self, bytes: &[u8]) -> Vec<Match> {
        self.joined(bytes, self.parts_slowly(bytes))
    }

    fn joined(&self, bytes: &[u8], parts: Vec<Part>) -> Vec<Match> {
        if parts.is_empty() {
            return Vec::new();
        }
        pair::join(bytes, &self.rules, parts)
    }

    /// Every value that some rule finds, in order of place.
    fn parts(&self, text: &[u8]) -> Vec<Part> {
        let mut hits = self.prefilter.hits(text).peekable();
        if hits.peek().is_none() {
            return Vec::new();
        }
        let mut candidates = Candidates::default();
        let mut cursors = vec![Cursor::default(); self.rules.iter().count()];
        let mut runs = Runs::new(text);
        for hit in hits {
            for &index in &hit.literal.rules {
                let rule = self.rules.at(index);
                cursors[index].advance(&rule.pattern, text, hit.at, |found| candidates.add(index, rule, text, &found));
            }
            candidates.parts.extend(wide_parts(&mut runs, hit, |text| self.parts(text)));
        }
        candidates.finish(&self.rules, text)
    }

    fn parts_slowly(&self, text: &[u8]) -> Vec<Part> {
        let mut candidates = Candidates::default();
        for (index, rule) in self.rules.iter().enumerate() {
            for found in window::find_slowly(&rule.pattern, text) {
                candidates.add(index, rule, text, &found);
            }
        }
        let mut runs = Runs::new(text);
        for hit in self.prefilter.hits_slowly(text) {
            candidates.parts.extend(wide_parts(&mut runs, hit, |text| self.parts_slowly(text)));
        }
        candidates.finish(&self.rules, text)
    }
}

/// What was found in one text so far.
#[derive(Default)]
struct Candidates {
    parts: Vec<Part>,
    /// What looks like an access key id, also such as AWS can't have issued: a secret may stand beside it all the same.
    ids: Vec<Range<usize>>,
}

impl Candidates {
    fn add(&mut self, index: usize, rule: &Rule, text: &[u8], found: &Found) {
        let part = part(index, rule, text, found);
        if rule.kind == Kind::AccessKeyId && matches!(part, Ok(_) | Err(Dropped::Impossible(_))) {
            self.ids.push(found.value.clone());
        }
        self.parts.extend(part);
    }

    /// Everything that was found, with secrets that stand beside ids without a label, in order of place.
    fn finish(mut self, rules: &RuleSet, text: &[u8]) -> Vec<Part> {
        self.ids.sort_by_key(|id| id.start);
        let mut parts = without_overlaps(self.parts);
        let labelled = rules.iter().enumerate().filter(|(_, rule)| rule.pattern.needs_no_label());
        for (index, rule) in labelled {
            let known: Vec<_> = parts.iter().filter(|p| p.is(rule.kind)).map(|p| p.span.start..p.span.end).collect();
            let found = beside::unlabelled(text, &self.ids, &known, &rule.pattern);
            let found = found.into_iter().map(|value| Found { start: value.start, next: value.end, value });
            parts.extend(found.filter_map(|found| part(index, rule, text, &found).ok()));
        }
        without_overlaps(parts)
    }
}

/// What stands in UTF-16 around a hit, found by `find` in the decoded text.
fn wide_parts(runs: &mut Runs<'_>, hit: Hit<'_>, find: impl Fn(&[u8]) -> Vec<Part>) -> Vec<Part> {
    let run = if hit.literal.wide { runs.around(hit.at, hit.literal.len()) } else { None };
    let Some(run) = run else {
        return Vec::new();
    };
    let mut parts = find(&run.text);
    for part in &mut parts {
        part.span = run.raw(part.span);
        if let Value::Secret(secret) = &mut part.value {
            secret.span = part.span;
        }
        part.encoding.insert(0, run.encoding);
    }
    parts
}

/// What a match of a regex is, or why it is no credential.
fn part(index: usize, rule: &Rule, text: &[u8], found: &Found) -> Result<Part, Dropped> {
    let at = &found.value;
    let value = &text[at.clone()];
    let stands_alone = match rule.kind {
        Kind::AccessKeyId => boundary::id_stands_alone(text, at),
        Kind::Secret(SecretKind::SecretAccessKey) => boundary::secret_stands_alone(text, at),
        Kind::Secret(SecretKind::SessionToken) => boundary::token_stands_alone(text, at),
        // Their rules say where they end.
        Kind::Secret(_) => true,
    };
    if !stands_alone {
        return Err(Dropped::PieceOfMore);
    }
    if rule.pattern.is_preceded(text, found) {
        return Err(Dropped::CalledElse);
    }
    rule.pattern.allows(value)?;
    let span = Span { start: at.start, end: at.end };
    let value = match rule.kind {
        Kind::AccessKeyId => {
            let id = AccessKeyId::check(value)?;
            plausible::check_id(&id)?;
            Value::Id(id)
        }
        Kind::Secret(kind) => {
            plausible::check_secret(kind, value)?;
            Value::Secret(FoundSecret { kind, secret: Secret::new(value), span })
        }
    };
    let needs_id = rule.pattern.has_context(text, found) == Some(false);
    Ok(Part { rule: index, value, span, encoding: Vec::new(), needs_id })
}

/// In order of place, and the first of those that share bytes; of several at one place that of the earliest rule that asks for
/// nothing more.
fn without_overlaps(mut parts: Vec<Part>) -> Vec<Part> {
    parts.sort_by_key(|part| (part.span.start, part.needs_id, part.rule));
    parts.dedup_by(|later, first| first.span.overlaps(&later.span));
    parts
}

#[cfg(test)]
mod tests;
