//! Rules files of anybody: none makes the reader panic, and what it accepts can be scanned with.
#![no_main]

use keysweep::engine::Scanner;
use keysweep::engine::rule::RuleSet;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(rules) = RuleSet::parse("fuzz.toml", text) {
        let scanner = Scanner::new(rules);
        assert_eq!(scanner.scan(text.as_bytes()), scanner.scan_slowly(text.as_bytes()));
    }
});
