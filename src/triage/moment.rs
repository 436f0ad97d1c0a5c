//! Moments in seconds since 1970: how AWS writes them, and how people are told.

use jiff::Timestamp;

/// The seconds of a minute, an hour and a day.
pub const MINUTE: i64 = 60;
/// See [`MINUTE`].
pub const HOUR: i64 = 60 * MINUTE;
/// See [`MINUTE`].
pub const DAY: i64 = 24 * HOUR;

/// From RFC 3339 with any offset; fractions of a second are dropped. `None` for everything else.
pub fn parse(text: &str) -> Option<i64> {
    text.parse::<Timestamp>().ok().map(|moment| moment.as_millisecond().div_euclid(1000))
}

/// As people are told it, always in UTC: `2026-11-30 16:05 UTC`.
pub fn told(at: i64) -> String {
    Timestamp::from_second(at).map_or_else(
        |_| format!("{at} seconds from 1970"),
        |moment| {
            // RFC 3339 in UTC, `2026-11-30T16:05:00Z`, from which the seconds are dropped.
            let text = moment.to_string();
            let (day, time) = text.split_once('T').unwrap_or((&text, ""));
            format!("{day} {} UTC", time.get(..5).unwrap_or(time))
        },
    )
}

/// How long something took or ago it was, in the unit that suits it: `12 minutes`. Rounded down.
pub fn span(seconds: i64) -> String {
    let (count, unit) = match seconds.max(0) {
        seconds @ ..MINUTE => (seconds, "second"),
        seconds @ MINUTE..HOUR => (seconds / MINUTE, "minute"),
        seconds @ HOUR..172_800 => (seconds / HOUR, "hour"),
        seconds => (seconds / DAY, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// A moment and how long ago that was: `2026-11-30 16:05 UTC (12 minutes ago)`.
pub fn ago(at: i64, now: i64) -> String {
    let told = told(at);
    if at > now { format!("{told} (in the future)") } else { format!("{told} ({} ago)", span(now - at)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_in_which_aws_writes_a_moment_is_read() {
        for text in [
            "2024-03-01T10:00:00Z",
            "2024-03-01T10:00:00+00:00",
            "2024-03-01T12:00:00+02:00",
            "2024-03-01T10:00:00.999999Z",
        ] {
            assert_eq!(parse(text), Some(1_709_287_200), "{text}");
        }
        assert_eq!(parse("1969-12-31T23:59:59.5Z"), Some(-1));
        for text in ["", "N/A", "2024-03-01", "2024-03-01T10:00:00", "2024-13-01T10:00:00Z", "1709287200"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn people_are_told_a_day_and_how_long_ago_it_was() {
        assert_eq!(told(1_709_287_259), "2024-03-01 10:00 UTC");
        assert_eq!(ago(1_709_287_200, 1_709_287_200 + 12 * MINUTE + 59), "2024-03-01 10:00 UTC (12 minutes ago)");
        assert_eq!(ago(1, 0), "1970-01-01 00:00 UTC (in the future)");
        assert!(told(i64::MAX).contains(&i64::MAX.to_string()));
    }

    #[test]
    fn spans_are_in_the_unit_that_suits_them() {
        for (seconds, words) in [
            (-5, "0 seconds"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "1 minute"),
            (HOUR - 1, "59 minutes"),
            (HOUR, "1 hour"),
            (2 * DAY - 1, "47 hours"),
            (2 * DAY, "2 days"),
            (400 * DAY, "400 days"),
        ] {
            assert_eq!(span(seconds), words);
        }
    }
}
