//! The fake answers as S3 does where scenes rely on that.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::{Bucket, Fake, Fault, Object, Region};
use crate::request::encoded;

const SIGNED: &str =
    "Authorization: AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/20260101/us-east-1/s3/aws4_request, SignedHeaders=host\r\n";

/// Head and body of an answer to `GET`.
fn get(fake: &Fake, path: &str, headers: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(fake.address).unwrap();
    let size = |head: &str| {
        let (_, rest) = head.split_once("Content-Length: ").unwrap();
        rest.split_once("\r\n").unwrap().0.parse::<usize>().unwrap()
    };
    write!(stream, "GET {path} HTTP/1.1\r\nHost: s3\r\n{headers}\r\n").unwrap();
    let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let read = stream.read(&mut buffer).unwrap();
        answer.extend_from_slice(&buffer[..read]);
        let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8(answer[..end + 2].to_vec()).unwrap();
        let body = &answer[end + 4..];
        if read == 0 || body.len() == size(&head) {
            return (head, body.to_vec());
        }
    }
}

fn text(fake: &Fake, path: &str) -> String {
    let (head, body) = get(fake, path, SIGNED);
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    String::from_utf8(body).unwrap()
}

/// The texts of all elements of that name.
fn all(xml: &str, name: &str) -> Vec<String> {
    let open = format!("<{name}>");
    xml.split(open.as_str()).skip(1).map(|rest| rest.split_once("</").unwrap().0.to_owned()).collect()
}

/// All names on all pages of a list, each with the number of its page.
fn pages(fake: &Fake, query: &str) -> Vec<(usize, String)> {
    let (mut found, mut more) = (Vec::new(), String::new());
    for page in 0.. {
        let xml = text(fake, &format!("/b?{query}{more}"));
        for line in xml.split("<Contents>").skip(1) {
            found.push((page, all(line, "Key").remove(0)));
        }
        for line in xml.split("<Version>").skip(1) {
            found.push((
                page,
                format!("{} {}", all(line, "Key")[0], all(line, "VersionId")[0].trim_start_matches("v0")),
            ));
        }
        for line in xml.split("<CommonPrefixes>").skip(1) {
            found.push((page, all(line, "Prefix").remove(0)));
        }
        let marker = |element: &str, parameter: &str| {
            let marker = all(&xml, element).first().cloned()?;
            Some(format!("&{parameter}={}", encoded(&marker, b"")))
        };
        more = [
            marker("NextContinuationToken", "continuation-token"),
            marker("NextKeyMarker", "key-marker"),
            marker("NextVersionIdMarker", "version-id-marker"),
        ]
        .into_iter()
        .flatten()
        .collect();
        assert_eq!(!more.is_empty(), all(&xml, "IsTruncated")[0] == "true");
        if more.is_empty() {
            break;
        }
    }
    found
}

fn filled(change: impl FnOnce(&mut Bucket)) -> Fake {
    let fake = Fake::new();
    fake.bucket("b", change);
    fake
}

#[test]
fn lists_go_on_where_they_ended() {
    let fake = filled(|bucket| {
        for key in ["a", "b/1", "b/2", "b0", "c/1", "d"] {
            bucket.put(key, Object::new("x"));
        }
    });
    let names = |query: &str| pages(&fake, query);
    let flat: Vec<_> = [(0, "a"), (0, "b/1"), (1, "b/2"), (1, "b0"), (2, "c/1"), (2, "d")].into();
    let flat: Vec<_> = flat.into_iter().map(|(page, name)| (page, name.to_owned())).collect();
    assert_eq!(names("list-type=2&max-keys=2"), flat);
    let directories = [(0, "a"), (0, "b/"), (1, "b0"), (1, "c/"), (2, "d")];
    assert_eq!(names("list-type=2&max-keys=2&delimiter=/"), directories.map(|(page, name)| (page, name.to_owned())));
    assert_eq!(names("list-type=2&prefix=b/&start-after=b/1"), [(0, "b/2".to_owned())]);
}

#[test]
fn versions_come_newest_first_and_deleted_objects_only_there() {
    let fake = filled(|bucket| {
        bucket.versioned = true;
        bucket.put("a", Object::new("old"));
        bucket.put("a", Object::new("new"));
        bucket.put("b", Object::new("gone"));
        bucket.delete("b");
    });
    assert_eq!(pages(&fake, "list-type=2"), [(0, "a".to_owned())]);
    let versions = pages(&fake, "versions&max-keys=1");
    let versions: Vec<_> = versions.iter().map(|(page, name)| (*page, name.replace('0', ""))).collect();
    assert_eq!(versions, [(0, "a 2".to_owned()), (1, "a 1".to_owned()), (3, "b 3".to_owned())]);
    let xml = text(&fake, "/b?versions");
    assert_eq!(xml.matches("<DeleteMarker>").count(), 1);
    assert_eq!(all(&xml, "IsLatest"), ["true", "false", "true", "false"]);
    let deleted = format!("/b/b?versionId=v{:031x}", 3);
    assert_eq!(get(&fake, &deleted, SIGNED).1, b"gone");
    assert!(get(&fake, "/b/b", SIGNED).0.starts_with("HTTP/1.1 404 "));
}

