//! Files as the crate writes them, and what is done to them.

use std::io::Read;

use apache_avro::types::{Record, Value};
use apache_avro::{Codec, DeflateSettings, Schema, Writer, ZstandardSettings};

use super::super::rows::Lines;
use super::super::tests::{open, open_bytes, open_every_way, zip};
use super::super::{Budget, Content, Kind, detect};
use super::*;

const SCHEMA: &str = r#"{"type": "record", "name": "Key", "namespace": "acme", "fields": [
    {"name": "id", "type": "string"}, {"name": "secret", "type": ["null", "bytes"]}, {"name": "age", "type": "int"},
    {"name": "tags", "type": {"type": "map", "values": {"type": "array", "items": "string"}}},
    {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["A", "B"]}}, {"name": "also", "type": "Kind"},
    {"name": "four", "type": {"type": "fixed", "name": "Four", "size": 4}}, {"name": "rate", "type": "double"},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}}, {"name": "on", "type": "boolean"}]}"#;

fn codecs() -> [Codec; 4] {
    [
        Codec::Null,
        Codec::Deflate(DeflateSettings::default()),
        Codec::Snappy,
        Codec::Zstandard(ZstandardSettings::default()),
    ]
}

fn file(codec: Codec, rows: usize) -> Vec<u8> {
    let schema = Schema::parse_str(SCHEMA).unwrap();
    let mut writer = Writer::with_codec(&schema, Vec::new(), codec).unwrap();
    for number in 0..rows {
        let mut record = Record::new(&schema).unwrap();
        record.put("id", format!("id-{number}"));
        let secret = Value::Bytes(format!("s\"{number}").into_bytes());
        let secret = if number % 2 == 0 { Value::Union(1, secret.into()) } else { Value::Union(0, Value::Null.into()) };
        record.put("secret", secret);
        record.put("age", i32::try_from(number).unwrap() - 1);
        let list = Value::Array(vec![Value::String("x".to_owned()), Value::String("y\n".to_owned())]);
        record.put("tags", Value::Map([("t".to_owned(), list)].into()));
        for name in ["kind", "also"] {
            record.put(name, Value::Enum(1, "B".to_owned()));
        }
        record.put("four", Value::Fixed(4, b"\xff\0ab".to_vec()));
        record.put("rate", 0.5);
        record.put("at", Value::TimestampMillis(7));
        record.put("on", true);
        writer.append_value(record).unwrap();
        if number % 100 == 99 {
            writer.flush().unwrap();
        }
    }
    writer.into_inner().unwrap()
}

#[test]
fn each_record_is_a_line_with_all_it_holds() {
    for codec in codecs() {
        for opened in open_every_way(&file(codec, 250)) {
            let opened = opened.whole();
            let text = opened.content(b"rows");
            let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
            assert_eq!(lines.len(), 251, "{codec:?}");
            let first =
                b"{\"id\": \"id-0\", \"secret\": \"s\\\"0\", \"age\": -1, \"tags\": {\"t\": [\"x\", \"y\\n\"]}, \
                \"kind\": \"B\", \"also\": \"B\", \"four\": \"\xff\0ab\", \"rate\": 0.5, \"at\": 7, \"on\": true}";
            assert_eq!(lines[0], first, "{}", String::from_utf8_lossy(lines[0]));
            assert!(lines[249].starts_with(b"{\"id\": \"id-249\", \"secret\": null, \"age\": 248, "));
        }
    }
}

#[test]
fn a_file_within_an_archive_is_opened_too() {
    let inner = file(Codec::Snappy, 3);
    let opened = open_bytes(&zip(&[("a/keys.avro", &inner)])).whole();
    assert_eq!(opened.names(), [b"a/keys.avro!rows"]);
}

#[test]
fn what_is_cut_short_is_told_and_what_came_before_is_read() {
    let whole = file(Codec::Deflate(DeflateSettings::default()), 300);
    let opened = open_bytes(&whole[..whole.len() - 20]);
    assert!(opened.problem().1.contains("it ends within a block"), "{:?}", opened.problem());
    assert!(opened.content(b"rows").starts_with(b"{\"id\": \"id-0\""));
    let opened = open_bytes(&whole[..50]);
    assert!(opened.problem().1.contains("its header"), "{:?}", opened.problem());
}

