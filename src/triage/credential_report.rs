//! The credential report: CSV to rows, and which slot of a row a key stands in. It names users and dates of keys, but no key ids. What
//! follows from a row is judged elsewhere.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_getting-report.html>

use std::collections::BTreeMap;

use csv::{ErrorKind, ReaderBuilder, StringRecord};

use super::inventory::{KeyRecord, KeyStatus, LastUsed};
use super::moment::{self, HOUR, MINUTE, ago};
use crate::key::AccountId;

/// What the row of the root user is called.
const ROOT: &str = "<root_account>";
/// A status that was told so long before or after the report was made may be another one by now.
const SAME_TIME: u64 = 5 * MINUTE as u64;
/// For how long AWS hands out the same report.
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetCredentialReport.html>
const KEPT: i64 = 4 * HOUR;
/// What stands for no date: never used, no such thing, not told by an emulator.
const NO_DATE: [&str; 4] = ["N/A", "no_information", "not_supported", ""];

/// A credential report.
#[derive(Clone, Debug)]
pub struct CredentialReport {
    /// When AWS made it, in seconds since 1970. Of a file: when that was last written, which is the same or later.
    pub generated: i64,
    /// AWS said when; else it is the file's own date.
    pub is_exact: bool,
    /// The users by name, without the root user.
    pub users: BTreeMap<String, Row>,
    /// The root user.
    pub root: Option<Row>,
    account: Option<AccountId>,
    newest: Option<i64>,
}

/// What it tells of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Whether the user has a password. `None` where that is `not_supported`.
    pub has_password: Option<bool>,
    /// Whether the user has a second factor.
    pub mfa: Option<bool>,
    /// The two places for access keys.
    pub slots: [Slot; 2],
}

/// One place for an access key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// There is a key in it, and it is active.
    pub is_active: bool,
    /// When the key in it was created, in whole seconds since 1970; `None` when there is none. AWS calls it "last rotated".
    pub rotated: Option<i64>,
    /// When the key was last used.
    pub last_used: LastUsed,
}

/// Where a key stands in a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// In slot 1 or 2 of its user's row.
    Slot(u8, &'a Row),
    /// In one of the two, which nothing tells apart.
    Either(&'a Row),
    /// Not in its user's row: it was created after the report was made, or its date is not known.
    NoSlot(&'a Row),
    /// The user has no row: newer than the report, or renamed since.
    NoRow,
}

/// Why a text is no credential report. No values are told: who takes the wrong file may have secrets in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAReport {
    /// It is not even text in UTF-8.
    #[error("it is not text in UTF-8{}", utf16(*.0))]
    Encoding(bool),
    /// It was not decoded.
    #[error(
        "it is still as AWS sends it; write the report itself: `aws iam get-credential-report --query Content --output text | base64 -d`"
    )]
    Encoded,
    /// A column is missing.
    #[error("its first line has no column `{0}`, which credential reports have")]
    Column(&'static str),
    /// A row has another number of fields.
    #[error("line {line}: it has {fields} fields and the first line {columns}")]
    Fields {
        /// The line, from 1.
        line: u64,
        /// How many it has.
        fields: usize,
        /// How many there should be.
        columns: usize,
    },
    /// A cell can't be read.
    #[error("line {line}, column `{column}`: it is not {wanted}")]
    Cell {
        /// The line, from 1.
        line: u64,
        /// The column.
        column: &'static str,
        /// What should stand there.
        wanted: &'static str,
    },
    /// A user has two rows.
    #[error("line {0}: that user has a row already; a report has one for each, and is about one account")]
    Twice(u64),
    /// A row is of another account than those before.
    #[error(
        "line {0}: it is of another account than the lines before; give each account's report as a file of its own"
    )]
    Accounts(u64),
    /// There are no rows.
    #[error("it has no rows")]
    Empty,
}

fn utf16(is_utf16: bool) -> &'static str {
    if is_utf16 { " but in UTF-16, as PowerShell writes it; convert it first" } else { "" }
}

/// Reads a report that was made at `generated`, in seconds since 1970, or is in a file of that date if that is not exact. Either is moved
/// on to the newest date in it, which a wrong clock or an old date of a file may be before.
///
/// # Errors
/// When it is no report.
pub fn parse(csv: &[u8], generated: i64, is_exact: bool) -> Result<CredentialReport, NotAReport> {
    let text = text(csv).map_err(NotAReport::Encoding)?;
    // JSON, or the base64 of `user,arn,`.
    if text.starts_with('{') || text.starts_with("dXNlcixhcm4s") {
        return Err(NotAReport::Encoded);
    }
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut records = reader.records().map(|record| record.map_err(unreadable));
    let columns = Columns::of(&records.next().unwrap_or_else(|| Ok(StringRecord::new()))?)?;
    let mut report =
        CredentialReport { generated, is_exact, users: BTreeMap::new(), root: None, account: None, newest: None };
    for record in records {
        report.add(&Line::new(&columns, &record?)?)?;
    }
    if report.users.is_empty() && report.root.is_none() {
        return Err(NotAReport::Empty);
    }
    if let Some(newest) = report.newest.filter(|newest| *newest > generated) {
        (report.generated, report.is_exact) = (newest, false);
    }
    Ok(report)
}

