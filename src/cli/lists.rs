//! Lists that are given by file: read whole, as text in whatever encoding a shell wrote it.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, Result};

/// All of a file, or of standard input for `-`, as text. `what` is what it should hold, for the error.
pub(super) fn read(file: &Path, what: &str) -> Result<String> {
    let bytes = if file == Path::new("-") {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        fs::read(file)
    };
    let bytes = bytes.with_context(|| format!("reading {what} from {} failed", name(file)))?;
    Ok(text(&bytes))
}

/// A line of a list without what is said of it behind a `#`.
pub(super) fn without_comment(line: &str) -> &str {
    line.split('#').next().unwrap_or_default().trim()
}

/// As errors call the file.
pub(super) fn name(file: &Path) -> String {
    if file == Path::new("-") { "standard input".to_owned() } else { file.display().to_string() }
}

/// PowerShell writes UTF-16, spreadsheets a byte order mark before UTF-8. Bytes that are no text become `U+FFFD`, which no list
/// has a use for, so that the line they stand on is refused as any other wrong one.
pub(super) fn text(bytes: &[u8]) -> String {
    let wide = |bytes: &[u8], read: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| read([pair[0], pair[1]])).collect();
        String::from_utf16_lossy(&units)
    };
    match bytes {
        [0xFF, 0xFE, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => wide(rest, u16::from_be_bytes),
        [0xEF, 0xBB, 0xBF, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_s_text_is_read() {
        let wide = |order: fn(u16) -> [u8; 2]| "\u{FEFF}a\r\n".encode_utf16().flat_map(order).collect::<Vec<u8>>();
        for bytes in [wide(u16::to_le_bytes), wide(u16::to_be_bytes), b"\xEF\xBB\xBFa\r\n".to_vec(), b"a\r\n".to_vec()]
        {
            assert_eq!(text(&bytes), "a\r\n");
        }
        assert_eq!(text(b"a\xFF"), "a\u{FFFD}");
    }
}
