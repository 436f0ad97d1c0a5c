//! What is answered to calls that go well, or that AWS refuses.

use super::super::world::Permissions;
use super::super::{CALLER, Fake, id_of, now, old_id};
use super::{ACCOUNT, Answered, Client, receive, refused, text};

const CREATED: i64 = 1_700_000_000;

#[test]
fn an_unknown_key_is_a_denial_without_a_colon() {
    let fake = Fake::new(ACCOUNT);
    let id = id_of("AKIA", ACCOUNT, 77);
    let answered = Client::new(&fake).call("GetAccessKeyLastUsed", &[("AccessKeyId", &id)]);
    let message = format!(
        "User: arn:aws:iam::{ACCOUNT}:user/{CALLER} is not authorized to perform iam:GetAccessKeyLastUsed on resource: access \
         key {id}"
    );
    assert_eq!(refused(&answered), (403, "AccessDenied", message.as_str()));
}

#[test]
fn a_missing_permission_says_what_would_allow_it() {
    let fake = Fake::new(ACCOUNT);
    let id = fake.world(|world| {
        world.account(ACCOUNT).user(CALLER).permissions = Permissions::only(&["iam:ListUsers"]);
        world.account(ACCOUNT).key("bob", 1, CREATED).id.clone()
    });
    let client = Client::new(&fake);
    let answered = client.call("GetAccessKeyLastUsed", &[("AccessKeyId", &id)]);
    let (status, code, message) = refused(&answered);
    assert_eq!((status, code), (403, "AccessDenied"));
    assert!(message.contains("to perform: iam:GetAccessKeyLastUsed on resource: access key"), "{message}");
    assert!(
        message.ends_with("because no identity-based policy allows the iam:GetAccessKeyLastUsed action"),
        "{message}"
    );
    assert_eq!(client.call("ListUsers", &[]).0, 200);
}

#[test]
fn quarantine_denies_and_newer_denials_name_it() {
    let fake = Fake::new(ACCOUNT);
    fake.world(|world| world.account(ACCOUNT).user(CALLER).attached.push("AWSCompromisedKeyQuarantineV4".to_owned()));
    let client = Client::new(&fake);
    let answered = client.call("ListUsers", &[]);
    let (status, code, message) = refused(&answered);
    assert_eq!((status, code), (403, "AccessDenied"));
    assert!(message.ends_with("with an explicit deny in an identity-based policy"), "{message}");
    fake.world(|world| world.names_policies = true);
    let answered = client.call("ListUsers", &[]);
    assert!(refused(&answered).2.ends_with(": arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV4"), "{answered:?}");
    // It is not all that is denied.
    let (status, body) = client.call("ListAttachedUserPolicies", &[("UserName", CALLER)]);
    assert_eq!((status, text(&body, "PolicyName")), (200, "AWSCompromisedKeyQuarantineV4"));
}

#[test]
fn lists_go_on_behind_their_marker() {
    let fake = Fake::new(ACCOUNT);
    fake.world(|world| {
        for number in 0..6 {
            world.account(ACCOUNT).user(&format!("user-{number}"));
        }
        world.page = Some(3);
    });
    let client = Client::new(&fake);
    let (mut marker, mut names, mut pages) = (None::<String>, Vec::new(), 0);
    loop {
        let fields: Vec<_> =
            [("MaxItems", "1000")].into_iter().chain(marker.as_deref().map(|it| ("Marker", it))).collect();
        let (status, body) = client.call("ListUsers", &fields);
        assert_eq!(status, 200);
        names.extend(body.split("<UserName>").skip(1).map(|rest| rest[..rest.find('<').unwrap()].to_owned()));
        pages += 1;
        if text(&body, "IsTruncated") == "false" {
            assert!(!body.contains("<Marker>"));
            break;
        }
        marker = Some(text(&body, "Marker").to_owned());
    }
    // With the caller there are seven.
    assert_eq!((pages, names.len()), (3, 7));
    assert_eq!(refused(&client.call("ListUsers", &[("Marker", "elsewhere")])).1, "ValidationError");
    assert_eq!(refused(&client.call("ListUsers", &[("MaxItems", "1001")])).1, "ValidationError");
}

