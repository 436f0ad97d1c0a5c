//! What the condition of a policy's statement is to the public, which are those who sign nothing and those who sign as an account of their
//! own: whether somebody of it can meet it, and whether nobody of it can help meeting it. By S3's own rules for that, as far as it tells them.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html#access-control-block-public-access-policy-status>

// Addresses alone: of `std::net` everything that connects is closed to this room.
use core::net::IpAddr;

use serde_json::Value;

/// One line of a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Test {
    /// In lower case, without what stands around it.
    operator: String,
    /// `ForAnyValue` or `ForAllValues`.
    quantifier: Option<Quantifier>,
    if_exists: bool,
    /// As it is written.
    key: String,
    values: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quantifier {
    Any,
    All,
}

/// Who of the public meets the condition of a statement that allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meets {
    /// Everybody, or whoever likes to.
    All,
    /// Somebody, or at some times, or for some objects; the keys that decide.
    Some(Vec<String>),
    /// Nobody; the key that decides.
    Nobody(String),
}

/// Whom of the public the condition of a statement that denies catches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Catches {
    /// Everybody.
    All,
    /// Perhaps; the keys that decide.
    Some(Vec<String>),
    /// Nobody who doesn't want to be.
    Nobody,
}

/// Keys whose values a request's sender is free to choose.
const CHOSEN: &[&str] = &[
    "aws:referer",
    "aws:securetransport",
    "aws:useragent",
    "s3:delimiter",
    "s3:max-keys",
    "s3:prefix",
    "s3:signatureversion",
    "s3:tlsversion",
    "s3:versionid",
];

/// Keys of which S3 says that fixed values of them make a grant not public. Nobody of the public has one of these values.
const FIXING: &[&str] = &[
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceorgid",
    "aws:sourceorgpaths",
    "aws:sourceowner",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:userid",
    ACCESS_POINT,
    ACCESS_POINT_ACCOUNT,
    KMS_KEY,
];
const ACCESS_POINT: &str = "s3:dataaccesspointarn";
const ACCESS_POINT_ACCOUNT: &str = "s3:dataaccesspointaccount";
const KMS_KEY: &str = "s3:x-amz-server-side-encryption-aws-kms-key-id";
const SOURCE_IP: &str = "aws:sourceip";

const POSITIVE: &[&str] = &["arnequals", "arnlike", "stringequals", "stringequalsignorecase", "stringlike"];
const NEGATIVE: &[&str] =
    &["arnnotequals", "arnnotlike", "stringnotequals", "stringnotequalsignorecase", "stringnotlike"];

/// The tests of a condition, all of which have to hold; `None` when it is none.
pub(super) fn parse(condition: &Value) -> Option<Vec<Test>> {
    let mut tests = Vec::new();
    for (operator, keys) in condition.as_object()? {
        for (key, values) in keys.as_object()? {
            tests.push(Test::new(operator, key, super::policy::words(values)?));
        }
    }
    Some(tests)
}

/// Who of the public meets all of these.
pub(super) fn meets(tests: &[Test]) -> Meets {
    let mut some = Vec::new();
    for test in tests {
        match test.meets() {
            Meets::All => {}
            Meets::Some(keys) => some.extend(keys),
            nobody => return nobody,
        }
    }
    if some.is_empty() { Meets::All } else { Meets::Some(some) }
}

/// Whom of the public all of these catch.
pub(super) fn catches(tests: &[Test]) -> Catches {
    let mut some = Vec::new();
    for test in tests {
        match test.catches() {
            Catches::All => {}
            Catches::Some(keys) => some.extend(keys),
            Catches::Nobody => return Catches::Nobody,
        }
    }
    if some.is_empty() { Catches::All } else { Catches::Some(some) }
}

/// The tests leave it to access points who gets in.
pub(super) fn is_of_access_points(tests: &[Test]) -> bool {
    tests.iter().any(|test| test.is_about(&[ACCESS_POINT, ACCESS_POINT_ACCOUNT]))
}

