//! Inventories as S3 delivers them, and what is done to them.

use std::io::{Cursor, Write};
use std::sync::Arc;

use bstr::ByteSlice;
use flate2::Compression;
use flate2::write::GzEncoder;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use proptest::prelude::*;

use super::*;

const ALL: &str =
    "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag, StorageClass, IsMultipartUploaded";

fn manifest(format: &str, schema: &str) -> String {
    serde_json::json!({
        "sourceBucket": "acme", "destinationBucket": "arn:aws:s3:::acme-inventory", "version": "2016-11-30",
        "creationTimestamp": "1514944800000", "fileFormat": format, "fileSchema": schema,
        "files": [{"key": "acme/daily/data/1.csv.gz", "size": 10, "MD5checksum": "f11166069f1990abeb9c97ace9cdfabc"}],
    })
    .to_string()
}

fn parsed(format: &str, schema: &str) -> Manifest {
    Manifest::parse(manifest(format, schema).as_bytes()).unwrap()
}

/// All entries of a data file, and what came in between.
fn read(manifest: &Manifest, bytes: &[u8]) -> (Vec<Entry>, Result<(), String>) {
    let file = DataFile { key: "k".to_owned(), size: bytes.len() as u64 };
    let mut all = Vec::new();
    let result = manifest.entries(&file, &mut Cursor::new(bytes), &mut |page| {
        assert!((1..=PAGE).contains(&page.len()));
        all.extend(page);
        true
    });
    (all, result)
}

fn gz(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn entry(key: &str) -> Entry {
    Entry {
        key: key.into(),
        version_id: None,
        is_latest: true,
        is_delete_marker: false,
        size: 7,
        etag: "e7ag".into(),
        last_modified: Some(1_709_287_200),
        storage_class: "STANDARD".into(),
    }
}

#[test]
fn a_manifest_tells_where_its_files_are() {
    let told = parsed("CSV", ALL);
    assert_eq!((&*told.bucket, &*told.destination), ("acme", "acme-inventory"));
    assert_eq!(told.files, [DataFile { key: "acme/daily/data/1.csv.gz".to_owned(), size: 10 }]);
}

#[test]
fn what_can_t_be_read_says_what_to_configure() {
    let refused = |json: &str| Manifest::parse(json.as_bytes()).unwrap_err();
    assert!(refused(&manifest("ORC", "struct<>")).contains("choose CSV or Parquet"));
    assert!(refused(&manifest("Avro", "")).contains("\"avro\""));
    assert!(refused(&manifest("CSV", "Bucket, ETag")).contains("no Key and no Size"));
    assert!(refused("{}").contains("manifest.json"));
    assert!(refused("f11166069f1990abeb9c97ace9cdfabc").contains("no manifest"));
    assert!(refused(&manifest("CSV", ALL).replace("arn:aws:s3:::acme-inventory", "")).contains("no destination"));
}

#[test]
fn rows_of_csv_are_entries() {
    let text = "\"acme\",\"a%2Fb+c%2B%25.env\",\"v1\",\"true\",\"false\",\"7\",\"2024-03-01T10:00:00.000Z\",\"e7ag\",\"STANDARD\",\"false\"\n\
                \"acme\",\"gone\",\"\",\"false\",\"true\",\"\",\"2024-03-01T10:00:00Z\",\"\",\"\",\"\"\n";
    for bytes in [gz(text.as_bytes()), text.as_bytes().to_vec()] {
        let (entries, result) = read(&parsed("CSV", ALL), &bytes);
        assert_eq!(result, Ok(()));
        let gone = Entry {
            version_id: Some("null".into()),
            is_latest: false,
            is_delete_marker: true,
            size: 0,
            etag: "".into(),
            storage_class: "".into(),
            ..entry("gone")
        };
        assert_eq!(entries, [Entry { version_id: Some("v1".into()), ..entry("a/b c+%.env") }, gone]);
    }
}

#[test]
fn columns_go_by_their_names_and_only_three_must_be_there() {
    let (entries, result) = read(&parsed("CSV", "Size,Key,Bucket"), &gz(b"\"7\",\"k\",\"acme\"\n"));
    assert_eq!(result, Ok(()));
    let bare = Entry { etag: "".into(), last_modified: None, storage_class: "".into(), ..entry("k") };
    assert_eq!(entries, [bare]);
}

#[test]
fn many_rows_come_in_pages_until_it_is_enough() {
    let rows: String = (0..2500).map(|number| format!("\"acme\",\"k{number}\",\"7\"\n")).collect();
    let manifest = parsed("CSV", "Bucket, Key, Size");
    assert_eq!(read(&manifest, &gz(rows.as_bytes())).0.len(), 2500);
    let bytes = gz(rows.as_bytes());
    let file = DataFile { key: "k".to_owned(), size: bytes.len() as u64 };
    let mut pages = 0;
    let result = manifest.entries(&file, &mut Cursor::new(&bytes), &mut |_| {
        pages += 1;
        false
    });
    assert_eq!((pages, result), (1, Ok(())));
}

#[test]
fn what_is_wrong_is_told_with_its_row_and_what_came_before_is_handed_out() {
    let manifest = parsed("CSV", ALL);
    let good = "\"acme\",\"k\",\"v\",\"true\",\"false\",\"7\",\"2024-03-01T10:00:00.000Z\",\"e\",\"STANDARD\",\"\"\n";
    for (bad, told) in [
        (good.replace("acme", "other"), "the bucket \"other\""),
        (good.replace("\"7\"", "\"\""), "has no size"),
        (good.replace("\"7\"", "\"seven\""), "\"seven\""),
        (good.replace("\"k\"", "\"\""), "no key"),
        (good.replace("true", "yes"), "\"yes\""),
        (good.replace("2024-03", "March"), "is no date"),
        ("\"acme\",\"k\"\n".to_owned(), "2 columns"),
        (format!("\"acme\",\"{}", "x".repeat(100_000)), "more than 65536 bytes"),
    ] {
        let (entries, result) = read(&manifest, &gz([good, &bad].concat().as_bytes()));
        let why = result.unwrap_err();
        assert!(entries.len() == 1 && why.contains(told) && why.contains("row 2"), "{why}");
    }
}

#[test]
fn a_file_that_is_cut_short_or_another_one_is_told() {
    let manifest = parsed("CSV", "Bucket, Key, Size");
    let rows: String = (0..2000).map(|number| format!("\"acme\",\"{}\",\"7\"\n", number * 7919 % 10007)).collect();
    let whole = gz(rows.as_bytes());
    let (entries, result) = read(&manifest, &whole[..whole.len() / 2]);
    assert!(!entries.is_empty() && result.as_ref().unwrap_err().contains("failed"), "{result:?}");
    let file = DataFile { key: "k".to_owned(), size: 1 };
    let refused = manifest.entries(&file, &mut Cursor::new(&whole), &mut |_| true).unwrap_err();
    assert!(refused.contains("1 in the manifest"), "{refused}");
}

/// The schema of inventories in Parquet, with fields that are not looked at.
const PARQUET: &str = "message s3.inventory {
    required binary bucket (UTF8); required binary key (UTF8); optional binary version_id (UTF8); optional boolean is_latest;
    optional boolean is_delete_marker; optional int64 size; optional int64 last_modified_date (TIMESTAMP_MILLIS);
    optional binary e_tag (UTF8); optional binary storage_class (UTF8); optional boolean is_multipart_uploaded;
}";

