//! A bucket of ten thousand objects with forty keys in it, wherever they can be: all are found, and what can't be read is told.

use crate::fake::{Fault, Object, Refusal};
use crate::packed::{gz, parquet, tar_zst, zip};
use crate::scene::{Scene, harmless, skipped};
use crate::support::{Output, env_file, example_key};

const OBJECTS: usize = 10_000;
const KEYS: usize = 40;

/// In how large pieces large objects are searched.
const WINDOW: u64 = 8 << 20;

/// Names as they come about, and as nobody would choose them.
const ODD: [&str; 10] = [
    "odd/\u{1}\u{7f}\u{1b}[31m.env",
    "./odd.env",
    "odd//twice//.env",
    "odd/first line\nsecond line",
    "odd/🔑/🗝️.env",
    "odd/100%/%41%2F%zz.env",
    "odd/a+b c.env",
    "odd/?version=1&x=y#z.env",
    "/odd/<Key>&amp;\"'\\.env",
    "odd/\u{202e}vne.txt",
];

/// Puts keys into a bucket, each another one.
struct Planter {
    scene: Scene,
    ids: Vec<String>,
}

impl Planter {
    /// The next key, as a file has it.
    fn next(&mut self) -> String {
        let seed = 100 + self.ids.len() as u64;
        self.ids.push(example_key(seed).0);
        env_file(seed)
    }

    fn put(&mut self, key: &str, object: impl FnOnce(String) -> Object) {
        let text = self.next();
        self.scene.fake.bucket("bkt", |bucket| bucket.put(key, object(text)));
    }
}

/// All of it, with one object of `size` bytes.
fn planted(size: u64) -> Planter {
    let scene = Scene::with(|bucket| {
        bucket.versioned = true;
        for number in 0..OBJECTS {
            bucket.put(&format!("logs/{:02}/{number}.log", number % 40), harmless(number));
        }
    });
    let mut to = Planter { scene, ids: Vec::new() };
    for key in ["first.env", "logs/39/x", "zzz/last.env"] {
        to.put(key, Object::new);
    }
    under_other_versions(&mut to);
    inside(&mut to);
    for key in ODD {
        to.put(key, Object::new);
    }
    // Four bytes each, but for the first character.
    to.put(&format!("{}{}", "é".repeat(2), "🔑".repeat(255)), Object::new);
    let places = [WINDOW * 2 - 70, size / 2, size - 200];
    let plants = places.map(|at| (at, format!("\n{}\n", to.next()).into_bytes())).to_vec();
    to.scene.fake.bucket("bkt", |bucket| bucket.put("large.log", Object::made(size, plants)));
    beside_denied(&mut to);
    to
}

/// Where nobody looks who lists a bucket.
fn under_other_versions(to: &mut Planter) {
    for key in ["logs/03/83.log", "rotated.env", "twice.env"] {
        to.put(key, Object::new);
        to.scene.fake.bucket("bkt", |bucket| bucket.put(key, harmless(0)));
    }
    for key in ["deleted.env", "logs/04/deleted.env", "also/deleted.env"] {
        to.put(key, Object::new);
        to.scene.fake.bucket("bkt", |bucket| bucket.delete(key));
    }
    // Deleted, and there again.
    to.put("back.env", Object::new);
    to.scene.fake.bucket("bkt", |bucket| {
        bucket.delete("back.env");
        bucket.put("back.env", harmless(0));
    });
}

/// In what has to be opened, and in what is written on it.
fn inside(to: &mut Planter) {
    for number in ["1", "2"] {
        let key = |name: &str| format!("{number}/{name}");
        to.put(&key("a.log.gz"), |text| Object::new(gz(&text)));
        to.put(&key("page"), |text| Object::new(gz(&text)).encoded("gzip"));
        to.put(&key("a.zip"), |text| Object::new(zip(&text)));
        to.put(&key("a.tar.zst"), |text| Object::new(tar_zst(&text)));
        to.put(&key("a.parquet"), |text| Object::new(parquet(&text)));
        let value = |text: String| text.lines().next().unwrap().replace('=', ": ");
        to.put(&key("metadata"), |text| harmless(0).metadata("note", value(text)));
        to.put(&key("tags"), |text| harmless(0).tag("note", value(text)));
    }
    let text = to.next();
    let named = format!("uploads/{}.csv", text.lines().next().unwrap());
    to.scene.fake.bucket("bkt", |bucket| bucket.put(&named, harmless(0)));
}

/// Where the neighbours may not be read.
fn beside_denied(to: &mut Planter) {
    for number in 1..=3 {
        let key = format!("private/{number}");
        to.scene.fake.bucket("bkt", |bucket| bucket.put(&key, harmless(0)));
        to.scene.fake.always("GetObject", &format!("bkt/{key}"), Fault::Refuse(Refusal::denied()));
    }
    to.put("private/2.env", Object::new);
}

fn swept(size: u64) -> (Planter, Output) {
    let to = planted(size);
    assert_eq!(to.ids.len(), KEYS);
    let output = to.scene.sweep(["s3://bkt", "--versions", "--metadata"]);
    output.expect(2, &to.ids.iter().map(String::as_str).collect::<Vec<_>>());
    let denied: Vec<_> = skipped(&output).into_iter().map(|(what, _)| what).collect();
    let expected: Vec<_> = (1..=3).map(|number| format!("s3://bkt/private/{number}")).collect();
    assert_eq!(denied, expected, "{output:?}");
    to.scene.fake.log().expect_signed(true);
    (to, output)
}

#[test]
fn all_forty_keys_are_found_and_what_was_denied_is_told() {
    let (to, output) = swept(300 << 20);
    assert!(!output.stderr.contains('\u{1b}') && !output.stderr.contains('\u{202e}'), "{output:?}");
    let log = to.scene.fake.log();
    // All else once: in a bucket of ten thousand objects there are eleven pages and some directories.
    let again: Vec<_> =
        log.fetches().into_iter().filter(|((key, _), times)| *times > 1 && *key != "large.log").collect();
    assert!(again.is_empty(), "read again: {again:?}");
    assert!(log.count("ListObjectVersions") < 100, "{}", log.count("ListObjectVersions"));
}

/// `cargo test --release --test s3 -- --ignored three_gigabytes`.
#[test]
#[ignore = "without optimisation it takes minutes"]
fn all_forty_keys_are_found_with_three_gigabytes_in_one_object() {
    swept(3 << 30);
}
