//! What `keysweep buckets` tells: which buckets are public and by what, for people and for programs.

use std::io::{self, BufWriter, Write};

use serde::Serialize;

use super::Shape;
use super::csv::{cell, io_error};
use super::json::{self, write_line};
use super::sanitize::visible;
use super::units::plural;
use crate::exposure::{Exposure, Publicness};
use crate::source::Skipped;

const SCHEMA: &str = "keysweep/buckets-v1";

/// A bucket.
#[derive(Clone, Debug)]
pub struct Row<'a> {
    /// The account's number, where it is known.
    pub account: Option<String>,
    /// Its name.
    pub bucket: &'a str,
    /// Where it is.
    pub region: Option<&'a str>,
    /// Who may do what to it.
    pub exposure: &'a Exposure,
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    buckets: Vec<Wire<'a>>,
    skipped: Vec<json::Skipped<'a>>,
}

#[derive(Serialize)]
struct Line<'a, T> {
    schema: &'static str,
    r#type: &'static str,
    #[serde(flatten)]
    of: &'a T,
}

#[derive(Serialize)]
struct Wire<'a> {
    account_id: Option<&'a str>,
    bucket: &'a str,
    region: Option<&'a str>,
    public: Judged<'a>,
    list: Judged<'a>,
    read: Judged<'a>,
    write: Judged<'a>,
    /// Single objects may be public by ACLs of their own.
    object_acls: bool,
    notes: &'a [String],
}

#[derive(Serialize)]
struct Judged<'a> {
    /// `yes`, `no`, `unknown`.
    is: &'static str,
    /// By what it is, what stands against it, or why it is not known.
    because: Vec<&'a str>,
}

#[derive(Serialize)]
struct Summary<'a> {
    buckets: usize,
    public: usize,
    skipped: Vec<json::Skipped<'a>>,
}