impl Test {
    fn new(operator: &str, key: &str, values: Vec<String>) -> Self {
        let operator = operator.to_ascii_lowercase();
        let (quantifier, operator) = match operator.split_once(':') {
            Some(("foranyvalue", operator)) => (Some(Quantifier::Any), operator),
            Some(("forallvalues", operator)) => (Some(Quantifier::All), operator),
            _ => (None, &*operator),
        };
        let (operator, if_exists) = match operator.strip_suffix("ifexists") {
            Some(operator) => (operator, true),
            None => (operator, false),
        };
        Self { operator: operator.to_owned(), quantifier, if_exists, key: key.to_owned(), values }
    }

    fn is_about(&self, keys: &[&str]) -> bool {
        keys.iter().any(|key| key.eq_ignore_ascii_case(&self.key))
    }

    fn is(&self, operators: &[&str]) -> bool {
        operators.contains(&&*self.operator)
    }

    /// `Bool` with this one value.
    fn is_bool(&self, value: &str) -> bool {
        self.is(&["bool"]) && matches!(&self.values[..], [only] if only.eq_ignore_ascii_case(value))
    }

    fn is_chosen(&self) -> bool {
        let is_header = self.key.get(..9).is_some_and(|start| start.eq_ignore_ascii_case("s3:x-amz-"));
        self.is_about(CHOSEN) || (is_header && !self.is_about(&[KMS_KEY]))
    }

    /// It names values that nobody of the public has.
    fn is_fixed(&self) -> bool {
        let is_fixed = |value: &String| {
            let text = if self.is_about(&[ACCESS_POINT]) { account_of(value) } else { value };
            !text.is_empty() && !text.contains(['*', '?']) && !text.contains("${")
        };
        self.is_about(FIXING) && !self.values.is_empty() && self.values.iter().all(is_fixed)
    }

    /// It names addresses, and so few that S3 takes them for somebody's own.
    fn is_narrow(&self) -> bool {
        self.is_about(&[SOURCE_IP]) && !self.values.is_empty() && self.values.iter().all(|range| is_narrow(range))
    }

    fn meets(&self) -> Meets {
        let some = || Meets::Some(vec![self.key.clone()]);
        let nobody = || Meets::Nobody(self.key.clone());
        // What is not there meets it too, and of the public hardly anything is.
        let is_lax = self.if_exists || self.quantifier == Some(Quantifier::All);
        if self.is_chosen() {
            Meets::All
        } else if self.is(&["ipaddress"]) && self.is_about(&[SOURCE_IP]) {
            if self.is_narrow() { nobody() } else { some() }
        } else if self.is(POSITIVE) && self.is_about(FIXING) {
            match (is_lax, self.is_fixed()) {
                (true, _) => Meets::All,
                (false, true) => nobody(),
                (false, false) => some(),
            }
        } else if self.is(NEGATIVE) || self.is(&["notipaddress"]) {
            if self.quantifier == Some(Quantifier::Any) { some() } else { Meets::All }
        } else if self.is_about(&["aws:principalisawsservice"]) && self.is_bool("true") {
            nobody()
        } else if self.is_about(&["aws:principalisawsservice", "aws:viaawsservice"]) && self.is_bool("false") {
            Meets::All
        } else {
            some()
        }
    }

    fn catches(&self) -> Catches {
        let is_everybody_else = self.quantifier.is_none()
            && ((self.is(NEGATIVE) && self.is_fixed())
                || (self.is(&["notipaddress"]) && self.is_narrow())
                || (self.is_about(&["aws:principalisawsservice"]) && self.is_bool("false")));
        if self.is_chosen() {
            Catches::Nobody
        } else if is_everybody_else {
            Catches::All
        } else {
            Catches::Some(vec![self.key.clone()])
        }
    }
}

/// The account in the ARN of an access point, which may be of any name.
fn account_of(arn: &str) -> &str {
    arn.split(':').nth(4).unwrap_or_default()
}

