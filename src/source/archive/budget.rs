//! When it is enough: how much may come out of an archive, and who says so when it was too much or broke.

use std::cell::Cell;
use std::io::{self, Read};

/// Any archive may expand to this many bytes,
const BASE: u64 = 256 << 20;
/// and for each byte of its own to this many more.
const RATIO: u64 = 100;
/// All in all it may have this many members.
const MEMBERS: u64 = 1_000_000;

/// Bytes and members that may still come out of one outermost archive and everything nested in it.
///
/// It also remembers that something broke, so that what only follows from that is not reported on its own.
#[derive(Debug)]
pub struct Budget {
    /// Bytes that may come out in all.
    limit: Cell<u64>,
    used: Cell<u64>,
    members: Cell<u64>,
    excess: Cell<Option<Excess>>,
    depth: Cell<u32>,
    /// What is being read broke, and whoever noticed has yet to say so.
    broken: Cell<bool>,
}

#[derive(Clone, Copy, Debug)]
enum Excess {
    Bytes,
    Members,
}

impl Budget {
    /// What an archive of `size` bytes may expand to. A stream, whose size is not known, is one of 0 bytes that earns the
    /// rest while it is read.
    pub fn for_archive(size: u64) -> Self {
        Self::of(BASE.saturating_add(size.saturating_mul(RATIO)), MEMBERS)
    }

    pub(super) fn of(bytes: u64, members: u64) -> Self {
        Self {
            limit: Cell::new(bytes),
            used: Cell::new(0),
            members: Cell::new(members),
            excess: Cell::new(None),
            depth: Cell::new(0),
            broken: Cell::new(false),
        }
    }

    /// How many archives are being expanded, each a member of the one before.
    pub fn depth(&self) -> u32 {
        self.depth.get()
    }

    /// Begins with one more archive; whether it is the outermost one.
    pub(super) fn enter(&self) -> bool {
        self.depth.replace(self.depth.get() + 1) == 0
    }

    /// Is done with the archive that was begun last.
    pub(super) fn leave(&self) {
        self.depth.set(self.depth.get() - 1);
    }

    /// Why nothing more may come out, once that is so.
    pub(super) fn spent(&self) -> Option<String> {
        let much = match self.excess.get()? {
            Excess::Bytes => format!("expands to more than {} bytes", self.limit.get()),
            Excess::Members => format!("holds more than {MEMBERS} members"),
        };
        Some(format!(
            "{much}: looks like a zip bomb; what came before was scanned, the rest was not: unpack it with care and scan that"
        ))
    }

    /// Whether nothing more may come out.
    pub(super) fn is_spent(&self) -> bool {
        self.excess.get().is_some()
    }

    /// Whether nothing more can come out of what is being read, for whatever reason.
    pub(super) fn is_over(&self) -> bool {
        self.is_spent() || self.broken.get()
    }

    /// Takes the cost of one member; whether there may be another.
    pub(super) fn admit(&self) -> bool {
        match self.members.get().checked_sub(1) {
            Some(left) => self.members.set(left),
            None => self.excess.set(Some(Excess::Members)),
        }
        !self.is_spent()
    }

    /// Takes the cost of `bytes`; how many of them may come out.
    pub(super) fn spend(&self, bytes: u64) -> u64 {
        let granted = bytes.min(self.left());
        self.used.set(self.used.get() + granted);
        if granted < bytes {
            self.excess.set(Some(Excess::Bytes));
        }
        granted
    }

    fn left(&self) -> u64 {
        self.limit.get() - self.used.get()
    }
}

/// What reading a byte through a [`Tap`] does to the budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Charge {
    /// The byte was counted already, or has not come out of an archive.
    Nothing,
    /// The byte comes out of an archive.
    Spend,
    /// The byte belongs to an outermost archive whose size was not known before.
    Earn,
}

/// Why a layer broke off.
pub(super) type Fault = io::Error;

/// A reader that never fails: when what it reads does, or the budget is spent, it ends, and keeps the fault for its owner.
pub(super) struct Tap<'a, R> {
    inner: R,
    budget: &'a Budget,
    charge: Charge,
    passed: u64,
    ended: bool,
    fault: Option<Fault>,
}

impl<'a, R: Read> Tap<'a, R> {
    pub(super) fn new(inner: R, budget: &'a Budget, charge: Charge) -> Self {
        Self {
            inner,
            budget,
            charge,
            passed: 0,
            ended: false,
            fault: None,
        }
    }

    /// What broke it off, unless that only follows from a fault in a layer below. From here on things are in order again.
    pub(super) fn fault(self) -> Option<Fault> {
        if self.fault.is_some() {
            self.budget.broken.set(false);
        }
        self.fault
    }

    /// How many bytes to ask for at once.
    fn room(&self) -> u64 {
        match self.charge {
            Charge::Nothing | Charge::Earn => u64::MAX,
            // A decoder that fails keeps what it decoded in that same call, so calls begin small and grow with what came.
            // One byte more than is left tells a stream that ends just there from one that goes on.
            Charge::Spend => (self.passed / 16)
                .clamp(256, 64 << 10)
                .min(self.budget.left().saturating_add(1)),
        }
    }

    fn take_note(&mut self, read: usize) -> usize {
        self.ended = read == 0;
        self.passed += read as u64;
        match self.charge {
            Charge::Nothing => read,
            Charge::Spend => self.budget.spend(read as u64) as usize,
            Charge::Earn => {
                let earned = RATIO.saturating_mul(read as u64);
                let limit = self.budget.limit.get().saturating_add(earned);
                self.budget.limit.set(limit);
                read
            }
        }
    }

    fn break_off(&mut self, error: io::Error) {
        self.ended = true;
        if !self.budget.broken.replace(true) {
            self.fault = Some(plainly(error));
        }
    }
}

impl<R: Read> Read for Tap<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() || self.ended || self.budget.is_spent() {
            return Ok(0);
        }
        let room = usize::try_from(self.room()).unwrap_or(usize::MAX);
        let room = room.min(buffer.len());
        loop {
            match self.inner.read(&mut buffer[..room]) {
                Ok(read) => return Ok(self.take_note(read)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.break_off(error);
                    return Ok(0);
                }
            }
        }
    }
}

/// Our words for what decoders were told to refuse.
fn plainly(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::OutOfMemory => io::Error::other(super::too_much_memory()),
        _ => error,
    }
}