/// UTF-8 without the mark at its start; else whether it is UTF-16.
pub(super) fn text(bytes: &[u8]) -> Result<&str, bool> {
    let is_utf16 = bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff");
    let text = std::str::from_utf8(bytes).map_err(|_| is_utf16)?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// Text from memory is always readable, and rows of any length are taken here.
fn unreadable(error: csv::Error) -> NotAReport {
    match error.kind() {
        ErrorKind::Io(_) => NotAReport::Empty,
        _ => NotAReport::Encoding(false),
    }
}

impl CredentialReport {
    /// The account that it is about, as its ARNs say.
    pub fn account(&self) -> Option<AccountId> {
        self.account
    }

    /// The newest date in it, in seconds since 1970: it was not made before. `None` when there is none.
    pub fn made_after(&self) -> Option<i64> {
        self.newest
    }

    /// A moment at which what it says was so for certain, in seconds since 1970: when it was made, if AWS said that, else the newest
    /// date in it.
    pub fn holds_until(&self) -> Option<i64> {
        if self.is_exact { Some(self.generated) } else { self.newest }
    }

    /// `made on 2026-11-30 16:05 UTC (2 hours ago)`, or what a file's date tells of that.
    pub fn made(&self, now: i64) -> String {
        if self.is_exact {
            return format!("made on {}", ago(self.generated, now));
        }
        match self.newest {
            Some(newest) if newest < self.generated => {
                format!("made between {} and {}", ago(newest, now), ago(self.generated, now))
            }
            _ => format!("made on or after {}", ago(self.generated, now)),
        }
    }

    /// The earliest moment at which it can have been made, in seconds since 1970: AWS hands one out for four hours before it makes another,
    /// and a file is as old as its handing out.
    pub fn made_at_earliest(&self) -> i64 {
        let by_date = if self.is_exact { self.generated } else { self.generated - KEPT };
        self.newest.map_or(by_date, |newest| newest.max(by_date))
    }

    /// How many keys of users are active by it.
    pub fn active_keys(&self) -> usize {
        self.users.values().flat_map(|row| &row.slots).filter(|slot| slot.is_active).count()
    }

    /// Where a key stands whose status was told at `as_of`. AWS orders the slots by nothing that could be relied on: the date of creation
    /// tells, and between two keys of the same second their last use, which only ever grows, then their status.
    pub fn slot_of(&self, key: &KeyRecord, as_of: i64) -> Place<'_> {
        let Some(row) = self.users.get(&key.user) else {
            return Place::NoRow;
        };
        let is_there = |slot: &Slot| key.created.is_some() && slot.rotated == key.created;
        match row.slots.each_ref().map(is_there) {
            [true, false] => Place::Slot(1, row),
            [false, true] => Place::Slot(2, row),
            [false, false] => Place::NoSlot(row),
            [true, true] => self.of_two(row, key, as_of),
        }
    }

    /// Which of two slots of the same date.
    fn of_two<'a>(&'a self, row: &'a Row, key: &KeyRecord, as_of: i64) -> Place<'a> {
        let only = |fits: [bool; 2]| match fits {
            [true, false] => Some(Place::Slot(1, row)),
            [false, true] => Some(Place::Slot(2, row)),
            _ => None,
        };
        let is_active = key.status == KeyStatus::Active;
        let is_of_then = self.is_exact && as_of.abs_diff(self.generated) <= SAME_TIME;
        let slots = row.slots.each_ref();
        let by_use = key.last_used.as_ref().and_then(|used| {
            only(slots.map(|slot| slot.last_used == *used))
                .or_else(|| only(slots.map(|slot| moment_of(&slot.last_used) <= moment_of(used))))
        });
        by_use
            .or_else(|| only(slots.map(|slot| is_of_then && slot.is_active == is_active)))
            .unwrap_or(Place::Either(row))
    }

    fn add(&mut self, line: &Line<'_>) -> Result<(), NotAReport> {
        let account = line.account()?;
        if *self.account.get_or_insert(account) != account {
            return Err(NotAReport::Accounts(line.number));
        }
        let user = line.cell("user");
        let row = line.row()?;
        self.newest = self.newest.max(line.newest()?);
        let former = if user == ROOT { self.root.replace(row) } else { self.users.insert(user.to_owned(), row) };
        if former.is_some() { Err(NotAReport::Twice(line.number)) } else { Ok(()) }
    }
}

impl Row {
    /// The slot of that number, 1 or 2.
    pub fn slot(&self, number: u8) -> Option<&Slot> {
        self.slots.get(usize::from(number).checked_sub(1)?)
    }

    /// There is a key in one of the slots.
    pub fn has_keys(&self) -> bool {
        self.slots.iter().any(Slot::has_key)
    }

    /// There is an active key in one of the slots.
    pub fn has_active_key(&self) -> bool {
        self.slots.iter().any(|slot| slot.is_active)
    }
}

