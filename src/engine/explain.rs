//! Why something was reported or not. What is reported is what [`Scanner::scan`] says; here everything that looked like a
//! credential is gathered, with the reason of whoever dropped it. Speed does not matter: somebody asks about one file.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use self::spans::Spans;
use super::foreign::Terms;
use super::pair::Part;
use super::rule::pattern::Found;
use super::rule::{Kind, Rule, RuleSet};
use super::search::Search;
use super::{
    Dropped, Encoding, Match, Scanner, SecretKind, account_of, beside, boundary, judged, part, plausible, structure,
    window,
};
use crate::key::{AccessKeyId, AccountId, Secret};
use crate::location::Span;

mod spans;
mod unique_ids;

/// Something that looked like a credential, and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// The id of the rule that matched it; `None` for what no rule looks for.
    pub rule: Option<Arc<str>>,
    /// Where it stands, in the bytes as they are.
    pub span: Span,
    /// What it was decoded from, outermost first.
    pub encoding: Vec<Encoding>,
    /// What was matched.
    pub value: Looked,
    /// What became of it.
    pub outcome: Outcome,
}

/// What a candidate looked like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Looked {
    /// An access key id.
    Id(AccessKeyId),
    /// A word in the shape of an id that is none.
    Word(String),
    /// A secret.
    Secret(SecretKind, Secret),
}

/// What became of a candidate.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It is in the report, with what stands at these places: the secrets of an id, or the id of a secret.
    Reported {
        /// Where they stand, best first.
        with: Vec<Span>,
    },
    /// It is not, and why.
    Dropped(Dropped),
}

/// A literal that made the scanner look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyword<'a> {
    /// Offset of its first byte.
    pub at: usize,
    /// The literal.
    pub text: String,
    /// Whether it stands in UTF-16.
    pub wide: bool,
    /// The ids of the rules that look there.
    pub rules: Vec<&'a str>,
}

impl Candidate {
    /// Shannon entropy of the value, in bits a character.
    pub fn entropy(&self) -> f64 {
        plausible::entropy(self.value.bytes())
    }

    /// The smallest of the usual alphabets that has all of its characters.
    pub fn alphabet(&self) -> &'static str {
        let all = |of: fn(&u8) -> bool| self.value.bytes().iter().all(of);
        match () {
            () if all(u8::is_ascii_digit) => "digits",
            () if all(u8::is_ascii_hexdigit) => "hexadecimal",
            () if all(|c| matches!(c, b'A'..=b'Z' | b'2'..=b'7')) => "base32",
            () if all(|c| c.is_ascii_uppercase() || c.is_ascii_digit()) => "capitals and digits",
            () if all(u8::is_ascii_alphanumeric) => "letters and digits",
            () if all(|c| c.is_ascii_alphanumeric() || b"+/=".contains(c)) => "base64",
            () if all(|c| c.is_ascii_alphanumeric() || b"-_=".contains(c)) => "base64url",
            () if all(u8::is_ascii_graphic) => "visible ASCII",
            () => "bytes",
        }
    }

    /// The account that it belongs to, if it tells.
    pub fn account(&self) -> Option<AccountId> {
        match &self.value {
            Looked::Id(id) => id.account(),
            Looked::Word(_) => None,
            Looked::Secret(kind, secret) => account_of(*kind, secret),
        }
    }

    /// Whether it was dropped as a placeholder or an example of the documentation.
    pub fn is_placeholder(&self) -> bool {
        matches!(self.outcome, Outcome::Dropped(Dropped::Excluded(_)))
    }

    /// Whether it is in the report.
    pub fn is_reported(&self) -> bool {
        matches!(self.outcome, Outcome::Reported { .. })
    }
}

