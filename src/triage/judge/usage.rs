//! Whether a credential was used after it was exposed. IAM notes the first use in each quarter of an hour, some minutes late: what lies
//! within an hour is not told apart.

use super::on;
use crate::triage::inventory::{LastUsed, Noted};
use crate::triage::moment::{HOUR, ago};

/// Moments that are nearer to each other than this can't be told apart.
const NEAR: i64 = HOUR;

impl Noted<'_> {
    /// Whether it was used after `exposed`, and a sentence on that. `None` when it can't be told.
    pub(super) fn since(&self, exposed: Option<i64>, now: i64) -> (Option<bool>, Option<String>) {
        let Some(exposed) = exposed else {
            return (None, None);
        };
        let when = on(exposed);
        if exposed > now {
            let sentence = format!(
                "It is said to be out since {}: that date is wrong, and so it can't be told whether it was used since.",
                ago(exposed, now)
            );
            return (None, Some(sentence));
        }
        let used_at = match self.last {
            LastUsed::Never => None,
            LastUsed::At { at, .. } => Some(*at),
        };
        match used_at {
            Some(at) if at - exposed > NEAR => {
                let sentence = format!("It has been used since it was exposed {when}; CloudTrail tells by whom.");
                (Some(true), Some(sentence))
            }
            Some(at) if exposed - at <= NEAR => {
                let sentence = format!(
                    "It was exposed {when}, within an hour of its last use. IAM notes uses less exactly than that: it may have been used since."
                );
                (None, Some(sentence))
            }
            _ => self.not_since(exposed, &when),
        }
    }

    /// No use after it is noted: that counts only if one would be by now.
    fn not_since(&self, exposed: i64, when: &str) -> (Option<bool>, Option<String>) {
        match self.until {
            Some(until) if until - exposed > NEAR => {
                let sentence = if self.by_report {
                    format!(
                        "By the report it had not been used since it was exposed {when}; it may have been after the report was made."
                    )
                } else {
                    format!("It has not been used since it was exposed {when}, as far as IAM has noted.")
                };
                (Some(false), Some(sentence))
            }
            _ if self.by_report => {
                let sentence = format!(
                    "It was exposed {when}, and it is not certain that the report was made after that: it may have been used since."
                );
                (None, Some(sentence))
            }
            _ => {
                let sentence = format!(
                    "It was exposed {when}, less than an hour before IAM was asked, which notes uses some minutes late: it may have been used since."
                );
                (None, Some(sentence))
            }
        }
    }
}

/// The last use in words: `on 2026-11-30 16:05 UTC (12 minutes ago), s3 in eu-west-1`.
pub(super) fn words(last: &LastUsed, now: i64) -> Option<String> {
    let LastUsed::At { at, service, region } = last else {
        return None;
    };
    let of = match (service, region) {
        (Some(service), Some(region)) => format!(", {service} in {region}"),
        (Some(service), None) => format!(", {service}"),
        (None, Some(region)) => format!(", in {region}"),
        (None, None) => String::new(),
    };
    Some(format!("on {}{of}", ago(*at, now)))
}
