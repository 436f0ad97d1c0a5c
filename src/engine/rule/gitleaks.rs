//! Reads the rules of gitleaks (<https://github.com/gitleaks/gitleaks#configuration>, as of 8.30) and adds them to a set: what files
//! extend, what they allow, which rules they switch off. `raw` has its rules, `lists` its
//! allowlists, `fields` reads TOML, `syntax` Go's regexes; `foreign` runs the rules.

use std::sync::Arc;

use regex::bytes::Regex;
use toml::de::DeTable;

use self::fields::{At, Fields, File};
use self::raw::RawRule;
use super::format::line_of;
use super::{Pack, RuleError, RuleSet};
use crate::engine::foreign::ForeignRule;
use crate::engine::foreign::allow::Allowlist;
use crate::engine::foreign::terms::{Path, Where};

mod fields;
mod lists;
mod raw;
mod syntax;

/// The newest version whose format is known here.
const VERSION: [u64; 3] = [8, 30, 1];
/// A file can extend one that extends one; what that one extends is not read.
const DEPTH: usize = 2;
/// Any of these at the top of a file makes it one of gitleaks.
const TOP: [&str; 7] = ["title", "description", "extend", "rules", "allowlist", "allowlists", "minversion"];

/// Gives name and text of a file that another extends: of the path in it, and the name of the other.
pub type Extended<'a> = dyn Fn(&str, &str) -> Result<(String, String), String> + 'a;

/// A file with what it extends.
#[derive(Default)]
struct Config {
    name: String,
    rules: Vec<RawRule>,
    global: Vec<Arc<Allowlist>>,
    /// Lists for some rules only.
    targeted: Vec<(Named, Arc<Allowlist>)>,
    use_default: bool,
    disabled: Vec<Disabled>,
    notes: Vec<String>,
}

/// A rule where a file names it.
struct Named {
    file: String,
    line: usize,
    id: String,
}

/// A rule that is switched off, and whether there was one.
struct Disabled {
    rule: Named,
    was_there: bool,
}

/// What a file extends.
#[derive(Default)]
struct Extend {
    path: Option<At<String>>,
    use_default: bool,
    disabled: Vec<At<String>>,
}

/// Whether a file that can be read as TOML is one of gitleaks.
pub(super) fn is_meant(text: &str) -> bool {
    let is_known = |name: &str| TOP.contains(&name.to_ascii_lowercase().as_str());
    DeTable::parse(text).is_ok_and(|table| table.get_ref().keys().any(|key| is_known(key.get_ref())))
}

/// Adds the rules of a file to a set.
///
/// # Errors
/// The first thing that is wrong with the file or one that it extends; the set may then hold a part of it.
pub(super) fn add(set: &mut RuleSet, name: &str, text: &str, read: &Extended<'_>) -> Result<(), RuleError> {
    let mut config = Config::read(File { name, text }, read, 0)?;
    config.global.push(Arc::new(itself(name)));
    config.add_to(set)
}

/// No rule finds anything in the file that it stands in.
fn itself(name: &str) -> Allowlist {
    let name = name.strip_prefix("./").unwrap_or(name);
    let path = Regex::new(&format!(r"\A{}\z", regex::escape(name))).ok().map(Path);
    Allowlist { place: Arc::new(Where { paths: path, ..Where::default() }), ..Allowlist::default() }
}

impl Config {
    fn read(file: File<'_>, read: &Extended<'_>, depth: usize) -> Result<Self, RuleError> {
        let table = DeTable::parse(file.text).map_err(|error| {
            file.error(line_of(file.text, error.span().map_or(0, |span| span.start)), error.message())
        })?;
        let mut fields = Fields::new(file, "a file of rules", 1, table.get_ref())?;
        let mut config = Self { name: file.name.to_owned(), ..Self::default() };
        for text in ["title", "description"] {
            fields.text(text)?;
        }
        config.check_version(file, fields.text("minVersion")?)?;
        for rule in fields.tables("rules", "a rule")? {
            config.add(RawRule::read(file, rule)?);
        }
        for (mut list, targets) in lists::read(&mut fields, true)? {
            list.place.global = targets.is_empty();
            let list = Arc::new(list.finish());
            if targets.is_empty() {
                config.global.push(list);
            } else {
                config.targeted.extend(targets.into_iter().map(|target| (Named::new(file, target), list.clone())));
            }
        }
        let extend = fields.table("extend", "[extend]")?.map(|fields| Extend::read(file, fields)).transpose()?;
        fields.finish()?;
        config.check_required(file)?;
        config.extend(file, extend.unwrap_or_default(), read, depth)?;
        Ok(config)
    }