impl Slot {
    /// There is a key in it.
    pub fn has_key(&self) -> bool {
        self.is_active || self.rotated.is_some()
    }
}

/// Never is before every moment.
fn moment_of(used: &LastUsed) -> Option<i64> {
    match used {
        LastUsed::Never => None,
        LastUsed::At { at, .. } => Some(*at),
    }
}

/// The columns that are read, in the order of AWS.
const COLUMNS: [&str; 17] = [
    "user",
    "arn",
    "user_creation_time",
    "password_enabled",
    "password_last_used",
    "password_last_changed",
    "mfa_active",
    "access_key_1_active",
    "access_key_1_last_rotated",
    "access_key_1_last_used_date",
    "access_key_1_last_used_region",
    "access_key_1_last_used_service",
    "access_key_2_active",
    "access_key_2_last_rotated",
    "access_key_2_last_used_date",
    "access_key_2_last_used_region",
    "access_key_2_last_used_service",
];
/// Those of a slot.
const SLOTS: [[&str; 5]; 2] = [
    [COLUMNS[7], COLUMNS[8], COLUMNS[9], COLUMNS[10], COLUMNS[11]],
    [COLUMNS[12], COLUMNS[13], COLUMNS[14], COLUMNS[15], COLUMNS[16]],
];
/// Those with the date of something that has been.
const DATES: [&str; 7] = [COLUMNS[2], COLUMNS[4], COLUMNS[5], COLUMNS[8], COLUMNS[9], COLUMNS[13], COLUMNS[14]];

/// Where the columns stand: AWS adds some in time.
struct Columns {
    places: [usize; COLUMNS.len()],
    count: usize,
}

impl Columns {
    fn of(header: &StringRecord) -> Result<Self, NotAReport> {
        let mut places = [0; COLUMNS.len()];
        for (place, name) in places.iter_mut().zip(COLUMNS) {
            *place = header.iter().position(|cell| cell.trim() == name).ok_or(NotAReport::Column(name))?;
        }
        Ok(Self { places, count: header.len() })
    }
}

/// A row as it stands there.
struct Line<'a> {
    columns: &'a Columns,
    record: &'a StringRecord,
    number: u64,
}

impl<'a> Line<'a> {
    fn new(columns: &'a Columns, record: &'a StringRecord) -> Result<Self, NotAReport> {
        let line = record.position().map_or(0, csv::Position::line);
        if record.len() != columns.count {
            return Err(NotAReport::Fields { line, fields: record.len(), columns: columns.count });
        }
        Ok(Self { columns, record, number: line })
    }

    fn cell(&self, column: &str) -> &'a str {
        let place = COLUMNS.iter().position(|name| *name == column).map(|index| self.columns.places[index]);
        place.and_then(|place| self.record.get(place)).unwrap_or_default()
    }

    fn wrong(&self, column: &'static str, wanted: &'static str) -> NotAReport {
        NotAReport::Cell { line: self.number, column, wanted }
    }

    fn account(&self) -> Result<AccountId, NotAReport> {
        let parts: Vec<&str> = self.cell("arn").splitn(6, ':').collect();
        match parts[..] {
            ["arn", _, "iam", _, account, _] => AccountId::parse(account).ok(),
            _ => None,
        }
        .ok_or_else(|| self.wrong("arn", "the ARN of a user"))
    }

    fn row(&self) -> Result<Row, NotAReport> {
        let [first, second] = SLOTS;
        let slots = [self.slot(first)?, self.slot(second)?];
        Ok(Row { has_password: self.yes("password_enabled")?, mfa: self.yes("mfa_active")?, slots })
    }

    fn slot(&self, [active, rotated, date, region, service]: [&'static str; 5]) -> Result<Slot, NotAReport> {
        let name = |column| Some(self.cell(column)).filter(|text| !NO_DATE.contains(text)).map(str::to_owned);
        let last_used = match self.date(date)? {
            Some(at) => LastUsed::At { at, service: name(service), region: name(region) },
            None => LastUsed::Never,
        };
        Ok(Slot { is_active: self.yes(active)?.unwrap_or(false), rotated: self.date(rotated)?, last_used })
    }

    /// `None` for what is not told.
    fn yes(&self, column: &'static str) -> Result<Option<bool>, NotAReport> {
        match self.cell(column).to_ascii_lowercase().as_str() {
            "true" => Ok(Some(true)),
            "false" => Ok(Some(false)),
            "not_supported" | "n/a" => Ok(None),
            _ => Err(self.wrong(column, "true or false")),
        }
    }

    fn date(&self, column: &'static str) -> Result<Option<i64>, NotAReport> {
        match self.cell(column) {
            none if NO_DATE.contains(&none) => Ok(None),
            text => moment::parse(text).map(Some).ok_or_else(|| self.wrong(column, "a date as AWS writes it, or N/A")),
        }
    }

    fn newest(&self) -> Result<Option<i64>, NotAReport> {
        DATES.iter().try_fold(None, |newest: Option<i64>, column| Ok(newest.max(self.date(column)?)))
    }
}

#[cfg(test)]
mod tests;
