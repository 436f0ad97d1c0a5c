//! Runs against accounts in memory that fail wherever they can, with journals that end anywhere.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;

use proptest::prelude::*;

use super::*;
use crate::key::AccessKeyId;
use crate::response::journal::{self, Header, Sink};
use crate::response::plan::Actor;
use crate::response::{Target, undo};

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Trouble {
    None,
    /// It is refused.
    Refused,
    /// It is done, and the answer is lost.
    Lost,
    /// It is not done, and nobody says so.
    Swallowed,
    /// It is done, and shows after so many reads.
    Late(u32),
}

/// An account in memory.
#[derive(Default)]
struct Fuses {
    positions: RefCell<BTreeMap<Target, Position>>,
    shown_late: RefCell<BTreeMap<Target, (Position, u32)>>,
    troubles: RefCell<Vec<Trouble>>,
    sets: RefCell<Vec<(Target, Position)>>,
}

fn fault(effect: Effect) -> Fault {
    Fault { why: "the line is dead".to_owned(), effect, permission: None, is_everybodys: true }
}

impl Fuses {
    fn new(positions: &[(Target, Position)]) -> Self {
        Self { positions: RefCell::new(positions.iter().cloned().collect()), ..Self::default() }
    }

    fn trouble(&self) -> Trouble {
        self.troubles.borrow_mut().pop().unwrap_or(Trouble::None)
    }

    fn positions(&self) -> BTreeMap<Target, Position> {
        self.positions.borrow().clone()
    }
}

impl Switch for Fuses {
    fn read(&self, target: &Target) -> Result<Position, Fault> {
        if matches!(self.trouble(), Trouble::Refused | Trouble::Lost) {
            return Err(fault(Effect::None));
        }
        if let Some((old, reads)) = self.shown_late.borrow_mut().get_mut(target)
            && *reads > 0
        {
            *reads -= 1;
            return Ok(*old);
        }
        Ok(self.positions.borrow().get(target).copied().unwrap_or(Position::Gone))
    }

    fn set(&self, target: &Target, to: Position) -> Result<(), Fault> {
        self.sets.borrow_mut().push((target.clone(), to));
        let trouble = self.trouble();
        if trouble == Trouble::Refused {
            return Err(fault(Effect::None));
        }
        if trouble != Trouble::Swallowed {
            let old = self.positions.borrow_mut().insert(target.clone(), to);
            if let (Trouble::Late(reads), Some(old)) = (trouble, old) {
                self.shown_late.borrow_mut().insert(target.clone(), (old, reads));
            }
        }
        match trouble {
            Trouble::Lost | Trouble::Swallowed => Err(fault(Effect::Unknown)),
            _ => Ok(()),
        }
    }
}

/// A file that is full after so many lines, or of which the last line is cut.
#[derive(Clone, Default)]
struct Paper {
    bytes: Rc<RefCell<Vec<u8>>>,
    room: Rc<Cell<usize>>,
    cut: usize,
}

impl Sink for Paper {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.room.get() == 0 {
            self.bytes.borrow_mut().extend(&bytes[..self.cut.min(bytes.len() - 1)]);
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.room.set(self.room.get() - 1);
        self.bytes.borrow_mut().extend(bytes);
        Ok(())
    }
}

impl Paper {
    fn with_room(lines: usize, cut: usize) -> Self {
        Self { room: Rc::new(Cell::new(lines)), cut, ..Self::default() }
    }

    fn record(&self) -> Record {
        journal::parse(&self.bytes.borrow()).unwrap()
    }

    /// As a journal that is taken up again is mended.
    fn mended(self) -> Self {
        let torn = self.record().torn;
        let whole = self.bytes.borrow().len() - torn;
        self.bytes.borrow_mut().truncate(whole);
        Self { room: Rc::new(Cell::new(usize::MAX)), ..self }
    }
}

