//! Fills a text's templates: `{{name}}` with the value that `draw` gives, `{{function text}}` with what `transform` makes of the
//! text, in which templates may stand again. Two braces that no letter follows are the text's own.

use std::collections::BTreeMap;

use super::draw::{self, Value};
use super::transform;

/// A text without templates, and what they stood for, by their names.
pub(crate) struct Filled {
    pub(crate) text: String,
    pub(crate) values: BTreeMap<String, Value>,
}

/// Fills the templates of a text with the values of the case of that seed.
///
/// # Errors
/// What is no template, and where it stands.
pub(crate) fn fill(text: &str, seed: &str) -> Result<Filled, String> {
    let mut filler = Filler { text, at: 0, seed, values: BTreeMap::new() };
    let filled = filler.until_end(false).map_err(|why| {
        let line = text[..filler.at].matches('\n').count() + 1;
        format!("line {line} of the text: {why}")
    })?;
    Ok(Filled { text: filled, values: filler.values })
}

struct Filler<'a> {
    text: &'a str,
    at: usize,
    seed: &'a str,
    values: BTreeMap<String, Value>,
}

impl<'a> Filler<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Takes what a template's name or a number is made of.
    fn word(&mut self) -> &'a str {
        let part_of_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == ':';
        let rest = self.rest();
        let word = &rest[..rest.find(|c| !part_of_name(c)).unwrap_or(rest.len())];
        self.at += word.len();
        word
    }

    /// The text up to its end or, in a function, up to the braces that close it: those that no single brace has opened.
    fn until_end(&mut self, in_function: bool) -> Result<String, String> {
        let mut filled = String::new();
        let mut open = 0_u32;
        while let Some(c) = self.rest().chars().next() {
            let rest = self.rest();
            if rest.starts_with("{{") && rest[2..].starts_with(|c: char| c.is_ascii_alphabetic()) {
                filled.push_str(&self.template()?);
                continue;
            }
            if in_function && open == 0 && rest.starts_with("}}") {
                return Ok(filled);
            }
            match c {
                '{' => open += 1,
                '}' => open = open.saturating_sub(1),
                _ => {}
            }
            filled.push(c);
            self.at += c.len_utf8();
        }
        if in_function { Err("a function is not closed".to_owned()) } else { Ok(filled) }
    }

    fn template(&mut self) -> Result<String, String> {
        self.at += "{{".len();
        let name = self.word();
        let filled = if self.rest().starts_with([' ', '\n']) {
            self.at += 1;
            self.function(name)?
        } else {
            let value = draw::draw(self.seed, name)?;
            let text = value.text.clone();
            self.values.insert(name.to_owned(), value);
            text
        };
        if !self.rest().starts_with("}}") {
            return Err(format!("the braces of `{name}` are not closed behind it"));
        }
        self.at += "}}".len();
        Ok(filled)
    }

    fn function(&mut self, name: &str) -> Result<String, String> {
        if name != "split" {
            return transform::apply(name, &self.until_end(true)?);
        }
        let after = self.word().parse().map_err(|_| "`split` needs a number of characters first")?;
        let (separator, _) = self.rest().split_once('|').ok_or("`split` needs a `|` behind its separator")?;
        let separator = separator.strip_prefix(' ').ok_or("`split` needs a space behind its number")?;
        self.at += 1 + separator.len() + 1;
        transform::split(&self.until_end(true)?, after, separator)
    }
}

#[cfg(test)]
mod tests {
    use super::super::draw::draw;
    use super::*;

    fn filled(text: &str) -> String {
        fill(text, "seed").unwrap_or_else(|error| panic!("{error}")).text
    }

    fn value(template: &str) -> String {
        draw("seed", template).unwrap().text
    }

    #[test]
    fn templates_are_replaced_by_their_values() {
        let filled = fill("id={{id}} {{secret:2}} {{id}}\n{{base64:12:2}}", "seed").unwrap();
        let (id, secret, other) = (value("id"), value("secret:2"), value("base64:12:2"));
        assert_eq!(filled.text, format!("id={id} {secret} {id}\n{other}"));
        assert_eq!(filled.values.keys().collect::<Vec<_>>(), ["base64:12:2", "id", "secret:2"]);
    }

    #[test]
    fn functions_take_text_with_templates_to_any_depth() {
        let id = value("id");
        assert_eq!(filled("{{b64 key={{id}}}}."), transform::base64(format!("key={id}").as_bytes()) + ".");
        let inner = transform::base64(format!("{{\"a\":\"{id}\"}}").as_bytes());
        assert_eq!(filled(r#"{{b64 {{b64 {"a":"{{id}}"}}}}}"#), transform::base64(inner.as_bytes()));
        assert_eq!(filled("{{b64 a\nb}}"), "YQpi");
        assert_eq!(filled("{{HEX Az/}} {{hex Az/}}"), "417A2F 417a2f");
        assert_eq!(filled(r#""{{split 4 \" + \"|{{id}}}}""#), format!("\"{}\" + \"{}\"", &id[..4], &id[4..]));
    }

    #[test]
    fn braces_of_other_languages_stay() {
        for text in ["{{ .Values.key }}", "${{ secrets.KEY }}", "{\"a\":{\"b\":{}}}", "{{{ x }}}", "{", "}}"] {
            assert_eq!(filled(text), text);
        }
    }

    #[test]
    fn what_is_no_template_is_refused_with_its_line() {
        for (text, why) in [
            ("\n{{name}}", "line 2 of the text: there is no template `name`"),
            ("{{rot13 x}}", "no function `rot13`"),
            ("{{id", "not closed"),
            ("{{b64 x", "a function is not closed"),
            ("{{id.x}}", "not closed behind it"),
            ("{{split x|y}}", "needs a number"),
            ("{{split 1 y}}", "needs a `|`"),
        ] {
            let error = fill(text, "seed").err().unwrap();
            assert!(error.contains(why), "{error}");
        }
    }
}