#[test]
fn a_key_is_switched_off_and_lists_may_show_it_late() {
    let fake = Fake::new(ACCOUNT);
    let id = fake.world(|world| {
        world.lag = 2;
        world.account(ACCOUNT).key("bob", 1, CREATED).used(CREATED + 60, "s3", "eu-west-1");
        world.account(ACCOUNT).key("bob", 2, CREATED).status("Expired");
        id_of("AKIA", ACCOUNT, 1)
    });
    let client = Client::new(&fake);
    let (_, body) = client.call("GetAccessKeyLastUsed", &[("AccessKeyId", &id)]);
    assert_eq!(
        ["UserName", "LastUsedDate", "ServiceName", "Region"].map(|name| text(&body, name)),
        ["bob", "2023-11-14T22:14:20Z", "s3", "eu-west-1"]
    );
    let update = [("UserName", "bob"), ("AccessKeyId", id.as_str()), ("Status", "Inactive")];
    let (status, body) = client.call("UpdateAccessKey", &update);
    assert!(status == 200 && body.contains("<RequestId>") && !body.contains("Result"), "{body}");
    let shown = || text(&client.call("ListAccessKeys", &[("UserName", "bob")]).1, "Status").to_owned();
    assert_eq!([shown(), shown(), shown()], ["Active", "Active", "Inactive"]);
    assert!(client.call("ListAccessKeys", &[("UserName", "bob")]).1.contains("<Status>Expired</Status>"));
    assert_eq!(fake.log().changes(), [("UpdateAccessKey".to_owned(), id)]);
}

#[test]
fn what_does_not_exist_can_not_be_switched() {
    let fake = Fake::new(ACCOUNT);
    let client = Client::new(&fake);
    let id = id_of("AKIA", ACCOUNT, 77);
    let update = |fields: &[(&str, &str)]| client.call("UpdateAccessKey", fields);
    let key = ("AccessKeyId", id.as_str());
    let answered = update(&[("UserName", CALLER), key, ("Status", "Inactive")]);
    let message = format!("The Access Key with id {id} cannot be found.");
    assert_eq!(refused(&answered), (404, "NoSuchEntity", message.as_str()));
    let answered = update(&[("UserName", "nobody"), key, ("Status", "Inactive")]);
    assert_eq!(refused(&answered), (404, "NoSuchEntity", "The user with name nobody cannot be found."));
    let answered = update(&[("UserName", CALLER), key, ("Status", "Bogus")]);
    assert_eq!(refused(&answered).1, "ValidationError");
    for (operation, field) in [("GetLoginProfile", "UserName"), ("DeleteUserPolicy", "PolicyName")] {
        assert_eq!(refused(&client.call(operation, &[(field, CALLER)])).0, 404, "{operation}");
    }
    assert_eq!(refused(&client.call("MakeCoffee", &[])).1, "InvalidAction");
}

