//! TOML tables read field by field. Names are compared without regard to case, each value knows its line, and a field that nobody
//! asked for is an error.

use regex::bytes::Regex;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::syntax;
use crate::engine::rule::RuleError;
use crate::engine::rule::format::line_of;

/// A file that is being read.
#[derive(Clone, Copy, Debug)]
pub(super) struct File<'a> {
    pub(super) name: &'a str,
    pub(super) text: &'a str,
}

/// A value and the line on which it stands.
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    pub(super) line: usize,
    pub(super) value: T,
}

/// The fields of a table that were not taken yet.
pub(super) struct Fields<'a> {
    file: File<'a>,
    /// What the table is, for errors.
    of: &'static str,
    /// Where the table begins.
    pub(super) line: usize,
    fields: Vec<Field<'a>>,
    /// What was asked for.
    known: Vec<&'static str>,
}

struct Field<'a> {
    name: &'a str,
    line: usize,
    value: &'a Spanned<DeValue<'a>>,
}

impl File<'_> {
    /// The error of what stands at that line.
    pub(super) fn error(&self, line: usize, why: impl Into<String>) -> RuleError {
        RuleError::Gitleaks { file: self.name.to_owned(), line, why: why.into() }
    }

    fn line<T>(&self, value: &Spanned<T>) -> usize {
        line_of(self.text, value.span().start)
    }
}

impl<'a> Fields<'a> {
    /// The fields of a table that begins at `line`.
    ///
    /// # Errors
    /// When two names differ in case only.
    pub(super) fn new(
        file: File<'a>,
        of: &'static str,
        line: usize,
        table: &'a DeTable<'a>,
    ) -> Result<Self, RuleError> {
        let mut fields: Vec<Field<'a>> = Vec::new();
        for (key, value) in table {
            let (name, line) = (key.get_ref().as_ref(), file.line(key));
            if let Some(twin) = fields.iter().find(|field| field.name.eq_ignore_ascii_case(name)) {
                let line = line.max(twin.line);
                return Err(
                    file.error(line, format!("`{name}` is given twice; upper and lower case are the same here"))
                );
            }
            fields.push(Field { name, line, value });
        }
        Ok(Self { file, of, line, fields, known: Vec::new() })
    }

    /// An error about the whole table.
    pub(super) fn error(&self, why: impl Into<String>) -> RuleError {
        self.file.error(self.line, why)
    }

    /// The error of a field with a value that it can't have.
    pub(super) fn not_one_of(&self, name: &str, field: Option<At<String>>, expected: &str) -> RuleError {
        let (line, value) = field.map_or((self.line, String::new()), |field| (field.line, field.value));
        self.file.error(line, format!("field `{name}` is `{value}` and must be {expected}"))
    }

    /// # Errors
    /// When a field was not taken.
    pub(super) fn finish(self) -> Result<(), RuleError> {
        match self.fields.iter().min_by_key(|field| field.line) {
            Some(field) => {
                let known = self.known.join("`, `");
                let why = format!("unknown field `{}` of {}, which can have `{known}`", field.name, self.of);
                Err(self.file.error(field.line, why))
            }
            None => Ok(()),
        }
    }

