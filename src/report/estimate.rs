//! What a sweep of buckets would read, and what that takes: for people, and as JSON. It was counted before; time and money are worked out
//! here, from a pace and prices that are stated beside them.

use std::io::{self, Write};

use serde::Serialize;

use super::json::{self, write_line};
use super::sanitize::visible;
use super::units::{grouped, plural, size};
use crate::source::Skipped;
use crate::source::s3::Estimate;

const SCHEMA: &str = "keysweep/estimate-v1";

/// USD for a thousand requests and for a GB, of the class Standard in us-east-1, November 2026. <https://aws.amazon.com/s3/pricing/>
const LIST: f64 = 0.005;
const GET: f64 = 0.0004;
/// To the internet, the dearest step; nothing within the region.
const OUT: f64 = 0.09;
/// Bytes a second that one machine reads: a Gbit/s.
const BYTES_A_SECOND: f64 = 125e6;
/// Requests a second to one bucket, well below where S3 begins to say that they are too many.
const REQUESTS_A_SECOND: f64 = 1000.0;

/// What was listed.
#[derive(Clone, Copy, Debug)]
pub struct Listed<'a> {
    /// What there is.
    pub estimate: &'a Estimate,
    /// How long listing took.
    pub seconds: f64,
    /// What could not be listed or would not be read.
    pub skipped: &'a [Skipped],
}

#[derive(Serialize)]
struct Wire<'a> {
    schema: &'static str,
    objects: u64,
    bytes: u64,
    known: u64,
    archived_objects: u64,
    archived_bytes: u64,
    list_requests: u64,
    get_requests: u64,
    seconds: u64,
    usd_requests: f64,
    usd_transfer_to_the_internet: f64,
    prices: Prices,
    skipped: Vec<json::Skipped<'a>>,
    complete: bool,
}

/// What the figures were worked out with.
#[derive(Serialize)]
struct Prices {
    usd_per_1000_list_requests: f64,
    usd_per_1000_get_requests: f64,
    usd_per_gb_to_the_internet: f64,
    requests_per_second: f64,
    bytes_per_second: f64,
}

impl Listed<'_> {
    fn usd_requests(&self) -> f64 {
        let thousands = |requests: u64| requests as f64 / 1000.0;
        thousands(self.estimate.list_requests) * LIST + thousands(self.estimate.get_requests) * GET
    }

    fn usd_transfer(&self) -> f64 {
        self.estimate.bytes as f64 / 1e9 * OUT
    }

    /// What takes longer, the requests or the bytes.
    fn reading(&self) -> f64 {
        let requests = self.estimate.get_requests as f64 / REQUESTS_A_SECOND;
        requests.max(self.estimate.bytes as f64 / BYTES_A_SECOND)
    }

    fn wire(&self) -> Wire<'_> {
        let all = self.estimate;
        Wire {
            schema: SCHEMA,
            objects: all.objects,
            bytes: all.bytes,
            known: all.known,
            archived_objects: all.archived.0,
            archived_bytes: all.archived.1,
            list_requests: all.list_requests,
            get_requests: all.get_requests,
            seconds: (self.seconds + self.reading()).ceil() as u64,
            usd_requests: cents(self.usd_requests()),
            usd_transfer_to_the_internet: cents(self.usd_transfer()),
            prices: Prices {
                usd_per_1000_list_requests: LIST,
                usd_per_1000_get_requests: GET,
                usd_per_gb_to_the_internet: OUT,
                requests_per_second: REQUESTS_A_SECOND,
                bytes_per_second: BYTES_A_SECOND,
            },
            skipped: json::skipped(self.skipped),
            complete: self.skipped.is_empty(),
        }
    }

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let all = self.estimate;
        writeln!(out, "{} of {} to read", plural(all.objects, "object"), size(all.bytes))?;
        if all.known > 0 {
            writeln!(out, "{} known to be clean from an earlier sweep", plural(all.known, "object"))?;
        }
        if all.archived.0 > 0 {
            let (objects, bytes) = all.archived;
            writeln!(out, "{} of {} in archives, not read unless restored", plural(objects, "object"), size(bytes))?;
        }
        let (lists, gets) = (grouped(all.list_requests), grouped(all.get_requests));
        writeln!(out, "requests: {lists} to list (made just now), {gets} to read; {}", usd(self.usd_requests()))?;
        writeln!(out, "transfer: nothing within the region, {} to the internet", usd(self.usd_transfer()))?;
        writeln!(out, "time: about {}", span(self.seconds + self.reading()))?;
        writeln!(
            out,
            "at {LIST} USD for 1,000 lists, {GET} USD for 1,000 reads and {OUT} USD for a GB (Standard, us-east-1), {} requests and {} a second",
            grouped(REQUESTS_A_SECOND as u64),
            size(BYTES_A_SECOND as u64),
        )?;
        let unread = self.skipped.iter();
        unread
            .map(|one| format!("not listed: {}: {}", visible(&one.what), visible(&one.why)))
            .try_for_each(|line| writeln!(out, "{line}"))
    }
}

