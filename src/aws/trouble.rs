//! What a call that did not work means: who said no and why, whether it may have been done all the same, and what to try.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::key::AccessKeyId;
use crate::response::Effect;

/// The managed policies that AWS attaches to a user whose key it found in public, of whatever version.
/// <https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSCompromisedKeyQuarantineV3.html>
pub(super) const QUARANTINE: &str = "AWSCompromisedKeyQuarantine";

/// Why a call did not work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) kind: Kind,
    /// Whether it may have been done all the same.
    pub(super) effect: Effect,
    /// AWS's name for it; empty where AWS did not answer.
    pub(super) code: String,
    /// What AWS says, or what went wrong on the way.
    pub(super) message: String,
}

/// What kind of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The caller may not do it.
    Denied,
    /// What it is about does not exist.
    Missing,
    /// There are no credentials, or AWS does not take them.
    Credentials,
    /// The clock of this machine is off.
    Clock,
    /// Any other no.
    Refused,
    /// AWS answered that it failed, or not in a way that could be understood.
    Failed,
    /// The endpoint could not be reached.
    Unreachable,
    /// The request went out and no answer came back.
    Lost,
}

impl Trouble {
    /// Something that AWS answered and that is not as it should be.
    pub(super) fn answer(message: impl Into<String>) -> Self {
        Self { kind: Kind::Failed, effect: Effect::Unknown, code: String::new(), message: message.into() }
    }

    /// From what a service said, by the status of its answer.
    fn said(status: u16, code: &str, message: &str) -> Self {
        let kind = match code {
            _ if status >= 500 => Kind::Failed,
            "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" | "NotAuthorized" => Kind::Denied,
            "NoSuchEntity" | "NoSuchEntityException" => Kind::Missing,
            "RequestTimeTooSkewed" | "RequestExpired" | "RequestInTheFuture" => Kind::Clock,
            "SignatureDoesNotMatch" | "InvalidSignatureException" if is_about_time(message) => Kind::Clock,
            "InvalidClientTokenId"
            | "UnrecognizedClientException"
            | "InvalidAccessKeyId"
            | "ExpiredToken"
            | "ExpiredTokenException"
            | "SignatureDoesNotMatch"
            | "InvalidSignatureException"
            | "AuthFailure"
            | "IncompleteSignature"
            | "MissingAuthenticationToken" => Kind::Credentials,
            _ => Kind::Refused,
        };
        let effect = if status >= 500 { Effect::Unknown } else { Effect::None };
        let message = if code.is_empty() && message.is_empty() {
            format!("the answer says nothing but its status, {status}")
        } else {
            message.to_owned()
        };
        Self { kind, effect, code: code.to_owned(), message }
    }

    /// AWS says that calls come too fast.
    pub(super) fn is_throttling(&self) -> bool {
        ["Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException"]
            .contains(&self.code.as_str())
    }

    /// Every other call will have the same trouble.
    pub(super) fn is_everybodys(&self) -> bool {
        matches!(self.kind, Kind::Credentials | Kind::Clock | Kind::Unreachable | Kind::Lost)
    }

    /// The answer of `GetAccessKeyLastUsed` says that the account has no such key. It checks permissions on the user that owns the key;
    /// where there is none it says no on behalf of the key itself, with 403, whatever the caller may do. Emulators say `NoSuchEntity`.
    pub(super) fn is_no_key_of_ours(&self, id: AccessKeyId) -> bool {
        match self.kind {
            Kind::Missing => true,
            Kind::Denied => self.message.trim_end_matches(['.', ' ']).ends_with(&format!("access key {id}")),
            _ => false,
        }
    }

    /// The permission that is missing, if it is that: what AWS names, or else the operation that was called.
    pub(super) fn permission(&self, called: &str) -> Option<String> {
        (self.kind == Kind::Denied).then(|| named_action(&self.message).unwrap_or(called).to_owned())
    }

    /// The quarantine policy that AWS names as the reason.
    pub(super) fn quarantine(&self) -> Option<&str> {
        let start = self.message.find(QUARANTINE).filter(|_| self.kind == Kind::Denied)?;
        let name = &self.message[start..];
        Some(&name[..name.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(name.len())])
    }

    /// Why it failed and, where that is known, what to try; no sentence's end.
    pub(super) fn why(&self) -> String {
        let Self { code, message, .. } = self;
        let said = match (code.as_str(), message.trim_end_matches('.')) {
            ("", message) => message.to_owned(),
            (code, "") => code.to_owned(),
            (code, message) => format!("{message} ({code})"),
        };
        match (self.kind, code.as_str()) {
            (Kind::Clock, _) => format!("this machine's clock is wrong, set it and try again: {said}"),
            (Kind::Unreachable, _) => {
                format!("{said}; check the network, the proxy (HTTPS_PROXY) and the endpoint (AWS_ENDPOINT_URL)")
            }
            (Kind::Credentials, code) => format!("{}: {said}", credentials_advice(code)),
            (Kind::Refused, _) if self.is_throttling() => format!("{said}; try again in a minute"),
            _ => said,
        }
    }
}