    /// A newer format may hold what is not known here; what is unknown is an error then, and the note says why.
    fn check_version(&mut self, file: File<'_>, version: Option<At<String>>) -> Result<(), RuleError> {
        let Some(version) = version.filter(|version| !version.value.is_empty()) else {
            return Ok(());
        };
        let text = version.value.trim_start_matches('v');
        let numbers = text.split(['-', '+']).next().unwrap_or_default().split('.');
        let numbers: Option<Vec<u64>> = numbers.map(|number| number.parse().ok()).collect();
        match numbers.filter(|numbers| numbers.len() <= 3) {
            Some(numbers) if numbers[..] > VERSION[..] => {
                let [major, minor, patch] = VERSION;
                self.note(format!(
                    "is made for gitleaks {text}; its format is known here as of {major}.{minor}.{patch}"
                ));
                Ok(())
            }
            Some(_) => Ok(()),
            None => Err(file.error(version.line, "field `minVersion` is no version; write it like `v8.25.0`")),
        }
    }

    fn note(&mut self, note: impl AsRef<str>) {
        self.notes.push(format!("{}: {}", self.name, note.as_ref()));
    }

    /// Of two rules with one name in a file the later counts.
    fn add(&mut self, rule: RawRule) {
        match self.rules.iter_mut().find(|known| known.id == rule.id) {
            Some(known) => {
                let (first, again, id) = (known.line, rule.line, rule.id.clone());
                *known = rule;
                self.note(format!("the rule `{id}` of line {first} is replaced by that of line {again}"));
            }
            None => self.rules.push(rule),
        }
    }

    fn check_required(&self, file: File<'_>) -> Result<(), RuleError> {
        for required in self.rules.iter().flat_map(|rule| &rule.required) {
            if !self.rules.iter().any(|rule| rule.id == required.value.id) {
                let why = format!("no rule of this file is called `{}`, which is required", required.value.id);
                return Err(file.error(required.line, why));
            }
        }
        Ok(())
    }

    fn extend(&mut self, file: File<'_>, extend: Extend, read: &Extended<'_>, depth: usize) -> Result<(), RuleError> {
        self.use_default = extend.use_default;
        let disabled = |rule| Disabled { rule: Named::new(file, rule), was_there: false };
        self.disabled = extend.disabled.into_iter().map(disabled).collect();
        let Some(path) = extend.path else {
            return Ok(());
        };
        if depth == DEPTH {
            self.note(format!("{} is not read: files are extended {DEPTH} deep, as by gitleaks", path.value));
            return Ok(());
        }
        let (name, text) = read(&path.value, file.name).map_err(|why| file.error(path.line, why))?;
        let base = Self::read(File { name: &name, text: &text }, read, depth + 1)?;
        self.take_over(base);
        Ok(())
    }

    /// Puts this file over the one that it extends.
    fn take_over(&mut self, base: Self) {
        let mut over = std::mem::take(&mut self.rules);
        for mut rule in base.rules {
            if let Some(disabled) = self.disabled.iter_mut().find(|disabled| disabled.rule.id == rule.id) {
                disabled.was_there = true;
                continue;
            }
            if let Some(position) = over.iter().position(|other| other.id == rule.id) {
                rule.change(over.remove(position));
            }
            self.rules.push(rule);
        }
        self.rules.extend(over);
        self.global.extend(base.global);
        self.targeted.extend(base.targeted);
        self.use_default |= base.use_default;
        self.disabled.extend(base.disabled);
        self.notes.extend(base.notes);
    }