pub(super) fn target(number: u8) -> Target {
    let account = crate::key::AccountId::parse("111122223333").unwrap();
    let user = format!("user{number}");
    let subject = match number % 3 {
        0 => Subject::ServiceCredential { id: format!("ACCA{number}") },
        1 => Subject::AccessKey(AccessKeyId::shaped(format!("{}QQQQQQQQQQQQQ{number:03}", "AKIA").as_bytes()).unwrap()),
        _ => sessions::subject(1_796_055_481 + i64::from(number)),
    };
    Target { account, user, subject }
}

pub(super) fn header(count: u8) -> Header {
    let changes = (0..count).map(|n| Change { target: target(n), from: Position::On, to: Position::Off }).collect();
    Header {
        code: "K7Q2MX".into(),
        caller: "arn:aws:iam::111122223333:user/ada".into(),
        account: "111122223333".into(),
        version: "0".into(),
        started: 1_796_055_481,
        undoes: None,
        changes,
    }
}

/// Goes on with a journal.
fn go_on(paper: &Paper, fuses: &Fuses) -> Outcomes {
    let mut journal = Journal::on(Box::new(paper.clone()));
    let switch = |_| Some(fuses as &dyn Switch);
    let world = World {
        switch: &switch,
        pause: &|_| (),
        is_interrupted: &|| false,
        clock: &|| 1_796_055_500,
        told: &|_, _| (),
    };
    run(&mut journal, &paper.record(), &world)
}

/// Begins a journal and runs it; `false` when not even the plan could be written.
fn begin(paper: &Paper, header: &Header, fuses: &Fuses) -> Option<Outcomes> {
    Journal::on(Box::new(paper.clone())).begin(header).ok()?;
    Some(go_on(paper, fuses))
}

pub(super) fn actor() -> Actor {
    Actor { arn: "arn:aws:iam::111122223333:user/ada".into(), access_key_ids: [].into(), accounts: [].into() }
}

/// Takes a journal back, with a journal of its own.
fn take_back(record: &Record, fuses: &Fuses) -> Paper {
    let switch = |_| Some(fuses as &dyn Switch);
    let plan = undo::plan(record, &switch, &actor());
    let paper = Paper::with_room(usize::MAX, 0);
    let header = Header { changes: plan.changes(), undoes: Some("j".into()), ..record.header.clone() };
    assert!(begin(&paper, &header, fuses).unwrap().is_good());
    paper
}

pub(super) fn all(count: u8, position: Position) -> Vec<(Target, Position)> {
    (0..count).map(|number| (target(number), position)).collect()
}

fn results(outcomes: &Outcomes) -> Vec<Outcome> {
    outcomes.receipts.iter().map(|(_, receipt)| receipt.result).collect()
}

/// One step whose calls meet these troubles, in this order.
fn one(troubles: &[Trouble]) -> (Receipt, Fuses) {
    let (fuses, paper) = (Fuses::new(&all(1, Position::On)), Paper::with_room(usize::MAX, 0));
    fuses.troubles.borrow_mut().extend(troubles.iter().rev());
    let outcomes = begin(&paper, &header(1), &fuses).unwrap();
    assert_eq!(paper.record().states[0].receipt.as_ref(), Some(&outcomes.receipts[0].1));
    (outcomes.receipts[0].1.clone(), fuses)
}

#[test]
fn a_step_is_read_done_and_read_again() {
    let (receipt, fuses) = one(&[]);
    assert_eq!(receipt, Receipt { result: Outcome::Confirmed, observed: Some(Position::Off), why: None });
    assert_eq!(*fuses.sets.borrow(), [(target(0), Position::Off)]);
}

#[test]
fn a_lost_answer_is_settled_by_reading_and_never_by_a_second_try() {
    let (receipt, fuses) = one(&[Trouble::None, Trouble::Lost]);
    assert_eq!((receipt.result, fuses.sets.borrow().len()), (Outcome::Confirmed, 1));
    let (receipt, fuses) = one(&[Trouble::None, Trouble::Swallowed]);
    assert_eq!(
        (receipt.result, receipt.observed, fuses.sets.borrow().len()),
        (Outcome::Unknown, Some(Position::On), 1)
    );
    assert_eq!(receipt.why.unwrap(), "the line is dead; re-read: still active after 6 reads");
}