impl<E> From<SdkError<E, HttpResponse>> for Trouble
where
    E: ProvideErrorMetadata + Error + 'static,
{
    fn from(error: SdkError<E, HttpResponse>) -> Self {
        let of = |kind, effect, message| Self { kind, effect, code: String::new(), message };
        match &error {
            SdkError::ServiceError(answer) => {
                let body = answer.raw().body().bytes().and_then(|body| std::str::from_utf8(body).ok());
                let told = |found: Option<&str>, element| {
                    found.or_else(|| text_of(body?, element)).unwrap_or_default().to_owned()
                };
                let (code, message) = (told(answer.err().code(), "Code"), told(answer.err().message(), "Message"));
                Self::said(answer.raw().status().as_u16(), &code, &message)
            }
            _ if finds::<CredentialsError>(&error) => of(Kind::Credentials, Effect::None, causes(&error)),
            SdkError::ConstructionFailure(_) => of(Kind::Refused, Effect::None, causes(&error)),
            SdkError::DispatchFailure(failure) if failure.is_user() => of(Kind::Refused, Effect::None, causes(&error)),
            SdkError::DispatchFailure(_) if never_connected(&causes(&error)) => {
                of(Kind::Unreachable, Effect::None, causes(&error))
            }
            SdkError::ResponseError(answer) => {
                let status = answer.raw().status().as_u16();
                of(Kind::Failed, Effect::Unknown, format!("the answer (status {status}) can't be understood"))
            }
            SdkError::TimeoutError(_) => of(Kind::Lost, Effect::Unknown, "no answer came in time".to_owned()),
            _ => of(Kind::Lost, Effect::Unknown, format!("the connection was lost: {}", causes(&error))),
        }
    }
}

/// What an error and those behind it say, without repeating what one of them says already.
pub(super) fn causes(error: &dyn Error) -> String {
    let mut all: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        if !all.iter().any(|before| before.contains(&text)) {
            all.push(text);
        }
        next = error.source();
    }
    all.join(": ")
}

fn finds<T: Error + 'static>(error: &(dyn Error + 'static)) -> bool {
    std::iter::successors(Some(error), |&error| error.source()).any(|error| error.downcast_ref::<T>().is_some())
}

/// The text of an element of XML. Emulators put their errors where the SDK does not look for them.
pub(super) fn text_of<'a>(xml: &'a str, element: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{element}>"))?;
    Some(rest.split_once('<')?.0)
}

/// Nothing was sent. The SDK does not tell in types, so it is read from what its HTTP client (hyper) says.
fn never_connected(causes: &str) -> bool {
    ["client error (Connect)", "HTTP connect timeout", "dns error"].iter().any(|sign| causes.contains(sign))
}

/// A signature may be refused because it is of another time.
fn is_about_time(message: &str) -> bool {
    ["Signature expired", "Signature not yet current", "too skewed"].iter().any(|sign| message.contains(sign))
}

/// The action that `… is not authorized to perform: iam:ListUsers on resource: …` names. Sometimes the colon is missing.
fn named_action(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("authorized to perform")?;
    let action = rest.trim_start_matches([':', ' ']).split([' ', ',']).next()?;
    let (service, operation) = action.split_once(':')?;
    let is_name = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    (is_name(service) && is_name(operation)).then_some(action)
}

