//! Any bytes as a journal, and as the lines behind a good first one: nothing panics, and what is read is about steps that the plan has.
#![no_main]

use keysweep::response::journal;
use libfuzzer_sys::fuzz_target;

const PLAN: &[u8] = br#"{"type":"plan","schema":"keysweep-journal/v1","code":"K7Q2MX","caller":"a","account":"111122223333","version":"0","started":"2026-11-30T16:18:01Z","undoes":null,"steps":[{"account":"111122223333","user":"ada","kind":"service_credential","id":"ACCA1","from":"on","to":"off"}]}
"#;

fn read(bytes: &[u8]) {
    match journal::parse(bytes) {
        Ok(record) => {
            assert_eq!(record.states.len(), record.header.changes.len());
            assert!(record.torn < bytes.len() && record.left().iter().all(|&seq| seq < record.states.len()));
        }
        Err(bad) => assert!(bad.line > 0 && !bad.why.is_empty()),
    }
}

fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    read(&[PLAN, bytes].concat());
});