#[test]
fn what_shows_late_is_waited_for_within_bounds() {
    assert_eq!(one(&[Trouble::None, Trouble::Late(5)]).0.result, Outcome::Confirmed);
    let (receipt, fuses) = one(&[Trouble::None, Trouble::Late(6)]);
    assert_eq!((receipt.result, fuses.sets.borrow().len()), (Outcome::Unknown, 1));
}

#[test]
fn what_is_refused_was_not_done() {
    let (receipt, fuses) = one(&[Trouble::None, Trouble::Refused]);
    assert_eq!((receipt.result, fuses.positions()[&target(0)]), (Outcome::Failed, Position::On));
    let (receipt, fuses) = one(&[Trouble::Refused]);
    assert_eq!((receipt.result, fuses.sets.borrow().len()), (Outcome::Failed, 0));
}

#[test]
fn what_stands_otherwise_is_left_alone() {
    for (position, result) in [
        (Position::Off, Outcome::Unchanged),
        (Position::Gone, Outcome::Failed),
        (Position::Expired, Outcome::Failed),
        (Position::Other, Outcome::Failed),
    ] {
        let fuses = Fuses::new(&all(1, position));
        let outcomes = begin(&Paper::with_room(usize::MAX, 0), &header(1), &fuses).unwrap();
        assert_eq!((results(&outcomes), fuses.sets.borrow().len()), (vec![result], 0), "{position:?}");
    }
}

#[test]
fn without_an_intent_on_the_disk_nothing_is_done() {
    for cut in [0, 9] {
        let (fuses, paper) = (Fuses::new(&all(2, Position::On)), Paper::with_room(1, cut));
        let outcomes = begin(&paper, &header(2), &fuses).unwrap();
        assert!(outcomes.stopped.unwrap().contains("was left as it was"));
        assert!(fuses.sets.borrow().is_empty());
    }
    let (fuses, paper) = (Fuses::new(&all(2, Position::On)), Paper::with_room(2, 9));
    let outcomes = begin(&paper, &header(2), &fuses).unwrap();
    assert!(outcomes.stopped.unwrap().contains("was switched"));
    assert_eq!((fuses.sets.borrow().len(), paper.record().states[0].may_be_done()), (1, true));
}

#[test]
fn one_fault_does_not_stop_the_others_and_three_in_a_row_do() {
    let fuses = Fuses::new(&all(6, Position::On));
    fuses.troubles.borrow_mut().extend([Trouble::Refused, Trouble::Refused]);
    let outcomes = begin(&Paper::with_room(usize::MAX, 0), &header(6), &fuses).unwrap();
    assert_eq!(results(&outcomes)[..3], [Outcome::Failed, Outcome::Failed, Outcome::Confirmed]);
    assert_eq!((outcomes.stopped, outcomes.receipts.len()), (None, 6));
    fuses.troubles.borrow_mut().extend([Trouble::Refused; 3]);
    let outcomes = begin(&Paper::with_room(usize::MAX, 0), &header(6), &fuses).unwrap();
    assert!(outcomes.stopped.unwrap().contains("3 steps in a row"));
    assert_eq!(outcomes.receipts.len(), 3);
}

#[test]
fn an_interruption_ends_it_behind_a_receipt() {
    let (fuses, paper) = (Fuses::new(&all(3, Position::On)), Paper::with_room(usize::MAX, 0));
    Journal::on(Box::new(paper.clone())).begin(&header(3)).unwrap();
    let asked = Cell::new(0);
    let is_interrupted = || asked.replace(asked.get() + 1) == 1;
    let switch = |_| Some(&fuses as &dyn Switch);
    let world =
        World { switch: &switch, pause: &|_| (), is_interrupted: &is_interrupted, clock: &|| 0, told: &|_, _| () };
    let outcomes = run(&mut Journal::on(Box::new(paper.clone())), &paper.record(), &world);
    assert_eq!((outcomes.receipts.len(), outcomes.stopped.as_deref()), (1, Some("it was interrupted")));
    assert_eq!(paper.record().left(), [1, 2]);
}

