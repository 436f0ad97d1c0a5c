//! What reading one repository may cost, however it was made.

/// Bounds of memory and work.
///
/// All packs together need about 60 bytes for each entry. Besides, a walk holds [`Limits::held`] bytes of bases, each thread six times
/// [`Limits::large`] (a base and an object, what is remembered of either, the delta between them, and what the one has of the other),
/// and one thread at a time as many times [`Limits::largest`] instead. What scanning an object takes comes on top.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Larger objects are not made out of deltas, in bytes. Git itself makes no deltas of what is larger (`core.bigFileThreshold`).
    pub largest: u64,
    /// Objects that stand whole and are larger than this are handed out as streams; those that are made of others are made one at a
    /// time.
    pub large: u64,
    /// Bytes of bases that are kept for what is still to be made of them; what was let go is made again.
    pub held: usize,
    /// Bytes of objects that are decoded in all, beside 4096 for each byte of a pack. Few bytes of a pack can stand for
    /// millions of large objects; what is beyond the limit is told as unread.
    pub work: u64,
    /// Objects that are told by their ids when they can't be read; of more the number is told.
    pub told: usize,
}

/// So many bytes come of one byte of a pack without being held against it. Deflate alone makes 1032 bytes of one.
pub(super) const PER_BYTE: u64 = 4096;

impl Default for Limits {
    fn default() -> Self {
        Self { largest: 512 << 20, large: 64 << 20, held: 256 << 20, work: 4 << 40, told: 10_000 }
    }
}
