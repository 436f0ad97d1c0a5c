//! Reads the rules of gitleaks (<https://github.com/gitleaks/gitleaks#configuration>, as of 8.30) and adds them to a set: what files
//! extend, what they allow, which rules they switch off. `fields` reads TOML, `syntax` Go's regexes; `foreign` runs the rules.

use std::sync::Arc;

use aho_corasick::AhoCorasick;
use regex::bytes::Regex;
use toml::de::DeTable;

use self::fields::{At, Fields, File};
use super::{Pack, RuleError, RuleSet, line_of};
use crate::engine::foreign::allow::{Allowlist, Conditions, Target};
use crate::engine::foreign::terms::{Path, Where};
use crate::engine::foreign::{ForeignRule, Required};

mod fields;
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
    targeted: Vec<(At<String>, Arc<Allowlist>)>,
    use_default: bool,
    disabled: Vec<String>,
    notes: Vec<String>,
}

/// A rule as it is written.
struct RawRule {
    /// The file it stands in.
    file: String,
    line: usize,
    id: String,
    description: String,
    regex: Option<At<Regex>>,
    path: Option<At<Regex>>,
    group: Option<At<usize>>,
    entropy: f64,
    keywords: Vec<String>,
    tags: Vec<String>,
    allowlists: Vec<Arc<Allowlist>>,
    required: Vec<At<Required>>,
    skip_report: bool,
}