#[test]
fn an_account_that_was_not_reached_is_told() {
    let paper = Paper::with_room(usize::MAX, 0);
    Journal::on(Box::new(paper.clone())).begin(&header(1)).unwrap();
    let world = World { switch: &|_| None, pause: &|_| (), is_interrupted: &|| false, clock: &|| 0, told: &|_, _| () };
    let outcomes = run(&mut Journal::on(Box::new(paper.clone())), &paper.record(), &world);
    assert!(outcomes.receipts[0].1.why.as_ref().unwrap().contains("111122223333 was not reached"));
    assert!(!outcomes.is_good());
}

#[test]
fn undo_leaves_alone_what_was_off_before_and_what_has_changed_since() {
    let mut positions = all(4, Position::On);
    positions[1].1 = Position::Off;
    let (fuses, paper) = (Fuses::new(&positions), Paper::with_room(usize::MAX, 0));
    begin(&paper, &header(4), &fuses).unwrap();
    fuses.positions.borrow_mut().insert(target(2), Position::On);
    fuses.positions.borrow_mut().insert(target(3), Position::Other);
    let switch = |_| Some(&fuses as &dyn Switch);
    let plan = undo::plan(&paper.record(), &switch, &actor());
    let steps: Vec<_> = plan.steps.iter().map(|step| (step.change.target.clone(), step.change.to)).collect();
    assert_eq!(steps, [(target(0), Position::On)]);
    assert_eq!((plan.done.len(), plan.refusals.len()), (1, 1));
    assert!(plan.steps[0].warnings[0].contains("it leaked"));
}

#[test]
fn sessions_that_a_key_could_mint_meanwhile_are_not_said_to_be_denied() {
    let (late, in_time) = (1_796_055_484 - sessions::SETTLING, 1_796_055_483 - sessions::SETTLING);
    for (clock, key_now, troubles, result) in [
        (in_time, Position::On, vec![], Outcome::Confirmed),
        (late, Position::On, vec![], Outcome::Failed),
        (in_time, Position::On, vec![Trouble::Refused, Trouble::None], Outcome::Failed),
        (late, Position::Off, vec![], Outcome::Confirmed),
        (late, Position::Gone, vec![], Outcome::Confirmed),
    ] {
        let [key, sessions] = [target(1), Target { user: "user1".into(), ..target(2) }];
        let fuses = Fuses::new(&[(key.clone(), key_now), (sessions.clone(), Position::On)]);
        *fuses.troubles.borrow_mut() = troubles;
        let change = |target| Change { target, from: Position::On, to: Position::Off };
        let header = Header { changes: vec![change(key), change(sessions.clone())], ..header(0) };
        let paper = Paper::with_room(usize::MAX, 0);
        Journal::on(Box::new(paper.clone())).begin(&header).unwrap();
        let switch = |_| Some(&fuses as &dyn Switch);
        let world =
            World { switch: &switch, pause: &|_| (), is_interrupted: &|| false, clock: &|| clock, told: &|_, _| () };
        let outcomes = run(&mut Journal::on(Box::new(paper.clone())), &paper.record(), &world);
        assert_eq!(results(&outcomes)[1], result, "{outcomes:?}");
        assert_eq!(fuses.positions()[&sessions] == Position::Off, result == Outcome::Confirmed);
    }
}

