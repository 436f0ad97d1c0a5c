//! Numbers as people read them.

/// A number of things: `1 blob`, `2,000 blobs`.
pub fn plural(count: u64, noun: &str) -> String {
    let end = if count == 1 { "" } else { "s" };
    format!("{} {noun}{end}", grouped(count))
}

/// Digits in groups of three.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes in decimal units (ISO 80000): `999 B`, `5.7 GB`.
pub(super) fn size(bytes: u64) -> String {
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut amount = bytes as f64;
    let mut unit = "B";
    for next in ["kB", "MB", "GB", "TB", "PB", "EB"] {
        // What would round to 1000.0 is told in the next unit.
        if amount < 999.95 {
            break;
        }
        amount /= 1000.0;
        unit = next;
    }
    format!("{amount:.1} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_stand_in_groups_of_three() {
        let told = [0, 12, 999, 1000, 12_345, 1_234_567].map(grouped);
        assert_eq!(told, ["0", "12", "999", "1,000", "12,345", "1,234,567"]);
    }

    #[test]
    fn one_is_singular() {
        assert_eq!(plural(1, "blob"), "1 blob");
        assert_eq!(plural(0, "blob"), "0 blobs");
        assert_eq!(plural(1234, "blob"), "1,234 blobs");
    }

    #[test]
    fn sizes_have_decimal_units_and_never_four_digits() {
        let told = [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (999_949, "999.9 kB"),
            (999_950, "1.0 MB"),
            (5_712_345_678, "5.7 GB"),
            (u64::MAX, "18.4 EB"),
        ];
        for (bytes, text) in told {
            assert_eq!(size(bytes), text);
        }
    }
}
