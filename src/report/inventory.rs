//! What `keysweep inventory` tells: the access keys of an account, for people, for programs, and as bare ids.

use std::io::{self, BufWriter, Write};

use serde::Serialize;

use super::csv::{cell, io_error};
use super::json::write_line;
use super::sanitize::visible;
use super::units::plural;
use super::utc;
use super::verdict::{Used, last_used};
use crate::triage::inventory::{Inventory, KeyRecord, LastUsed, Noted};
use crate::triage::moment::span;

const SCHEMA: &str = "keysweep/inventory-v1";

/// The shape it is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A table for people.
    Text,
    /// One document.
    Json,
    /// A row for each key.
    Csv,
    /// Ids alone, one a line.
    Ids,
}

/// A key in an account.
struct Row<'a> {
    account: String,
    key: &'a KeyRecord,
    last_used: Option<Noted<'a>>,
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    keys: Vec<Wire<'a>>,
}

#[derive(Serialize)]
struct Wire<'a> {
    account_id: &'a str,
    access_key_id: &'a str,
    user_name: &'a str,
    status: &'static str,
    created: Option<String>,
    /// Null when it is not known; all of it null when there was none.
    last_used: Option<Used<'a>>,
    /// Until when that is all: the date of the credential report.
    last_used_as_of: Option<String>,
}

/// Writes the keys of all accounts at `now`, in seconds since 1970, by account, user and id.
///
/// # Errors
/// Those of `out`.
pub fn write<'a>(
    shape: Shape,
    inventories: impl IntoIterator<Item = &'a Inventory>,
    now: i64,
    out: &mut dyn Write,
) -> io::Result<()> {
    let inventories: Vec<&Inventory> = inventories.into_iter().collect();
    let mut rows: Vec<Row<'_>> = inventories.iter().copied().flat_map(rows).collect();
    rows.sort_by(|a, b| (&a.account, &a.key.user, a.key.id).cmp(&(&b.account, &b.key.user, b.key.id)));
    let mut out = BufWriter::new(out);
    match shape {
        Shape::Text => {
            text(&rows, now, &mut out)?;
            inventories.iter().try_for_each(|inventory| source(inventory, now, &mut out))?;
        }
        Shape::Json => {
            let keys = rows.iter().map(Row::wire).collect();
            write_line(&Document { schema: SCHEMA, keys }, &mut out)?;
        }
        Shape::Csv => table(&rows, &mut out)?,
        Shape::Ids => rows.iter().try_for_each(|row| writeln!(out, "{}", row.key.id))?,
    }
    out.flush()
}

fn rows(inventory: &Inventory) -> impl Iterator<Item = Row<'_>> {
    inventory.keys.values().map(|key| Row {
        account: inventory.account.to_string(),
        key,
        last_used: inventory.last_use(key),
    })
}

impl Row<'_> {
    fn wire(&self) -> Wire<'_> {
        Wire {
            account_id: &self.account,
            access_key_id: self.key.id.as_str(),
            user_name: &self.key.user,
            status: self.key.status.name(),
            created: self.key.created.and_then(utc),
            last_used: self.last_used.map(|noted| Used::new(noted.last)),
            last_used_as_of: self.last_used.and_then(|noted| noted.until).and_then(utc),
        }
    }

    /// The cells of the table for people.
    fn cells(&self, now: i64) -> [String; 6] {
        let age = self.key.created.map_or_else(|| "?".to_owned(), |at| span(now - at));
        let used = match self.last_used.map(|noted| noted.last) {
            None => "not known".to_owned(),
            Some(LastUsed::Never) => "never".to_owned(),
            Some(LastUsed::At { at, service, .. }) => {
                let of = service.as_ref().map_or(String::new(), |service| format!(", {service}"));
                format!("{} ago{of}", span(now - at))
            }
        };
        let user = visible(&self.key.user).into_owned();
        [
            self.account.clone(),
            self.key.id.to_string(),
            user,
            self.key.status.name().to_owned(),
            age,
            visible(&used).into_owned(),
        ]
    }
}

const TITLES: [&str; 6] = ["ACCOUNT", "ID", "USER", "STATUS", "AGE", "LAST USED"];

