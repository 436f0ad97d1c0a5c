//! A number for each object in packs. Asking one pack after another would cost more with every pack there is: where there are many, one
//! table holds the ids of all.

use rayon::prelude::*;

use super::index::prefix;
use super::pack::Pack;

/// Where the objects of a row of packs are.
#[derive(Default)]
pub(super) struct Numbers {
    /// The number of each pack's first object, and one more than the last number.
    starts: Vec<u32>,
    /// Of each distinct object the first eight bytes of its id, in order of ids. Empty where there are few packs.
    prefixes: Vec<u64>,
    /// The smallest number of each.
    numbers: Vec<u32>,
    /// Where in both the ids begin that share their first two bytes.
    fan_out: Vec<u32>,
}

/// So many packs are asked one after another.
const FEW: usize = 3;

impl Numbers {
    /// Numbers the objects of `packs`, which hold fewer than 2³² in all, for who asks for few of them: one pack is asked after another.
    pub(super) fn of_few(packs: &[Pack]) -> Self {
        let mut numbers = Self { starts: vec![0], ..Self::default() };
        for pack in packs {
            numbers.starts.push(numbers.len() + pack.index().len() as u32);
        }
        numbers
    }

    /// The same for who asks for many.
    pub(super) fn of(packs: &[Pack]) -> Self {
        let numbers = Self::of_few(packs);
        if packs.len() <= FEW {
            return numbers;
        }
        let raw_id = |number| {
            let (pack, position) = numbers.place(number);
            packs[pack].index().raw_id(position)
        };
        let mut all: Vec<(u64, u32)> =
            (0..numbers.len()).into_par_iter().map(|number| (prefix(raw_id(number)), number)).collect();
        all.par_sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| raw_id(a.1).cmp(raw_id(b.1))).then(a.1.cmp(&b.1)));
        all.dedup_by(|a, b| a.0 == b.0 && raw_id(a.1) == raw_id(b.1));
        let fan_out = (0..=1 << 16).map(|n| all.partition_point(|(prefix, _)| prefix >> 48 < n) as u32).collect();
        let (prefixes, sorted) = all.into_iter().unzip();
        Self { prefixes, numbers: sorted, fan_out, ..numbers }
    }

    /// How many numbers there are.
    pub(super) fn len(&self) -> u32 {
        self.starts.last().copied().unwrap_or(0)
    }

    /// The number of the first object in a pack.
    pub(super) fn start(&self, pack: usize) -> u32 {
        self.starts[pack]
    }

    /// The pack that an object has its number in, and its position there.
    pub(super) fn place(&self, number: u32) -> (usize, usize) {
        let pack = self.starts.partition_point(|start| *start <= number) - 1;
        (pack, (number - self.starts[pack]) as usize)
    }

    /// Gets ready to be asked for these.
    pub(super) fn approach<'i>(&self, packs: &[Pack], raw_ids: impl Iterator<Item = &'i [u8]> + Clone) {
        if self.fan_out.is_empty() {
            packs.iter().for_each(|pack| pack.index().approach(raw_ids.clone()));
        }
    }

    /// The number of an object: where several packs hold it, that in the first.
    pub(super) fn number(&self, packs: &[Pack], raw_id: &[u8]) -> Option<u32> {
        let wanted = prefix(raw_id);
        let bucket = (wanted >> 48) as usize;
        let Some((start, end)) = self.fan_out.get(bucket).zip(self.fan_out.get(bucket + 1)) else {
            let found = |(pack, start): (&Pack, &u32)| Some(start + pack.index().find(raw_id)? as u32);
            return packs.iter().zip(&self.starts).find_map(found);
        };
        let (start, end) = (*start as usize, *end as usize);
        let first = start + self.prefixes[start..end].partition_point(|prefix| *prefix < wanted);
        let last = first + self.prefixes[first..end].partition_point(|prefix| *prefix == wanted);
        let id = |number: &u32| {
            let (pack, position) = self.place(*number);
            packs[pack].index().raw_id(position)
        };
        let alike = &self.numbers[first..last];
        alike.binary_search_by(|number| id(number).cmp(raw_id)).ok().map(|at| alike[at])
    }
}
