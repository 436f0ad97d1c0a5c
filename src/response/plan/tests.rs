//! What is planned, what is refused, and in which words.

use super::*;
use crate::triage::inventory::{Gap, KeyStatus, LastUsed, ServiceCredential};

const NOW: i64 = 1_796_055_481;

fn id(rest: &str) -> AccessKeyId {
    AccessKeyId::parse(["AKIA", rest].concat().as_bytes()).unwrap()
}

fn key() -> AccessKeyId {
    id("WDB7XWLS3OBANPCE")
}

fn account() -> AccountId {
    key().account().unwrap()
}

fn candidate(status: Status) -> Candidate {
    let verdict = Verdict { account: Some(account()), user: Some("ada".into()), ..Verdict::new(status) };
    let holder = UserRecord {
        path: Some("/".into()),
        has_password: Some(false),
        service_credentials: Some(vec![]),
        quarantined_by: Some(vec![]),
        missing: vec![],
    };
    Candidate { wanted: Wanted::AccessKey(key()), verdict, holder }
}

fn actor() -> Actor {
    Actor {
        arn: format!("arn:aws:iam::{}:user/ops/Eve", account()),
        access_key_ids: [].into(),
        accounts: [account()].into(),
    }
}

struct Asked {
    protect: Vec<&'static str>,
    actor: Actor,
    revoke_sessions: bool,
}

fn asked() -> Asked {
    Asked { protect: vec![], actor: actor(), revoke_sessions: false }
}

fn planned(candidates: &[Candidate], asked: &Asked) -> Plan {
    let protect: Vec<String> = asked.protect.iter().map(|&pattern| pattern.to_owned()).collect();
    let protect = Protect::new(&protect).unwrap();
    Plan::new(
        candidates,
        Terms { protect: &protect, actor: &asked.actor, revoke_sessions: asked.revoke_sessions, now: NOW },
    )
}

/// Why nothing is planned.
#[track_caller]
fn refusal(candidate: Candidate, asked: &Asked) -> (&'static str, String) {
    let plan = planned(&[candidate], asked);
    assert!(plan.steps.is_empty() && plan.done.is_empty(), "{plan:?}");
    (plan.refusals[0].reason.name(), plan.refusals[0].why.clone())
}

#[test]
fn an_active_key_is_a_step_and_an_inactive_one_is_done() {
    let plan = planned(&[candidate(Status::Active), candidate(Status::Active)], &asked());
    let target = Target { account: account(), user: "ada".into(), subject: Subject::AccessKey(key()) };
    assert_eq!(plan.changes(), [Change { target, from: Position::On, to: Position::Off }], "each once");
    assert!(plan.notes.iter().any(|note| note.contains("up to 36 hours")), "{plan:?}");
    assert!(plan.notes.iter().any(|note| note.contains("SES")), "{plan:?}");
    let plan = planned(&[candidate(Status::Inactive)], &asked());
    assert!(plan.steps.is_empty() && plan.refusals.is_empty() && plan.done[0].contains("inactive already"), "{plan:?}");
}

#[test]
fn what_would_be_a_mistake_is_refused_with_a_way_out() {
    for (status, reason, way_out) in [
        (Status::Foreign, "foreign", "--account"),
        (Status::Canary, "canary", "canary"),
        (Status::Root, "root", "sign in as root"),
        (Status::Temporary, "temporary", "Revoke sessions"),
        (Status::Deleted, "deleted", "nothing is left"),
        (Status::Expired, "expired", "nothing is left"),
        (Status::Unknown, "unknown", "could not be learnt"),
    ] {
        let (told, why) = refusal(candidate(status), &asked());
        assert!(told == reason && why.contains(way_out), "{told}: {why}");
    }
    let mut missing = candidate(Status::Unknown);
    missing.verdict.gaps =
        vec![Gap { why: "listing keys failed".into(), permission: Some("iam:ListAccessKeys".into()) }];
    assert_eq!(
        refusal(missing, &asked()).1,
        "how it stands could not be learnt: listing keys failed (it takes iam:ListAccessKeys)"
    );
}

