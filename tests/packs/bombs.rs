//! Packs of few bytes that stand for very many, and headers that lie about it.

use keysweep::source::git::Limits;

use crate::damage::{empty, write_pack};
use crate::oracle::{Object, assert_exact};
use crate::sink::{SCANNER, scan_within};
use crate::store::{self, Hash, Stored};

type Entry = (Vec<u8>, Stored, Vec<u8>);

fn id(n: usize) -> Vec<u8> {
    Hash::Sha1.of(&n.to_be_bytes())
}

/// The object numbered `n`, as a delta of another one.
fn made(n: usize, base: usize, delta: Vec<u8>) -> Entry {
    (id(n), Stored::OnObject(id(base)), delta)
}

fn copies(base: usize, steps: &[(usize, usize)]) -> Vec<u8> {
    let size = steps.iter().map(|(_, len)| len).sum();
    let steps: Vec<_> = steps.iter().map(|(from, len)| store::Step::Copy { from: *from, len: *len }).collect();
    store::delta(base, size, &steps)
}

fn tight() -> Limits {
    Limits { largest: 1 << 20, large: 1 << 16, held: 1 << 16, ..Limits::default() }
}

#[test]
fn objects_that_double_with_each_delta_are_made_up_to_the_limit() {
    let repository = empty();
    let mut entries = vec![(id(0), Stored::Whole(3), vec![b'x'; 1024])];
    entries.extend((1..17).map(|n| made(n, n - 1, copies(1 << (n + 9), &[(0, 1 << (n + 9)), (0, 1 << (n + 9))]))));
    write_pack(repository.path(), "a", &entries, |_, at| at);
    let seen = scan_within(repository.path(), tight());
    assert_eq!(seen.objects.values().map(Vec::len).max(), Some(1 << 20));
    assert_eq!((seen.objects.len(), seen.skipped.len()), (11, 6));
    assert!(seen.skipped.iter().any(|skipped| skipped.why.contains("larger than 1048576 bytes")));
}

#[test]
fn hundreds_of_large_objects_of_one_base_are_read_until_it_is_too_much() {
    let repository = empty();
    let mut entries = vec![(id(0), Stored::Whole(3), vec![b'x'; 1 << 20])];
    entries.extend((1..=600).map(|n| made(n, 0, copies(1 << 20, &[(0, n), (0, (1 << 20) - n)]))));
    write_pack(repository.path(), "a", &entries, |_, at| at);
    let read = |work| scan_within(repository.path(), Limits { work, told: 10, ..tight() });
    let seen = read(1 << 30);
    assert_eq!((seen.objects.len(), seen.skipped.len()), (601, 0));
    let seen = read(100 << 20);
    assert!((100..500).contains(&seen.objects.len()), "{}", seen.objects.len());
    assert_eq!(seen.skipped.len(), 11, "of the others ten are told, and how many more there are");
    assert!(seen.skipped[..10].iter().all(|skipped| skipped.why.contains("too many bytes")));
    let others = 601 - seen.objects.len() - 10;
    assert!(seen.is_told(&format!("{others} more objects of")), "{:?}", seen.skipped[10]);
}

#[test]
fn sizes_that_lie_are_told_and_cost_nothing() {
    let repository = empty();
    let mut pack = store::Pack::new(Hash::Sha1);
    let mut objects = Vec::new();
    let zeros = store::deflated(&vec![0; 1 << 20]);
    for n in 0..2000 {
        objects.push((id(n), pack.len()));
        let stored = if n % 2 == 0 { Stored::Whole(3) } else { Stored::OnObject(id(n - 1)) };
        pack.add_raw(&stored, [512 << 20, 1 << 40, (1 << 20) - 1, 70 << 10][n / 2 % 4], &zeros[..20 + n % 9]);
    }
    let bytes = pack.finish();
    let path = repository.path().join("objects/pack/pack-a.pack");
    std::fs::write(path.with_extension("idx"), store::index(&objects, &bytes, 2, Hash::Sha1)).unwrap();
    std::fs::write(path, bytes).unwrap();
    let seen = scan_within(repository.path(), Limits::default());
    assert!((0..2000).all(|n| seen.is_told(&store::hex(&id(n)))), "{}", seen.skipped.len());
}

/// One byte each, none next to the last: what is told of them must not take more memory than they do.
#[test]
fn copies_of_single_bytes_are_read_and_not_remembered() {
    let key = ["AK", "IAQSP2TPHJSQH3FJRU"].concat();
    let base: Vec<u8> = (0..=255u8).collect();
    let content = [&b"words and more words ".repeat(4000)[..], key.as_bytes(), b" and more"].concat();
    let steps: Vec<_> = content.iter().map(|byte| store::Step::Copy { from: usize::from(*byte), len: 1 }).collect();
    let delta = store::delta(base.len(), content.len(), &steps);
    let objects = [
        Object::new(3, base, None),
        Object::new(3, content.clone(), Some((0, delta))),
        Object::new(3, content[..50].to_vec(), Some((1, copies(content.len(), &[(0, 50)])))),
    ];
    assert_exact(&objects, Hash::Sha1, Limits::default());
    assert_eq!(SCANNER.scan(&content).matches.len(), 1);
}

#[test]
fn copies_of_64_kib_are_read_wherever_they_cut_a_key() {
    let key = ["AK", "IAQSP2TPHJSQH3FJRU"].concat();
    let words = b"word and another word\n".repeat(7000);
    let (first, second) = (&words[..0x10000 - 9], &words[..0x10000 - 31]);
    let base = [first, b" ", key.as_bytes(), b"\n", second, b" ", key.as_bytes(), b"\n", second].concat();
    let mut objects = vec![Object::new(3, base.clone(), None)];
    for from in (0..60).step_by(3) {
        let steps = [(from, 0x10000), (from + 0x10000, 0x10000), (0, from + 1)];
        let content = steps.iter().flat_map(|(from, len)| base[*from..from + len].to_vec()).collect();
        objects.push(Object::new(3, content, Some((0, copies(base.len(), &steps)))));
        let steps = [(from + 0x10000 - 20, 0x10000), (from, 0x10000)];
        let content = steps.iter().flat_map(|(from, len)| base[*from..from + len].to_vec()).collect();
        objects.push(Object::new(3, content, Some((0, copies(base.len(), &steps)))));
    }
    assert_exact(&objects, Hash::Sha1, Limits::default());
}