/// Writes these buckets, in their order, and what of them and of others could not be learnt.
///
/// # Errors
/// Those of `out`.
pub fn write(shape: Shape, rows: &[Row<'_>], skipped: &[Skipped], out: &mut dyn Write) -> io::Result<()> {
    let mut out = BufWriter::new(out);
    let skipped = || json::skipped(skipped);
    match shape {
        Shape::Text => text(rows, &mut out)?,
        Shape::Json => {
            let buckets = rows.iter().map(Row::wire).collect();
            write_line(&Document { schema: SCHEMA, buckets, skipped: skipped() }, &mut out)?;
        }
        Shape::Jsonl => {
            for row in rows {
                write_line(&Line { schema: SCHEMA, r#type: "bucket", of: &row.wire() }, &mut out)?;
            }
            let summary = Summary { buckets: rows.len(), public: public(rows), skipped: skipped() };
            write_line(&Line { schema: SCHEMA, r#type: "summary", of: &summary }, &mut out)?;
        }
        Shape::Csv => table(rows, &mut out)?,
    }
    out.flush()
}

fn public(rows: &[Row<'_>]) -> usize {
    rows.iter().filter(|row| row.exposure.public.is_yes()).count()
}

impl<'a> Row<'a> {
    fn wire(&self) -> Wire<'_> {
        let Exposure { public, list, read, write, notes, .. } = self.exposure;
        Wire {
            account_id: self.account.as_deref(),
            bucket: self.bucket,
            region: self.region,
            public: Judged::new(public),
            list: Judged::new(list),
            read: Judged::new(read),
            write: Judged::new(write),
            object_acls: self.exposure.heeds_object_acls(),
            notes,
        }
    }

    /// Whether objects can be read, in a word: some can't be known by the bucket's settings.
    fn readable(&self) -> &'static str {
        match &self.exposure.read {
            Publicness::No(_) if self.exposure.heeds_object_acls() => "by object",
            read => word(read),
        }
    }

    /// Why, in one line.
    pub fn because(&self) -> String {
        let Exposure { public, list, read, write, .. } = self.exposure;
        let mut all: Vec<String> = match public {
            Publicness::Yes(ways) => ways
                .iter()
                .map(|way| {
                    let kinds = [(list, "listable"), (read, "readable"), (write, "writable")];
                    let gives = |of: &Publicness| matches!(of, Publicness::Yes(by) if by.contains(way));
                    let kinds: Vec<&str> = kinds.iter().filter(|(of, _)| gives(of)).map(|(_, name)| *name).collect();
                    format!("{} by {way}", if kinds.is_empty() { "public".to_owned() } else { kinds.join(" and ") })
                })
                .collect(),
            Publicness::No(against) => against.iter().cloned().collect(),
            Publicness::Unknown(why) => vec![why.clone()],
        };
        if self.readable() == "by object" {
            all.push("objects may be public by ACLs of their own".to_owned());
        }
        all.join("; ")
    }
}

impl<'a> Judged<'a> {
    fn new(of: &'a Publicness) -> Self {
        let because = match of {
            Publicness::Yes(by) => by.iter().map(String::as_str).collect(),
            Publicness::No(against) => against.iter().map(String::as_str).collect(),
            Publicness::Unknown(why) => vec![&**why],
        };
        let is = if let Publicness::Unknown(_) = of { "unknown" } else { word(of) };
        Self { is, because }
    }
}

fn word(of: &Publicness) -> &'static str {
    match of {
        Publicness::Yes(_) => "yes",
        Publicness::No(_) => "no",
        Publicness::Unknown(_) => "?",
    }
}

const TITLES: [&str; 8] = ["ACCOUNT", "BUCKET", "REGION", "PUBLIC", "LIST", "READ", "WRITE", "BECAUSE"];

fn text(rows: &[Row<'_>], out: &mut dyn Write) -> io::Result<()> {
    let cells = |row: &Row<'_>| {
        let Exposure { public, list, write, .. } = row.exposure;
        let cells = [
            row.account.as_deref().unwrap_or_default(),
            row.bucket,
            row.region.unwrap_or("?"),
            word(public),
            word(list),
            row.readable(),
            word(write),
            &row.because(),
        ];
        cells.map(|cell| visible(cell).into_owned())
    };
    let lines: Vec<[String; 8]> = std::iter::once(TITLES.map(str::to_owned)).chain(rows.iter().map(cells)).collect();
    // Of a single account, or of none, there is nothing to tell apart.
    let first = usize::from(rows.windows(2).all(|two| two[0].account == two[1].account));
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 8] = std::array::from_fn(width);
    for line in lines.iter().filter(|_| !rows.is_empty()) {
        let padded = line.iter().zip(widths).skip(first).map(|(cell, width)| format!("{cell:<width$}"));
        writeln!(out, "{}", padded.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    for (row, note) in rows.iter().flat_map(|row| row.exposure.notes.iter().map(move |note| (row, note))) {
        writeln!(out, "{}: {}.", visible(row.bucket), visible(note))?;
    }
    writeln!(out, "{}, {} of them public.", plural(rows.len() as u64, "bucket"), public(rows))
}

fn table(rows: &[Row<'_>], out: &mut dyn Write) -> io::Result<()> {
    let mut table = ::csv::Writer::from_writer(out);
    let header =
        ["account_id", "bucket", "region", "public", "list", "read", "write", "object_acls", "because", "notes"];
    table.write_record(header).map_err(io_error)?;
    for row in rows {
        let wire = row.wire();
        let cells = [
            wire.account_id.unwrap_or_default(),
            row.bucket,
            row.region.unwrap_or_default(),
            wire.public.is,
            wire.list.is,
            wire.read.is,
            wire.write.is,
            if wire.object_acls { "true" } else { "false" },
            &row.because(),
            &wire.notes.join("; "),
        ];
        table.write_record(cells.map(cell)).map_err(io_error)?;
    }
    table.flush()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::exposure::{Block, Fact, Facts, Grant, judge};

    fn facts() -> Vec<(&'static str, Facts)> {
        let policy = json!({"Statement": {"Sid": "Site", "Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": "*"}});
        let open = Facts {
            region: Some("eu-west-1".to_owned()),
            policy: Fact::Known(policy.to_string()),
            policy_is_public: Fact::Known(true),
            acl: Fact::Known(vec![Grant {
                grantee: "http://acs.amazonaws.com/groups/global/AllUsers".to_owned(),
                permission: "READ".to_owned(),
            }]),
            ..Facts::default()
        };
        let all = Block { ignore_acls: true, restrict: true, ..Block::default() };
        let shut = Facts { account_block: Fact::Known(all), ..open.clone() };
        let unknown = Facts { policy: Fact::Unknown("asking failed".to_owned()), ..Facts::default() };
        vec![("=open\u{1b}", open), ("shut", shut), ("unsure", unknown), ("plain", Facts::default())]
    }

    fn written(shape: Shape, count: usize) -> String {
        let facts = facts();
        let exposures: Vec<Exposure> = facts.iter().map(|(name, facts)| judge(name, facts)).collect();
        let rows: Vec<Row<'_>> = facts
            .iter()
            .zip(&exposures)
            .map(|((bucket, facts), exposure)| {
                let account = Some("111122223333".to_owned());
                Row { account, bucket, region: facts.region.as_deref(), exposure }
            })
            .take(count)
            .collect();
        let mut out = Vec::new();
        write(shape, &rows, &[Skipped::new("s3://unsure", "why")], &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn people_get_a_table_that_says_why() {
        let against = "policy statement Site would let it, but RestrictPublicBuckets of the account's public access block stands against \
                       it; ACL grant READ to everyone would let it, but IgnorePublicAcls of the account's public access block stands \
                       against it";
        let expected = format!(
            "BUCKET       REGION     PUBLIC  LIST  READ       WRITE  BECAUSE\n\
             =open\\u{{1b}}  eu-west-1  yes     yes   yes        no     listable and readable by policy statement Site; \
             listable by ACL grant READ to everyone\n\
             shut         eu-west-1  no      no    no         no     {against}\n\
             unsure       ?          ?       ?     ?          ?      asking failed\n\
             plain        ?          no      no    by object  no     objects may be public by ACLs of their own\n\
             4 buckets, 1 of them public.\n"
        );
        assert_eq!(written(Shape::Text, 4), expected);
        assert_eq!(written(Shape::Text, 0), "0 buckets, 0 of them public.\n");
    }

    #[test]
    fn programs_get_json_by_document_and_by_line() {
        let document: Value = serde_json::from_str(&written(Shape::Json, 4)).unwrap();
        assert_eq!(document["schema"], SCHEMA);
        let open = &document["buckets"][0];
        assert_eq!(open["read"], json!({"is": "yes", "because": ["policy statement Site"]}));
        assert_eq!((&open["account_id"], &open["region"]), (&json!("111122223333"), &json!("eu-west-1")));
        assert_eq!(document["buckets"][2]["public"], json!({"is": "unknown", "because": ["asking failed"]}));
        assert_eq!(document["buckets"][3]["object_acls"], true);
        assert_eq!(document["skipped"], json!([{"what": "s3://unsure", "why": "why"}]));
        let text = written(Shape::Jsonl, 2);
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((&lines[1]["type"], &lines[1]["bucket"]), (&json!("bucket"), &json!("shut")));
        assert_eq!(
            (&lines[2]["type"], &lines[2]["buckets"], &lines[2]["public"]),
            (&json!("summary"), &json!(2), &json!(1))
        );
    }

    #[test]
    fn spreadsheets_get_no_formulas() {
        let text = written(Shape::Csv, 1);
        let row = text.lines().nth(1).unwrap();
        assert!(
            row.starts_with("111122223333,'=open\\u{1b},eu-west-1,yes,yes,yes,no,true,listable and readable by"),
            "{row}"
        );
    }
}
