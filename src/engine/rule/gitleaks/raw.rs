//! One rule of a file: as it is written, put over another, and as it is run.

use std::sync::Arc;

use regex::bytes::Regex;

use super::fields::{At, Fields, File};
use super::lists;
use super::{Named, values};
use crate::engine::foreign::ForeignRule;
use crate::engine::foreign::allow::{Allowlist, Conditions};
use crate::engine::foreign::required::Required;
use crate::engine::foreign::terms::Path;
use crate::engine::rule::{Rule, RuleError};

/// A rule as it is written.
pub(super) struct RawRule {
    /// The file it stands in.
    pub(super) file: String,
    pub(super) line: usize,
    pub(super) id: String,
    pub(super) description: String,
    pub(super) regex: Option<At<Regex>>,
    pub(super) path: Option<At<Regex>>,
    pub(super) group: Option<At<usize>>,
    pub(super) entropy: f64,
    pub(super) keywords: Vec<String>,
    pub(super) tags: Vec<String>,
    pub(super) allowlists: Vec<Arc<Allowlist>>,
    pub(super) required: Vec<At<Required>>,
    pub(super) skip_report: bool,
}

impl RawRule {
    pub(super) fn read(file: File<'_>, mut fields: Fields<'_>) -> Result<Self, RuleError> {
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
            keywords: fields.words("keywords")?,
            tags: values(fields.texts("tags")?),
            allowlists: lists::read(&mut fields, false)?.into_iter().map(|(list, _)| Arc::new(list.finish())).collect(),
            required,
            skip_report: fields.flag("skipReport")?,
        };
        fields.finish()?;
        Ok(rule)
    }

    /// What it requires, with its own name.
    pub(super) fn required_by(&self) -> impl Iterator<Item = (String, Named)> {
        let named = |required: &At<Required>| {
            let rule = Named { file: self.file.clone(), line: required.line, id: required.value.id.clone() };
            (self.id.clone(), rule)
        };
        self.required.iter().map(named)
    }

    fn error(&self, line: usize, why: String) -> RuleError {
        RuleError::Gitleaks { file: self.file.clone(), line, why }
    }

    /// Puts a rule of the same name in a file that extends this one's over this one.
    pub(super) fn change(&mut self, over: Self) {
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
    pub(super) fn adjust(self, base: &mut Rule) -> Result<(), RuleError> {
        let unusable = [
            ("secretGroup", self.group.as_ref().filter(|group| group.value > 0).map(|group| group.line)),
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
        if conditions.above_entropy != 0.0 {
            base.conditions.above_entropy = conditions.above_entropy;
            base.pattern.ask_no_entropy();
        }
        base.conditions.allowlists.extend(conditions.allowlists);
        base.tags.extend(self.tags);
        if !self.description.is_empty() {
            base.description = self.description;
        }
        Ok(())
    }

    /// `description` is that of the built-in rule in whose place it stands.
    pub(super) fn finish(self, description: Option<&str>) -> Result<ForeignRule, RuleError> {
        let group = self.group.as_ref().map_or(0, |group| group.value);
        if self.regex.is_none() && self.path.is_none() {
            let why = format!("rule `{}` has neither `regex` nor `path`: it would find nothing; give it one", self.id);
            return Err(self.error(self.line, why));
        }
        let groups = self.regex.as_ref().map_or(usize::MAX, |regex| regex.value.captures_len() - 1);
        if group > groups {
            let line = self.group.as_ref().map_or(self.line, |group| group.line);
            let why = format!(
                "field `secretGroup` of rule `{}`: the regex has no group {group}; write a number from 0 to {groups}",
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
