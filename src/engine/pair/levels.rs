//! Goes through the containers of a text from the inside out: in each, the ids and secrets that have no partner yet get one, and
//! what is left over goes to the container around. So the innermost container that holds both decides, then labels, and
//! distance last.

use std::collections::BTreeMap;

use super::align::{Distance, Reach, Seat, align, are_two_lists, cost};
use super::layout::{Kind, Layout};
use super::{neighbours, spent};

/// Partners are no further apart than this.
const USUAL: Distance = Distance { lines: 30, bytes: 4096 };
const REACH: Reach = Reach { members: USUAL, others: USUAL };
/// Members of one record may be.
const RECORD: Reach = Reach { members: Distance { lines: 300, bytes: 64 << 10 }, others: USUAL };
/// So may those that alone in their container have one name.
const ANY: Distance = Distance { lines: usize::MAX, bytes: usize::MAX };
const NAMESAKES: Reach = Reach { members: ANY, others: ANY };
/// A second secret that has no id of its own belongs to an id within this distance.
const CLOSE: Distance = Distance { lines: 10, bytes: 1024 };
const SPARE: Reach = Reach { members: CLOSE, others: CLOSE };

/// What a secret has to do with an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tie {
    /// Index of the id.
    pub(super) id: usize,
    /// The id has a better one.
    pub(super) is_spare: bool,
    /// How unlikely it is.
    pub(super) cost: u64,
}

/// Ids and secrets of one kind.
pub(super) struct Levels<'a> {
    layout: &'a Layout,
    seats: &'a mut [Seat],
    ties: &'a mut [Option<Tie>],
    /// Parts with a partner.
    settled: Vec<bool>,
    waiting: Vec<Waiting>,
    /// How many there are.
    ids: usize,
    secrets: usize,
}

/// Parts in a container that look for partners.
#[derive(Clone, Debug, Default)]
struct Waiting {
    ids: Vec<usize>,
    /// Ids of the container that have a partner but take more.
    taken: Vec<usize>,
    secrets: Vec<usize>,
    /// How many came to it.
    members: usize,
    /// A line in it has a pair of its own, as the rows of tables have.
    has_rows: bool,
}

impl<'a> Levels<'a> {
    /// There is one seat for each part, and a place for its tie.
    pub(super) fn new(layout: &'a Layout, seats: &'a mut [Seat], ties: &'a mut [Option<Tie>]) -> Self {
        for seat in seats.iter_mut() {
            (seat.wrapped, seat.settled) = (false, 0);
        }
        let settled = vec![false; seats.len()];
        Self { layout, seats, ties, settled, waiting: vec![Waiting::default(); layout.nodes.len()], ids: 0, secrets: 0 }
    }

    /// Ties `secrets` to `ids`; both are indices of parts, in order.
    pub(super) fn tie(mut self, ids: &[usize], secrets: &[usize]) {
        if ids.is_empty() || secrets.is_empty() {
            return;
        }
        (self.ids, self.secrets) = (ids.len(), secrets.len());
        for &id in ids {
            self.waiting[self.layout.places[id].node].ids.push(id);
        }
        for &secret in secrets {
            self.waiting[self.layout.places[secret].node].secrets.push(secret);
        }
        for node in (0..self.layout.nodes.len()).rev() {
            let mut here = std::mem::take(&mut self.waiting[node]);
            if !self.is_transparent(node) && !here.secrets.is_empty() && here.ids.len() + here.taken.len() > 0 {
                self.settle(node, &mut here);
            }
            self.hand_on(node, here);
        }
    }

    /// Brackets and elements whose end was not seen are no containers.
    fn is_transparent(&self, node: usize) -> bool {
        let node = self.layout.nodes[node];
        matches!(node.kind, Kind::Bracket(_) | Kind::Element) && !node.closed
    }

    /// Whether a container is a record of its own, and not just what stands around a value.
    fn is_record(&self, node: usize, here: &Waiting) -> bool {
        let in_entry = |part: &usize| self.seats[*part].label.in_entry;
        let found = self.layout.nodes[node];
        let is_entry = here.members == 1 && here.ids.iter().chain(&here.secrets).all(in_entry);
        match found.kind {
            _ if self.is_transparent(node) => false,
            Kind::Text | Kind::Line => false,
            Kind::Element => !found.leaf,
            Kind::Bracket(b'}') | Kind::Item => !is_entry,
            Kind::Bracket(_) => here.members > 1,
            Kind::Section => true,
            Kind::Paragraph => match self.layout.nodes[found.parent].kind {
                Kind::Line => !is_entry,
                Kind::Bracket(_) | Kind::Element => self.is_transparent(found.parent),
                Kind::Item => false,
                Kind::Text | Kind::Section | Kind::Paragraph => true,
            },
        }
    }

