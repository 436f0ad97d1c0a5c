//! Archives, compressed files and tables in containers: what they hold, member by member, within a budget of bytes.
//!
//! `detect` tells kinds apart by their magic, `zip`, `tar`, `compressed`, `parquet` and `avro` each read one of them, `rows` has what tables
//! have in common, `budget` says when it is enough. A member that is an archive itself is handed out like any other: opening it, and how deep, is the sweep's business.
//! Comments of zips are left to whoever scans the archive's own bytes, in which they stand in the clear.

use std::fmt::Display;
use std::io::{BufReader, Cursor, Read};

use crate::blob::Content;

mod avro;
mod budget;
mod compressed;
mod detect;
mod parquet;
mod rows;
mod tar;
#[cfg(test)]
mod tests;
mod zip;

pub use budget::Budget;
use budget::{Charge, Fault, Tap};
#[cfg(feature = "s3")]
pub(in crate::source) use compressed::window;
pub use detect::{HEAD, Kind, detect};
#[cfg(feature = "s3")]
pub(in crate::source) use parquet::columns;
pub use rows::is_caught;

/// A decoder may hold this many bytes of history, in zstd's and LZMA's own terms a window or a dictionary. The largest presets
/// of both tools stay within it (`zstd --ultra -22`: 128 MiB, `xz -9`: 64 MiB).
const MAX_WINDOW: u64 = 128 << 20;

/// A member about to be read.
pub struct Member<'a> {
    /// Its path inside the archive, raw.
    pub name: &'a [u8],
    /// Its size when expanded, where the archive tells it. It may lie.
    pub size: Option<u64>,
}

/// Something in an archive that could not be read.
#[derive(Debug)]
pub struct Problem {
    /// The member; `None` when it is the archive itself.
    pub member: Option<Vec<u8>>,
    /// Why, and what to try.
    pub why: String,
}

/// Takes members. It need not read them to their end.
pub type Each<'a> = dyn FnMut(Member<'_>, Content<'_>) + 'a;

/// Hands every member to `each`; returns what could not be read.
///
/// `name` is the archive's own path, raw; compressed files that carry no name take theirs from it. `budget` is shared by an
/// outermost archive and everything nested in it, and nesting goes through this function: `each` calls it again.
///
/// The content that `each` gets never fails: damage looks like its end and comes back as a problem, one for each fault
/// however deep it was met. What follows from a fault, such as the members that broke off with it, is not told again.
pub fn expand(kind: Kind, name: &[u8], content: Content<'_>, budget: &Budget, each: &mut Each<'_>) -> Vec<Problem> {
    let outermost = budget.enter();
    let mut expansion = Expansion { budget, each, problems: Vec::new() };
    match (kind, content) {
        (Kind::Zip, Content::Bytes(bytes)) => {
            zip::by_directory(&mut Cursor::new(bytes), &mut expansion);
        }
        (Kind::Zip, Content::Seekable(file)) => zip::by_directory(file, &mut expansion),
        (Kind::Parquet, Content::Bytes(bytes)) => parquet::tables(&mut Cursor::new(bytes), &mut expansion),
        (Kind::Parquet, Content::Seekable(file)) => parquet::tables(file, &mut expansion),
        (_, Content::Bytes(mut bytes)) => {
            expansion.in_order(kind, name, &mut bytes, Charge::Nothing);
        }
        (_, Content::Seekable(file)) => expansion.in_order(kind, name, file, Charge::Nothing),
        (_, Content::Stream(stream)) if outermost => {
            expansion.in_order(kind, name, stream, Charge::Earn);
        }
        (_, Content::Stream(stream)) => {
            expansion.in_order(kind, name, stream, Charge::Nothing);
        }
    }
    let mut problems = expansion.problems;
    budget.leave();
    if let Some(why) = budget.spent().filter(|_| outermost) {
        problems.push(Problem { member: None, why });
    }
    problems
}

/// One archive being expanded.
struct Expansion<'a, 'b> {
    budget: &'a Budget,
    each: &'a mut Each<'b>,
    problems: Vec<Problem>,
}

impl Expansion<'_, '_> {
    /// Reads an archive from its start to its end.
    fn in_order(&mut self, kind: Kind, name: &[u8], stream: &mut dyn Read, charge: Charge) {
        let mut tap = Tap::new(stream, self.budget, charge);
        let mut input = BufReader::with_capacity(64 << 10, &mut tap);
        match kind {
            Kind::Zip => {
                if let Err(why) = zip::in_order(&mut input, self) {
                    self.problem(None, why);
                }
            }
            Kind::Tar => tar::members(&mut input, self),
            Kind::Gzip => compressed::gzip(name, input, self),
            Kind::Zstd => compressed::zstd(name, input, self),
            Kind::Xz => compressed::xz(name, input, self),
            Kind::Bzip2 => compressed::bzip2(name, input, self),
            Kind::Parquet => parquet::held(&mut input, self),
            Kind::Avro => match avro::Records::open(&mut input) {
                Ok(records) => drop(self.table(rows::NAME, records)),
                Err(why) => self.problem(None, failed("reading its header", &why)),
            },
        }
        if let Some(fault) = tap.fault() {
            self.problem(None, failed("reading it", &fault));
        }
    }

    /// Hands out a member; returns what broke it off.
    fn member(&mut self, name: &[u8], size: Option<u64>, reader: &mut dyn Read, charge: Charge) -> Option<Fault> {
        let mut tap = Tap::new(reader, self.budget, charge);
        self.hand_out(name, size, &mut tap);
        tap.fault()
    }

    /// Hands out the rows of a table, and gives it back.
    fn table<T: rows::Table>(&mut self, name: &[u8], table: T) -> T {
        let mut lines = rows::Lines::new(table);
        if self.budget.admit()
            && let Some(fault) = self.member(name, None, &mut lines, Charge::Spend)
        {
            self.problem(None, failed("reading its rows", &fault));
        }
        lines.into_table()
    }

    /// Hands out what comes out of a tap.
    fn hand_out(&mut self, name: &[u8], size: Option<u64>, tap: &mut dyn Read) {
        (self.each)(Member { name, size }, Content::Stream(tap));
    }

    /// Reads on to the end of what was handed out; returns what broke it off.
    fn skip(&mut self, reader: &mut dyn Read) -> Option<Fault> {
        let mut tap = Tap::new(reader, self.budget, Charge::Spend);
        // It can't fail: a tap ends instead.
        let _ = std::io::copy(&mut tap, &mut std::io::sink());
        tap.fault()
    }

    /// Notes what could not be read, unless it only follows from a fault that is noted elsewhere.
    fn problem(&mut self, member: Option<&[u8]>, why: impl Display) {
        if !self.budget.is_over() {
            self.problems.push(Problem { member: member.map(<[u8]>::to_vec), why: why.to_string() });
        }
    }
}

/// What to say of data that came in part.
fn failed(doing: &str, why: &dyn Display) -> String {
    format!("{doing} failed: {why}; what came before was scanned, the rest takes a sound copy")
}

/// What to say of data whose decoder would hold more than [`MAX_WINDOW`].
fn too_much_memory() -> String {
    format!("decoding it may take more than {} MiB of memory: unpack it and scan that", MAX_WINDOW >> 20)
}