#[test]
fn inline_policies_and_service_credentials_are_kept() {
    let fake = Fake::new(ACCOUNT);
    fake.world(|world| {
        world.account(ACCOUNT).bedrock("bob", "ACCAEXAMPLE1", "q7xz", CREATED);
        world.account(ACCOUNT).bedrock("ann", "ACCAEXAMPLE2", "ab12", CREATED).expires = Some(CREATED + 1);
    });
    let client = Client::new(&fake);
    let (user, policy) = (("UserName", "bob"), ("PolicyName", "p"));
    assert_eq!(client.call("PutUserPolicy", &[user, policy, ("PolicyDocument", "{\"a\": [1]}")]).0, 200);
    assert_eq!(
        refused(&client.call("PutUserPolicy", &[user, policy, ("PolicyDocument", "{")])).1,
        "MalformedPolicyDocument"
    );
    let (_, body) = client.call("GetUserPolicy", &[user, policy]);
    assert_eq!(text(&body, "PolicyDocument"), "%7B%22a%22%3A%20%5B1%5D%7D");
    assert_eq!(client.call("DeleteUserPolicy", &[user, policy]).0, 200);
    assert_eq!(refused(&client.call("GetUserPolicy", &[user, policy])).0, 404);
    let list = |fields: &[(&str, &str)]| client.call("ListServiceSpecificCredentials", fields).1;
    let all = list(&[("AllUsers", "true"), ("ServiceName", "bedrock.amazonaws.com")]);
    assert_eq!(all.matches("<member>").count(), 2);
    assert!(
        !list(&[user]).contains("ann") && list(&[user]).contains("<ServiceCredentialAlias>BedrockAPIKey-q7xz-at-1111")
    );
    assert!(list(&[("UserName", "ann")]).contains("<ExpirationDate>2023-11-14T22:13:21Z<"));
    let id = ("ServiceSpecificCredentialId", "ACCAEXAMPLE1");
    let off = ("Status", "Inactive");
    assert_eq!(refused(&client.call("UpdateServiceSpecificCredential", &[("UserName", "ann"), id, off])).0, 404);
    assert_eq!(client.call("UpdateServiceSpecificCredential", &[user, id, off]).0, 200);
    assert_eq!(text(&list(&[user]), "Status"), "Inactive");
}

/// The report's text.
fn csv((status, body): &Answered) -> String {
    assert_eq!(*status, 200, "{body}");
    String::from_utf8(aws_smithy_types::base64::decode(text(body, "Content")).unwrap()).unwrap()
}

#[test]
fn the_report_takes_its_time_and_is_stale_afterwards() {
    let fake = Fake::new(ACCOUNT);
    fake.world(|world| {
        let account = world.account(ACCOUNT);
        account.report.takes = 2;
        account.key("bob", 1, CREATED).used(CREATED + 60, "s3", "N/A");
        account.root_key(9, CREATED);
    });
    let client = Client::new(&fake);
    let state = || text(&client.call("GenerateCredentialReport", &[]).1, "State").to_owned();
    let get = || client.call("GetCredentialReport", &[]);
    assert_eq!(refused(&get()), (410, "ReportNotPresent", "Unknown"));
    assert_eq!(state(), "STARTED");
    assert_eq!(refused(&get()), (404, "ReportInProgress", "Unknown"));
    assert_eq!([state(), state()], ["INPROGRESS", "COMPLETE"]);
    let first = get();
    let report = csv(&first);
    let lines: Vec<_> = report.split('\n').collect();
    assert_eq!(lines.len(), 4);
    assert!(lines.iter().all(|line| line.split(',').count() == 22), "{report}");
    assert!(
        lines[1].starts_with("<root_account>,arn:aws:iam::111122223333:root,")
            && lines[1].contains(",true,2023-11-14T22:13:20Z,")
    );
    assert!(
        lines[2].contains("bob")
            && lines[2].contains("false,true,2023-11-14T22:13:20Z,2023-11-14T22:14:20Z,N/A,s3,false,N/A")
    );
    // What happens now it does not know for four hours.
    fake.world(|world| world.account(ACCOUNT).delete_key(&id_of("AKIA", ACCOUNT, 1)));
    assert_eq!((state().as_str(), csv(&get()) == report), ("COMPLETE", true));
    fake.world(|world| world.account(ACCOUNT).make_report(now() - 4 * 60 * 60));
    assert_eq!(refused(&get()).1, "ReportExpired");
    assert_eq!(state(), "STARTED");
}

