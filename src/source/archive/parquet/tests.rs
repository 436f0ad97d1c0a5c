//! Files as the crate writes them, and what is done to them.

use std::sync::Arc;

use ::parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};
use ::parquet::data_type::{ByteArray, ByteArrayType, FixedLenByteArray, FixedLenByteArrayType, Int64Type};
use ::parquet::file::properties::{WriterProperties, WriterPropertiesBuilder, WriterVersion};
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::parser::parse_message_type;

use super::super::tests::{Opened, gz, open, open_bytes, open_every_way, zip};
use super::super::{Budget, Content, Kind, detect};

/// Values of a column of a row group, with the levels that say which are there and where rows begin.
type Cells<'a> = (Vec<&'a [u8]>, Option<Vec<i16>>, Option<Vec<i16>>);

/// A file with these row groups. Columns of numbers count from 0.
fn file(schema: &str, groups: &[Vec<Cells<'_>>], properties: WriterPropertiesBuilder) -> Vec<u8> {
    use ::parquet::column::writer::ColumnWriter;
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties.build())).unwrap();
    for group in groups {
        let mut out = writer.next_row_group().unwrap();
        let mut cells = group.iter();
        while let Some(mut column) = out.next_column().unwrap() {
            let (values, defined, repeated) = cells.next().unwrap();
            match column.untyped() {
                ColumnWriter::ByteArrayColumnWriter(_) => {
                    let values: Vec<ByteArray> = values.iter().map(|value| ByteArray::from(*value)).collect();
                    column
                        .typed::<ByteArrayType>()
                        .write_batch(&values, defined.as_deref(), repeated.as_deref())
                        .unwrap();
                }
                ColumnWriter::FixedLenByteArrayColumnWriter(_) => {
                    let values = values.iter().map(|value| FixedLenByteArray::from(value.to_vec()));
                    let values: Vec<_> = values.collect();
                    let column = column.typed::<FixedLenByteArrayType>();
                    column.write_batch(&values, defined.as_deref(), repeated.as_deref()).unwrap();
                }
                _ => {
                    let values: Vec<i64> = (0..values.len() as i64).collect();
                    column.typed::<Int64Type>().write_batch(&values, defined.as_deref(), repeated.as_deref()).unwrap();
                }
            }
            column.close().unwrap();
        }
        out.close().unwrap();
    }
    writer.into_inner().unwrap()
}

fn plain() -> WriterPropertiesBuilder {
    WriterProperties::builder()
}

const FLAT: &str = "message t { required binary id (UTF8); required int64 age; optional binary secret; required fixed_len_byte_array(3) tag; }";

fn numbered(name: &str, count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|number| format!("{name}-{number}").into_bytes()).collect()
}

/// Two row groups of so many rows; every other row has a secret.
fn flat(rows: usize, properties: WriterPropertiesBuilder) -> Vec<u8> {
    let [ids, secrets] = ["id", "s"].map(|name| numbered(name, rows));
    let refs = |all: &'_ [Vec<u8>]| -> Vec<Vec<u8>> { all.to_vec() };
    let (ids, secrets) = (refs(&ids), refs(&secrets));
    let group = || -> Vec<Cells<'_>> {
        vec![
            (ids.iter().map(Vec::as_slice).collect(), None, None),
            (vec![b"".as_slice(); rows], None, None),
            (
                secrets.iter().step_by(2).map(Vec::as_slice).collect(),
                Some((0..rows).map(|number| i16::from(number % 2 == 0)).collect()),
                None,
            ),
            (vec![b"\xff\"x".as_slice(); rows], None, None),
        ]
    };
    file(FLAT, &[group(), group()], properties)
}

fn lines(opened: &Opened) -> Vec<String> {
    let text = opened.content(b"rows");
    String::from_utf8_lossy(text).lines().map(str::to_owned).collect()
}

fn codecs() -> Vec<Compression> {
    vec![
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::BROTLI(BrotliLevel::default()),
        Compression::LZ4,
        Compression::LZ4_RAW,
        Compression::ZSTD(ZstdLevel::default()),
    ]
}