fn written(keys: &[&[u8]]) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(PARQUET).unwrap());
    let properties = WriterProperties::builder().set_compression(parquet::basic::Compression::SNAPPY).build();
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties)).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let there = vec![1_i16; keys.len()];
    let texts: [Option<&[u8]>; 10] =
        [Some(b"acme"), None, Some(b"v1"), None, None, None, None, Some(b"e7ag"), Some(b"STANDARD"), None];
    for (number, text) in texts.into_iter().enumerate() {
        let mut column = group.next_column().unwrap().unwrap();
        let levels = (number > 1).then_some(&there[..]);
        match number {
            5 | 6 => {
                let values = vec![if number == 5 { 7 } else { 1_709_287_200_123 }; keys.len()];
                column.typed::<Int64Type>().write_batch(&values, levels, None).unwrap();
            }
            3 | 4 | 9 => {
                column.typed::<BoolType>().write_batch(&vec![number == 3; keys.len()], levels, None).unwrap();
            }
            _ => {
                let values: Vec<ByteArray> = keys.iter().map(|key| text.unwrap_or(key).into()).collect();
                column.typed::<ByteArrayType>().write_batch(&values, levels, None).unwrap();
            }
        }
        column.close().unwrap();
    }
    group.close().unwrap();
    writer.into_inner().unwrap()
}

#[test]
fn rows_of_parquet_are_entries_whose_keys_are_not_encoded() {
    let (entries, result) = read(&parsed("Parquet", ""), &written(&[b"a+b%20.env", "é\n".as_bytes()]));
    assert_eq!(result, Ok(()));
    assert_eq!(entries, ["a+b%20.env", "é\n"].map(|key| Entry { version_id: Some("v1".into()), ..entry(key) }));
}

#[test]
fn a_parquet_file_that_is_damaged_or_about_something_else_is_told() {
    let manifest = parsed("Parquet", "");
    let whole = written(&[b"k".as_slice(); 10]);
    assert!(read(&manifest, &whole[..whole.len() - 1]).1.unwrap_err().contains("footer"));
    let mut other = manifest.clone();
    other.bucket = "other".to_owned();
    assert!(read(&other, &whole).1.unwrap_err().contains("row 1 of it"));
    for at in 4..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 0x81;
        read(&manifest, &changed).0.len();
    }
}

#[test]
fn moments_are_told_in_any_unit() {
    for cell in ["2024-03-01T10:00:00.123Z", "1709287200123", "1709287200123456", "1709287200123456789"] {
        assert_eq!(moment(cell), Ok(1_709_287_200), "{cell}");
    }
    assert!(moment("yesterday").is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_key_comes_back_as_it_was(keys in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 0..30)) {
        let encoded = |key: &[u8]| percent_encode(key, NON_ALPHANUMERIC).to_string().replace("%20", "+");
        let rows: String = keys.iter().map(|key| format!("\"acme\",\"{}\",\"7\"\n", encoded(key))).collect();
        let (entries, result) = read(&parsed("CSV", "Bucket, Key, Size"), &gz(rows.as_bytes()));
        prop_assert_eq!(result, Ok(()));
        let told: Vec<&[u8]> = entries.iter().map(|entry| entry.key.as_bytes()).collect();
        prop_assert_eq!(told, keys.iter().map(Vec::as_slice).collect::<Vec<_>>());
    }

    #[test]
    fn any_bytes_are_an_error_or_entries(bytes in proptest::collection::vec(any::<u8>(), 0..300), is_packed in any::<bool>()) {
        let bytes = if is_packed { gz(&bytes) } else { bytes };
        for manifest in [parsed("CSV", ALL), parsed("Parquet", "")] {
            let (entries, result) = read(&manifest, &bytes);
            prop_assert!(entries.is_empty());
            prop_assert!(result.is_err() || bytes.iter().all(|byte| b"\r\n".contains(byte)) || is_packed);
        }
        let _ = Manifest::parse(&bytes);
    }
}
