//! Compares what is found in a case with what it asks for, counts, and makes the table. It never shows a secret.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use keysweep::engine::Scanner;
use keysweep::key::Secret;

use super::case::{Case, Wanted};
use super::draw::Role;

/// A value that the engine reports.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Reported {
    pub(crate) is_id: bool,
    pub(crate) value: String,
    /// The rule, the kind and enough of the value to recognise it by.
    pub(crate) description: String,
}

/// How many values of one role were asked for, found of those, and reported though nobody asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) expected: usize,
    pub(crate) found: usize,
    pub(crate) wrong: usize,
}

/// What the engine does on some cases.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Score {
    pub(crate) cases: usize,
    pub(crate) ids: Count,
    pub(crate) secrets: Count,
    /// A line for each value that is missing or wrong.
    pub(crate) complaints: Vec<String>,
}

/// Every distinct value in the case's bytes, as the engine sees it.
pub(crate) fn reported(scanner: &Scanner, case: &Case) -> Vec<Reported> {
    let mut values = BTreeMap::new();
    for found in scanner.scan(&case.bytes).matches {
        if let Some(id) = found.access_key_id {
            let description = format!("{} {}", found.rule, id);
            values.insert((true, id.to_string()), description);
        }
        for secret in found.secrets {
            let value = String::from_utf8_lossy(secret.secret.expose()).into_owned();
            let description = format!("{} {:?} {}", found.rule, secret.kind, secret.secret.redacted());
            values.insert((false, value), description);
        }
    }
    values.into_iter().map(|((is_id, value), description)| Reported { is_id, value, description }).collect()
}

/// Holds what is reported against what the case asks for.
pub(crate) fn score(case: &Case, reported: &[Reported]) -> Score {
    let mut score = Score { cases: 1, ..Score::default() };
    let name = format!("{}/{}", case.family, case.name);
    let says = |wanted: &Wanted, reported: &Reported| {
        (wanted.role == Role::Id) == reported.is_id
            && wanted.texts.iter().any(|text| comparable(text) == comparable(&reported.value))
    };
    for wanted in &case.expected {
        let count = score.count(wanted.role == Role::Id);
        count.expected += 1;
        if reported.iter().any(|reported| says(wanted, reported)) {
            count.found += 1;
        } else {
            let redacted = Secret::new(wanted.texts[0].as_bytes()).redacted();
            score.complaints.push(format!("{name}: missing {} {redacted}", wanted.template));
        }
    }
    let optional: BTreeSet<String> = case.optional.iter().map(|text| comparable(text)).collect();
    for reported in reported {
        let asked_for = case.expected.iter().any(|wanted| says(wanted, reported));
        if !asked_for && !optional.contains(&comparable(&reported.value)) {
            score.count(reported.is_id).wrong += 1;
            score.complaints.push(format!("{name}: false {}", reported.description));
        }
    }
    score
}

/// The value as it is compared: of a private key in PEM only the characters of its base64, whatever ends its lines in the file.
fn comparable(value: &str) -> String {
    if !value.contains("PRIVATE KEY") {
        return value.to_owned();
    }
    let body = value.split("-----").nth(2).unwrap_or(value);
    let unescaped = body.replace("\\n", "").replace("\\r", "");
    unescaped.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=')).collect()
}

impl Count {
    /// The share of what was asked for that was found.
    pub(crate) fn recall(self) -> f64 {
        share(self.found, self.expected)
    }

    /// The share of what was reported that was asked for.
    pub(crate) fn precision(self) -> f64 {
        share(self.found, self.found + self.wrong)
    }

    fn add(&mut self, other: Self) {
        self.expected += other.expected;
        self.found += other.found;
        self.wrong += other.wrong;
    }
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}

impl Score {
    fn count(&mut self, is_id: bool) -> &mut Count {
        if is_id { &mut self.ids } else { &mut self.secrets }
    }

    /// Both together.
    pub(crate) fn add(&mut self, other: Self) {
        self.cases += other.cases;
        self.ids.add(other.ids);
        self.secrets.add(other.secrets);
        self.complaints.extend(other.complaints);
    }
}

