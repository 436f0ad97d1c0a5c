//! Reads a source file as plain text: the names it uses outside of tests. Nothing is expanded or resolved beyond the `use` lines
//! of the same file.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;

/// A source file and what it says outside of tests.
pub(crate) struct File {
    /// From the package's root, with `/`.
    pub path: String,
    pub text: &'static str,
    pub tokens: Vec<Token>,
    pub names: Vec<Name>,
    /// Paths of the files that it declares under `#[cfg(test)]`.
    pub test_modules: Vec<String>,
}

/// A word or a sign.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Token {
    pub line: usize,
    pub text: &'static str,
}

/// A path of at least two names, as `std::fs::read`; what `use` shortened is written out again.
#[derive(Debug, PartialEq)]
pub(crate) struct Name {
    pub line: usize,
    pub path: Vec<&'static str>,
}

impl File {
    pub(crate) fn new(path: String, text: &'static str) -> Self {
        let (tokens, test_modules) = without_tests(&tokens(text));
        let home = path.trim_end_matches(".rs");
        Self {
            text,
            names: names(&tokens),
            tokens,
            test_modules: test_modules.iter().map(|module| format!("{home}/{module}.rs")).collect(),
            path,
        }
    }

    /// `engine` for `src/engine/rule.rs`.
    pub(crate) fn room(&self) -> &str {
        let below = self.path.trim_start_matches("src/");
        below.split('/').next().unwrap_or(below).trim_end_matches(".rs")
    }

    /// How many `super::` lead to the crate's root.
    fn depth(&self) -> usize {
        match self.room() {
            "lib" | "main" => 0,
            _ => self.path.matches('/').count(),
        }
    }

    /// Whether it is one of `homes` or stands below one.
    pub(crate) fn is_in(&self, homes: &str) -> bool {
        let mut inside = homes.split_whitespace().filter_map(|home| self.path.strip_prefix(home));
        inside.any(|rest| rest.is_empty() || rest == ".rs" || rest.starts_with('/'))
    }

    /// What `rule` says against the names of the file, with their lines.
    pub(crate) fn wrong_names(&self, rule: impl Fn(&Name) -> Option<String>) -> Vec<(usize, String)> {
        self.names.iter().filter_map(|name| Some((name.line, rule(name)?))).collect()
    }
}

impl Name {
    /// The room that the path leads into when it goes by way of the crate's root; what else stands there is given as it is.
    pub(crate) fn room(&self, file: &File) -> Option<&'static str> {
        let supers = self.path.iter().take_while(|name| **name == "super").count();
        match self.path[0] {
            "crate" | "keysweep" => self.path.get(1).copied(),
            "super" if supers == file.depth() => self.path.get(supers).copied(),
            _ => None,
        }
    }
}

/// The words and signs of `text`, without comments and literals.
fn tokens(text: &'static str) -> Vec<Token> {
    static TOKEN: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(concat!(
            r#"(?s)//[^\n]*|/\*.*?\*/"#,
            r##"|b?r"[^"]*"|b?r#".*?"#|b?"(?:\\.|[^"\\])*""##,
            r"|b?'(?:\\.[^']*|[^\\'])'",
            r"|(?<code>\w+|::|\S)",
        ))
        .unwrap()
    });
    let (mut line, mut counted) = (1, 0);
    TOKEN
        .captures_iter(text)
        .filter_map(|found| found.name("code"))
        .map(|code| {
            line += text[counted..code.start()].matches('\n').count();
            counted = code.start();
            Token { line, text: code.as_str() }
        })
        .collect()
}

/// Drops the items under `#[cfg(test)]`; gives the names of those that are modules in files of their own.
fn without_tests(tokens: &[Token]) -> (Vec<Token>, Vec<&'static str>) {
    let (mut kept, mut modules) = (Vec::new(), Vec::new());
    let mut rest = tokens;
    while let Some(token) = rest.first() {
        let attribute = rest.split_inclusive(|token| token.text == "]").next();
        let words: Vec<&str> = attribute.into_iter().flatten().map(|token| token.text).collect();
        let is_test = words.starts_with(&["#", "[", "cfg"])
            && words.contains(&"test")
            && !words.iter().any(|word| matches!(*word, "not" | "any"));
        if !is_test {
            kept.push(*token);
            rest = &rest[1..];
            continue;
        }
        let item = &rest[words.len()..];
        let (item, after) = item.split_at(item_len(item));
        if let [.., Token { text: "mod", .. }, name, Token { text: ";", .. }] = item {
            modules.push(name.text);
        }
        rest = after;
    }
    (kept, modules)
}

/// How many tokens the item has that `tokens` begin with.
fn item_len(tokens: &[Token]) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate() {
        match token.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 && matches!(token.text, ";" | "}") {
            return at + 1;
        }
    }
    tokens.len()
}