    fn hand_on(&mut self, node: usize, mut here: Waiting) {
        let own = here.ids.len() + here.secrets.len();
        here.members = here.members.max(own);
        spent(own + here.taken.len());
        if self.is_record(node, &here) {
            here.taken.clear();
            for &part in here.ids.iter().chain(&here.secrets) {
                self.seats[part].wrapped = true;
            }
        }
        let parent = self.layout.nodes[node].parent;
        if parent == node {
            return;
        }
        let there = &mut self.waiting[parent];
        there.members += here.members;
        there.has_rows |= here.has_rows && self.layout.nodes[node].kind == Kind::Line;
        for (to, from) in
            [(&mut there.ids, here.ids), (&mut there.taken, here.taken), (&mut there.secrets, here.secrets)]
        {
            if to.is_empty() {
                *to = from;
            } else {
                to.extend(from);
            }
        }
    }

    fn settle(&mut self, node: usize, here: &mut Waiting) {
        here.members = here.members.max(here.ids.len() + here.taken.len() + here.secrets.len());
        here.ids.sort_unstable();
        here.secrets.sort_unstable();
        for &part in here.ids.iter().chain(&here.secrets).filter(|_| here.has_rows) {
            self.seats[part].wrapped |= self.seats[part].label.stem.is_none();
        }
        self.count_settled(here);
        let reach = if self.holds_a_record(node) { RECORD } else { REACH };
        self.pair_namesakes(here, reach);
        self.pair(&here.ids, &here.secrets, reach);
        self.sort_out(here);
        here.has_rows = !here.taken.is_empty();
        self.add_spares(here, if self.holds_a_record(node) { RECORD } else { SPARE });
    }

    fn holds_a_record(&self, node: usize) -> bool {
        matches!(self.layout.nodes[node].kind, Kind::Bracket(_) | Kind::Element | Kind::Section | Kind::Item)
    }

    /// Counts for each waiting part the paired ones before it. Where all are members of the container itself, nobody asks.
    fn count_settled(&mut self, here: &Waiting) {
        let mut waiting: Vec<usize> = here.ids.iter().chain(&here.secrets).copied().collect();
        if !waiting.iter().any(|&part| self.seats[part].wrapped) {
            return;
        }
        waiting.sort_unstable();
        let (mut settled, mut at) = (0, waiting[0]);
        spent(waiting[waiting.len() - 1] - at);
        for part in waiting {
            settled += self.settled[at..part].iter().filter(|&&is_settled| is_settled).count();
            at = part;
            self.seats[part].settled = settled;
        }
    }

    /// Pairs those whose labels have the same stem.
    fn pair_namesakes(&mut self, here: &mut Waiting, reach: Reach) {
        let mut by_stem: BTreeMap<&[u8], (Vec<usize>, Vec<usize>)> = BTreeMap::new();
        for &id in &here.ids {
            if let Some(stem) = &self.seats[id].label.stem {
                by_stem.entry(stem).or_default().0.push(id);
            }
        }
        for &secret in &here.secrets {
            let stem = self.seats[secret].label.stem.as_deref();
            if let Some((_, secrets)) = stem.and_then(|stem| by_stem.get_mut(stem)) {
                secrets.push(secret);
            }
        }
        let groups: Vec<_> = by_stem.into_iter().map(|(stem, group)| (stem.is_empty(), group)).collect();
        for (unnamed, (ids, secrets)) in groups {
            let alone = !unnamed && ids.len() == 1 && secrets.len() == 1;
            self.pair(&ids, &secrets, if alone { NAMESAKES } else { reach });
        }
        self.sort_out(here);
    }

    fn pair(&mut self, ids: &[usize], secrets: &[usize], reach: Reach) {
        let seats = |parts: &[usize]| -> Vec<&Seat> { parts.iter().map(|&part| &self.seats[part]).collect() };
        let (own, others) = (seats(ids), seats(secrets));
        // When there is nothing else in the text, distance says nothing.
        let is_everything = ids.len() == self.ids && secrets.len() == self.secrets;
        let partners = match is_everything && are_two_lists(&own, &others) {
            true => (0..secrets.len()).map(Some).collect(),
            false => align(&own, &others, reach),
        };
        for (&secret, partner) in secrets.iter().zip(partners) {
            if let Some(id) = partner {
                self.ties[secret] = Some(Tie { id: ids[id], is_spare: false, cost: 0 });
                self.settled[secret] = true;
                self.settled[ids[id]] = true;
            }
        }
    }

    /// Takes out what has a partner.
    fn sort_out(&self, here: &mut Waiting) {
        let (taken, ids) = here.ids.iter().partition(|&&id| self.settled[id]);
        here.taken.extend::<Vec<usize>>(taken);
        here.ids = ids;
        here.secrets.retain(|&secret| !self.settled[secret]);
    }

    /// What is left over beside an id is another candidate for it.
    fn add_spares(&mut self, here: &mut Waiting, reach: Reach) {
        here.taken.sort_unstable();
        let (ties, seats, taken) = (&mut *self.ties, &*self.seats, &here.taken);
        here.secrets.retain(|&secret| {
            let seat = &seats[secret];
            let near = neighbours(taken, secret).filter_map(|id| {
                let fits = !seat.wrapped && !seats[id].label.clashes(&seat.label);
                cost(&seats[id], seat, reach).filter(|_| fits).map(|cost| (cost, id))
            });
            let best = near.min();
            ties[secret] = best.map(|(cost, id)| Tie { id, is_spare: true, cost });
            best.is_none()
        });
    }
}
