//! Deltas: how a pack writes an object as pieces of another one.
//! <https://git-scm.com/docs/gitformat-pack#_deltified_representation>

use crate::location::Copied;

/// Why a delta could not be applied; always means a damaged or hostile pack.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum DeltaError {
    /// The instructions end in the middle of one, or use the reserved one.
    #[error("its delta is cut short or malformed")]
    Malformed,
    /// It was made for a base of another size, or reads beyond it.
    #[error("its delta does not fit its base")]
    WrongBase,
    /// The instructions give more or fewer bytes than the delta says.
    #[error("its delta gives another size than it says")]
    WrongSize,
}

/// One step of a delta.
enum Step<'a> {
    Copy { from: usize, len: usize },
    Insert(&'a [u8]),
}

/// The size of the object that the delta makes, or `None` when it is too short to say.
pub(super) fn result_size(delta: &[u8]) -> Option<u64> {
    let mut rest = delta;
    size(&mut rest)?;
    size(&mut rest)
}

/// For what is larger, memory is got only when the instructions are known to give so much.
const LARGE: usize = 1 << 20;
/// Shorter pieces are not told as taken over: so what is told never takes more memory than the object.
const SHORT: usize = size_of::<Copied>();

/// Makes the object out of its base. `out` is overwritten; it grows only to the size that the instructions really give. So is
/// `copies`: what was taken from the base, in order, each as long as it can be, but for short pieces.
///
/// # Errors
/// See [`DeltaError`]; `out` is then of no use.
pub(super) fn apply(base: &[u8], delta: &[u8], out: &mut Vec<u8>, copies: &mut Vec<Copied>) -> Result<(), DeltaError> {
    out.clear();
    copies.clear();
    let mut rest = delta;
    let base_size = size(&mut rest).ok_or(DeltaError::Malformed)?;
    let result_size = size(&mut rest).ok_or(DeltaError::Malformed)?;
    if base_size != base.len() as u64 {
        return Err(DeltaError::WrongBase);
    }
    let mut remaining = usize::try_from(result_size).map_err(|_| DeltaError::WrongSize)?;
    if out.capacity() < remaining && remaining > LARGE {
        check(rest, result_size)?;
        out.reserve_exact(remaining);
    }
    while !rest.is_empty() {
        let piece = match step(&mut rest).ok_or(DeltaError::Malformed)? {
            Step::Insert(bytes) => bytes,
            Step::Copy { from, len } => {
                let end = from.checked_add(len).ok_or(DeltaError::WrongBase)?;
                let piece = base.get(from..end).ok_or(DeltaError::WrongBase)?;
                match copies.last_mut() {
                    Some(last) if last.from + last.len == from && last.to + last.len == out.len() => last.len += len,
                    last => {
                        let is_short = last.is_some_and(|last| last.len < SHORT);
                        copies.truncate(copies.len() - usize::from(is_short));
                        copies.push(Copied { from, to: out.len(), len });
                    }
                }
                piece
            }
        };
        remaining = remaining.checked_sub(piece.len()).ok_or(DeltaError::WrongSize)?;
        out.extend_from_slice(piece);
    }
    if copies.last().is_some_and(|last| last.len < SHORT) {
        copies.pop();
    }
    if remaining == 0 { Ok(()) } else { Err(DeltaError::WrongSize) }
}

/// Whether the instructions give as many bytes as they should, before memory is spent on them.
fn check(mut rest: &[u8], result_size: u64) -> Result<(), DeltaError> {
    let mut size = 0u64;
    while !rest.is_empty() {
        size += match step(&mut rest).ok_or(DeltaError::Malformed)? {
            Step::Insert(bytes) => bytes.len() as u64,
            Step::Copy { len, .. } => len as u64,
        };
    }
    if size == result_size { Ok(()) } else { Err(DeltaError::WrongSize) }
}

/// Seven bits a byte, lowest first.
fn size(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = take(rest)?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn step<'a>(rest: &mut &'a [u8]) -> Option<Step<'a>> {
    let op = take(rest)?;
    if op & 0x80 == 0 {
        let (bytes, after) = rest.split_at_checked(usize::from(op))?;
        *rest = after;
        return (op != 0).then_some(Step::Insert(bytes));
    }
    let mut number = |bits: std::ops::Range<u32>| {
        let mut value = 0usize;
        for (place, bit) in bits.enumerate() {
            if op & 1 << bit != 0 {
                value |= usize::from(take(rest)?) << (8 * place);
            }
        }
        Some(value)
    };
    let from = number(0..4)?;
    let len = number(4..7)?;
    Some(Step::Copy { from, len: if len == 0 { 0x10000 } else { len } })
}

fn take(rest: &mut &[u8]) -> Option<u8> {
    let (&first, after) = rest.split_first()?;
    *rest = after;
    Some(first)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn applied(base: &[u8], delta: &[u8]) -> Result<Vec<u8>, DeltaError> {
        let mut out = Vec::new();
        apply(base, delta, &mut out, &mut Vec::new()).map(|()| out)
    }

    #[test]
    fn copies_and_inserts() {
        let delta = [&[6, 9, 0x91, 2, 3, 3][..], b"xyz", &[0x90, 3]].concat();
        assert_eq!(result_size(&delta), Some(9));
        assert_eq!(applied(b"abcdef", &delta).unwrap(), b"cdexyzabc");
    }

    #[test]
    fn a_copy_of_length_zero_means_64_kib() {
        let base = vec![b'a'; 0x10000];
        let delta = [0x80, 0x80, 0x04, 0x80, 0x80, 0x04, 0x80];
        assert_eq!(applied(&base, &delta).unwrap().len(), 0x10000);
    }

    #[test]
    fn damage_is_named() {
        assert_eq!(applied(b"abc", &[3]), Err(DeltaError::Malformed));
        assert_eq!(applied(b"abc", &[3, 1, 0]), Err(DeltaError::Malformed));
        assert_eq!(applied(b"abc", &[4, 1, 1, b'x']), Err(DeltaError::WrongBase));
        assert_eq!(applied(b"abc", &[3, 4, 0x90, 4]), Err(DeltaError::WrongBase));
        assert_eq!(applied(b"abc", &[3, 2, 1, b'x']), Err(DeltaError::WrongSize));
        assert_eq!(applied(b"abc", &[3, 0, 1, b'x']), Err(DeltaError::WrongSize));
        assert_eq!(applied(b"abc", &[0xff; 12]), Err(DeltaError::Malformed));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(base in proptest::collection::vec(any::<u8>(), 0..64),
                                       delta in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = applied(&base, &delta);
        }
    }
}
