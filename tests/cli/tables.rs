//! Keys in the cells of tables: what stands in one row belongs together.

use std::sync::Arc;

use apache_avro::types::{Record, Value};
use apache_avro::{Codec, Schema, Writer};
use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use crate::support::{Keysweep, example_key};

/// Row groups of columns of text, each with the levels of its values if it has any.
type Column = (Vec<String>, Option<Vec<i16>>, Option<Vec<i16>>);

fn parquet(schema: &str, groups: Vec<Vec<Column>>) -> Vec<u8> {
    let codec = Compression::ZSTD(ZstdLevel::default());
    let properties =
        WriterProperties::builder().set_compression(codec).set_data_page_size_limit(500).set_write_batch_size(20);
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties.build())).unwrap();
    for group in groups {
        let mut out = writer.next_row_group().unwrap();
        for (values, defined, repeated) in group {
            let mut column = out.next_column().unwrap().unwrap();
            let values: Vec<ByteArray> = values.iter().map(|value| ByteArray::from(&**value)).collect();
            column.typed::<ByteArrayType>().write_batch(&values, defined.as_deref(), repeated.as_deref()).unwrap();
            column.close().unwrap();
        }
        out.close().unwrap();
    }
    writer.into_inner().unwrap()
}

/// A table of many rows, two of which have a key, in the second row group.
fn keys() -> Vec<u8> {
    let filler = |name: &str| (0..500).map(|row| format!("{name} of row {row}")).collect::<Vec<_>>();
    let [mut ids, mut secrets] = [filler("id"), filler("text")];
    for (row, seed) in [(100, 1), (301, 2)] {
        (ids[row], secrets[row]) = example_key(seed);
    }
    let schema = "message t { required binary user (UTF8); required binary id (UTF8); required binary secret; }";
    let group = |ids: Vec<String>, secrets: Vec<String>| {
        vec![(filler("user"), None, None), (ids, None, None), (secrets, None, None)]
    };
    parquet(schema, vec![group(filler("id"), filler("text")), group(ids, secrets)])
}

/// Findings with their secrets: id, place, line.
fn pairs(at: &Keysweep, target: &str) -> Vec<(String, String, u64)> {
    let output = at.scan(["--history", "none", target]);
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let mut found: Vec<_> = lines
        .filter(|line| line["type"] == "finding")
        .map(|line| {
            assert_eq!(line["secrets"][0]["kind"], "secret_access_key", "{line}");
            let place = &line["occurrences"][0];
            let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
            (text(&line["access_key_id"]), text(&place["member"]), place["line"].as_u64().unwrap())
        })
        .collect();
    found.sort_by_key(|(_, _, line)| *line);
    found
}

#[test]
fn an_id_and_a_secret_in_two_columns_are_one_finding() {
    let at = Keysweep::new();
    at.write("keys.parquet", keys());
    let expected = [(1, 601), (2, 802)].map(|(seed, line)| (example_key(seed).0, "rows".to_owned(), line));
    assert_eq!(pairs(&at, "keys.parquet"), expected);
}

#[test]
fn so_they_are_in_lists_of_structures_and_in_maps() {
    let at = Keysweep::new();
    let [first, second, third] = [1, 2, 3].map(example_key);
    let schema = "message t {
        required group users (LIST) { repeated group list { required group element {
            required binary access_key_id (UTF8); required binary secret_access_key (UTF8); } } }
        required group env (MAP) { repeated group key_value { required binary key (UTF8); required binary value (UTF8); } }
    }";
    let levels = |repeated: &[i16]| (Some(vec![1; repeated.len()]), Some(repeated.to_vec()));
    let column = |values: Vec<String>, repeated: &[i16]| {
        let (defined, repeated) = levels(repeated);
        (values, defined, repeated)
    };
    let names = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "X", "Y"].map(str::to_owned);
    let columns = vec![
        column(vec![first.0.clone(), second.0.clone(), "none".to_owned()], &[0, 1, 0]),
        column(vec![first.1.clone(), second.1.clone(), "none".to_owned()], &[0, 1, 0]),
        column(names.to_vec(), &[0, 1, 0, 1]),
        column(vec![third.0.clone(), third.1.clone(), "1".to_owned(), "2".to_owned()], &[0, 1, 0, 1]),
    ];
    at.write("nested.parquet", parquet(schema, vec![columns]));
    let mut found: Vec<String> = pairs(&at, "nested.parquet").into_iter().map(|(id, ..)| id).collect();
    found.sort();
    let mut expected = [first.0, second.0, third.0];
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn records_of_avro_are_read_as_well() {
    let at = Keysweep::new();
    let schema = r#"{"type": "record", "name": "Key", "fields": [{"name": "id", "type": "string"}, {"name": "secret", "type": ["null", "bytes"]}]}"#;
    let schema = Schema::parse_str(schema).unwrap();
    let mut writer = Writer::with_codec(&schema, Vec::new(), Codec::Snappy).unwrap();
    for row in 0..1000 {
        let mut record = Record::new(&schema).unwrap();
        let (id, secret) = if row == 700 { example_key(1) } else { (format!("id {row}"), format!("text {row}")) };
        record.put("id", id);
        record.put("secret", Value::Union(1, Value::Bytes(secret.into_bytes()).into()));
        writer.append_value(record).unwrap();
    }
    at.write("keys.avro", writer.into_inner().unwrap());
    assert_eq!(pairs(&at, "keys.avro"), [(example_key(1).0, "rows".to_owned(), 701)]);
}

#[test]
fn a_config_file_in_a_cell_is_read_like_any_other() {
    let at = Keysweep::new();
    let text = String::from_utf8(crate::support::env_file(1).into()).unwrap();
    let schema = "message t { required binary path (UTF8); required binary content (UTF8); }";
    let columns =
        vec![(vec!["a".to_owned(), "prod.env".to_owned()], None, None), (vec!["none".to_owned(), text], None, None)];
    at.write("files.parquet", parquet(schema, vec![columns]));
    assert_eq!(pairs(&at, "files.parquet"), [(example_key(1).0, "rows".to_owned(), 2)]);
}

#[test]
fn a_damaged_table_is_unread_and_nothing_else_is_said() {
    let at = Keysweep::new();
    let mut table = keys();
    let middle = table.len() / 2;
    table[middle..middle + 400].fill(0xff);
    at.write("broken.parquet", table);
    let output = at.scan(["--history", "none", "broken.parquet"]);
    assert_eq!(output.code, Some(2));
    assert!(
        output.stderr.lines().all(|line| line.starts_with("keysweep: not read: broken.parquet!rows: ")),
        "{}",
        output.stderr
    );
    assert!(output.stderr.contains("scanned"), "{}", output.stderr);
}