fn credentials_advice(code: &str) -> &'static str {
    match code {
        "InvalidClientTokenId" | "UnrecognizedClientException" | "InvalidAccessKeyId" => {
            "AWS knows no such access key, or it is inactive; check which credentials are in use (AWS_PROFILE, AWS_ACCESS_KEY_ID, \
             the config files) or name a profile with --profile"
        }
        "ExpiredToken" | "ExpiredTokenException" => {
            "the session has expired; sign in again, such as by `aws sso login`"
        }
        "SignatureDoesNotMatch" | "InvalidSignatureException" => {
            "the secret access key in use does not belong to the access key id; check both"
        }
        _ => {
            "there are no AWS credentials that work; sign in by `aws sso login` or `aws configure`, set AWS_PROFILE or \
             AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile with --profile"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> AccessKeyId {
        AccessKeyId::parse(["AKIA", "IOSFODNN7EXAMPLE"].concat().as_bytes()).unwrap()
    }

    fn denied(message: &str) -> Trouble {
        Trouble::said(403, "AccessDenied", message)
    }

    #[test]
    fn a_key_of_nobody_is_told_from_a_missing_permission() {
        let user = "User: arn:aws:sts::111122223333:assumed-role/Admin/a is not authorized to perform";
        // As AWS answers it to an administrator.
        let nobody = denied(&format!("{user} iam:GetAccessKeyLastUsed on resource: access key {}", id()));
        assert!(nobody.is_no_key_of_ours(id()));
        let missing = denied(&format!(
            "{user}: iam:GetAccessKeyLastUsed on resource: user alice because no identity-based policy allows the \
             iam:GetAccessKeyLastUsed action"
        ));
        assert!(!missing.is_no_key_of_ours(id()));
        let explicit = denied(&format!(
            "{user}: iam:GetAccessKeyLastUsed on resource: access key {} with an explicit deny in an identity-based policy",
            id()
        ));
        assert!(!explicit.is_no_key_of_ours(id()));
        let other = AccessKeyId::parse(["AKIA", "SP2TPHJSQH3FJRUX"].concat().as_bytes()).unwrap();
        assert!(!nobody.is_no_key_of_ours(other));
        assert!(Trouble::said(404, "NoSuchEntity", "").is_no_key_of_ours(id()));
        assert!(!Trouble::said(400, "Throttling", "").is_no_key_of_ours(id()));
    }

    #[test]
    fn the_missing_permission_is_the_one_that_aws_names() {
        for (message, permission) in [
            ("User: a is not authorized to perform: iam:ListUsers on resource: b because", "iam:ListUsers"),
            ("User: a is not authorized to perform iam:GetUser on resource: user b", "iam:GetUser"),
            ("User: a is not authorized to perform: sts:AssumeRole", "sts:AssumeRole"),
            ("You don't have permissions to access this resource.", "iam:ListAccessKeys"),
            ("not authorized to perform: nothing that has a name", "iam:ListAccessKeys"),
        ] {
            assert_eq!(denied(message).permission("iam:ListAccessKeys").as_deref(), Some(permission), "{message}");
        }
        assert_eq!(Trouble::said(400, "Throttling", "Rate exceeded").permission("iam:ListUsers"), None);
    }

    #[test]
    fn a_quarantine_is_named_by_its_policy_of_whatever_version() {
        let message = "not authorized to perform: iam:ListUsers with an explicit deny in an identity-based policy: \
                       arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV7.";
        assert_eq!(denied(message).quarantine(), Some("AWSCompromisedKeyQuarantineV7"));
        assert_eq!(denied("with an explicit deny").quarantine(), None);
        assert_eq!(Trouble::said(400, "ValidationError", message).quarantine(), None);
    }

    #[test]
    fn kinds_and_effects_follow_code_and_status() {
        for (status, code, message, kind, effect) in [
            (403, "AccessDenied", "", Kind::Denied, Effect::None),
            (404, "NoSuchEntity", "", Kind::Missing, Effect::None),
            (403, "InvalidClientTokenId", "", Kind::Credentials, Effect::None),
            (403, "SignatureDoesNotMatch", "Signature expired: 2026…", Kind::Clock, Effect::None),
            (403, "SignatureDoesNotMatch", "The request signature we…", Kind::Credentials, Effect::None),
            (400, "Throttling", "Rate exceeded", Kind::Refused, Effect::None),
            (500, "InternalFailure", "", Kind::Failed, Effect::Unknown),
            (503, "AccessDenied", "", Kind::Failed, Effect::Unknown),
        ] {
            let trouble = Trouble::said(status, code, message);
            assert_eq!((trouble.kind, trouble.effect), (kind, effect), "{status} {code}");
        }
    }

    #[test]
    fn an_error_is_found_wherever_it_stands() {
        let xml = "<ErrorResponse><Errors><Error><Code>AccessDenied</Code><Message>No</Message></Error></Errors></ErrorResponse>";
        assert_eq!((text_of(xml, "Code"), text_of(xml, "Message")), (Some("AccessDenied"), Some("No")));
        assert_eq!(text_of("<html>", "Code"), None);
    }

    #[test]
    fn advice_stands_with_what_was_said() {
        let why = |code, message| Trouble::said(403, code, message).why();
        assert!(why("ExpiredToken", "The security token is expired.").contains("sign in again"));
        assert!(why("InvalidClientTokenId", "x").contains("--profile"));
        assert!(why("RequestTimeTooSkewed", "x").contains("clock"));
        assert_eq!(why("ValidationError", "No."), "No (ValidationError)");
        assert_eq!(why("ValidationError", ""), "ValidationError");
        assert!(why("", "").contains("403"));
        assert!(why("Throttling", "Rate exceeded").ends_with("try again in a minute"));
    }

    #[test]
    fn causes_do_not_repeat_themselves() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer: {0}")]
        struct Outer(#[source] std::fmt::Error);
        let inner = std::fmt::Error.to_string();
        assert_eq!(causes(&Outer(std::fmt::Error)), format!("outer: {inner}"));
    }
}
