//! What the engine finds, as plain data: credentials with their kinds, encodings and places in the bytes.

use std::sync::Arc;

use super::foreign::Terms;
use crate::key::{AccessKeyId, Secret};
use crate::location::Span;

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
    /// Deflated, with a header of gzip or zlib (RFC 1952, RFC 1950).
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
    /// When it expires, in seconds since 1970, if it says so itself.
    pub expires: Option<i64>,
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
    /// What it takes, beyond its bytes, to be a find of its rule.
    pub terms: Terms,
}

impl Match {
    /// When it expires, in seconds since 1970. `None` if it does not, or does not say so: a session token beside a presigned URL
    /// signs nothing, but a secret access key does.
    pub fn expires(&self) -> Option<i64> {
        let is_key = |secret: &FoundSecret| secret.kind == SecretKind::SecretAccessKey;
        let last = self.secrets.iter().map(|secret| secret.expires).max()?;
        last.filter(|_| !self.secrets.iter().any(is_key))
    }
}

/// What was found in some bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    /// In order of [`Match::span`].
    pub matches: Vec<Match>,
    /// Whether all that is encoded in the bytes was decoded. There is a limit to how much may be made of them, which only what is
    /// deflated to a small part of its size reaches.
    pub complete: bool,
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
    /// Every encoding.
    pub const ALL: [Self; 10] = [
        Self::Utf16Le,
        Self::Utf16Be,
        Self::Base64,
        Self::Hex,
        Self::Gzip,
        Self::Percent,
        Self::Escapes,
        Self::Entities,
        Self::QuotedPrintable,
        Self::Split,
    ];

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
