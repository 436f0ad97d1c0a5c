//! Any bytes: nothing panics, spans lie within the bytes, and neither the prefilter nor the marks lose anything.
#![no_main]

use std::sync::LazyLock;

use keysweep::engine::Scanner;
use keysweep::engine::rule::RuleSet;
use libfuzzer_sys::fuzz_target;

static SCANNER: LazyLock<Scanner> = LazyLock::new(|| Scanner::new(RuleSet::builtin()));

fuzz_target!(|bytes: &[u8]| {
    let found = SCANNER.scan(bytes);
    assert_eq!(found, SCANNER.scan_slowly(bytes));
    let marks = SCANNER.marks(bytes).expect("no rule looks at all of a text");
    assert_eq!(found, SCANNER.scan_marked(bytes, &marks));
    for found in &found.matches {
        assert!(found.span.start < found.span.end && found.span.end <= bytes.len());
        assert!(found.secrets.iter().all(|s| s.span.start < s.span.end && s.span.end <= bytes.len()));
    }
});
