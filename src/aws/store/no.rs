//! What an answer of S3 means that is not what was asked for: where else to ask, whether to ask again, or what kind of no it is, in words that
//! say what to try.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::call::Ask;
use super::{No, StoreError, Viewer};
use crate::aws::trouble::{Kind, Trouble, text_of};

/// What to do about an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The bucket is in another region: in this one, if it is told.
    Elsewhere(Option<String>),
    /// It is asked too often.
    SlowDown(StoreError),
    /// Another attempt may come to something.
    Again(StoreError),
    /// It will not.
    No(StoreError),
}

impl Refusal {
    pub(super) fn of<E>(error: SdkError<E, HttpResponse>, ask: Ask, viewer: &Viewer) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let answer = error.raw_response().map(Answer::of);
        let is_understood = matches!(error, SdkError::ServiceError(_));
        let trouble = Trouble::from(error);
        let Some(answer) = answer else {
            return unanswered(&trouble);
        };
        if answer.is_elsewhere(&trouble.code) {
            return Self::Elsewhere(answer.region);
        }
        let status = answer.status;
        // Of this status alone it matters what exactly it was, and not every server has a code for it.
        let code = if status == 416 { "InvalidRange" } else { trouble.code.as_str() };
        let error = |kind, why| StoreError { kind, code: code.into(), why, permission: None };
        if is_too_often(status, &trouble.code) {
            let why = format!(
                "the bucket says that it is asked too often, and went on doing so; try again later: {}",
                trouble.why()
            );
            return Self::SlowDown(error(No::SlowDown, why));
        }
        if status >= 500 || trouble.code == "RequestTimeout" {
            return Self::Again(error(No::Failed, format!("S3 failed again and again: {}", said(&trouble, status))));
        }
        if !is_understood {
            let why = format!("S3's answer can't be understood (status {status}); is the endpoint one of S3?");
            return Self::Again(error(No::Failed, why));
        }
        let refused = refused(&trouble, status, ask, viewer);
        Self::No(StoreError { code: code.into(), ..refused })
    }
}

/// What an answer says beside its error.
struct Answer {
    status: u16,
    region: Option<String>,
}

impl Answer {
    fn of(response: &HttpResponse) -> Self {
        Self { status: response.status().as_u16(), region: region_of(response) }
    }

    /// The request went to a region that the bucket is not in. Answers to HEAD have no code.
    fn is_elsewhere(&self, code: &str) -> bool {
        match self.status {
            301 | 307 => true,
            400 => {
                ["AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "IncorrectEndpoint"]
                    .contains(&code)
                    || (code.is_empty() && self.region.is_some())
            }
            _ => false,
        }
    }
}

/// The region that an answer names.
pub(super) fn region_of(response: &HttpResponse) -> Option<String> {
    let header = response.headers().get("x-amz-bucket-region");
    let body = || text_of(std::str::from_utf8(response.body().bytes()?).ok()?, "Region");
    header.or_else(body).filter(|region| !region.is_empty()).map(str::to_owned)
}

fn is_too_often(status: u16, code: &str) -> bool {
    matches!(status, 429 | 503)
        || ["SlowDown", "RequestLimitExceeded", "Throttling", "ThrottlingException", "TooManyRequests"].contains(&code)
}

/// No answer came.
fn unanswered(trouble: &Trouble) -> Refusal {
    let error = |kind| StoreError { kind, code: trouble.code.as_str().into(), why: trouble.why(), permission: None };
    match trouble.kind {
        Kind::Unreachable => Refusal::Again(error(No::Unreachable)),
        Kind::Lost | Kind::Failed => Refusal::Again(error(No::Failed)),
        Kind::Credentials | Kind::Clock => Refusal::No(error(No::Credentials)),
        _ => Refusal::No(error(No::Failed)),
    }
}

/// What S3 says, and if that is nothing, by which status.
fn said(trouble: &Trouble, status: u16) -> String {
    if trouble.code.is_empty() { format!("status {status}") } else { trouble.why() }
}

/// A no that stays one.
fn refused(trouble: &Trouble, status: u16, ask: Ask, viewer: &Viewer) -> StoreError {
    let said = said(trouble, status);
    let kind = kind_of(trouble, status, ask);
    let why = match kind {
        No::Denied if *viewer == Viewer::Stranger => format!("it is not public: {said}"),
        No::Denied => denied(&said, trouble, ask),
        No::KeyDenied => format!("it is encrypted, and the caller may not use its key (kms:Decrypt): {said}"),
        No::NoBucket => format!("there is no such bucket: {said}"),
        No::Gone => format!("there is no such object any more: {said}"),
        No::Changed => format!("it was changed since it was listed: {said}"),
        No::Archived => format!("it is archived, and would have to be restored first: {said}"),
        No::RequesterPays => {
            format!("whoever reads this bucket pays for it; agree to that with --request-payer: {said}")
        }
        No::SlowDown | No::Credentials | No::Unreachable | No::Failed => said,
    };
    let permission = (kind == No::Denied && *viewer != Viewer::Stranger)
        .then(|| trouble.permission(ask.permission).unwrap_or_else(|| ask.permission.to_owned()));
    let permission = if kind == No::KeyDenied { Some("kms:Decrypt".to_owned()) } else { permission };
    StoreError { kind, code: trouble.code.as_str().into(), why, permission }
}

/// To whom S3 says no it does not say whether there is anything, unless he may list the bucket.
fn denied(said: &str, trouble: &Trouble, ask: Ask) -> String {
    let permission = trouble.permission(ask.permission).unwrap_or_else(|| ask.permission.to_owned());
    let gone = if !ask.is_of_object {
        ""
    } else if permission == "s3:ListBucket" && ask.permission != "s3:ListBucket" {
        ", or there is no such object any more, which S3 tells only to those who may list the bucket"
    } else {
        ", or it is gone, which S3 tells only to those who may list the bucket"
    };
    format!("the caller may not ({permission}){gone}: {said}")
}

fn kind_of(trouble: &Trouble, status: u16, ask: Ask) -> No {
    let message = trouble.message.to_ascii_lowercase();
    match trouble.code.as_str() {
        "InvalidObjectState" => No::Archived,
        "NoSuchBucket" => No::NoBucket,
        "NoSuchKey" | "NoSuchVersion" | "MethodNotAllowed" => No::Gone,
        "PreconditionFailed" => No::Changed,
        code if code.starts_with("KMS.") => No::KeyDenied,
        _ if message.contains("kms:decrypt") || message.contains("kms key") => No::KeyDenied,
        _ if status == 403 && (message.contains("requester pays") || message.contains("requestpayer")) => {
            No::RequesterPays
        }
        "AccessDenied" | "AllAccessDisabled" | "AccountProblem" => No::Denied,
        "InvalidToken" | "TokenRefreshRequired" | "NotSignedUp" => No::Credentials,
        _ if matches!(trouble.kind, Kind::Credentials | Kind::Clock) => No::Credentials,
        _ => match status {
            401 | 403 => No::Denied,
            404 | 405 if ask.is_of_object => No::Gone,
            404 => No::NoBucket,
            412 => No::Changed,
            _ => No::Failed,
        },
    }
}
