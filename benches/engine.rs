//! How fast bytes go through the engine, next to the bare search for the same literals; and what it takes to start it.
//! All inputs are made here, always the same: prose in which nothing is, random bytes, prose with labels, prose with credentials.

use aho_corasick::{AhoCorasick, packed};
use divan::Bencher;
use divan::counter::BytesCount;
use keysweep::engine::Scanner;
use keysweep::engine::rule::RuleSet;

const SIZE: usize = 4 << 20;

fn main() {
    divan::main();
}

/// Xorshift, George Marsaglia, "Xorshift RNGs", 2003.
fn random() -> impl Iterator<Item = u64> {
    std::iter::successors(Some(0x9E37_79B9_7F4A_7C15_u64), |&state| {
        let state = state ^ state << 13;
        let state = state ^ state >> 7;
        Some(state ^ state << 17)
    })
}

fn prose_of(extra: &[&str], one_in: u64) -> Vec<u8> {
    let words: Vec<&str> = "the of and a to in is it you that he was for on are with as his they be at one have this from or had by \
        hot but some what there we can out other were all your when up use word how said an each she which do their time if \
        will way about many then them would write like so these her long make thing see him two has look more day could go \
        come did my sound no most number who over know water than call first people may down side been now find any new \
        work part take get place made live where after back little only round man year came show every good me give our \
        under name very through just form much great think say help low line before turn cause same mean differ move right \
        boy old too does tell set three want air well also play small end put home read hand port large spell add even \
        return static const char *buf; if (!ret) { goto out; } for (i = 0; i < n; i++) self.items[key] = value SELECT \
        int len = strlen(name); /* comment */ #include <stdio.h> struct access token session process success NULL"
        .split_whitespace()
        .collect();
    let mut text = Vec::with_capacity(SIZE);
    for number in random() {
        let word = match extra {
            [_, ..] if (number >> 20) % one_in == 0 => extra[(number >> 40) as usize % extra.len()],
            _ => words[(number >> 40) as usize % words.len()],
        };
        text.extend_from_slice(word.as_bytes());
        text.push(if (number >> 8) % 10 == 0 { b'\n' } else { b' ' });
        if text.len() >= SIZE {
            return text;
        }
    }
    text
}

fn prose() -> Vec<u8> {
    prose_of(&[], 1)
}

fn binary() -> Vec<u8> {
    random().flat_map(u64::to_le_bytes).take(SIZE).collect()
}

fn prose_with_labels() -> Vec<u8> {
    prose_of(&["secret", "aws_secret_access_key =", "sessionToken", "ASIA"], 200)
}

fn prose_with_credentials() -> Vec<u8> {
    let id = format!("AKIA{}", "SP2TPHJSQH3FJRUX");
    let secret = format!("SecretAccessKey: {}{}", "Vq1fZ8pTnW3sLk0yRb6/", "cXuEo9GdJh2+MtAiQ5Nv");
    prose_of(&[&id, &secret], 1000)
}

fn utf16_prose() -> Vec<u8> {
    prose_with_labels().iter().flat_map(|&c| [c, 0]).collect()
}

/// Base64 of what is no text, as certificates and images have it: the price of a look at the head of each line.
fn base64_lines() -> Vec<u8> {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letters = random().map(|number| alphabet[(number >> 40) as usize % 64]);
    let lines = letters.enumerate().flat_map(|(i, c)| if i % 64 == 63 { vec![c, b'\n'] } else { vec![c] });
    lines.take(SIZE).collect()
}

/// Everything around a credential is decoded: strings within JSON within JSON, and a list of quoted words.
fn escaped_json() -> Vec<u8> {
    let text = String::from_utf8(prose_with_credentials()).unwrap_or_default();
    let words = text.split(' ').map(|word| format!("\\\"{}\\\",", word.replace('"', "")));
    words.collect::<String>().into_bytes()
}

fn quoted_list() -> Vec<u8> {
    let text = String::from_utf8(prose_with_credentials()).unwrap_or_default();
    text.split(' ').map(|word| format!("\"{}\",", word.replace('"', ""))).collect::<String>().into_bytes()
}

/// The literals that the scanner looks for, but for the few that betray something encoded.
fn literals() -> Vec<String> {
    RuleSet::builtin().iter().flat_map(|rule| rule.keywords.clone()).collect()
}

type Input = (&'static str, fn() -> Vec<u8>);

const INPUTS: [Input; 8] = [
    ("prose", prose),
    ("binary", binary),
    ("prose with labels", prose_with_labels),
    ("prose with credentials", prose_with_credentials),
    ("UTF-16 with labels", utf16_prose),
    ("base64", base64_lines),
    ("escaped with credentials", escaped_json),
    ("quoted with credentials", quoted_list),
];

fn names() -> impl Iterator<Item = &'static str> {
    INPUTS.iter().map(|&(name, _)| name)
}

fn input(name: &str) -> Vec<u8> {
    INPUTS.iter().find(|(known, _)| *known == name).map(|(_, make)| make()).unwrap_or_default()
}

#[divan::bench(args = names())]
fn scan(bencher: Bencher<'_, '_>, name: &str) {
    let scanner = Scanner::new(RuleSet::builtin());
    let bytes = input(name);
    let bencher = bencher.counter(BytesCount::of_slice(&bytes)).with_inputs(|| scanner.forget());
    bencher.bench_local_values(|()| scanner.scan(&bytes).matches.len());
}

#[divan::bench(args = names())]
fn bare_vector_search(bencher: Bencher<'_, '_>, name: &str) {
    let bytes = input(name);
    let searcher = packed::Searcher::new(literals());
    bencher
        .counter(BytesCount::of_slice(&bytes))
        .bench_local(|| searcher.as_ref().map(|s| s.find_iter(&bytes).count()));
}

#[divan::bench(args = names())]
fn bare_automaton(bencher: Bencher<'_, '_>, name: &str) {
    let bytes = input(name);
    let automaton = AhoCorasick::new(literals());
    bencher
        .counter(BytesCount::of_slice(&bytes))
        .bench_local(|| automaton.as_ref().map(|a| a.find_iter(&bytes).count()));
}

#[divan::bench]
fn start() -> Scanner {
    Scanner::new(RuleSet::builtin())
}