    fn add_to(mut self, set: &mut RuleSet) -> Result<(), RuleError> {
        if self.use_default {
            set.add(RuleSet::pack(Pack::Common));
        }
        for Disabled { rule, was_there } in &self.disabled {
            let was_in_set = set.remove(&rule.id);
            if !was_in_set && !was_there {
                self.notes.push(rule.note("switches off", "which there is not"));
            }
        }
        let required: Vec<(String, Named)> = self.rules.iter().flat_map(RawRule::required_by).collect();
        let mut added = Vec::new();
        for rule in std::mem::take(&mut self.rules) {
            let base = if self.use_default { set.builtin_mut(&rule.id) } else { None };
            match (base, &rule.regex, &rule.path) {
                (Some(base), None, _) => rule.adjust(base)?,
                (None, None, None) if self.use_default => self.note(format!(
                    "line {} changes the rule `{}` of gitleaks' own, which keysweep has not under that name",
                    rule.line, rule.id
                )),
                (base, _, _) => added.push(rule.finish(base.map(|base| base.description.as_str()))?),
            }
        }
        self.check_required_are_run(&required, &added)?;
        self.allow(set, &mut added)?;
        set.notes.append(&mut self.notes);
        added.into_iter().for_each(|rule| set.add_foreign(rule));
        Ok(())
    }

    /// What is required must be run as a rule of gitleaks; what is switched off there finds nothing there either.
    fn check_required_are_run(&mut self, required: &[(String, Named)], run: &[ForeignRule]) -> Result<(), RuleError> {
        for (by, rule) in required.iter().filter(|(_, rule)| !run.iter().any(|run| *run.id == *rule.id)) {
            if !self.disabled.iter().any(|disabled| disabled.rule.id == rule.id) {
                let why =
                    format!("`{by}` requires `{}`, which is not one of this file's own; write its `regex`", rule.id);
                return Err(rule.error(why));
            }
            self.notes.push(rule.note("requires", &format!("which is switched off: `{by}` finds nothing")));
        }
        Ok(())
    }

    /// Gives the rules of the file, and the built-in ones if it extends them, what the file allows.
    fn allow(&mut self, set: &mut RuleSet, added: &mut [ForeignRule]) -> Result<(), RuleError> {
        for (target, list) in std::mem::take(&mut self.targeted) {
            let builtin = if self.use_default { set.builtin_mut(&target.id) } else { None };
            let rule = added.iter_mut().find(|rule| *rule.id == *target.id).map(|rule| &mut rule.conditions);
            match rule.or(builtin.map(|rule| &mut rule.conditions)) {
                Some(conditions) => conditions.allowlists.push(list),
                None if self.use_default => self.notes.push(target.note("allows something to", "which there is not")),
                None => {
                    let why = format!(
                        "there is no rule `{}` that an allowlist could be for; name one of this file",
                        target.id
                    );
                    return Err(target.error(why));
                }
            }
        }
        let builtin: &mut [_] = if self.use_default { &mut set.rules } else { &mut [] };
        let builtin = builtin.iter_mut().filter(|rule| rule.is_builtin).map(|rule| &mut rule.conditions);
        for conditions in added.iter_mut().map(|rule| &mut rule.conditions).chain(builtin) {
            conditions.allowlists.extend(self.global.iter().cloned());
        }
        Ok(())
    }
}

impl Named {
    fn new(file: File<'_>, id: At<String>) -> Self {
        Self { file: file.name.to_owned(), line: id.line, id: id.value }
    }

    fn note(&self, does: &str, but: &str) -> String {
        format!("{}: line {} {does} the rule `{}`, {but}", self.file, self.line, self.id)
    }

    fn error(&self, why: String) -> RuleError {
        RuleError::Gitleaks { file: self.file.clone(), line: self.line, why }
    }
}

impl Extend {
    fn read(file: File<'_>, mut fields: Fields<'_>) -> Result<Self, RuleError> {
        if let Some(url) = fields.text("url")?.filter(|url| !url.value.is_empty()) {
            let why = "field `url`: rules are not fetched over a network; download the file and name it as `path`";
            return Err(file.error(url.line, why));
        }
        let extend = Self {
            path: fields.text("path")?.filter(|path| !path.value.is_empty()),
            use_default: fields.flag("useDefault")?,
            disabled: fields.texts("disabledRules")?,
        };
        if let Some(path) = extend.path.as_ref().filter(|_| extend.use_default) {
            return Err(file.error(path.line, "`path` and `useDefault` exclude each other; take one of them away"));
        }
        fields.finish()?;
        Ok(extend)
    }
}

fn values(list: Vec<At<String>>) -> Vec<String> {
    list.into_iter().map(|text| text.value).collect()
}

#[cfg(test)]
mod tests;