/// The families with their counts, the totals, precision and recall.
pub(crate) fn table(families: &BTreeMap<String, Score>) -> String {
    let mut total = Score::default();
    let mut text = format!(
        "{:<40} {:>5}  {:^20}  {:^20}\n{:<40} {:>5}  {:>8} {:>5} {:>5}  {:>8} {:>5} {:>5}\n",
        "", "", "ids", "secrets", "family", "cases", "expected", "found", "false", "expected", "found", "false"
    );
    let mut row = |name: &str, score: &Score| {
        let Score { cases, ids, secrets, .. } = score;
        let _ = writeln!(
            text,
            "{name:<40} {cases:>5}  {:>8} {:>5} {:>5}  {:>8} {:>5} {:>5}",
            ids.expected, ids.found, ids.wrong, secrets.expected, secrets.found, secrets.wrong
        );
    };
    for (name, score) in families {
        row(name, score);
        total.add(score.clone());
    }
    row("total", &total);
    for (name, count) in [("ids", total.ids), ("secrets", total.secrets)] {
        let (precision, recall) = (100.0 * count.precision(), 100.0 * count.recall());
        let _ = writeln!(text, "{name:<8} precision {precision:6.2} %  recall {recall:6.2} %");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(expected: &[(&str, Role, &str)], optional: &[&str]) -> Case {
        let wanted = |&(template, role, text): &(&str, Role, &str)| Wanted {
            template: template.to_owned(),
            role,
            texts: vec![text.to_owned()],
        };
        Case {
            family: "f".to_owned(),
            name: "c".to_owned(),
            file: "c".to_owned(),
            bytes: Vec::new(),
            expected: expected.iter().map(wanted).collect(),
            optional: optional.iter().map(|&text| text.to_owned()).collect(),
        }
    }

    fn values(values: &[(bool, &str)]) -> Vec<Reported> {
        let reported = |&(is_id, value): &(bool, &str)| Reported {
            is_id,
            value: value.to_owned(),
            description: "rule kind …".to_owned(),
        };
        values.iter().map(reported).collect()
    }

    #[test]
    fn found_missing_and_false_are_counted() {
        let case = case(&[("id", Role::Id, "I"), ("secret", Role::Secret, "S"), ("token", Role::Secret, "T")], &["O"]);
        let score = score(&case, &values(&[(true, "I"), (true, "X"), (false, "S"), (false, "O"), (false, "Y")]));
        assert_eq!(score.ids, Count { expected: 1, found: 1, wrong: 1 });
        assert_eq!(score.secrets, Count { expected: 2, found: 1, wrong: 1 });
        assert_eq!(score.complaints, ["f/c: missing token …", "f/c: false rule kind …", "f/c: false rule kind …"]);
    }

    #[test]
    fn a_value_counts_as_what_it_is_only() {
        let score = score(&case(&[("id", Role::Id, "I")], &[]), &values(&[(false, "I")]));
        assert_eq!((score.ids.found, score.secrets.wrong), (0, 1));
    }

    #[test]
    fn a_private_key_is_the_same_whatever_ends_its_lines() {
        let plain = ["-----BEGIN RSA PRIVATE", " KEY-----\nab+\ncd=\n-----END RSA PRIVATE", " KEY-----"].concat();
        let escaped = plain.replace('\n', "\\n") + "\\n";
        assert_eq!(comparable(&plain), "ab+cd=");
        assert_eq!(comparable(&escaped), "ab+cd=");
        assert_ne!(comparable(&plain.replace("cd", "dc")), "ab+cd=");
        assert_eq!(comparable("a\\nb"), "a\\nb");
    }

    #[test]
    fn precision_and_recall_are_shares() {
        let count = Count { expected: 4, found: 3, wrong: 1 };
        assert_eq!((count.precision(), count.recall()), (0.75, 0.75));
        assert_eq!((Count::default().precision(), Count::default().recall()), (1.0, 1.0));
    }

    #[test]
    fn the_table_ends_with_the_totals() {
        let ids = Count { expected: 2, found: 1, wrong: 0 };
        let one = Score { cases: 1, ids, ..Score::default() };
        let table = table(&BTreeMap::from([("a".to_owned(), one.clone()), ("b".to_owned(), one)]));
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 7);
        assert_eq!(lines[4].split_whitespace().collect::<Vec<_>>(), ["total", "2", "4", "2", "0", "0", "0", "0"]);
        assert!(lines[5].contains("100.00 %") && lines[5].contains(" 50.00 %"));
    }
}