#[test]
fn each_row_is_a_line_whatever_the_codec() {
    for codec in codecs() {
        for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
            for dictionary in [true, false] {
                let properties = plain().set_compression(codec).set_writer_version(version);
                let properties = properties.set_dictionary_enabled(dictionary).set_data_page_size_limit(200);
                let properties = properties.set_write_batch_size(16);
                for opened in open_every_way(&flat(700, properties)) {
                    let opened = opened.whole();
                    let lines = lines(&opened);
                    assert_eq!(lines.len(), 1400, "{codec:?}");
                    let first = "{\"id\": \"id-0\", \"secret\": \"s-0\", \"tag\": \"\u{fffd}\\\"x\"}";
                    assert_eq!((&*lines[0], &*lines[700]), (first, first), "{codec:?} {version:?}");
                    assert_eq!(lines[1399], "{\"id\": \"id-699\", \"tag\": \"\u{fffd}\\\"x\"}");
                }
            }
        }
    }
}

#[test]
fn what_repeats_stands_together() {
    let schema = "message t {
        required group users (LIST) { repeated group list { required group element {
            optional binary id (UTF8); required int64 age; optional binary secret (UTF8); } } }
        optional group env (MAP) { repeated group key_value { required binary key (UTF8); optional binary value (UTF8); } }
        repeated binary tags (UTF8);
    }";
    let group: Vec<Cells<'_>> = vec![
        // Three rows: two users, none, one without a secret.
        (vec![b"i1", b"i2", b"i3"], Some(vec![2, 2, 0, 2]), Some(vec![0, 1, 0, 0])),
        (vec![b"", b"", b""], Some(vec![1, 1, 0, 1]), Some(vec![0, 1, 0, 0])),
        (vec![b"s1", b"s2"], Some(vec![2, 2, 0, 1]), Some(vec![0, 1, 0, 0])),
        (vec![b"ID", b"SECRET"], Some(vec![2, 2, 0, 1]), Some(vec![0, 1, 0, 0])),
        (vec![b"x"], Some(vec![3, 2, 0, 1]), Some(vec![0, 1, 0, 0])),
        (vec![b"a", b"b", b"c"], Some(vec![0, 1, 1, 1]), Some(vec![0, 0, 1, 0])),
    ];
    let opened = open_bytes(&file(schema, &[group], plain())).whole();
    let expected = [
        r#"{"users.list": [{"element.id": "i1", "element.secret": "s1"}, {"element.id": "i2", "element.secret": "s2"}], "env.key_value": {"ID": "x", "SECRET": null}}"#,
        r#"{"tags": ["a", "b"]}"#,
        r#"{"users.list": [{"element.id": "i3"}], "tags": ["c"]}"#,
    ];
    assert_eq!(lines(&opened), expected);
}

#[test]
fn rows_whose_values_repeat_go_on_from_page_to_page() {
    for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
        let schema = "message t { repeated binary tags (UTF8); required binary id (UTF8); }";
        let tags = numbered("tag", 3000);
        let ids = numbered("id", 1000);
        // Rows of one to five values.
        let mut repeated = Vec::new();
        for row in 0..1000 {
            repeated.push(0);
            repeated.extend(std::iter::repeat_n(1, row % 5));
        }
        let group: Vec<Cells<'_>> = vec![
            (tags.iter().map(Vec::as_slice).collect(), Some(vec![1; 3000]), Some(repeated)),
            (ids.iter().map(Vec::as_slice).collect(), None, None),
        ];
        let properties = plain().set_writer_version(version).set_data_page_size_limit(100).set_write_batch_size(7);
        let opened = open_bytes(&file(schema, &[group], properties.set_dictionary_enabled(false))).whole();
        let lines = lines(&opened);
        assert_eq!(lines.len(), 1000);
        assert_eq!(lines[2], r#"{"tags": ["tag-3", "tag-4", "tag-5"], "id": "id-2"}"#);
        assert_eq!(
            lines[999],
            r#"{"tags": ["tag-2995", "tag-2996", "tag-2997", "tag-2998", "tag-2999"], "id": "id-999"}"#
        );
    }
}

