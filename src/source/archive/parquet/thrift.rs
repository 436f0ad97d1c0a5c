//! As much of Thrift's compact protocol as it takes to see what a footer and the header of a page say of themselves before they are decoded:
//! the decoder believes them. <https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>

/// Structures nest no deeper.
const DEPTH: usize = 32;

/// Why something is no Thrift.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bad {
    /// It goes on beyond the end of the bytes.
    Short,
    /// It is something else.
    Wrong,
}

/// What the header of a page says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PageHeader {
    /// Bytes of the header itself.
    pub(super) length: usize,
    /// 0 and 3 for data, 1 for an index, 2 for a dictionary.
    pub(super) kind: i64,
    /// Bytes of the page when expanded,
    pub(super) unpacked: usize,
    /// and as it stands there.
    pub(super) packed: usize,
    /// So many of these stand before what is compressed, as they are: `None` where all of them do.
    pub(super) plain: Option<usize>,
}

/// Reads the header with which `bytes` begin.
pub(super) fn page_header(bytes: &[u8]) -> Result<PageHeader, Bad> {
    let mut input = Compact { rest: bytes };
    let mut told = [None; 3];
    let mut plain = Some(0);
    let mut last = 0;
    while let Some((id, kind)) = input.field(&mut last)? {
        match (id, kind) {
            (1..=3, Kind::NUMBER) => told[id as usize - 1] = Some(input.zigzag()?),
            (8, Kind::STRUCT) => plain = input.levels()?,
            _ => input.skip(kind, DEPTH)?,
        }
    }
    let size = |size: Option<i64>| size.and_then(|size| usize::try_from(size).ok()).ok_or(Bad::Wrong);
    let [kind, unpacked, packed] = told;
    let length = bytes.len() - input.rest.len();
    Ok(PageHeader { length, kind: kind.ok_or(Bad::Wrong)?, unpacked: size(unpacked)?, packed: size(packed)?, plain })
}

/// Looks at what a footer says of its schema: it must not be nested deeper than `depth`, and have as many children as it says.
pub(super) fn check_footer(bytes: &[u8], depth: usize) -> Result<(), String> {
    let mut input = Compact { rest: bytes };
    let damaged = |_: Bad| "it is damaged".to_owned();
    let mut last = 0;
    while let Some((id, kind)) = input.field(&mut last).map_err(damaged)? {
        if (id, kind) != (2, Kind::LIST) {
            input.skip(kind, DEPTH).map_err(damaged)?;
            continue;
        }
        let (count, kind) = input.list().map_err(damaged)?;
        // Of each group that is open, how many of its children are yet to come.
        let mut open: Vec<u64> = Vec::new();
        for _ in 0..count {
            if kind != Kind::STRUCT {
                return Err("it is damaged".to_owned());
            }
            let children = input.children().map_err(damaged)?;
            if children > count {
                return Err("its schema has less in it than it says".to_owned());
            }
            if let Some(left) = open.last_mut() {
                *left = left.saturating_sub(1);
            }
            open.push(children);
            if open.len() > depth {
                return Err(format!("its schema is nested more than {depth} deep: flatten the table and scan that"));
            }
            while open.last() == Some(&0) {
                open.pop();
            }
        }
    }
    Ok(())
}

/// Types of fields and elements.
struct Kind;

impl Kind {
    const STOP: u8 = 0;
    const TRUE: u8 = 1;
    const FALSE: u8 = 2;
    const BYTE: u8 = 3;
    const SHORT: u8 = 4;
    const NUMBER: u8 = 5;
    const LONG: u8 = 6;
    const DOUBLE: u8 = 7;
    const BINARY: u8 = 8;
    const LIST: u8 = 9;
    const SET: u8 = 10;
    const MAP: u8 = 11;
    const STRUCT: u8 = 12;
    const UUID: u8 = 13;
}

struct Compact<'a> {
    rest: &'a [u8],
}

