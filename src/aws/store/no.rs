//! What an answer of S3 means that is not what was asked for: where else to ask, whether to ask again, or what kind of no it is, in words that
//! say what to try.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::call::Ask;
use super::{No, StoreError, Viewer};
use crate::aws::client::in_quarantine;
use crate::aws::trouble::{Kind, Trouble, text_of};

/// How it is told that an answer is neither what was asked for nor an error.
pub(super) const NOT_UNDERSTOOD: &str = "the answer can't be understood";

/// An answer that is not what was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The bucket is in another region: in this one, if it is told.
    Elsewhere(Option<String>),
    /// The bucket, if there is one, is where it was asked.
    Here(Repeat, StoreError),
}

/// Whether another attempt may come to something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    /// It will not.
    Never,
    /// It may.
    Soon,
    /// It may, if the bucket is asked less often.
    Slower,
}

impl Refusal {
    pub(super) fn of<E>(error: SdkError<E, HttpResponse>, ask: Ask, viewer: &Viewer) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let answer = error.raw_response().map(Answer::of);
        // What is no error by its status, and none that S3 knows either.
        let is_understood = matches!(&error, SdkError::ServiceError(answer) if !answer.raw().status().is_success());
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
            return Self::Here(Repeat::Slower, error(No::SlowDown, why));
        }
        // What is not implemented will not be in a moment.
        if (status >= 500 && status != 501) || trouble.code == "RequestTimeout" {
            let why = format!("S3 failed again and again: {}", said(&trouble, status));
            return Self::Here(Repeat::Soon, error(No::Failed, why));
        }
        if !is_understood {
            let why =
                format!("{NOT_UNDERSTOOD} (status {status}); the endpoint may not be one of S3 (AWS_ENDPOINT_URL)");
            return Self::Here(Repeat::Soon, error(No::Failed, why));
        }
        let refused = refused(&trouble, status, ask, viewer);
        Self::Here(Repeat::Never, StoreError { code: code.into(), ..refused })
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
    let (repeat, kind) = match trouble.kind {
        Kind::Unreachable => (Repeat::Soon, No::Unreachable),
        Kind::Lost | Kind::Failed => (Repeat::Soon, No::Failed),
        Kind::Credentials | Kind::Clock => (Repeat::Never, No::Credentials),
        Kind::Denied | Kind::Missing | Kind::Refused => (Repeat::Never, No::Failed),
    };
    Refusal::Here(repeat, StoreError { kind, code: trouble.code.as_str().into(), why: trouble.why(), permission: None })
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
        No::Denied => format!("{}{}", denied(&said, trouble, ask), quarantined(trouble, viewer)),
        No::KeyDenied => format!("it is encrypted, and the caller may not use its key (kms:Decrypt): {said}"),
        No::NoBucket => format!("there is no such bucket: {said}"),
        No::Gone => format!("there is no such object any more: {said}"),
        No::Changed => format!("it was changed since it was listed: {said}"),
        No::Archived => format!("it is archived, and would have to be restored first: {said}"),
        No::RequesterPays if *viewer == Viewer::Stranger => {
            format!(
                "whoever reads this bucket pays for it, which a stranger can't: sign in, with --request-payer: {said}"
            )
        }
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