#[test]
fn no_change_of_a_byte_is_the_end_of_the_program() {
    let whole = file(Codec::Null, 3);
    for at in 0..whole.len() {
        for change in [0x01, 0x80, 0xff] {
            let mut changed = whole.clone();
            changed[at] ^= change;
            if detect(&changed) == Some(Kind::Avro) {
                open_bytes(&changed);
            }
        }
    }
}

/// The header of a file with this schema and codec, and its marker.
fn header(schema: &str, codec: &str) -> Vec<u8> {
    let mut bytes = b"Obj\x01\x04".to_vec();
    for text in ["avro.schema", schema, "avro.codec", codec] {
        let mut length = (text.len() * 2) as u64;
        while length > 0x7f {
            bytes.push(length as u8 | 0x80);
            length >>= 7;
        }
        bytes.push(length as u8);
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes.push(0);
    bytes.extend_from_slice(&[7; 16]);
    bytes
}

fn refused(file: &[u8]) -> String {
    let opened = open_bytes(file);
    opened.problem().1.to_owned()
}

#[test]
fn codecs_and_schemas_that_are_not_known_are_told() {
    assert!(refused(&header("\"null\"", "xz")).contains("\"xz\", which is not known here"));
    assert!(refused(&header("\"nll\"", "null")).contains("its schema can't be understood"));
    let list = r#"{"type":"record","name":"L","fields":[{"name":"next","type":["null","L"]}]}"#;
    assert!(refused(&header(list, "null")).contains("contains itself"));
    let deep = format!("{}\"int\"{}", r#"{"type":"array","items":"#.repeat(70), "}".repeat(70));
    assert!(refused(&header(&deep, "null")).contains("nested more than 64 deep"));
    // One record stands for the other by its name.
    let chain: Vec<String> = (0..20_000)
        .map(|n| {
            let inner = if n == 0 { "\"int\"".to_owned() } else { format!("\"R{}\"", n - 1) };
            format!(r#"{{"type":"record","name":"R{n}","fields":[{{"name":"f","type":{inner}}}]}}"#)
        })
        .collect();
    let fields = chain.iter().enumerate().map(|(n, record)| format!(r#"{{"name":"f{n}","type":{record}}}"#));
    let all = format!(r#"{{"type":"record","name":"All","fields":[{}]}}"#, fields.collect::<Vec<_>>().join(","));
    assert!(refused(&header(&all, "null")).contains("nested more than 64 deep"));
}

#[test]
fn a_record_that_would_be_endless_text_ends() {
    // An array of 2^62 nulls, which take no bytes at all.
    let mut bomb = header(r#"{"type":"array","items":"null"}"#, "null");
    bomb.extend_from_slice(&[2, 20]);
    bomb.extend_from_slice(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0]);
    bomb.extend_from_slice(&[7; 16]);
    assert!(refused(&bomb).contains("more than 64 MiB as text"));
    // Records of no bytes, any number of them.
    let mut bomb = header(r#"{"type":"record","name":"E","fields":[]}"#, "null");
    bomb.extend_from_slice(&[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0]);
    bomb.extend_from_slice(&[7; 16]);
    let budget = Budget::of(1 << 20, 10);
    let opened = open(b"x", Content::Bytes(&bomb), Kind::Avro, &budget);
    assert_eq!(opened.bytes(), 1 << 20);
    assert!(opened.problem().1.contains("zip bomb"));
}

#[test]
fn a_block_that_expands_too_much_is_refused() {
    let mut block = vec![0; BLOCK + 1];
    Codec::Deflate(DeflateSettings::default()).compress(&mut block).unwrap();
    let mut bomb = header("\"boolean\"", "deflate");
    bomb.push(2);
    let mut size = (block.len() * 2) as u64;
    while size > 0x7f {
        bomb.push(size as u8 | 0x80);
        size >>= 7;
    }
    bomb.push(size as u8);
    bomb.extend_from_slice(&block);
    bomb.extend_from_slice(&[7; 16]);
    assert!(refused(&bomb).contains("decompressing a block of it failed"));
}

#[test]
fn rows_are_read_in_pieces_of_any_size() {
    let file = file(Codec::Null, 5);
    let mut whole = Vec::new();
    Lines::new(Records::open(&file[..]).unwrap()).read_to_end(&mut whole).unwrap();
    let mut lines = Lines::new(Records::open(&file[..]).unwrap());
    let mut pieces = Vec::new();
    let mut piece = [0; 3];
    while let Ok(read @ 1..) = lines.read(&mut piece) {
        pieces.extend_from_slice(&piece[..read]);
    }
    assert_eq!(pieces, whole);
}