fn text(rows: &[Row<'_>], now: i64, out: &mut dyn Write) -> io::Result<()> {
    let lines: Vec<[String; 6]> =
        std::iter::once(TITLES.map(str::to_owned)).chain(rows.iter().map(|row| row.cells(now))).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 6] = std::array::from_fn(width);
    for line in lines.iter().filter(|_| !rows.is_empty()) {
        let padded: Vec<String> = line.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        writeln!(out, "{}", padded.join("  ").trim_end())?;
    }
    writeln!(out, "{}.", plural(rows.len() as u64, "access key"))
}

/// How old what is told of last uses is.
fn source(inventory: &Inventory, now: i64, out: &mut dyn Write) -> io::Result<()> {
    match &inventory.report {
        Some(report) => {
            writeln!(out, "Last uses in {} are by the credential report, {}.", inventory.account, report.made(now))
        }
        None => Ok(()),
    }
}

fn table(rows: &[Row<'_>], out: &mut dyn Write) -> io::Result<()> {
    let mut table = ::csv::Writer::from_writer(out);
    let header = ["account_id", "access_key_id", "user_name", "status", "created", "last_used"];
    table.write_record(header).map_err(io_error)?;
    for row in rows {
        let wire = row.wire();
        let cells = [
            wire.account_id.to_owned(),
            wire.access_key_id.to_owned(),
            wire.user_name.to_owned(),
            wire.status.to_owned(),
            wire.created.unwrap_or_default(),
            last_used(row.last_used.map(|noted| noted.last)),
        ];
        table.write_record(cells.map(|text| cell(&text))).map_err(io_error)?;
    }
    table.flush()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::key::{AccessKeyId, AccountId};
    use crate::triage::inventory::KeyStatus;
    use crate::triage::moment::DAY;

    const NOW: i64 = 1_709_287_200;
    const ONE: &str = "AKIAIOSFODNN7EXAMPLE";
    const TWO: &str = "AKIAI44QH8DHBEXAMPLE";

    fn written(shape: Shape, is_empty: bool) -> String {
        let mut inventory = Inventory::new(AccountId::parse("000022223333").unwrap(), NOW, true);
        let at = LastUsed::At { at: NOW - 60, service: Some("s3".to_owned()), region: None };
        for (id, user, status, last_used) in
            [(ONE, "=bob\u{1b}", KeyStatus::Inactive, Some(at)), (TWO, "ann", KeyStatus::Active, None)]
        {
            let id = AccessKeyId::shaped(id.as_bytes()).unwrap();
            let key = KeyRecord { id, user: user.to_owned(), status, created: Some(NOW - 3 * DAY), last_used };
            inventory.keys.insert(id, key);
        }
        if is_empty {
            inventory.keys.clear();
        }
        let mut out = Vec::new();
        write(shape, [&inventory], NOW, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn people_get_a_table() {
        let expected = "ACCOUNT       ID                    USER        STATUS    AGE     LAST USED\n\
                        000022223333  AKIAIOSFODNN7EXAMPLE  =bob\\u{1b}  Inactive  3 days  1 minute ago, s3\n\
                        000022223333  AKIAI44QH8DHBEXAMPLE  ann         Active    3 days  not known\n\
                        2 access keys.\n";
        assert_eq!(written(Shape::Text, false), expected);
        assert_eq!(written(Shape::Text, true), "0 access keys.\n");
    }

    #[test]
    fn programs_get_json_and_spreadsheets_no_formulas() {
        let document: Value = serde_json::from_str(&written(Shape::Json, false)).unwrap();
        assert_eq!(document["schema"], SCHEMA);
        let used = json!({"date": "2024-03-01T09:59:00+00:00", "service": "s3", "region": null});
        assert_eq!((&document["keys"][0]["last_used"], &document["keys"][1]["last_used"]), (&used, &Value::Null));
        let text = written(Shape::Csv, false);
        let rows: Vec<&str> = text.lines().collect();
        assert_eq!(
            rows[1],
            "000022223333,AKIAIOSFODNN7EXAMPLE,'=bob\\u{1b},Inactive,2024-02-27T10:00:00+00:00,2024-03-01T09:59:00+00:00"
        );
    }

    #[test]
    fn ids_stand_alone_on_their_lines() {
        assert_eq!(written(Shape::Ids, false), format!("{ONE}\n{TWO}\n"));
        assert_eq!(written(Shape::Ids, true), "");
    }
}
