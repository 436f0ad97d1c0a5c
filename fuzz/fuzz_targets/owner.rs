//! Any bytes as the files of the owner's side: a credential report, as they come and behind a true header, a dump of access keys, and a
//! report of keysweep. Nothing panics, no error shows what was read, and every key can be looked up in what came of it.
#![no_main]

use std::collections::BTreeMap;

use keysweep::triage::credential_report::CredentialReport;
use keysweep::triage::files::{Dump, inventories};
use keysweep::triage::inventory::Knowledge;
use keysweep::triage::judge::judge;
use keysweep::triage::lead::{Lead, Name};
use keysweep::triage::{access_keys, credential_report, reported};
use libfuzzer_sys::fuzz_target;

const HEADER: &[u8] = b"user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,mfa_active,\
access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,access_key_1_last_used_region,access_key_1_last_used_service,\
access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date,access_key_2_last_used_region,access_key_2_last_used_service\n";
const NOW: i64 = 1_800_000_000;

fn report(bytes: &[u8]) -> Option<CredentialReport> {
    let report = credential_report::parse(bytes, NOW, true).ok()?;
    assert!(report.account().is_some(), "rows have ARNs");
    assert!(report.made_after().is_none_or(|newest| newest <= report.generated));
    Some(report)
}

fuzz_target!(|data: &[u8]| {
    let reports: Vec<_> = [data, &[HEADER, data].concat()].into_iter().filter_map(report).collect();
    let documents = access_keys::parse(data).unwrap_or_default();
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = reported::parse(text);
    }
    let Ok(accounts) = inventories(reports, vec![Dump { documents, as_of: NOW }]) else {
        return;
    };
    let keys: Vec<_> = accounts.values().flat_map(|inventory| inventory.keys.keys().copied()).collect();
    let inventories: BTreeMap<_, _> = accounts;
    let knowledge = Knowledge { inventories, ..Knowledge::default() };
    for id in keys {
        let lead = Lead { name: Name::AccessKey(id), exposed: Some(NOW) };
        assert!(!judge(&lead, &knowledge, NOW).evidence.is_empty());
    }
});