#[test]
fn names_are_encoded_on_demand_as_s3_does_it() {
    let name = "a b+c%/\u{1}ä*~";
    let fake = filled(|bucket| {
        bucket.put(name, Object::new("x"));
    });
    assert_eq!(pages(&fake, "list-type=2&encoding-type=url")[0].1, "a+b%2Bc%25/%01%C3%A4*%7E");
    assert!(text(&fake, "/b?list-type=2").contains("&#x1;"), "that is no XML");
    let path = format!("/b/{}", encoded(name, b"/"));
    assert_eq!(get(&fake, &path, SIGNED).1, b"x");
}

#[test]
fn a_part_of_what_is_made_on_the_way_is_that_part_of_it() {
    let size = 9 << 20;
    let fake = filled(|bucket| {
        bucket.put("o", Object::made(size, vec![(8 << 20, b"planted".to_vec()), (3, b"first".to_vec())]));
    });
    let (_, whole) = get(&fake, "/b/o", SIGNED);
    assert_eq!(whole.len() as u64, size);
    assert_eq!((&whole[3..8], &whole[8 << 20..][..7]), (b"first".as_slice(), b"planted".as_slice()));
    for (range, from, to) in
        [("8388610-", (8 << 20) + 2, size as usize), ("5-9", 5, 10), ("-4", size as usize - 4, size as usize)]
    {
        let (head, part) = get(&fake, "/b/o", &format!("{SIGNED}Range: bytes={range}\r\n"));
        assert!(head.starts_with("HTTP/1.1 206 "), "{head}");
        assert!(part == whole[from..to], "{range}");
    }
    assert!(get(&fake, "/b/o", &format!("{SIGNED}Range: bytes={size}-\r\n")).0.starts_with("HTTP/1.1 416 "));
    assert!(get(&fake, "/b/o", &format!("{SIGNED}If-Match: \"other\"\r\n")).0.starts_with("HTTP/1.1 412 "));
}

#[test]
fn who_does_not_sign_gets_what_is_public_and_who_asks_elsewhere_is_told_where() {
    let fake = filled(|bucket| {
        bucket.put("o", Object::new("x").class("GLACIER"));
    });
    let status = |path: &str, headers: &str| get(&fake, path, headers).0[9..12].to_owned();
    assert_eq!(
        (status("/b/o", ""), status("/b?list-type=2", ""), status("/", "")),
        ("403".into(), "403".into(), "403".into())
    );
    assert_eq!(status("/b/o", SIGNED), "403", "it is archived");
    fake.bucket("b", |bucket| bucket.public().put("p", Object::new("x")));
    assert_eq!(status("/b/p", ""), "200");
    fake.bucket("b", |bucket| bucket.requester_pays = true);
    assert_eq!((status("/b/p", ""), status("/b/p", SIGNED)), ("403".into(), "403".into()));
    assert_eq!(status("/b/p", &format!("{SIGNED}x-amz-request-payer: requester\r\n")), "200");
    for (region, code) in [(Region::Redirects("eu-west-1"), "301"), (Region::Refuses("eu-west-1"), "400")] {
        fake.bucket("r", |bucket| bucket.region = region);
        let (head, _) = get(&fake, "/r?list-type=2", SIGNED);
        assert_eq!(&head[9..12], code);
        assert!(head.contains("x-amz-bucket-region: eu-west-1"), "{head}");
        let there = SIGNED.replace("us-east-1", "eu-west-1");
        assert_eq!(&get(&fake, "/r?list-type=2", &there).0[9..12], "200");
    }
}

#[test]
fn what_is_to_go_wrong_does_and_all_is_logged() {
    let fake = filled(|bucket| {
        bucket.put("o", Object::new("0123456789"));
        bucket.put("p", Object::new("x"));
    });
    fake.fault("GetObject", "b/o", 1..=1, Fault::Cut(4));
    fake.fault("GetObject", "b/o", 2..=2, Fault::Refuse(super::Refusal::slow_down()));
    fake.fault("GetObject", "b/o", 3..=3, Fault::meanwhile(|world| world.bucket("b").delete("o")));
    assert_eq!(get(&fake, "/b/p", SIGNED).1, b"x");
    assert_eq!(get(&fake, "/b/o", SIGNED).1, b"0123");
    assert!(get(&fake, "/b/o", SIGNED).0.starts_with("HTTP/1.1 503 "));
    assert!(get(&fake, "/b/o", SIGNED).0.starts_with("HTTP/1.1 404 "));
    let log = fake.log();
    let statuses: Vec<_> = log.of("GetObject").map(|call| call.status).collect();
    assert_eq!(statuses, [200, 200, 503, 404]);
    assert_eq!(log.fetches()[&("o", None)], 3);
    log.expect_signed(true);
}