/// Every path of the code, with the shorthands of its `use` lines written out.
fn names(tokens: &[Token]) -> Vec<Name> {
    let mut uses = BTreeMap::new();
    let mut found = Vec::new();
    let mut rest = tokens;
    while let Some(token) = rest.first() {
        let is_use = token.text == "use";
        if is_use {
            rest = &rest[1..];
        }
        let mut tree = Vec::new();
        let taken = path_tree(rest, &[], &mut tree);
        for (name, alias) in tree {
            if is_use {
                uses.insert(alias, name.path.clone());
            }
            if is_use || name.path.len() > 1 {
                found.push(name);
            }
        }
        rest = &rest[taken.max(1).min(rest.len())..];
    }
    for name in &mut found {
        if let Some(long) = uses.get(name.path[0]).filter(|long| long[0] != name.path[0]) {
            name.path.splice(..1, long.iter().copied());
        }
    }
    found
}

/// Reads a path with all its branches, as `a::{b as c, d::*}`; returns how many tokens it has. Each comes with the name it goes by.
fn path_tree(tokens: &[Token], before: &[&'static str], found: &mut Vec<(Name, &'static str)>) -> usize {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text);
    let is_word = |at: usize| text(at) == "*" || text(at).starts_with(|c: char| c.is_alphabetic() || c == '_');
    let mut path = before.to_vec();
    let mut at = 0;
    if text(at) == "::" {
        at += 1;
    }
    while is_word(at) {
        if text(at) != "self" || path.is_empty() {
            path.push(text(at));
        }
        at += 1;
        if text(at) != "::" {
            break;
        }
        at += 1;
    }
    if at > 0 && text(at - 1) == "::" && text(at) == "{" {
        while matches!(text(at), "{" | ",") {
            at += 1;
            at += path_tree(&tokens[at..], &path, found);
        }
        return at + usize::from(text(at) == "}");
    }
    let Some(&last) = path.last().filter(|_| at > 0) else {
        return at;
    };
    let line = tokens[at - 1].line;
    // Not the `as` of a cast to a type in another module.
    if text(at) == "as" && is_word(at + 1) && text(at + 2) != "::" {
        found.push((Name { line, path }, text(at + 1)));
        return at + 2;
    }
    found.push((Name { line, path }, last));
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(text: &'static str) -> Vec<String> {
        let names = File::new("src/engine/x.rs".to_owned(), text).names;
        names.iter().map(|name| format!("{} {}", name.line, name.path.join("::"))).collect()
    }

    #[test]
    fn use_trees_are_spread_out() {
        assert_eq!(paths("use a::{b as c,\n d::{self, e::*},};"), ["1 a::b", "2 a::d", "2 a::d::e::*"]);
    }

    #[test]
    fn shorthands_are_written_out() {
        assert_eq!(
            paths("use std::io as i;\nuse std::fs;\nfn f() { i::stdout(); fs::read(::git2::X) }"),
            ["1 std::io", "2 std::fs", "3 std::io::stdout", "3 std::fs::read", "3 git2::X"]
        );
    }

    #[test]
    fn comments_literals_and_tests_say_nothing() {
        let text = concat!(
            "//! a::a\n/* b::b\n */ const Q: char = '\"'; // c::c\n",
            "fn f<'a>(x: &'a str) { g(\"d::d \\\" \", r#\"e::e\"#, b'\\'', x::y) }\n",
            "#[cfg(test)]\n#[allow(h::h)]\nmod tests { use i::i; fn f() { { j::j } } }\n",
            "#[cfg(all(unix, test))]\nmod samples;\n#[cfg(not(test))]\nuse k::k;",
            "fn h() { l as m::m }",
        );
        assert_eq!(paths(text), ["4 x::y", "11 k::k", "11 m::m"]);
        let file = File::new("src/report.rs".to_owned(), text);
        assert_eq!(file.test_modules, ["src/report/samples.rs"]);
    }

    #[test]
    fn rooms_are_reached_by_the_root_only() {
        let room = |path: &str, text| {
            let file = File::new(path.to_owned(), text);
            file.names.first().and_then(|name| name.room(&file))
        };
        assert_eq!(room("src/engine/rule.rs", "use crate::key::Secret;"), Some("key"));
        assert_eq!(room("src/engine/rule.rs", "use super::super::source;"), Some("source"));
        assert_eq!(room("src/engine.rs", "use super::source::tree;"), Some("source"));
        assert_eq!(room("src/engine/rule.rs", "use super::pair::Pair;"), None);
        assert_eq!(room("src/main.rs", "fn main() { keysweep::cli::run() }"), Some("cli"));
    }
}