impl Looked {
    fn new(kind: Kind, value: &[u8]) -> Self {
        match kind {
            Kind::AccessKeyId => AccessKeyId::parse(value)
                .map_or_else(|| Self::Word(String::from_utf8_lossy(value).into_owned()), Self::Id),
            Kind::Secret(kind) => Self::Secret(kind, Secret::new(structure::normal(kind, value))),
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Id(_) | Self::Word(_) => Kind::AccessKeyId,
            Self::Secret(kind, _) => Kind::Secret(*kind),
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Id(id) => id.as_str().as_bytes(),
            Self::Word(word) => word.as_bytes(),
            Self::Secret(_, secret) => secret.expose(),
        }
    }
}

impl Scanner {
    /// Everything in `bytes` that looked like a credential, in order of place. `is_here` says whether what a match still depends on
    /// holds where the bytes stand.
    pub fn explain(&self, bytes: &[u8], is_here: impl Fn(&Terms) -> bool) -> Vec<Candidate> {
        let mut matches = self.scan(bytes).matches;
        matches.retain(|found| is_here(&found.terms));
        let mut seen = Vec::new();
        let mut look = |text: &[u8], place: &dyn Fn(Span) -> (Span, Vec<Encoding>)| {
            let mut here = self.matched(text);
            here.extend(unique_ids::find(text).map(|(span, what)| Seen::unique_id(text, span, what)));
            let runs = self.unlabelled(text, &here);
            here.extend(runs);
            here.iter_mut().for_each(|seen| (seen.span, seen.encoding) = place(seen.span));
            seen.extend(here);
        };
        look(bytes, &|span| (span, Vec::new()));
        for (region, view) in Search::new(self, bytes).views() {
            for (step, text) in view.texts().enumerate() {
                look(text, &|span| {
                    let (span, encoding) = view.raw(step, span);
                    (span.shifted(region.start), encoding)
                });
            }
        }
        // As the scan does where several rules find the same.
        seen.sort_by_key(|seen| (seen.span.start, seen.verdict == Ok(Need::Id), seen.rule));
        let mut candidates = self.settled(seen, &matches);
        candidates.extend(unseen(&self.rules, &matches, &candidates));
        candidates.sort_by(|a, b| (a.span, &a.encoding, &a.rule).cmp(&(b.span, &b.encoding, &b.rule)));
        candidates.dedup();
        // What stands in a text stands in its views too.
        let told = |c: &Candidate| (c.span, c.rule.clone(), c.value.bytes().to_vec());
        let reported: HashSet<_> = candidates.iter().filter(|c| c.is_reported()).map(told).collect();
        let is_covered = |c: &Candidate| matches!(c.outcome, Outcome::Dropped(Dropped::Covered { .. }));
        let is_repeated = |c: &Candidate| is_covered(c) && reported.contains(&told(c));
        candidates.retain(|c| !is_repeated(c));
        candidates
    }