#[test]
fn what_can_t_be_reached_or_has_no_user_is_unknown() {
    let mut nobody_s = candidate(Status::Active);
    nobody_s.verdict.user = None;
    assert!(refusal(nobody_s, &asked()).1.contains("its user is not known"));
    let mut homeless = candidate(Status::Active);
    homeless.verdict.account = None;
    assert!(refusal(homeless, &asked()).1.contains("its account is not known"));
    let mut far = asked();
    far.actor.accounts.clear();
    assert!(refusal(candidate(Status::Active), &far).1.contains("--role-name"));
}

#[test]
fn the_key_that_signs_stays() {
    let mut own = asked();
    own.actor.access_key_ids = [key()].into();
    let (reason, why) = refusal(candidate(Status::Active), &own);
    assert!(reason == "own key" && why.contains("--profile"), "{why}");
    own.actor.access_key_ids = [id("V7S32T2OSBFJQOIY")].into();
    assert_eq!(planned(&[candidate(Status::Active)], &own).steps.len(), 1);
}

#[test]
fn protected_users_stay_also_when_that_is_not_clear() {
    let with = |pattern| Asked { protect: vec![pattern], ..asked() };
    assert_eq!(refusal(candidate(Status::Active), &with("a?a")).0, "protected");
    let mut glass = candidate(Status::Active);
    glass.holder.path = Some("/breakglass/".into());
    assert_eq!(refusal(glass.clone(), &with("/breakglass/*")).0, "protected");
    glass.holder.path = None;
    glass.holder.missing = vec![Gap { why: "asking failed".into(), permission: Some("iam:GetUser".into()) }];
    let (reason, why) = refusal(glass.clone(), &with("/breakglass/*"));
    assert!(reason == "protected" && why.ends_with("is not known: asking failed (it takes iam:GetUser)"), "{why}");
    assert_eq!(planned(&[glass], &with("ci-*")).steps.len(), 1);
    assert_eq!(planned(&[candidate(Status::Active)], &with("/breakglass/*")).steps.len(), 1);
}

#[test]
fn last_use_is_told_with_what_it_means() {
    let told = |last_used| {
        let mut candidate = candidate(Status::Active);
        candidate.verdict.last_used = last_used;
        planned(&[candidate], &asked()).steps[0].last_use.clone()
    };
    let at = |ago: i64, service: Option<&str>, region: Option<&str>| {
        let own = |text: Option<&str>| text.map(str::to_owned);
        Some(LastUsed::At { at: NOW - ago, service: own(service), region: own(region) })
    };
    assert_eq!(
        told(at(12 * 60, Some("s3"), Some("eu-west-1"))),
        "used 12 minutes ago from s3/eu-west-1 (2026-11-30T16:06:01Z): something will stop working"
    );
    assert!(told(at(-5, Some("iam"), None)).starts_with("used just now from iam ("));
    assert!(told(at(3600, None, None)).starts_with("used 1 hour ago (2026"));
    assert!(told(at(30 * 86_400, None, None)).ends_with("something may stop working"));
    assert!(told(at(400 * 86_400, None, None)).starts_with("used 400 days ago"));
    assert!(told(Some(LastUsed::Never)).starts_with("never used"));
    assert!(told(None).contains("not known"));
}

#[test]
fn what_else_the_user_holds_is_told() {
    let mut much = candidate(Status::Active);
    much.verdict.other_keys = vec![(id("V7S32T2OSBFJQOIY"), true)];
    much.verdict.quarantined_by = vec!["AWSCompromisedKeyQuarantineV3".into()];
    much.holder.quarantined_by = None;
    much.holder.has_password = Some(true);
    much.holder.service_credentials = Some(vec![ServiceCredential {
        id: "ACCA1".into(),
        alias: None,
        service: "bedrock.amazonaws.com".into(),
        user: "ada".into(),
        status: KeyStatus::Inactive,
        created: None,
        expires: None,
    }]);
    let step = planned(&[much.clone()], &asked()).steps.remove(0);
    let second = format!("access key {}, active", id("V7S32T2OSBFJQOIY"));
    let expected =
        [second.as_str(), "a password for the console", "service credential ACCA1 for bedrock.amazonaws.com, inactive"];
    assert_eq!(step.holdings, expected);
    assert!(
        step.warnings[0].contains("AWSCompromisedKeyQuarantineV3") && step.warnings[1].contains("another active key")
    );
    much.holder = UserRecord::default();
    assert!(planned(&[much], &asked()).steps[0].holdings.iter().filter(|held| held.contains("not known")).count() == 2);
}