/// A range of addresses that is at most as wide as S3 takes for fixed.
fn is_narrow(range: &str) -> bool {
    let (address, prefix) = match range.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (range, None),
    };
    let Ok(address) = address.parse::<IpAddr>() else { return false };
    let prefix: u8 = match (prefix, address) {
        (Some(prefix), _) => match prefix.parse() {
            Ok(prefix) => prefix,
            Err(_) => return false,
        },
        (None, IpAddr::V4(_)) => 32,
        (None, IpAddr::V6(_)) => 128,
    };
    match address {
        IpAddr::V4(_) => (8..=32).contains(&prefix),
        IpAddr::V6(_) => (32..=128).contains(&prefix),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tests(condition: Value) -> Vec<Test> {
        parse(&condition).unwrap()
    }

    #[test]
    fn fixed_values_keep_the_public_out_of_what_is_allowed() {
        for (condition, key) in [
            (json!({"StringEquals": {"aws:SourceVpc": "vpc-91237329"}}), "aws:SourceVpc"),
            (json!({"StringLike": {"aws:sourcevpce": ["vpce-1", "vpce-2"]}}), "aws:sourcevpce"),
            (json!({"stringequals": {"aws:PrincipalOrgID": "o-1"}}), "aws:PrincipalOrgID"),
            (json!({"ForAnyValue:StringEquals": {"aws:PrincipalOrgPaths": "o-1/r-1/"}}), "aws:PrincipalOrgPaths"),
            (
                json!({"ArnLike": {"aws:SourceArn": "arn:aws:cloudfront::111122223333:distribution/E1"}}),
                "aws:SourceArn",
            ),
            (json!({"StringEquals": {"s3:DataAccessPointAccount": "111122223333"}}), "s3:DataAccessPointAccount"),
            (
                json!({"StringLike": {"s3:DataAccessPointArn": "arn:aws:s3:*:111122223333:accesspoint/*"}}),
                "s3:DataAccessPointArn",
            ),
            (json!({"IpAddress": {"aws:SourceIp": ["192.0.2.0/24", "2001:db8::/32", "10.0.0.0/8"]}}), "aws:SourceIp"),
            (json!({"IpAddressIfExists": {"aws:SourceIp": "192.0.2.7"}}), "aws:SourceIp"),
            (json!({"Bool": {"aws:PrincipalIsAWSService": true}}), "aws:PrincipalIsAWSService"),
            (
                json!({"StringEquals": {"aws:Referer": "x"}, "StringLike": {"aws:SourceAccount": "111122223333"}}),
                "aws:SourceAccount",
            ),
        ] {
            assert_eq!(meets(&tests(condition.clone())), Meets::Nobody(key.to_owned()), "{condition}");
        }
    }

    #[test]
    fn what_anybody_can_meet_keeps_nobody_out() {
        for condition in [
            json!({}),
            json!({"StringLike": {"aws:Referer": "https://example.com/*"}}),
            json!({"Bool": {"aws:SecureTransport": "true"}, "StringEquals": {"s3:prefix": ["", "public/"]}}),
            json!({"StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control"}}),
            json!({"StringNotEquals": {"aws:SourceVpc": "vpc-1"}}),
            json!({"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}}),
            json!({"StringEqualsIfExists": {"aws:PrincipalOrgID": "o-1"}}),
            json!({"ForAllValues:StringEquals": {"aws:PrincipalOrgPaths": "o-1/"}}),
        ] {
            assert_eq!(meets(&tests(condition.clone())), Meets::All, "{condition}");
        }
    }

    #[test]
    fn what_somebody_can_meet_is_told() {
        for (condition, key) in [
            (json!({"StringLike": {"aws:SourceVpc": "vpc-*"}}), "aws:SourceVpc"),
            (json!({"StringEquals": {"aws:PrincipalOrgID": "${aws:PrincipalOrgID}"}}), "aws:PrincipalOrgID"),
            (json!({"StringLike": {"s3:DataAccessPointArn": "arn:aws:s3:*:*:accesspoint/x"}}), "s3:DataAccessPointArn"),
            (json!({"StringEquals": {"s3:ExistingObjectTag/public": "yes"}}), "s3:ExistingObjectTag/public"),
            (json!({"IpAddress": {"aws:SourceIp": ["192.0.2.0/24", "0.0.0.0/0"]}}), "aws:SourceIp"),
            (json!({"IpAddress": {"aws:SourceIp": "128.0.0.0/1"}}), "aws:SourceIp"),
            (json!({"IpAddress": {"aws:SourceIp": "::/0"}}), "aws:SourceIp"),
            (json!({"IpAddress": {"aws:SourceIp": "nonsense"}}), "aws:SourceIp"),
            (json!({"DateLessThan": {"aws:CurrentTime": "2027-01-01T00:00:00Z"}}), "aws:CurrentTime"),
            (json!({"Null": {"aws:PrincipalOrgID": "false"}}), "aws:PrincipalOrgID"),
            (json!({"StringEquals": {"aws:PrincipalOrgID": []}}), "aws:PrincipalOrgID"),
            (json!({"WhoKnows": {"aws:Whatever": 7}}), "aws:Whatever"),
        ] {
            assert_eq!(meets(&tests(condition.clone())), Meets::Some(vec![key.to_owned()]), "{condition}");
        }
    }

    #[test]
    fn a_denial_of_all_but_fixed_values_catches_the_public() {
        for condition in [
            json!({}),
            json!({"StringNotEquals": {"aws:PrincipalOrgID": "o-1"}}),
            json!({"StringNotEqualsIfExists": {"aws:SourceVpce": ["vpce-1", "vpce-2"]}}),
            json!({"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}, "Bool": {"aws:PrincipalIsAWSService": "false"}}),
        ] {
            assert_eq!(catches(&tests(condition.clone())), Catches::All, "{condition}");
        }
    }

    #[test]
    fn a_denial_that_can_be_avoided_catches_nobody_and_others_perhaps() {
        for condition in [
            json!({"Bool": {"aws:SecureTransport": "false"}}),
            json!({"NumericLessThan": {"s3:TlsVersion": "1.2"}}),
            json!({"StringNotLike": {"aws:Referer": "https://example.com/*"}, "StringNotEquals": {"aws:userid": "x"}}),
        ] {
            assert_eq!(catches(&tests(condition.clone())), Catches::Nobody, "{condition}");
        }
        for (condition, key) in [
            (json!({"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}), "aws:SourceIp"),
            (json!({"NotIpAddress": {"aws:SourceIp": "0.0.0.0/0"}}), "aws:SourceIp"),
            (json!({"StringEquals": {"s3:ExistingObjectTag/secret": "yes"}}), "s3:ExistingObjectTag/secret"),
            (json!({"StringNotLike": {"aws:userid": "AROAEXAMPLE:*"}}), "aws:userid"),
            (json!({"StringEqualsIfExists": {"aws:PrincipalOrgID": "o-1"}}), "aws:PrincipalOrgID"),
            (json!({"ForAnyValue:StringNotEquals": {"aws:PrincipalOrgPaths": "o-1/"}}), "aws:PrincipalOrgPaths"),
            (json!({"Null": {"aws:PrincipalOrgID": "true"}}), "aws:PrincipalOrgID"),
        ] {
            assert_eq!(catches(&tests(condition.clone())), Catches::Some(vec![key.to_owned()]), "{condition}");
        }
    }

    #[test]
    fn what_is_no_condition_is_none() {
        for wrong in [json!([]), json!("x"), json!({"StringEquals": "x"}), json!({"StringEquals": {"a": {"b": 1}}})] {
            assert_eq!(parse(&wrong), None, "{wrong}");
        }
    }

    #[test]
    fn ranges_are_as_wide_as_s3_says() {
        for (range, expected) in [
            ("1.0.0.0/8", true),
            ("1.0.0.0/7", false),
            ("1.2.3.4", true),
            ("2001:db8::/32", true),
            ("2001:db8::/31", false),
            ("2001:db8::1", true),
            ("172.16.0.0/12", true),
            ("10.0.0.0/7", false),
            ("1.2.3.4/", false),
            ("*", false),
            ("1.2.3.4/300", false),
            ("1.2.3.4/33", false),
        ] {
            assert_eq!(is_narrow(range), expected, "{range}");
        }
    }
}
