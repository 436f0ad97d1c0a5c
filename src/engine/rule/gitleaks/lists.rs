//! The allowlists of a file and of its rules, in the old and in the new spelling.

use std::sync::Arc;

use aho_corasick::AhoCorasick;

use super::fields::{At, Fields};
use super::values;
use crate::engine::foreign::allow::{Allowlist, Target};
use crate::engine::foreign::terms::{Path, Where};
use crate::engine::rule::RuleError;

/// An allowlist and the part of it that asks for the place, while it is read.
pub(super) struct RawAllowlist {
    pub(super) place: Where,
    list: Allowlist,
}

/// An allowlist and the rules that it is for.
pub(super) type ForRules = (RawAllowlist, Vec<At<String>>);

impl RawAllowlist {
    pub(super) fn finish(self) -> Allowlist {
        Allowlist { place: Arc::new(self.place), ..self.list }
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self, RuleError> {
        fields.text("description")?;
        let condition = fields.text("condition")?;
        let all = match condition.as_ref().map(|condition| condition.value.to_uppercase()).as_deref() {
            None | Some("" | "OR" | "||") => false,
            Some("AND" | "&&") => true,
            Some(_) => return Err(fields.not_one_of("condition", condition, "`AND` or `OR`")),
        };
        let target = fields.text("regexTarget")?;
        let target = match target.as_ref().map(|target| target.value.as_str()) {
            None | Some("" | "secret") => Target::Secret,
            Some("match") => Target::Match,
            Some("line") => Target::Line,
            Some(_) => return Err(fields.not_one_of("regexTarget", target, "`secret`, `match` or `line`")),
        };
        let commits = values(fields.texts("commits")?);
        let place = Where {
            commits: commits.iter().map(|commit| commit.trim().to_lowercase()).collect(),
            paths: fields.regexes("paths")?.map(Path),
            both: all,
            global: false,
        };
        let stopwords = fields.words("stopwords")?;
        let stopwords = match AhoCorasick::new(&stopwords) {
            Ok(search) => (!stopwords.is_empty()).then_some(search),
            Err(error) => return Err(fields.error(format!("field `stopwords`: {error}"))),
        };
        let list = Allowlist { all, target, regexes: fields.regexes("regexes")?, stopwords, ..Allowlist::default() };
        let is_empty = place.commits.is_empty() && place.paths.is_none() && list.regexes.is_none();
        if is_empty && list.stopwords.is_none() {
            return Err(fields.error("an allowlist is empty; give it `commits`, `paths`, `regexes` or `stopwords`"));
        }
        Ok(Self { place, list })
    }
}

/// The allowlists of a rule or, with the rules that they are for, of a file; in the old and in the new spelling.
pub(super) fn read(fields: &mut Fields<'_>, targets: bool) -> Result<Vec<ForRules>, RuleError> {
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
