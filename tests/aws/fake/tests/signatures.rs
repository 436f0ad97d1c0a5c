//! Who is let in.

use super::super::{Fake, id_of};
use super::{ACCOUNT, Client, refused, text};

#[test]
fn only_active_keys_with_their_secret_are_let_in() {
    let fake = Fake::new(ACCOUNT);
    let client = Client::new(&fake);
    let (status, body) = client.call("GetCallerIdentity", &[]);
    assert_eq!((status, text(&body, "Account")), (200, ACCOUNT));
    let invalid = (403, "InvalidClientTokenId", "The security token included in the request is invalid.");
    let unknown = Client::with(&fake, &id_of("AKIA", ACCOUNT, 9), "secret");
    assert_eq!(refused(&unknown.call("GetCallerIdentity", &[])), invalid);
    let (id, secret) = &fake.caller;
    fake.world(|world| world.account(ACCOUNT).keys.get_mut(id).unwrap().status("Inactive").user.clone());
    assert_eq!(refused(&client.call("GetCallerIdentity", &[])), invalid);
    assert_eq!(refused(&client.call("ListUsers", &[])), invalid);
    fake.world(|world| world.account(ACCOUNT).keys.get_mut(id).unwrap().status("Active").user.clone());
    assert_eq!(refused(&Client::with(&fake, id, "wrong").call("GetCallerIdentity", &[])).1, "SignatureDoesNotMatch");
    // For a while not even the right one.
    assert_eq!(refused(&Client::with(&fake, id, secret).call("GetCallerIdentity", &[])), invalid);
}

#[test]
fn a_clock_may_be_five_minutes_wrong() {
    let fake = Fake::new(ACCOUNT);
    let mut client = Client::new(&fake);
    for (ahead, message) in
        [(-200, None), (-400, Some("Signature expired: ")), (400, Some("Signature not yet current: "))]
    {
        client.clock_ahead = ahead;
        let answered = client.call("GetCallerIdentity", &[]);
        match message {
            None => assert_eq!(answered.0, 200, "{ahead}"),
            Some(message) => {
                let (status, code, why) = refused(&answered);
                assert_eq!((status, code), (403, "SignatureDoesNotMatch"));
                assert!(why.starts_with(message), "{why}");
            }
        }
    }
    // As when it is this machine's clock that is wrong.
    fake.world(|world| world.clock_ahead = 400);
    assert_eq!(client.call("GetCallerIdentity", &[]).0, 200);
}

#[test]
fn the_log_knows_who_signed_and_what_was_asked() {
    let fake = Fake::new(ACCOUNT);
    let client = Client::new(&fake);
    client.call("ListAccessKeys", &[("UserName", "nobody")]);
    let log = fake.log();
    assert_eq!((log.count("ListAccessKeys"), log.counts()["iam:ListAccessKeys"]), (1, 1));
    let call = &log.0[0];
    assert_eq!(
        (call.signer.as_ref(), call.status, call.parameter("UserName")),
        (Some(&fake.caller.0), 404, Some("nobody"))
    );
    log.expect_no_change().expect_not_signed_with(["AKIA"]).expect_not_asked_about(["somebody"]);
    let fails = |check: &dyn Fn()| std::panic::catch_unwind(std::panic::AssertUnwindSafe(check)).is_err();
    assert!(fails(&|| {
        log.expect_not_signed_with([fake.caller.0.as_str()]);
    }));
    assert!(fails(&|| {
        log.expect_not_asked_about(["nobody"]);
    }));
    client.call("PutUserPolicy", &[("UserName", "nobody"), ("PolicyName", "p"), ("PolicyDocument", "{}")]);
    assert!(fails(&|| {
        fake.log().expect_no_change();
    }));
    fake.forget();
    assert!(fake.log().0.is_empty());
}