    fn take(&mut self, name: &'static str) -> Option<Field<'a>> {
        self.known.push(name);
        let at = self.fields.iter().position(|field| field.name.eq_ignore_ascii_case(name))?;
        Some(self.fields.swap_remove(at))
    }

    /// A field as `read` reads it.
    fn read<T>(
        &mut self,
        name: &'static str,
        expected: &str,
        read: impl FnOnce(&'a DeValue<'a>) -> Option<T>,
    ) -> Result<Option<At<T>>, RuleError> {
        let Some(field) = self.take(name) else {
            return Ok(None);
        };
        let value = field.value.get_ref();
        let why = || format!("field `{}` is {} and must be {expected}", field.name, value.type_str());
        let value = read(value).ok_or_else(|| self.file.error(field.line, why()))?;
        Ok(Some(At { line: field.line, value }))
    }

    pub(super) fn text(&mut self, name: &'static str) -> Result<Option<At<String>>, RuleError> {
        self.read(name, "a string", |value| Some(value.as_str()?.to_owned()))
    }

    pub(super) fn flag(&mut self, name: &'static str) -> Result<bool, RuleError> {
        let flag = self.read(name, "true or false", DeValue::as_bool)?;
        Ok(flag.is_some_and(|flag| flag.value))
    }

    /// A number that is not negative.
    pub(super) fn count(&mut self, name: &'static str) -> Result<Option<At<usize>>, RuleError> {
        self.read(name, "a whole number from 0", |value| {
            let number = value.as_integer()?;
            usize::from_str_radix(number.as_str(), number.radix()).ok()
        })
    }

    pub(super) fn number(&mut self, name: &'static str) -> Result<Option<At<f64>>, RuleError> {
        let number = self.read(name, "a number", |value| match value {
            DeValue::Float(float) => float.as_str().parse().ok().filter(|number: &f64| number.is_finite()),
            DeValue::Integer(integer) => i32::from_str_radix(integer.as_str(), integer.radix()).ok().map(f64::from),
            _ => None,
        })?;
        Ok(number.filter(|number| number.value != 0.0))
    }

    /// A list of strings; one string is a list with commas, which gitleaks reads so too.
    pub(super) fn texts(&mut self, name: &'static str) -> Result<Vec<At<String>>, RuleError> {
        let file = self.file;
        let list = self.read(name, "a list of strings", |value| match value {
            DeValue::String(text) if text.is_empty() => Some(Vec::new()),
            DeValue::String(text) => Some(text.split(',').map(|text| (None, text.to_owned())).collect()),
            DeValue::Array(array) => array
                .iter()
                .map(|item| Some((Some(file.line(item)), item.get_ref().as_str()?.to_owned())))
                .collect::<Option<Vec<_>>>(),
            _ => None,
        })?;
        Ok(list.map_or_else(Vec::new, |list| {
            let at = |(line, value): (Option<usize>, String)| At { line: line.unwrap_or(list.line), value };
            list.value.into_iter().map(at).collect()
        }))
    }

    /// A list of words, none of which is empty: that would stand everywhere, or nowhere.
    pub(super) fn words(&mut self, name: &'static str) -> Result<Vec<String>, RuleError> {
        let list = self.texts(name)?;
        if let Some(empty) = list.iter().find(|word| word.value.is_empty()) {
            return Err(self.file.error(empty.line, format!("a word in `{name}` is empty; take it away")));
        }
        Ok(list.into_iter().map(|word| word.value.to_lowercase()).collect())
    }

    /// A regex; an empty one is none.
    pub(super) fn regex(&mut self, name: &'static str) -> Result<Option<At<Regex>>, RuleError> {
        let Some(text) = self.text(name)?.filter(|text| !text.value.is_empty()) else {
            return Ok(None);
        };
        let value = syntax::compiled(&text.value).map_err(|why| self.bad_regex(name, text.line, &why))?;
        Ok(Some(At { line: text.line, value }))
    }

    /// A list of regexes as one that matches where any of them does.
    pub(super) fn regexes(&mut self, name: &'static str) -> Result<Option<Regex>, RuleError> {
        let list = self.texts(name)?;
        let Some(first) = list.first().map(|first| first.line) else {
            return Ok(None);
        };
        for regex in &list {
            syntax::checked(&regex.value).map_err(|why| self.bad_regex(name, regex.line, &why))?;
        }
        let all: Vec<String> = list.into_iter().map(|regex| regex.value).collect();
        syntax::compiled_any(&all).map(Some).map_err(|why| self.bad_regex(name, first, &why))
    }

    fn bad_regex(&self, name: &str, line: usize, why: &str) -> RuleError {
        let advice = "see https://pkg.go.dev/regexp/syntax for what can be written";
        self.file.error(line, format!("field `{name}` of {}: {why}; {advice}", self.of))
    }

    /// A table.
    pub(super) fn table(&mut self, name: &'static str, of: &'static str) -> Result<Option<Fields<'a>>, RuleError> {
        let table = self.read(name, "a table", DeValue::as_table)?;
        table.map(|table| Fields::new(self.file, of, table.line, table.value)).transpose()
    }

    /// A list of tables.
    pub(super) fn tables(&mut self, name: &'static str, of: &'static str) -> Result<Vec<Fields<'a>>, RuleError> {
        let Some(list) = self.read(name, "a list of tables, `[[…]]`", DeValue::as_array)? else {
            return Ok(Vec::new());
        };
        let each = list.value.iter().map(|item| {
            let line = self.file.line(item);
            let table = item.get_ref().as_table();
            let table = table.ok_or_else(|| self.file.error(line, format!("`{name}` must be a list of tables")))?;
            Fields::new(self.file, of, line, table)
        });
        each.collect()
    }
}