    /// The literals in `bytes` that made the scanner look, in order of place.
    pub fn keywords(&self, bytes: &[u8]) -> Vec<Keyword<'_>> {
        self.prefilter
            .hits(bytes)
            .map(|hit| Keyword {
                at: hit.at,
                text: hit.literal.text(),
                wide: hit.literal.wide,
                rules: hit.literal.rules.iter().map(|&index| &*self.rules.at(index).id).collect(),
            })
            .collect()
    }

    /// What the regexes match.
    fn matched(&self, text: &[u8]) -> Vec<Seen> {
        let mut all = Vec::new();
        for (index, rule) in self.rules.iter().enumerate() {
            all.extend(
                window::find_slowly(&rule.pattern, text).iter().map(|found| Seen::new(index, rule, text, found)),
            );
        }
        all
    }

    /// Forty characters that stand near ids or labels, and that no regex matched.
    fn unlabelled(&self, text: &[u8], seen: &[Seen]) -> Vec<Seen> {
        let Some((index, rule)) = self.rules.iter().enumerate().find(|(_, rule)| rule.pattern.needs_no_label()) else {
            return Vec::new();
        };
        let (secrets, ids): (Vec<&Seen>, _) = seen.iter().partition(|seen| matches!(seen.value, Looked::Secret(..)));
        let labels = self.prefilter.hits(text).filter(|hit| hit.literal.rules.contains(&index));
        let labels = labels.map(|hit| Span { start: hit.at, end: hit.at + hit.literal.text().len() });
        let labelled = Spans::new(secrets.iter().map(|secret| secret.span));
        let good = Spans::new(secrets.iter().filter(|secret| secret.verdict.is_ok()).map(|secret| secret.span));
        let mut all: BTreeMap<Span, Seen> = BTreeMap::new();
        for near in ids.iter().map(|id| id.span).chain(labels) {
            let near = near.start..near.end;
            for run in beside::near(text, &near).filter(|run| is_whole(text, run)) {
                let span = Span { start: run.start, end: run.end };
                let (known, better) = (labelled.touches(&span), good.touches(&span));
                let seen = Seen::beside(index, rule, text, &near, run);
                // What stands alone beside one may not beside another.
                let adds = if seen.verdict.is_ok() { !better } else { !known && !all.contains_key(&span) };
                if adds {
                    all.insert(span, seen);
                }
            }
        }
        all.into_values().collect()
    }

    /// What became of each; `seen` comes in the order in which one takes the place of another.
    fn settled(&self, seen: Vec<Seen>, matches: &[Match]) -> Vec<Candidate> {
        let partners = partners(matches);
        let mut rule_at: HashMap<Span, Option<usize>> = HashMap::new();
        let outcomes: Vec<Option<Outcome>> = seen
            .iter()
            .map(|seen| match &seen.verdict {
                Err(why) => Some(Outcome::Dropped(why.clone())),
                Ok(_) if rule_at.contains_key(&seen.span) => None,
                Ok(_) => {
                    let with = partners.get(&(seen.span, seen.value.bytes()))?.clone();
                    rule_at.insert(seen.span, seen.rule);
                    Some(Outcome::Reported { with })
                }
            })
            .collect();
        let name = |rule: usize| self.rules.at(rule).id.clone();
        let reported = Spans::new(rule_at.keys().copied());
        let left_over = |seen: &Seen| {
            let by = reported.touching(seen.span).find_map(|span| rule_at[&span]);
            match by {
                Some(by) => Dropped::Covered { by: name(by).to_string() },
                None if seen.verdict == Ok(Need::Neighbour) => Dropped::Unlabelled,
                None => Dropped::NoId,
            }
        };
        // What is reported for standing beside an id has no reason not to be for its label.
        let is_moot = |seen: &Seen| seen.verdict.is_err() && rule_at.contains_key(&seen.span);
        seen.iter()
            .zip(outcomes)
            .filter(|(seen, _)| !is_moot(seen))
            .map(|(seen, outcome)| Candidate {
                rule: seen.rule.map(name),
                span: seen.span,
                encoding: seen.encoding.clone(),
                value: seen.value.clone(),
                outcome: outcome.unwrap_or_else(|| Outcome::Dropped(left_over(seen))),
            })
            .collect()
    }
}

/// What a candidate that looks right still needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    Nothing,
    /// An id nearby, for its label says little.
    Id,
    /// An id right beside it, for it has no label.
    Neighbour,
}

/// A candidate before it is known what became of it.
struct Seen {
    rule: Option<usize>,
    span: Span,
    encoding: Vec<Encoding>,
    value: Looked,
    verdict: Result<Need, Dropped>,
}

impl Seen {
    fn new(index: usize, rule: &Rule, text: &[u8], found: &Found) -> Self {
        let Range { start, end } = found.value;
        let verdict =
            part(index, rule, text, found).map(|part: Part| if part.needs_id { Need::Id } else { Need::Nothing });
        let value = Looked::new(rule.kind, &text[start..end]);
        Self { rule: Some(index), span: Span { start, end }, encoding: Vec::new(), value, verdict }
    }

    /// For a word that names something else than a key.
    fn unique_id(text: &[u8], span: Span, what: &'static str) -> Self {
        let value = Looked::Word(String::from_utf8_lossy(span.of(text)).into_owned());
        Self { rule: None, span, encoding: Vec::new(), value, verdict: Err(Dropped::UniqueId(what)) }
    }

