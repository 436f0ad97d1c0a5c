//! What tables have in common: each row is handed out as one line of text, `{"column": "value", …}`, so that what belongs together stands
//! together, and line 3 is row 3. How rows are read is the business of `parquet` and `avro`.

use std::cell::Cell;
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What the rows of a table are called as a member of it.
pub(super) const NAME: &[u8] = b"rows";

/// The text of one row may have this many bytes, and so may whatever a decoder is to hold at once.
pub(super) const MOST: usize = 64 << 20;

/// Rows come out of it until there are none.
pub(super) trait Table {
    /// Writes the next row to `out`, without a line end; `false` when there is none.
    fn row(&mut self, out: &mut Vec<u8>) -> Result<bool, String>;
}

/// The text of a table, read as any other text.
pub(super) struct Lines<T> {
    table: T,
    text: Vec<u8>,
    read: usize,
}

impl<T: Table> Lines<T> {
    pub(super) fn new(table: T) -> Self {
        Self { table, text: Vec::new(), read: 0 }
    }

    pub(super) fn into_table(self) -> T {
        self.table
    }
}

impl<T: Table> Read for Lines<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.read == self.text.len() {
            self.text.clear();
            self.read = 0;
            if !self.table.row(&mut self.text).map_err(io::Error::other)? {
                self.text.clear();
                return Ok(0);
            }
            self.text.push(b'\n');
        }
        let read = (&self.text[self.read..]).read(buffer)?;
        self.read += read;
        Ok(read)
    }
}

/// A value in quotes. Only what would end the value or the line is escaped: bytes that are no text stay as they are, and with them text of
/// other encodings.
pub(super) fn quoted(value: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let mut from = 0;
    for (at, byte) in value.iter().enumerate() {
        let escape = match byte {
            b'"' => br#"\""#,
            b'\\' => br"\\",
            b'\n' => br"\n",
            b'\r' => br"\r",
            _ => continue,
        };
        out.extend_from_slice(&value[from..at]);
        out.extend_from_slice(escape);
        from = at + 1;
    }
    out.extend_from_slice(&value[from..]);
    out.push(b'"');
}

/// `, ` between what stands in brackets.
pub(super) fn separate(is_first: &mut bool, out: &mut Vec<u8>) {
    if !std::mem::replace(is_first, false) {
        out.extend_from_slice(b", ");
    }
}

thread_local! {
    static IS_CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// Whether a panic on this thread is a decoder's and will be caught: it is told as something unread, and nowhere else.
pub fn is_caught() -> bool {
    IS_CAUGHT.get()
}

/// Runs a decoder of somebody else's that may panic on bytes that nobody should have written.
pub(super) fn caught<T>(decode: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    let before = IS_CAUGHT.replace(true);
    // What was being decoded is not looked at again.
    let result = catch_unwind(AssertUnwindSafe(decode));
    IS_CAUGHT.set(before);
    result.unwrap_or_else(|_| Err("it is damaged in a way that its decoder does not expect".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Three(u8);

    impl Table for Three {
        fn row(&mut self, out: &mut Vec<u8>) -> Result<bool, String> {
            self.0 += 1;
            quoted(&[b'0' + self.0], out);
            if self.0 == 9 { Err("broken".to_owned()) } else { Ok(self.0 <= 3) }
        }
    }

    #[test]
    fn each_row_is_a_line() {
        let mut text = String::new();
        Lines::new(Three(0)).read_to_string(&mut text).unwrap();
        assert_eq!(text, "\"1\"\n\"2\"\n\"3\"\n");
        let error = Lines::new(Three(8)).read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "broken");
    }

    #[test]
    fn no_value_ends_its_line_or_its_quotes() {
        let mut out = Vec::new();
        quoted(b"a\"b\\c\nd\re\xff\0", &mut out);
        assert_eq!(out, b"\"a\\\"b\\\\c\\nd\\re\xff\0\"");
    }

    #[test]
    fn a_decoder_that_panics_is_an_error() {
        assert_eq!(caught(|| Ok(1)), Ok(1));
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !is_caught() {
                hook(info);
            }
        }));
        let refused = caught(|| -> Result<(), String> { panic!("index out of bounds") }).unwrap_err();
        assert!(refused.contains("damaged") && !is_caught(), "{refused}");
    }
}