#[test]
fn sessions_are_denied_once_a_user_behind_the_keys() {
    let mut second = candidate(Status::Active);
    second.wanted = Wanted::AccessKey(id("V7S32T2OSBFJQOIY"));
    let revoking = Asked { revoke_sessions: true, ..asked() };
    let plan = planned(&[candidate(Status::Active), second], &revoking);
    let last = &plan.steps[2].change.target;
    assert_eq!((plan.steps.len(), &last.subject), (3, &sessions::subject(NOW + sessions::margin(2))));
    assert!(plan.steps[2].warnings.iter().any(|warning| warning.contains("roles")), "{plan:?}");
    let later = plan.clone().as_of(NOW + 600);
    assert_eq!(later.steps[2].change.target.subject, sessions::subject(NOW + 600 + sessions::margin(3)));
    assert_eq!(later.code(), plan.code());
    // Those of a key that is off already go on, too.
    assert_eq!(planned(&[candidate(Status::Inactive)], &revoking).steps.len(), 1);
    assert!(planned(&[candidate(Status::Deleted)], &revoking).steps.is_empty());
}

#[test]
fn whoever_acts_does_not_cut_off_himself() {
    let mut own = candidate(Status::Active);
    own.verdict.user = Some("eve".into());
    let revoking = Asked { revoke_sessions: true, ..asked() };
    let plan = planned(&[own], &revoking);
    assert_eq!((plan.steps.len(), plan.refusals[0].reason.name()), (1, "own key"));
    assert!(plan.notes[0].contains("keysweep itself acts"), "{plan:?}");
}

#[test]
fn a_service_credential_is_switched_by_its_own_id() {
    let mut bot = candidate(Status::Active);
    bot.wanted = Wanted::ServiceCredential { id: "ACCA1".into(), user: "ada".into(), account: None };
    let plan = planned(&[bot], &Asked { revoke_sessions: true, ..asked() });
    assert_eq!(plan.changes()[0].target.subject, Subject::ServiceCredential { id: "ACCA1".into() });
    assert!(plan.steps.len() == 1 && plan.notes.is_empty(), "{plan:?}");
    assert!(plan.steps[0].last_use.starts_with("AWS does not tell"), "{plan:?}");
}

#[test]
fn the_code_is_that_of_what_would_be_done() {
    let code = |candidate: Candidate| planned(&[candidate], &asked()).code();
    let plain = code(candidate(Status::Active));
    assert!(plain.len() == 6 && plain.bytes().all(|c| c.is_ascii_alphanumeric() && !b"01IO".contains(&c)), "{plain}");
    let mut used = candidate(Status::Active);
    used.verdict.last_used = Some(LastUsed::Never);
    assert_eq!(code(used), plain);
    let mut other_user = candidate(Status::Active);
    other_user.verdict.user = Some("adb".into());
    let mut other_key = candidate(Status::Active);
    other_key.wanted = Wanted::AccessKey(id("V7S32T2OSBFJQOIY"));
    let both = planned(&[candidate(Status::Active), other_key.clone()], &asked()).code();
    let turned = planned(&[other_key.clone(), candidate(Status::Active)], &asked()).code();
    assert_eq!(both, turned);
    let codes: BTreeSet<String> = [plain, code(other_user), code(other_key), both, Plan::default().code()].into();
    assert_eq!(codes.len(), 5);
}