#[test]
fn slots_are_in_the_order_of_ids() {
    let fake = Fake::new(ACCOUNT);
    let mut ids = [1, 2].map(|seed| id_of("AKIA", ACCOUNT, seed));
    ids.sort();
    let [low, high] = ids;
    fake.world(|world| {
        // The one that was created first stands behind the other.
        world.account(ACCOUNT).key_with_id("user-1", &high, CREATED + 2);
        world.account(ACCOUNT).key_with_id("user-1", &low, CREATED + 3);
    });
    let client = Client::new(&fake);
    client.call("GenerateCredentialReport", &[]);
    let report = csv(&client.call("GetCredentialReport", &[]));
    let row = report.lines().find(|line| line.starts_with("user-1")).unwrap();
    assert!(row.contains("false,true,2023-11-14T22:13:23Z,N/A,N/A,N/A,true,2023-11-14T22:13:22Z,"), "{row}");
}

#[test]
fn a_role_is_assumed_by_whom_it_trusts() {
    let fake = Fake::new(ACCOUNT);
    let other = "444455556666";
    fake.world(|world| {
        world.account(other).role("Audit", &[ACCOUNT]).external_id = Some("x-1".to_owned());
        world.account(other).key("eve", 1, CREATED);
    });
    let client = Client::new(&fake);
    let arn = format!("arn:aws:iam::{other}:role/Audit");
    let fields = [("RoleArn", arn.as_str()), ("RoleSessionName", "s")];
    assert_eq!(refused(&client.call("AssumeRole", &fields)).1, "AccessDenied");
    let (status, body) = client.call("AssumeRole", &[fields[0], fields[1], ("ExternalId", "x-1")]);
    assert_eq!(status, 200, "{body}");
    let mut there = Client::with(&fake, text(&body, "AccessKeyId"), text(&body, "SecretAccessKey"));
    assert_eq!(refused(&there.call("GetCallerIdentity", &[])).1, "InvalidClientTokenId");
    there.token = Some(text(&body, "SessionToken").to_owned());
    let (_, body) = there.call("GetCallerIdentity", &[]);
    assert_eq!(text(&body, "Arn"), format!("arn:aws:sts::{other}:assumed-role/Audit/s"));
    assert!(there.call("ListUsers", &[]).1.contains("<UserName>eve</UserName>"));
    // A role has no keys of its own.
    let why = "Must specify userName when calling with non-User credentials";
    assert_eq!(refused(&there.call("ListAccessKeys", &[])), (400, "ValidationError", why));
    assert_eq!(fake.log().accounts().len(), 2);
}

#[test]
fn sts_tells_whose_ids_are() {
    let fake = Fake::new(ACCOUNT);
    let old = old_id(1);
    fake.world(|world| drop(world.account("444455556666").key_with_id("eve", &old, CREATED).id.clone()));
    let client = Client::new(&fake);
    let account = |id: &str| client.call("GetAccessKeyInfo", &[("AccessKeyId", id)]);
    assert_eq!(text(&account(&old).1, "Account"), "444455556666");
    assert_eq!(text(&account(&id_of("AKIA", "777788889999", 1)).1, "Account"), "777788889999");
    assert_eq!(account(&old_id(2)).0, 400);
}

#[test]
fn the_organization_is_listed_to_its_management() {
    let fake = Fake::new(ACCOUNT);
    let client = Client::new(&fake);
    let list = |body: &str| {
        let mut stream = std::net::TcpStream::connect(fake.address).unwrap();
        let target = Some("AWSOrganizationsV20161128.ListAccounts");
        client.send_body(&mut stream, "organizations", target, body.to_owned()).unwrap();
        receive(&mut stream).unwrap()
    };
    let (status, body) = list("{}");
    assert!(status == 400 && body.contains("AWSOrganizationsNotInUseException"), "{body}");
    fake.world(|world| {
        world.organization = [ACCOUNT, "444455556666", "777788889999"].map(str::to_owned).to_vec();
        world.page = Some(2);
    });
    let (status, body) = list("{}");
    assert!(status == 200 && body.contains("\"NextToken\":\"2\"") && !body.contains("777788889999"), "{body}");
    let (_, body) = list("{\"NextToken\":\"2\"}");
    assert!(body.contains("777788889999") && !body.contains("NextToken"), "{body}");
    fake.world(|world| world.organization.reverse());
    assert!(list("{}").1.contains("AccessDeniedException"));
}