    /// For forty characters that no regex matched, beside an id or a label at `near`.
    fn beside(index: usize, rule: &Rule, text: &[u8], near: &Range<usize>, run: Range<usize>) -> Self {
        let found = Found { start: run.start, next: run.end, value: run.clone() };
        let mut seen = Self::new(index, rule, text, &found);
        seen.verdict = match judged(index, rule, text, &found) {
            _ if !beside::stands_alone(text, near, &run) => Err(Dropped::PieceOfMore),
            Ok(_) if beside::is_called_else(text, &run, &rule.pattern) => Err(Dropped::CalledElse),
            Ok(_) => Ok(Need::Neighbour),
            Err(why) => Err(why),
        };
        seen
    }
}

/// Whether a run does not just end where the look around an id did.
fn is_whole(text: &[u8], run: &Range<usize>) -> bool {
    let goes_on = |c: Option<&u8>| c.is_some_and(|c| c.is_ascii_alphanumeric() || *c == b'+');
    let begins = !goes_on(text[..run.start].last()) || boundary::secret_stands_alone(text, run);
    begins && !goes_on(text.get(run.end))
}

/// For each reported value what it is reported with.
fn partners(matches: &[Match]) -> HashMap<(Span, &[u8]), Vec<Span>> {
    let mut all = HashMap::new();
    for found in matches {
        let id = found.access_key_id.as_ref();
        for secret in &found.secrets {
            all.insert((secret.span, secret.secret.expose()), id.map(|_| found.span).into_iter().collect());
        }
        if let Some(id) = id {
            let secrets = found.secrets.iter().map(|secret| secret.span).collect();
            all.insert((found.span, id.as_str().as_bytes()), secrets);
        }
    }
    all
}