#[test]
fn wide_tables_are_read_some_columns_at_a_time() {
    let columns: Vec<String> = (0..40).map(|number| format!("required binary c{number} (UTF8);")).collect();
    let schema = format!("message t {{ {} }}", columns.concat());
    let values = numbered("v", 40);
    let group: Vec<Cells<'_>> = values.iter().map(|value| (vec![value.as_slice(); 2], None, None)).collect();
    let opened = open_bytes(&file(&schema, &[group], plain())).whole();
    assert_eq!(opened.names(), [&b"rows"[..], b"rows, columns from 17", b"rows, columns from 33"]);
    assert!(lines(&opened)[1].contains(r#""c15": "v-15"}"#));
    assert!(opened.content(b"rows, columns from 33").starts_with(br#"{"c32": "v-32", "#));
}

#[test]
fn a_table_within_an_archive_is_opened_too() {
    let inner = flat(5, plain());
    assert_eq!(open_bytes(&zip(&[("a.parquet", &inner)])).whole().names(), [b"a.parquet!rows"]);
    assert_eq!(open_bytes(&gz(&inner)).whole().names(), [b"x!rows"]);
}

#[test]
fn a_table_without_text_has_no_rows_to_tell() {
    let schema = "message t { required int64 age; }";
    let opened = open_bytes(&file(schema, &[vec![(vec![b"".as_slice(); 3], None, None)]], plain())).whole();
    assert!(opened.members.is_empty());
}

fn refused(file: &[u8]) -> String {
    let opened = open_bytes(file);
    assert!(opened.members.is_empty() || opened.bytes() == 0, "{opened:?}");
    opened.problem().1.to_owned()
}

#[test]
fn what_is_encrypted_or_cut_short_is_told() {
    let whole = flat(5, plain());
    assert!(refused(&[b"PARE", &whole[4..whole.len() - 4], b"PARE"].concat()).contains("encrypted"));
    for end in [4, 11, 100, whole.len() - 1] {
        assert!(refused(&whole[..end]).contains("reading its footer failed"), "{end}");
    }
    let mut long = whole.clone();
    let at = long.len() - 8;
    long[at..at + 4].copy_from_slice(&[0, 0, 0, 2]);
    assert!(refused(&long).contains("larger than 16 MiB"));
}

#[test]
fn what_can_be_read_only_once_is_held_up_to_a_limit() {
    let mut endless = std::io::Read::chain(&b"PAR1"[..], std::io::repeat(0));
    let opened = open(b"x", Content::Stream(&mut endless), Kind::Parquet, &Budget::for_archive(0));
    assert!(opened.problem().1.contains("64 MiB"), "{:?}", opened.problem());
}

#[test]
fn a_column_that_is_damaged_does_not_take_the_others_with_it() {
    let properties = plain().set_compression(Compression::SNAPPY).set_dictionary_enabled(false);
    let mut file = flat(50, properties);
    // Within the first page, behind its header.
    file[60..80].fill(0xff);
    let opened = open_bytes(&file);
    let (member, why) = opened.problem();
    assert_eq!(member, Some(&b"rows"[..]));
    assert!(why.contains("column \"id\" failed") && why.contains("other columns"), "{why}");
    let lines = lines(&opened);
    assert_eq!(lines.len(), 100);
    assert!(
        lines[0].starts_with("{\"secret\": \"s-0\"") && lines[50].starts_with("{\"id\": \"id-0\""),
        "{}",
        lines[50]
    );
}

#[test]
fn no_change_of_a_byte_is_the_end_of_the_program() {
    for properties in [plain(), plain().set_writer_version(WriterVersion::PARQUET_2_0).set_dictionary_enabled(false)] {
        let whole = flat(3, properties);
        for at in 4..whole.len() {
            for change in [0x01, 0x80, 0xff] {
                let mut changed = whole.clone();
                changed[at] ^= change;
                if detect(&changed) == Some(Kind::Parquet) {
                    let budget = Budget::of(1 << 20, 10);
                    open(b"x", Content::Bytes(&changed), Kind::Parquet, &budget);
                }
            }
        }
    }
}

#[test]
fn a_small_file_that_expands_to_much_ends_at_the_limit() {
    let value = vec![b'a'; 10_000];
    let group: Vec<Cells<'_>> = vec![(vec![value.as_slice(); 100_000], None, None)];
    let bomb = file("message t { required binary a (UTF8); }", &[group], plain());
    assert!(bomb.len() < 100_000, "{}", bomb.len());
    let opened = open(b"x", Content::Bytes(&bomb), Kind::Parquet, &Budget::of(1 << 20, 10));
    assert_eq!(opened.bytes(), 1 << 20);
    assert!(opened.problem().1.contains("zip bomb"));
}

#[test]
fn pages_that_expand_to_more_than_they_say_are_refused() {
    let value = vec![b'a'; 3 << 20];
    // Where nothing else compresses well, what may be made of it is more than is held.
    let noise = super::super::tests::noise(100_000);
    for (codec, value) in [
        (Compression::BROTLI(BrotliLevel::default()), value.clone()),
        (Compression::GZIP(GzipLevel::default()), [&value[..], &noise].concat()),
    ] {
        let group: Vec<Cells<'_>> = vec![(vec![value.as_slice()], None, None)];
        let properties = plain().set_compression(codec).set_dictionary_enabled(false);
        let properties = properties.set_statistics_enabled(::parquet::file::properties::EnabledStatistics::None);
        let mut bomb = file("message t { required binary a (UTF8); }", &[group], properties);
        assert!(open_bytes(&bomb).whole().bytes() > 3 << 20, "{codec:?}");
        // The page's size follows its kind, each in zigzags of seven bits.
        let varint = |size: usize| {
            [0, 7, 14, 21].map(|shift| (((size * 2) >> shift) as u8 & 0x7f) | (0x80 * u8::from(shift < 21)))
        };
        assert_eq!(bomb[4..11], [&[0x15, 0, 0x15], &varint(value.len() + 4)[..]].concat());
        bomb[7..11].copy_from_slice(&varint(2 << 20));
        assert!(refused(&bomb).contains("larger than it says"), "{codec:?}");
    }
}

#[test]
fn large_pages_are_read_whatever_stands_before_what_is_compressed() {
    // Levels of version 2, and noise, of which gzip makes no less.
    let noise = super::super::tests::noise(100_000);
    for codec in codecs() {
        let schema = "message t { optional binary a (UTF8); }";
        let group: Vec<Cells<'_>> = vec![(vec![noise.as_slice()], Some(vec![1, 0]), None)];
        let properties = plain().set_compression(codec).set_writer_version(WriterVersion::PARQUET_2_0);
        let opened = open_bytes(&file(schema, &[group], properties.set_dictionary_enabled(false))).whole();
        assert!(opened.bytes() > noise.len(), "{codec:?}");
    }
}

#[test]
fn pages_that_expand_too_much_are_refused() {
    let value = vec![b'a'; 70 << 20];
    for codec in [Compression::GZIP(GzipLevel::default()), Compression::ZSTD(ZstdLevel::default())] {
        let group: Vec<Cells<'_>> = vec![(vec![value.as_slice()], None, None)];
        let properties = plain().set_compression(codec).set_dictionary_enabled(false);
        let properties = properties.set_statistics_enabled(::parquet::file::properties::EnabledStatistics::None);
        let bomb = file("message t { required binary a (UTF8); }", &[group], properties);
        assert!(bomb.len() < 1 << 20, "{}", bomb.len());
        assert!(refused(&bomb).contains("more than 64 MiB at once"), "{codec:?}");
    }
}