/// What a file extends.
#[derive(Default)]
struct Extend {
    path: Option<At<String>>,
    use_default: bool,
    disabled: Vec<String>,
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
        for (mut list, targets) in lists(&mut fields, true)? {
            list.0.global = targets.is_empty();
            let list = Arc::new(list.finish());
            if targets.is_empty() {
                config.global.push(list);
            } else {
                config.targeted.extend(targets.into_iter().map(|target| (target, list.clone())));
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
        self.disabled = extend.disabled;
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
            let position = over.iter().position(|other| other.id == rule.id);
            match position {
                _ if self.disabled.contains(&rule.id) => {}
                Some(position) => {
                    rule.change(over.remove(position));
                    self.rules.push(rule);
                }
                None => self.rules.push(rule),
            }
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
        for id in std::mem::take(&mut self.disabled) {
            set.remove(&id);
        }
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
        self.allow(set, &mut added)?;
        set.notes.append(&mut self.notes);
        added.into_iter().for_each(|rule| set.add_foreign(rule));
        Ok(())
    }

    /// Gives the rules of the file, and the built-in ones if it extends them, what the file allows.
    fn allow(&mut self, set: &mut RuleSet, added: &mut [ForeignRule]) -> Result<(), RuleError> {
        for (target, list) in std::mem::take(&mut self.targeted) {
            let builtin = if self.use_default { set.builtin_mut(&target.value) } else { None };
            let rule = added.iter_mut().find(|rule| *rule.id == *target.value).map(|rule| &mut rule.conditions);
            match rule.or(builtin.map(|rule| &mut rule.conditions)) {
                Some(conditions) => conditions.allowlists.push(list),
                None if self.use_default => {
                    self.note(format!(
                        "line {} allows something to the rule `{}`, which there is not",
                        target.line, target.value
                    ));
                }
                None => {
                    let why = format!("there is no rule `{}` that an allowlist could be for", target.value);
                    return Err(RuleError::Gitleaks { file: self.name.clone(), line: target.line, why });
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

impl Extend {
    fn read(file: File<'_>, mut fields: Fields<'_>) -> Result<Self, RuleError> {
        if let Some(url) = fields.text("url")?.filter(|url| !url.value.is_empty()) {
            let why = "field `url`: rules are not fetched over a network; download the file and name it as `path`";
            return Err(file.error(url.line, why));
        }
        let extend = Self {
            path: fields.text("path")?.filter(|path| !path.value.is_empty()),
            use_default: fields.flag("useDefault")?,
            disabled: values(fields.texts("disabledRules")?),
        };
        if let Some(path) = extend.path.as_ref().filter(|_| extend.use_default) {
            return Err(file.error(path.line, "`path` and `useDefault` exclude each other; take one of them away"));
        }
        fields.finish()?;
        Ok(extend)
    }
}

impl RawRule {
    fn read(file: File<'_>, mut fields: Fields<'_>) -> Result<Self, RuleError> {
        let id = fields.text("id")?.map(|id| id.value).unwrap_or_default();
        if id.trim().is_empty() {
            return Err(fields.error("a rule has no `id`; give it a name"));
        }
        let mut required = Vec::new();
        for mut fields in fields.tables("required", "[[rules.required]]")? {
            let id = fields.text("id")?.filter(|id| !id.value.is_empty());
            let id = id.ok_or_else(|| fields.error("what is required has no `id`; name a rule of this file"))?;
            let within_lines = fields.count("withinLines")?.map(|lines| lines.value);
            let within_columns = fields.count("withinColumns")?.map(|columns| columns.value);
            required.push(At { line: id.line, value: Required { id: id.value, within_lines, within_columns } });
            fields.finish()?;
        }
        let rule = Self {
            file: file.name.to_owned(),
            line: fields.line,
            id,
            description: fields.text("description")?.map(|text| text.value).unwrap_or_default(),
            regex: fields.regex("regex")?,
            path: fields.regex("path")?,
            group: fields.count("secretGroup")?,
            entropy: fields.number("entropy")?.map_or(0.0, |entropy| entropy.value),
            keywords: keywords(file, fields.texts("keywords")?)?,
            tags: values(fields.texts("tags")?),
            allowlists: lists(&mut fields, false)?.into_iter().map(|(list, _)| Arc::new(list.finish())).collect(),
            required,
            skip_report: fields.flag("skipReport")?,
        };
        fields.finish()?;
        Ok(rule)
    }

    fn error(&self, line: usize, why: String) -> RuleError {
        RuleError::Gitleaks { file: self.file.clone(), line, why }
    }

    /// Puts a rule of the same name in a file that extends this one's over this one.
    fn change(&mut self, over: Self) {
        if !over.description.is_empty() {
            self.description = over.description;
        }
        if over.entropy != 0.0 {
            self.entropy = over.entropy;
        }
        if over.group.as_ref().is_some_and(|group| group.value > 0) {
            self.group = over.group;
        }
        self.regex = over.regex.or(self.regex.take());
        self.path = over.path.or(self.path.take());
        self.tags.extend(over.tags);
        self.keywords.extend(over.keywords);
        self.allowlists.extend(over.allowlists);
        self.required.extend(over.required);
        self.skip_report |= over.skip_report;
        (self.file, self.line) = (over.file, over.line);
    }

    fn conditions(&self) -> Conditions {
        Conditions {
            path: self.path.as_ref().map(|path| Path(path.value.clone())),
            above_entropy: self.entropy,
            allowlists: self.allowlists.clone(),
        }
    }

    /// Puts what has no regex of its own over a built-in rule of the same name.
    fn adjust(self, base: &mut super::Rule) -> Result<(), RuleError> {
        let unusable = [
            (
                "secretGroup",
                self.group
                    .as_ref()
                    .map(|group| group.line)
                    .filter(|_| self.group.as_ref().is_some_and(|g| g.value > 0)),
            ),
            ("required", self.required.first().map(|required| required.line)),
            ("skipReport", self.skip_report.then_some(self.line)),
        ];
        for (field, line) in unusable {
            if let Some(line) = line {
                let why =
                    format!("field `{field}` can't change the built-in rule `{}`; write its `regex` too", self.id);
                return Err(self.error(line, why));
            }
        }
        let conditions = self.conditions();
        base.conditions.path = conditions.path.or(base.conditions.path.take());
        base.conditions.above_entropy = base.conditions.above_entropy.max(conditions.above_entropy);
        base.conditions.allowlists.extend(conditions.allowlists);
        if !self.description.is_empty() {
            base.description = self.description;
        }
        Ok(())
    }

    /// `description` is that of the built-in rule in whose place it stands.
    fn finish(self, description: Option<&str>) -> Result<ForeignRule, RuleError> {
        let group = self.group.as_ref().map_or(0, |group| group.value);
        if self.regex.is_none() && self.path.is_none() {
            let why = format!("rule `{}` has neither `regex` nor `path`: it would find nothing", self.id);
            return Err(self.error(self.line, why));
        }
        let groups = self.regex.as_ref().map_or(usize::MAX, |regex| regex.value.captures_len() - 1);
        if group > groups {
            let line = self.group.as_ref().map_or(self.line, |group| group.line);
            let why = format!(
                "field `secretGroup` of rule `{}`: the regex has {groups} groups, there is no {group}",
                self.id
            );
            return Err(self.error(line, why));
        }
        let conditions = self.conditions();
        let description = match (self.description.is_empty(), description) {
            (false, _) => self.description,
            (true, description) => description.unwrap_or(&self.id).to_owned(),
        };
        Ok(ForeignRule {
            description,
            tags: self.tags,
            keywords: self.keywords,
            regex: self.regex.map(|regex| regex.value),
            group,
            conditions,
            required: self.required.into_iter().map(|required| required.value).collect(),
            skip_report: self.skip_report,
            id: self.id.into(),
        })
    }
}

fn values(list: Vec<At<String>>) -> Vec<String> {
    list.into_iter().map(|text| text.value).collect()
}

fn keywords(file: File<'_>, list: Vec<At<String>>) -> Result<Vec<String>, RuleError> {
    if let Some(empty) = list.iter().find(|keyword| keyword.value.is_empty()) {
        return Err(
            file.error(empty.line, "a keyword is empty; take it away, and without any the rule runs everywhere")
        );
    }
    Ok(list.into_iter().map(|keyword| keyword.value.to_lowercase()).collect())
}

/// An allowlist and the part of it that asks for the place, while it is read.
struct RawAllowlist(Where, Allowlist);

impl RawAllowlist {
    fn finish(self) -> Allowlist {
        Allowlist { place: Arc::new(self.0), ..self.1 }
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self, RuleError> {
        fields.text("description")?;
        let condition = fields.text("condition")?;
        let all = match condition.as_ref().map(|condition| condition.value.to_uppercase()).as_deref() {
            None | Some("" | "OR" | "||") => false,
            Some("AND" | "&&") => true,
            Some(other) => {
                let other = other.to_lowercase();
                return Err(fields.error(format!("field `condition` is `{other}` and must be `AND` or `OR`")));
            }
        };
        let target = match fields.text("regexTarget")?.map(|target| target.value).as_deref() {
            None | Some("" | "secret") => Target::Secret,
            Some("match") => Target::Match,
            Some("line") => Target::Line,
            Some(other) => {
                let expected = "`secret`, `match` or `line`";
                return Err(fields.error(format!("field `regexTarget` is `{other}` and must be {expected}")));
            }
        };
        let commits = values(fields.texts("commits")?);
        let place = Where {
            commits: commits.iter().map(|commit| commit.trim().to_lowercase()).collect(),
            paths: fields.regexes("paths")?.map(Path),
            both: all,
            global: false,
        };
        let stopwords: Vec<String> = fields.texts("stopwords")?.iter().map(|word| word.value.to_lowercase()).collect();
        let stopwords = match AhoCorasick::new(stopwords.iter().filter(|word| !word.is_empty())) {
            Ok(search) => (!stopwords.is_empty()).then_some(search),
            Err(error) => return Err(fields.error(format!("field `stopwords`: {error}"))),
        };
        let list = Allowlist { all, target, regexes: fields.regexes("regexes")?, stopwords, ..Allowlist::default() };
        let is_empty = place.commits.is_empty() && place.paths.is_none() && list.regexes.is_none();
        if is_empty && list.stopwords.is_none() {
            return Err(fields.error("an allowlist is empty; give it `commits`, `paths`, `regexes` or `stopwords`"));
        }
        Ok(Self(place, list))
    }
}

/// The allowlists of a rule or, with the rules that they are for, of a file; in the old and in the new spelling.
fn lists(fields: &mut Fields<'_>, targets: bool) -> Result<Vec<(RawAllowlist, Vec<At<String>>)>, RuleError> {
    const OF: &str = "an allowlist";
    let old = fields.table("allowlist", OF)?;
    let new = fields.tables("allowlists", OF)?;
    if let Some(old) = old.as_ref().filter(|_| !new.is_empty()) {
        return Err(
            old.error("`allowlist` and `allowlists` exclude each other; write all of them as `[[…allowlists]]`")
        );
    }
    old.into_iter()
        .chain(new)
        .map(|mut fields| {
            let for_rules = if targets { fields.texts("targetRules")? } else { Vec::new() };
            let list = RawAllowlist::read(&mut fields)?;
            fields.finish()?;
            Ok((list, for_rules))
        })
        .collect()
}

#[cfg(test)]
mod tests;
