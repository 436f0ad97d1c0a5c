//! What goes wrong goes wrong as told.

use std::net::TcpStream;
use std::time::Duration;

use super::super::{Done, Fake, Fault, id_of};
use super::{ACCOUNT, Client, receive, refused};

/// Nobody waits for that long.
const FOR_EVER: Duration = Duration::from_secs(600);

/// A fake with one key, the client, and what switches the key off.
fn switchable() -> (Fake, String) {
    let fake = Fake::new(ACCOUNT);
    fake.world(|world| drop(world.account(ACCOUNT).key("bob", 1, 1_700_000_000).id.clone()));
    (fake, id_of("AKIA", ACCOUNT, 1))
}

fn switch_off(client: &Client<'_>, id: &str) -> Option<u16> {
    let fields = [("UserName", "bob"), ("AccessKeyId", id), ("Status", "Inactive")];
    client.try_call("UpdateAccessKey", &fields).map(|(status, _)| status)
}

fn status(fake: &Fake, id: &str) -> String {
    fake.world(|world| world.key(id).unwrap().status.clone())
}

#[test]
fn refusals_hit_the_calls_that_they_are_meant_for() {
    let fake = Fake::new(ACCOUNT);
    let client = Client::new(&fake);
    fake.fault("ListUsers", 2..=3, Fault::throttle());
    let list = || client.call("ListUsers", &[]);
    assert_eq!(list().0, 200);
    assert_eq!(refused(&list()), (400, "Throttling", "Rate exceeded"));
    assert_eq!(client.call("GetAccountSummary", &[]).0, 200);
    assert_eq!((list().0, list().0), (400, 200));
    fake.fault("*", 1..=1, Fault::server_error());
    assert_eq!((list().0, list().0), (500, 200));
    fake.fault("*", 1..=9, Fault::skewed());
    assert_eq!(refused(&list()).1, "RequestTimeTooSkewed");
    fake.heal();
    assert_eq!(list().0, 200);
    let log = fake.log();
    assert_eq!(
        log.of("ListUsers").map(|call| call.fault.as_deref()).collect::<Vec<_>>()[..3],
        [None, Some("Throttling"), Some("Throttling")]
    );
}

#[test]
fn answers_are_lost_before_and_after_the_change() {
    for (fault, is_done) in [
        (Fault::Silence(Done::Never), false),
        (Fault::Silence(Done::First), true),
        (Fault::Cut(Done::First), true),
        (Fault::Late(Duration::from_millis(1), Done::Never), false),
        (Fault::Gone(Done::First), true),
        (Fault::Gone(Done::Never), false),
    ] {
        let (fake, id) = switchable();
        fake.fault("UpdateAccessKey", 1..=1, fault.clone());
        assert_eq!(switch_off(&Client::new(&fake), &id), None, "{fault:?}");
        assert_eq!(status(&fake, &id) == "Inactive", is_done, "{fault:?}");
    }
}

#[test]
fn a_late_answer_is_an_answer() {
    for when in [Done::First, Done::Last] {
        let (fake, id) = switchable();
        fake.fault("UpdateAccessKey", 1..=1, Fault::Late(Duration::from_millis(300), when));
        let client = Client::new(&fake);
        std::thread::scope(|scope| {
            let answered = scope.spawn(|| switch_off(&client, &id));
            fake.wait_for("UpdateAccessKey", 1);
            assert_eq!(answered.join().unwrap(), Some(200));
        });
        assert_eq!(status(&fake, &id), "Inactive");
    }
}

#[test]
fn a_change_may_come_after_the_caller_has_gone() {
    let (fake, id) = switchable();
    fake.fault("UpdateAccessKey", 1..=1, Fault::Late(FOR_EVER, Done::Last));
    let client = Client::new(&fake);
    let mut stream = TcpStream::connect(fake.address).unwrap();
    let fields = [("UserName", "bob"), ("AccessKeyId", id.as_str()), ("Status", "Inactive")];
    client.send(&mut stream, "UpdateAccessKey", &fields).unwrap();
    fake.wait_for("UpdateAccessKey", 1);
    drop(stream);
    assert_eq!(status(&fake, &id), "Active");
    fake.release();
    while status(&fake, &id) == "Active" {
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn connections_are_kept_until_one_is_half_closed() {
    let fake = Fake::new(ACCOUNT);
    let client = Client::new(&fake);
    let mut stream = TcpStream::connect(fake.address).unwrap();
    let mut call = || {
        client.send(&mut stream, "GetCallerIdentity", &[]).ok()?;
        receive(&mut stream).map(|(status, _)| status)
    };
    assert_eq!((call(), call()), (Some(200), Some(200)));
    fake.fault("*", 1..=1, Fault::HalfClose);
    assert_eq!(call(), Some(200));
    assert_eq!(call(), None, "an answer after the end");
    assert_eq!(fake.log().count("GetCallerIdentity"), 3);
}

#[test]
fn without_a_network_nobody_answers() {
    let fake = Fake::new(ACCOUNT);
    let client = Client::new(&fake);
    fake.fault("*", 2..=2, Fault::Gone(Done::Never));
    assert_eq!(client.call("GetCallerIdentity", &[]).0, 200);
    assert_eq!(client.try_call("GetCallerIdentity", &[]), None);
    assert_eq!(client.try_call("GetCallerIdentity", &[]), None);
}

#[test]
fn somebody_else_may_answer_or_be_quicker() {
    let (fake, id) = switchable();
    let client = Client::new(&fake);
    fake.fault("ListUsers", 1..=1, Fault::Portal);
    let (status_of_page, page) = client.call("ListUsers", &[]);
    assert!(status_of_page == 200 && page.contains("<!DOCTYPE html>"));
    let deleted = id.clone();
    fake.fault("UpdateAccessKey", 1..=1, Fault::meanwhile(move |world| world.account(ACCOUNT).delete_key(&deleted)));
    assert_eq!(switch_off(&client, &id), Some(404));
}
