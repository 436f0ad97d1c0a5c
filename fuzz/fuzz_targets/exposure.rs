//! Any text as a bucket policy, as it comes and as a statement for everyone. Nothing panics, and what S3 does not call public is not.
#![no_main]

use keysweep::exposure::{Fact, Facts, judge};
use keysweep::provenance::StoredObject;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (policy, key) = text.split_once('\0').unwrap_or((text, "a"));
    let statement = format!(r#"{{"Statement":{{"Effect":"Allow","Principal":"*",{policy}}}}}"#);
    for policy in [policy, &statement] {
        for is_public in [Fact::Absent, Fact::Known(true), Fact::Known(false)] {
            let is_private = is_public == Fact::Known(false);
            let facts = Facts { policy: Fact::Known(policy.to_owned()), policy_is_public: is_public, ..Facts::default() };
            let exposure = judge("b", &facts);
            let object = StoredObject {
                bucket: "b".into(),
                key: key.into(),
                version_id: None,
                is_latest: true,
                etag: "".into(),
                last_modified: None,
            };
            let of_object = exposure.of_object(&object, Some(&[]));
            assert!(!is_private || !(exposure.public.is_yes() || of_object.is_yes()));
        }
    }
});