impl Compact<'_> {
    fn take(&mut self, count: usize) -> Result<&[u8], Bad> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Bad::Short)?;
        self.rest = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Bad> {
        Ok(self.take(1)?[0])
    }

    fn varint(&mut self) -> Result<u64, Bad> {
        let mut value = 0_u64;
        for shift in (0..70).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Bad::Wrong)
    }

    fn zigzag(&mut self) -> Result<i64, Bad> {
        let value = self.varint()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    /// The id and type of the next field; `None` at the end of the structure.
    fn field(&mut self, last: &mut i64) -> Result<Option<(i64, u8)>, Bad> {
        let byte = self.byte()?;
        let kind = byte & 0x0f;
        if kind == Kind::STOP {
            return Ok(None);
        }
        *last = match byte >> 4 {
            0 => self.zigzag()?,
            more => last.checked_add(i64::from(more)).ok_or(Bad::Wrong)?,
        };
        Ok(Some((*last, kind)))
    }

    /// How many elements there are, and of which type.
    fn list(&mut self) -> Result<(u64, u8), Bad> {
        let byte = self.byte()?;
        let count = match byte >> 4 {
            15 => self.varint()?,
            few => u64::from(few),
        };
        // Each takes a byte at least.
        if count > self.rest.len() as u64 { Err(Bad::Short) } else { Ok((count, byte & 0x0f)) }
    }

    /// Passes over an element of a schema, and tells how many children it says to have.
    fn children(&mut self) -> Result<u64, Bad> {
        let (mut last, mut children) = (0, 0);
        while let Some((id, kind)) = self.field(&mut last)? {
            match (id, kind) {
                (5, Kind::NUMBER) => children = u64::try_from(self.zigzag()?).map_err(|_| Bad::Wrong)?,
                _ => self.skip(kind, DEPTH)?,
            }
        }
        Ok(children)
    }

    /// Passes over the header of a page of version 2, and tells how many bytes its levels have, which are not compressed; `None` where
    /// nothing of it is.
    fn levels(&mut self) -> Result<Option<usize>, Bad> {
        let (mut last, mut levels) = (0, Some(0_usize));
        while let Some((id, kind)) = self.field(&mut last)? {
            match (id, kind) {
                (5 | 6, Kind::NUMBER) => {
                    let more = usize::try_from(self.zigzag()?).map_err(|_| Bad::Wrong)?;
                    levels = levels.map(|levels| levels.saturating_add(more));
                }
                (7, Kind::FALSE) => levels = None,
                _ => self.skip(kind, DEPTH)?,
            }
        }
        Ok(levels)
    }

    fn skip(&mut self, kind: u8, depth: usize) -> Result<(), Bad> {
        let deeper = depth.checked_sub(1).ok_or(Bad::Wrong)?;
        match kind {
            Kind::TRUE | Kind::FALSE => {}
            Kind::BYTE => drop(self.byte()?),
            Kind::SHORT | Kind::NUMBER | Kind::LONG => drop(self.varint()?),
            Kind::DOUBLE => drop(self.take(8)?),
            Kind::UUID => drop(self.take(16)?),
            Kind::BINARY => {
                let length = usize::try_from(self.varint()?).map_err(|_| Bad::Wrong)?;
                self.take(length)?;
            }
            Kind::LIST | Kind::SET => {
                let (count, kind) = self.list()?;
                (0..count).try_for_each(|_| self.element(kind, deeper))?;
            }
            Kind::MAP => {
                let count = self.varint()?;
                let kinds = if count > 0 { self.byte()? } else { 0 };
                if count > self.rest.len() as u64 {
                    return Err(Bad::Short);
                }
                for _ in 0..count {
                    self.element(kinds >> 4, deeper)?;
                    self.element(kinds & 0x0f, deeper)?;
                }
            }
            Kind::STRUCT => {
                let mut last = 0;
                while let Some((_, kind)) = self.field(&mut last)? {
                    self.skip(kind, deeper)?;
                }
            }
            _ => return Err(Bad::Wrong),
        }
        Ok(())
    }

    /// In a list, truth values have a byte of their own.
    fn element(&mut self, kind: u8, depth: usize) -> Result<(), Bad> {
        self.skip(if kind == Kind::TRUE || kind == Kind::FALSE { Kind::BYTE } else { kind }, depth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sizes_of_a_page_are_read() {
        // Fields 1 to 3 as numbers, and a structure with a list, a map, truth values and text in it.
        let header =
            [0x15, 4, 0x15, 0xc8, 1, 0x15, 20, 0x2c, 0x11, 0x12, 0x18, 2, b'a', b'b', 0x19, 0x25, 2, 4, 0, 0, 9, 9];
        let told = PageHeader { length: 20, kind: 2, unpacked: 100, packed: 10, plain: Some(0) };
        assert_eq!(page_header(&header), Ok(told));
        for end in 0..20 {
            assert_eq!(page_header(&header[..end]), Err(Bad::Short), "{end}");
        }
    }

    #[test]
    fn what_is_compressed_of_a_page_is_told() {
        // Field 8, of which 5 and 6 are the bytes of levels, and 7 says whether the rest is compressed.
        for (truth, plain) in [(0x11, Some(5)), (0x12, None)] {
            let header = [0x15, 6, 0x15, 20, 0x15, 20, 0x5c, 0x55, 4, 0x15, 6, truth, 0, 0];
            assert_eq!(page_header(&header).map(|header| header.plain), Ok(plain));
        }
    }

    #[test]
    fn what_is_no_header_is_wrong() {
        // Nothing in it; sizes below zero; a type that there is not; one within the other without end.
        for bytes in [&[0][..], &[0x15, 0, 0x15, 1, 0x15, 0, 0], &[0x1e], &[0x1c; 100], &[0x15; 3]] {
            assert!(matches!(page_header(bytes), Err(Bad::Wrong | Bad::Short)), "{bytes:?}");
        }
        // Text of any length does not take more than there is.
        assert_eq!(page_header(&[0x18, 0xff, 0xff, 0xff, 0xff, 0x7f]), Err(Bad::Short));
    }

    /// A footer with these numbers of children.
    fn footer(children: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x15, 2, 0x19, 0xfc, children.len() as u8];
        children.iter().for_each(|count| bytes.extend_from_slice(&[0x48, 1, b'a', 0x15, count * 2, 0]));
        bytes.push(0);
        bytes
    }

    #[test]
    fn a_schema_is_as_deep_as_it_is() {
        assert_eq!(check_footer(&footer(&[2, 1, 0, 2, 0, 0]), 3), Ok(()));
        assert!(check_footer(&footer(&[2, 1, 0, 2, 0, 0]), 2).unwrap_err().contains("more than 2 deep"));
        assert!(check_footer(&footer(&[1; 100]), 64).unwrap_err().contains("more than 64 deep"));
        assert!(check_footer(&footer(&[60, 0]), 64).unwrap_err().contains("less in it"));
        assert!(check_footer(&footer(&[0])[..5], 64).unwrap_err().contains("damaged"));
    }
}