#[test]
fn an_undo_of_an_undo_does_not_cut_off_whoever_acts() {
    let sessions = Target { user: "Ada".into(), ..target(2) };
    let change = Change { target: sessions.clone(), from: Position::Off, to: Position::On };
    let header = Header { undoes: Some("j".into()), changes: vec![change], ..header(0) };
    let (fuses, paper) = (Fuses::new(&[(sessions, Position::Off)]), Paper::with_room(usize::MAX, 0));
    assert!(begin(&paper, &header, &fuses).unwrap().is_good());
    let plan = undo::plan(&paper.record(), &|_| Some(&fuses as &dyn Switch), &actor());
    assert_eq!((plan.steps.len(), plan.refusals[0].reason.name()), (0, "own key"));
}

#[test]
fn an_undo_is_undone() {
    let (fuses, paper) = (Fuses::new(&all(3, Position::On)), Paper::with_room(usize::MAX, 0));
    begin(&paper, &header(3), &fuses).unwrap();
    let off = fuses.positions();
    let back = take_back(&paper.record(), &fuses);
    assert_eq!(fuses.positions(), Fuses::new(&all(3, Position::On)).positions());
    take_back(&back.record(), &fuses);
    assert_eq!(fuses.positions(), off);
}

#[test]
fn the_key_that_signs_is_not_switched_off_by_an_undo() {
    let (fuses, paper) = (Fuses::new(&all(2, Position::On)), Paper::with_room(usize::MAX, 0));
    begin(&paper, &header(2), &fuses).unwrap();
    let Subject::AccessKey(id) = target(1).subject else { panic!() };
    let own = Actor { access_key_ids: [id].into(), ..actor() };
    let plan = undo::plan(&paper.record(), &|_| Some(&fuses as &dyn Switch), &own);
    assert_eq!((plan.steps.len(), plan.refusals[0].reason.name()), (1, "own key"));
}

fn trouble() -> impl Strategy<Value = Trouble> {
    prop_oneof![
        6 => Just(Trouble::None),
        1 => Just(Trouble::Refused),
        1 => Just(Trouble::Lost),
        1 => Just(Trouble::Swallowed),
        1 => (1u32..9).prop_map(Trouble::Late),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Whatever fails, wherever it is killed: taken up again it ends as if nothing had happened, and taken back as if it had not been.
    #[test]
    fn resume_ends_where_it_would_have_and_undo_where_it_began(
        troubles in proptest::collection::vec(trouble(), 0..40),
        more_troubles in proptest::collection::vec(trouble(), 0..20),
        off in proptest::collection::vec(any::<bool>(), 1..6),
        room in 0usize..14,
        cut in 0usize..60,
    ) {
        let count = off.len() as u8;
        let position = |off: &bool| if *off { Position::Off } else { Position::On };
        let former: Vec<_> = (0..count).map(target).zip(off.iter().map(position)).collect();
        let fuses = Fuses::new(&former);
        *fuses.troubles.borrow_mut() = troubles;
        let paper = Paper::with_room(room, cut);
        let Some(first) = begin(&paper, &header(count), &fuses) else {
            prop_assert!(fuses.sets.borrow().is_empty());
            return Ok(());
        };
        let mut set: Vec<_> = fuses.sets.borrow().iter().map(|(target, _)| target.clone()).collect();
        let sets = set.len();
        set.dedup();
        prop_assert_eq!((set.len(), set.iter().all(|target| former.contains(&(target.clone(), Position::On)))), (sets, true));
        for (seq, receipt) in &first.receipts {
            if receipt.result.is_good() {
                prop_assert_eq!(fuses.positions()[&target(*seq as u8)], Position::Off);
            }
        }
        let paper = paper.mended();
        *fuses.troubles.borrow_mut() = more_troubles;
        go_on(&paper, &fuses);
        // What is late shows in the end, and the faults are over.
        fuses.troubles.borrow_mut().clear();
        fuses.shown_late.borrow_mut().clear();
        prop_assert!(go_on(&paper, &fuses).is_good());
        prop_assert_eq!(fuses.positions(), Fuses::new(&all(count, Position::Off)).positions());
        prop_assert!(paper.record().left().is_empty());
        take_back(&paper.record(), &fuses);
        prop_assert_eq!(fuses.positions(), Fuses::new(&former).positions());
    }
}
