//! Presigned URLs: where the one around a signature begins and ends, and when it expires. The parameters may come in any order
//! and be separated by whatever a text puts in the place of `&`.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html>

use std::ops::Range;

use memchr::memmem;

use super::Dropped;

/// A signature of version 4 in hexadecimal digits; those of version 2 are shorter.
const SIGNATURE_V4: usize = 64;
/// How far the parameters of a URL are looked for on either side of its signature. A session token may stand between.
const REACH: usize = 4096;
/// AWS takes no more: seven days.
const LONGEST: i64 = 7 * 24 * 3600;

/// When the URL around the signature at `at` expires.
///
/// # Errors
/// It is no presigned URL: it names no key.
pub(super) fn read(text: &[u8], at: &Range<usize>) -> Result<Option<i64>, Dropped> {
    let url = &text[extent(text, at)];
    let key: &[u8] = if at.len() == SIGNATURE_V4 { b"X-Amz-Credential" } else { b"AWSAccessKeyId" };
    match parameter(url, key) {
        Some(_) => Ok(expires(url)),
        None => Err(Dropped::Structure { wanted: "the access key id and the other parameters of a presigned URL" }),
    }
}

/// When a URL or a query expires, in seconds since 1970: from its date on for as long as it says (version 4), or at a time (version
/// 2). `None` if it does not say so, or nonsense.
pub(super) fn expires(url: &[u8]) -> Option<i64> {
    let number = |name: &[u8]| -> Option<i64> { std::str::from_utf8(parameter(url, name)?).ok()?.parse().ok() };
    match parameter(url, b"X-Amz-Date") {
        Some(date) => {
            let date: jiff::Timestamp = std::str::from_utf8(date).ok()?.parse().ok()?;
            let seconds = number(b"X-Amz-Expires").filter(|seconds| (0..=LONGEST).contains(seconds))?;
            Some(date.as_second() + seconds)
        }
        None => number(b"Expires"),
    }
}

/// The URL that holds the bytes at `at`, as far as its text can be one.
pub(super) fn extent(text: &[u8], at: &Range<usize>) -> Range<usize> {
    let ends = |c: &u8| !c.is_ascii_graphic() || matches!(c, b'"' | b'\'' | b'<' | b'>' | b'`');
    let floor = at.start.saturating_sub(REACH);
    let start = text[floor..at.start].iter().rposition(ends).map_or(floor, |end| floor + end + 1);
    // URLs in a string literal may be separated by escapes only.
    let start = memmem::rfind(&text[start..at.start], b"://").map_or(start, |scheme| start + scheme);
    let ceiling = text.len().min(at.end + REACH);
    let end = text[at.end..ceiling].iter().position(ends).map_or(ceiling, |end| at.end + end);
    let end = memmem::find(&text[at.end..end], b"://").map_or(end, |scheme| at.end + scheme);
    start..end
}

/// The letters and digits with which the value of a parameter begins.
fn parameter<'a>(url: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    memmem::find_iter(url, name).find_map(|at| {
        let is_whole = !url[..at].last().is_some_and(|&c| c.is_ascii_alphabetic() || c == b'-');
        let rest = url[at + name.len()..].strip_prefix(b"=").filter(|_| is_whole)?;
        let end = rest.iter().position(|c| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        (end > 0).then(|| &rest[..end])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: &str = "X-Amz-Date=20130524T000000Z";

    #[test]
    fn a_url_expires_so_long_after_its_date() {
        assert_eq!(expires(format!("?{DATE}&X-Amz-Expires=86400").as_bytes()), Some(1_369_440_000));
        assert_eq!(expires(format!("?X-Amz-Expires=60&amp;{DATE}&amp;x").as_bytes()), Some(1_369_353_660));
        assert_eq!(expires(format!("?X-Amz-Expires=60\\u0026{DATE}").as_bytes()), Some(1_369_353_660));
        assert_eq!(expires(b"?AWSAccessKeyId=x&Expires=1141889120&Signature=y"), Some(1_141_889_120));
    }

    #[test]
    fn nonsense_does_not_expire() {
        for query in [
            "",
            DATE,
            "X-Amz-Date=2013&X-Amz-Expires=1",
            "X-Amz-Date=99999999T999999Z&X-Amz-Expires=1",
            &format!("{DATE}&X-Amz-Expires=999999999999999999999"),
            &format!("{DATE}&X-Amz-Expires=604801"),
            "Expires=never",
        ] {
            assert_eq!(expires(query.as_bytes()), None, "{query}");
        }
    }

    #[test]
    fn a_url_ends_where_no_url_goes_on() {
        for (before, url, after) in [
            ("a ", "https://b/c?X-Amz-Credential=d&Signature=", " e"),
            ("<a href=\"", "/c?Signature=", "\">"),
            ("https://first/?x\\n", "https://second/?Signature=", "\\nhttps://third"),
        ] {
            let text = [before, url, "SIG", after].concat();
            let at = before.len() + url.len();
            let range = extent(text.as_bytes(), &(at..at + 3));
            let found = &text[range];
            assert!(found.contains("SIG") && !found.contains("first") && !found.contains("third/"), "{found}");
            assert!(url.ends_with(found.split("SIG").next().unwrap()), "{found}");
        }
    }

    #[test]
    fn a_signature_without_a_key_is_no_url() {
        let signature = "0123456789abcdef".repeat(4);
        let read = |before: &str| {
            let text = [before, &signature].concat();
            read(text.as_bytes(), &(before.len()..text.len()))
        };
        assert_eq!(
            read(&format!("X-Amz-Credential=AKIA/2013&{DATE}&X-Amz-Expires=0&X-Amz-Signature=")),
            Ok(Some(1_369_353_600))
        );
        assert_eq!(read("X-Amz-Credential=AKIA&X-Amz-Signature="), Ok(None));
        assert!(read("X-Amz-Signature=").is_err());
        assert!(read("AWSAccessKeyId=x&X-Amz-Signature=").is_err());
    }
}