/// Writes what was listed, and what reading it takes.
///
/// # Errors
/// Those of `out`.
pub fn write(listed: &Listed<'_>, is_json: bool, out: &mut dyn Write) -> io::Result<()> {
    if is_json { write_line(&listed.wire(), out) } else { listed.text(out) }
}

/// To hundredths of a cent.
fn cents(usd: f64) -> f64 {
    (usd * 1e4).round() / 1e4
}

fn usd(amount: f64) -> String {
    match amount {
        a if a <= 0.0 => "0.00 USD".to_owned(),
        a if a < 0.01 => "less than 0.01 USD".to_owned(),
        a => format!("about {a:.2} USD"),
    }
}

fn span(seconds: f64) -> String {
    match seconds.ceil() as u64 {
        s @ 0..120 => plural(s, "second"),
        s @ 120..7200 => plural(s.div_ceil(60), "minute"),
        s @ 7200..172_800 => plural(s.div_ceil(3600), "hour"),
        s => plural(s.div_ceil(86_400), "day"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(estimate: &Estimate, skipped: &[Skipped], is_json: bool) -> String {
        let mut out = Vec::new();
        write(&Listed { estimate, seconds: 2.0, skipped }, is_json, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn much() -> Estimate {
        Estimate {
            objects: 2_000_000,
            bytes: 4_000_000_000_000,
            list_requests: 2_100,
            get_requests: 2_000_000,
            archived: (3, 5_000),
            known: 7,
        }
    }

    #[test]
    fn it_is_told_to_people_with_the_prices_that_it_was_worked_out_with() {
        let text = written(&much(), &[Skipped::new("s3://a\u{1b}", "denied")], false);
        for line in [
            "2,000,000 objects of 4.0 TB to read",
            "7 objects known to be clean from an earlier sweep",
            "3 objects of 5.0 kB in archives, not read unless restored",
            "requests: 2,100 to list (made just now), 2,000,000 to read; about 0.81 USD",
            "transfer: nothing within the region, about 360.00 USD to the internet",
            "time: about 9 hours",
        ] {
            assert!(text.lines().any(|told| told == line), "{line}\n{text}");
        }
        assert!(text.contains("0.005 USD for 1,000 lists") && text.contains("not listed: s3://a"), "{text}");
        assert!(!text.contains('\u{1b}'));
    }

    #[test]
    fn it_is_told_to_programs() {
        let value: serde_json::Value = serde_json::from_str(&written(&much(), &[], true)).unwrap();
        assert_eq!(value["schema"], "keysweep/estimate-v1");
        assert_eq!(value["seconds"], 32_002);
        assert_eq!(value["usd_requests"], 0.8105);
        assert_eq!((&value["complete"], &value["archived_bytes"]), (&true.into(), &5_000.into()));
        let value: serde_json::Value =
            serde_json::from_str(&written(&much(), &[Skipped::new("a", "b")], true)).unwrap();
        assert_eq!((&value["complete"], &value["skipped"][0]["why"]), (&false.into(), &"b".into()));
    }

    #[test]
    fn what_takes_longer_decides() {
        let few_large = Estimate { bytes: 1_250_000_000, get_requests: 1, ..Estimate::default() };
        let many_small = Estimate { bytes: 10, get_requests: 60_000, ..Estimate::default() };
        assert!(written(&few_large, &[], false).contains("time: about 12 seconds"));
        assert!(written(&many_small, &[], false).contains("time: about 62 seconds"));
        assert!(written(&Estimate::default(), &[], false).contains("0 objects of 0 B to read"));
        let cheap = Estimate { list_requests: 1, ..Estimate::default() };
        assert!(written(&cheap, &[], false).contains("0 to read; less than 0.01 USD\n"));
    }
}