/// AWS denies a user whose key it found in public to read buckets, among all else.
fn quarantined(trouble: &Trouble, viewer: &Viewer) -> String {
    match (viewer, trouble.quarantine()) {
        (Viewer::Caller(caller), Some(policy)) => in_quarantine(caller, policy),
        _ => String::new(),
    }
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

#[cfg(test)]
mod tests {
    use super::super::tests::{Server, error, read_all, reply, wanted};
    use super::super::{Listing, Store, Wanted};
    use super::*;

    fn of_object(server: &Server, wanted: &Wanted) -> StoreError {
        read_all(&server.owned().bucket("b"), wanted).unwrap_err()
    }

    fn of_list(store: &Store) -> StoreError {
        store.handle().block_on(store.bucket("b").list(&Listing::default(), None)).unwrap_err()
    }

    #[test]
    fn each_no_is_of_a_kind_and_says_what_to_try() {
        for (status, code, message, kind, word) in [
            ("403 Forbidden", "AccessDenied", "Access Denied", No::Denied, "s3:GetObject"),
            ("403 Forbidden", "AllAccessDisabled", "All access is disabled", No::Denied, "AllAccessDisabled"),
            ("403 Forbidden", "InvalidObjectState", "not valid for the storage class", No::Archived, "restored"),
            (
                "403 Forbidden",
                "AccessDenied",
                "User: u is not authorized to perform: kms:Decrypt on resource: arn:aws:kms:k",
                No::KeyDenied,
                "kms:Decrypt",
            ),
            ("400 Bad Request", "KMS.DisabledException", "k is disabled.", No::KeyDenied, "key"),
            ("400 Bad Request", "KMS.KMSInvalidStateException", "k is pending deletion.", No::KeyDenied, "key"),
            ("404 Not Found", "NoSuchKey", "The specified key does not exist.", No::Gone, "no such object any more"),
            ("404 Not Found", "NoSuchVersion", "x", No::Gone, "no such object any more"),
            ("405 Method Not Allowed", "MethodNotAllowed", "x", No::Gone, "no such object any more"),
            ("404 Not Found", "NoSuchBucket", "x", No::NoBucket, "no such bucket"),
            ("412 Precondition Failed", "PreconditionFailed", "x", No::Changed, "since it was listed"),
            ("403 Forbidden", "AccessDenied", "Bucket is requester pays bucket", No::RequesterPays, "--request-payer"),
            ("400 Bad Request", "ExpiredToken", "The provided token has expired.", No::Credentials, "sign in"),
            ("403 Forbidden", "InvalidAccessKeyId", "x", No::Credentials, "AWS_PROFILE"),
            ("403 Forbidden", "SignatureDoesNotMatch", "x", No::Credentials, "secret access key"),
            ("403 Forbidden", "RequestTimeTooSkewed", "x", No::Credentials, "clock"),
            ("400 Bad Request", "InvalidArgument", "Invalid version id specified", No::Failed, "Invalid version id"),
            ("501 Not Implemented", "NotImplemented", "not implemented", No::Failed, "not implemented"),
        ] {
            let server = Server::new(move |_, _| error(status, code, message));
            let error = of_object(&server, &wanted("k"));
            assert_eq!((error.kind, &*error.code), (kind, code), "{error}");
            assert!(error.why.contains(word), "{code}: {error}");
            assert!(!error.why.ends_with('.'), "{error}");
            assert_eq!(server.requests().len(), 1, "{code}");
        }
    }

    #[test]
    fn the_missing_permission_is_named() {
        let denied = |message: &'static str| Server::new(move |_, _| error("403 Forbidden", "AccessDenied", message));
        let plain = denied("Access Denied");
        let version = Wanted { version_id: Some("v".into()), ..wanted("k") };
        let permission = |error: StoreError| error.permission.unwrap();
        assert_eq!(permission(of_object(&plain, &wanted("k"))), "s3:GetObject");
        assert_eq!(permission(of_object(&plain, &version)), "s3:GetObjectVersion");
        let store = plain.owned();
        let bucket = store.bucket("b");
        assert_eq!(permission(of_list(&store)), "s3:ListBucket");
        let versions = Listing { versions: true, ..Listing::default() };
        store.handle().block_on(async {
            assert_eq!(permission(bucket.list(&versions, None).await.unwrap_err()), "s3:ListBucketVersions");
            assert_eq!(permission(store.buckets().await.unwrap_err()), "s3:ListAllMyBuckets");
            let tags = bucket.tags(bucket.turn().await, &wanted("k")).await.unwrap_err();
            assert_eq!(permission(tags), "s3:GetObjectTagging");
            let tags = bucket.tags(bucket.turn().await, &version).await.unwrap_err();
            assert_eq!(permission(tags), "s3:GetObjectVersionTagging");
            let metadata = bucket.metadata(bucket.turn().await, &wanted("k")).await.unwrap_err();
            assert_eq!((metadata.kind, permission(metadata)), (No::Denied, "s3:GetObject".to_owned()));
        });
        // What S3 says of an object that is gone to one who may not list.
        let missing = denied("User: u is not authorized to perform: s3:ListBucket on resource: b because no policy");
        let error = of_object(&missing, &wanted("k"));
        assert_eq!(error.permission.as_deref(), Some("s3:ListBucket"));
        assert!(error.why.contains("no such object any more"), "{error}");
        assert!(of_object(&plain, &wanted("k")).why.contains("or it is gone"));
        assert!(!of_list(&plain.owned()).why.contains("gone"));
    }

    #[test]
    fn a_caller_in_quarantine_is_told_so() {
        let message = "User: u is not authorized to perform: s3:GetObject on resource: b with an explicit deny in an identity-based \
                       policy: arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV3";
        let server = Server::new(move |_, _| error("403 Forbidden", "AccessDenied", message));
        let error = of_object(&server, &wanted("k"));
        assert!(error.why.contains("user/a itself in quarantine (AWSCompromisedKeyQuarantineV3)"), "{error}");
    }

    #[test]
    fn a_stranger_is_told_that_it_is_not_public() {
        let server = Server::new(|request, _| {
            assert_eq!(request.header("authorization"), None);
            error("403 Forbidden", "AccessDenied", "Access Denied")
        });
        let error = of_list(&server.strange());
        assert_eq!((error.kind, error.permission), (No::Denied, None));
        assert!(error.why.contains("not public"), "{}", error.why);
        let payer = Server::new(|_, _| {
            super::super::tests::error("403 Forbidden", "AccessDenied", "Bucket is requester pays bucket")
        });
        let error = of_list(&payer.strange());
        assert!(error.kind == No::RequesterPays && error.why.contains("a stranger can't"), "{error}");
    }

    #[test]
    fn answers_without_a_body_are_told_by_their_status() {
        for (status, kind) in [
            ("403 Forbidden", No::Denied),
            ("404 Not Found", No::Gone),
            ("405 Method Not Allowed", No::Gone),
            ("412 Precondition Failed", No::Changed),
            ("400 Bad Request", No::Failed),
        ] {
            let server = Server::new(move |_, _| reply(status, &[], ""));
            let store = server.owned();
            let bucket = store.bucket("b");
            let error = store.handle().block_on(async { bucket.metadata(bucket.turn().await, &wanted("k")).await });
            let error = error.unwrap_err();
            assert_eq!(error.kind, kind, "{error}");
            // The SDK has a name for one of them.
            assert!(error.why.contains(&status[..3]) || &*error.code == "NotFound", "{error}");
        }
        let server = Server::new(|_, _| reply("404 Not Found", &[], ""));
        assert_eq!(of_list(&server.owned()).kind, No::NoBucket);
    }

    #[test]
    fn a_server_that_is_not_there_is_unreachable() {
        let server = Server::gone();
        let error = of_list(&server.owned());
        assert_eq!(error.kind, No::Unreachable, "{error}");
        assert!(error.is_the_buckets() && error.why.contains("AWS_ENDPOINT_URL"), "{error}");
    }

    #[test]
    fn a_server_of_something_else_is_not_understood() {
        let server = Server::new(|_, _| reply("200 OK", &["Content-Type: text/html"], "<html>welcome</html>"));
        let error = of_list(&server.owned());
        assert!(error.kind == No::Failed && error.why.contains("endpoint"), "{error}");
        // Its requests may have hit a machine that was just being restarted.
        assert_eq!(server.requests().len(), 4);
    }

    #[test]
    fn a_name_that_no_bucket_can_have_is_no_reason_to_ask() {
        let server = Server::new(|_, _| reply("200 OK", &[], ""));
        let store = server.owned();
        let error = store.handle().block_on(store.bucket("").list(&Listing::default(), None)).unwrap_err();
        assert_eq!(error.kind, No::Failed, "{error}");
        assert_eq!(server.requests().len(), 0);
    }
}