/// What the scan reports though nothing here saw it, as the rest of a list of secrets: told without more rather than not at all.
fn unseen(rules: &RuleSet, matches: &[Match], seen: &[Candidate]) -> Vec<Candidate> {
    let partners = partners(matches);
    let seen: HashSet<Span> = seen.iter().filter(|seen| seen.is_reported()).map(|seen| seen.span).collect();
    let mut all = Vec::new();
    for found in matches {
        let id = found.access_key_id.map(|id| (Looked::Id(id), found.span));
        let secrets = found.secrets.iter().map(|s| (Looked::Secret(s.kind, s.secret.clone()), s.span));
        for (value, span) in id.into_iter().chain(secrets).filter(|(_, span)| !seen.contains(span)) {
            let with = partners.get(&(span, value.bytes())).cloned().unwrap_or_default();
            // A match has the rule of its first part.
            let kind = value.kind();
            let own = rules.get(&found.rule).filter(|rule| rule.kind == kind);
            let own = own.or_else(|| rules.iter().find(|rule| rule.kind == kind)).map(|rule| rule.id.clone());
            let foreign = rules.foreign().iter().find(|rule| rule.id == found.rule).map(|rule| rule.id.clone());
            let rule = foreign.or(own);
            let encoding = found.encoding.clone();
            all.push(Candidate { rule, span, encoding, value, outcome: Outcome::Reported { with } });
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::rule::check::expand;
    use crate::key::NotAnId;

    fn explained(template: &str) -> Vec<Candidate> {
        explained_bytes(expand(template).unwrap().as_bytes())
    }

    /// The candidates, after checking that they tell of everything that the scan reports and of no more.
    fn explained_bytes(bytes: &[u8]) -> Vec<Candidate> {
        let scanner = Scanner::new(RuleSet::builtin());
        let candidates = scanner.explain(bytes, |_| true);
        let mut reported: Vec<Span> = candidates.iter().filter(|c| c.is_reported()).map(|c| c.span).collect();
        let matches = scanner.scan(bytes).matches;
        let ids = matches.iter().filter(|found| found.access_key_id.is_some()).map(|found| found.span);
        let mut found: Vec<Span> = matches.iter().flat_map(|m| &m.secrets).map(|s| s.span).chain(ids).collect();
        reported.sort();
        found.sort();
        assert_eq!(reported, found, "{candidates:?}");
        for candidate in candidates.iter().filter(|candidate| candidate.is_reported()) {
            let rule = scanner.rules().get(candidate.rule.as_deref().unwrap()).unwrap();
            assert_eq!(rule.kind, candidate.value.kind(), "{candidate:?}");
        }
        candidates
    }

    /// Why everything in the template was dropped.
    fn dropped(template: &str) -> Vec<Dropped> {
        let candidates = explained(template);
        candidates
            .into_iter()
            .filter_map(|candidate| match candidate.outcome {
                Outcome::Dropped(why) => Some(why),
                Outcome::Reported { .. } => None,
            })
            .collect()
    }

    #[test]
    fn an_id_and_its_secret_name_each_other() {
        let all = explained("aws_access_key_id = {{access_key_id}}\naws_secret_access_key = {{secret_access_key}}");
        let [id, secret] = &all[..] else { panic!("{all:?}") };
        assert_eq!(id.outcome, Outcome::Reported { with: vec![secret.span] });
        assert_eq!(secret.outcome, Outcome::Reported { with: vec![id.span] });
        assert_eq!((id.rule.as_deref(), id.alphabet()), (Some("aws-access-key-id"), "base32"));
        assert!(matches!(secret.value, Looked::Secret(SecretKind::SecretAccessKey, _)) && secret.entropy() > 4.25);
    }

    #[test]
    fn an_id_that_is_none_has_its_reason() {
        let id = |rest: &str| ["AKIA", rest].concat();
        assert!(matches!(dropped("AKIAIOSFODNN7EXAMPLE")[..], [Dropped::Excluded(_)]));
        assert_eq!(dropped("x{{access_key_id}}"), [Dropped::PieceOfMore]);
        assert_eq!(dropped("AKIA{{sequence}}"), [Dropped::Sequence]);
        assert_eq!(dropped(&id("SP2TPHJSQH3FJR8X")), [Dropped::Impossible(NotAnId::Alphabet('8'))]);
        assert_eq!(dropped(&id("KP2TPHJSQH3FJRUX")), [Dropped::Impossible(NotAnId::Generation('K'))]);
        assert!(matches!(dropped(&id("7P2TPHJSQH3FJRUX"))[..], [Dropped::Impossible(NotAnId::Account(_))]));
        for (text, what) in [("AROASP2TPHJSUFRSTTZX4", "a role"), ("AIDASP2TPHJSUFRSTTZX", "an IAM user")] {
            let all = explained(&format!("id: {text}."));
            assert_eq!(all[0].value, Looked::Word(text.to_owned()));
            assert_eq!((&all[0].rule, &all[0].outcome), (&None, &Outcome::Dropped(Dropped::UniqueId(what))));
        }
    }

    #[test]
    fn a_secret_that_is_none_has_its_reason() {
        assert!(matches!(
            dropped("AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")[..],
            [Dropped::Excluded(_)]
        ));
        assert!(matches!(dropped("aws_secret_access_key = {{digest}}")[..], [Dropped::Entropy { .. } | Dropped::Hex]));
        assert!(matches!(dropped("aws_secret_access_key = {{path}}")[..], [Dropped::Entropy { .. } | Dropped::Words]));
        assert_eq!(dropped("aws_secret_access_key = {{secret_access_key}}A"), [Dropped::PieceOfMore]);
        assert_eq!(dropped("secret_key = {{secret_access_key}}"), [Dropped::NoId]);
    }

    #[test]
    fn forty_characters_without_a_label_have_their_reason() {
        assert!(dropped("{{secret_access_key}}").is_empty(), "nothing is near");
        let scope = "{{access_key_id}}/20260101/us-east-1/s3/aws4_request";
        assert_eq!(dropped(&format!("{scope}\n{{{{secret_access_key}}}}")), [Dropped::Unlabelled]);
        let called = dropped("{{access_key_id}}\nsha256: {{secret_access_key}}");
        assert_eq!(called, [Dropped::CalledElse]);
        assert!(matches!(dropped("{{access_key_id}} {{digest}}")[..], [Dropped::Entropy { .. }]));
        for separator in [":", "/", "\n", "\nAWS_SECRET_ACCESS_KEY="] {
            let pair = explained(&format!("{{{{access_key_id}}}}{separator}{{{{secret_access_key}}}}"));
            assert!(pair.len() == 2 && pair.iter().all(Candidate::is_reported), "{pair:?}");
        }
    }

    #[test]
    fn what_only_the_scan_can_see_is_told_all_the_same() {
        let ids = "{{access_key_id}} {{access_key_id}} {{access_key_id}}\n\n\n\n\n\n\n\n\n\n";
        let list = "secret:\n- {{secret_access_key}}\n- {{secret_access_key}}\n- {{secret_access_key}}\n";
        let all = explained(&format!("{ids}{list}"));
        assert!(all.len() == 6 && all.iter().all(Candidate::is_reported), "{all:?}");
    }

    #[test]
    fn what_two_rules_find_is_told_of_the_first_and_covered_for_the_other() {
        let all = explained("aws_session_token = {{session_token}}");
        let told: Vec<_> = all.iter().map(|c| (c.rule.as_deref().unwrap(), c.is_reported())).collect();
        assert_eq!(told, [("aws-labelled-session-token", false), ("aws-session-token", true)]);
        assert_eq!(all[0].outcome, Outcome::Dropped(Dropped::Covered { by: "aws-session-token".to_owned() }));
    }

    #[test]
    fn utf16_is_explained_at_its_place() {
        let text = expand("\u{FEFF}id: AKIAIOSFODNN7EXAMPLE, {{access_key_id}}").unwrap();
        let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let all = explained_bytes(&bytes);
        let told: Vec<_> = all.iter().map(|c| (c.span.start, c.is_reported(), c.encoding.clone())).collect();
        assert_eq!(told, [(10, false, vec![Encoding::Utf16Le]), (54, true, vec![Encoding::Utf16Le])]);
    }

    #[test]
    fn keywords_say_where_the_scanner_looked() {
        let scanner = Scanner::new(RuleSet::builtin());
        let keywords = scanner.keywords(b"a secret AKIA, QVNJQ");
        let told: Vec<_> = keywords.iter().map(|k| (k.at, &*k.text, k.wide)).collect();
        assert_eq!(told, [(3, "ecret", false), (9, "AKIA", false), (15, "QVNJQ", false)]);
        assert!(keywords[1].rules.contains(&"aws-access-key-id") && keywords[2].rules.is_empty());
    }

    #[test]
    fn every_example_of_a_rule_is_explained_as_it_is_scanned() {
        for rule in RuleSet::builtin().iter() {
            for example in rule.examples.iter().chain(&rule.negative_examples) {
                explained(example);
            }
        }
        // Several at once, so that they get in each other's way.
        let all: Vec<String> = RuleSet::builtin().iter().flat_map(|rule| rule.examples.clone()).collect();
        assert!(explained(&all.join("\n")).len() > all.len());
    }

    #[test]
    fn any_bytes_are_explained_as_they_are_scanned() {
        use proptest::prelude::*;
        let pieces = [
            "{{access_key_id}}",
            "{{temporary_key_id}}",
            "{{secret_access_key}}",
            "{{session_token}}",
            "{{digest}}",
            "AKIA",
            "secret",
            "aws_secret_access_key",
            "sha1",
            "=",
            "\"",
            "\n",
            " ",
            "\n\n",
            "A\0K\0I\0A\0",
            "é",
            "\\n",
            "/",
            ":",
        ];
        let mut runner = proptest::test_runner::TestRunner::default();
        let texts = prop::collection::vec(0..pieces.len(), 0..16);
        runner
            .run(&texts, |chosen| {
                explained(&chosen.iter().map(|&n| pieces[n]).collect::<String>());
                Ok(())
            })
            .unwrap();
    }
}
