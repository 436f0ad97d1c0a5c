//! A bucket policy, read: which of its statements let everybody do something, and which deny it to everybody.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html>

use serde_json::{Map, Value};

use super::condition::{self, Catches, Meets, Test};
use super::glob::Glob;

/// The longest policy that is read, in bytes: S3 takes 20 KiB.
const LONGEST: usize = 1 << 16;

/// What is done to what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Access<'a> {
    /// Such as `s3:GetObject`.
    pub(super) action: &'a str,
    /// The bucket, an object of it, or all of them.
    pub(super) on: &'a Glob,
}

/// The statements of a policy that are about everybody.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Policy {
    allow: Vec<Statement>,
    deny: Vec<Statement>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Statement {
    /// `statement PublicRead`, or which in order it is.
    name: String,
    actions: Side<Glob>,
    resources: Side<Resource>,
    tests: Vec<Test>,
}

/// `Action` or `NotAction`, `Resource` or `NotResource`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Side<T> {
    is_not: bool,
    all: Vec<T>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Resource {
    glob: Glob,
    /// As it is written, without the ARN of the bucket.
    text: String,
    /// It has no variables in it, of which nobody knows what they come to.
    is_certain: bool,
}

/// How much of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Extent {
    None,
    Part,
    All,
}

/// What a statement that is for everybody comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Grant {
    /// Somebody of the public may, by this: `policy statement PublicRead (only public/*)`.
    Given(String),
    /// Nobody may, because a statement denies it, as a clause says.
    Denied(String, String),
    /// Nobody may, because nobody of the public meets the condition; a clause says so.
    Conditioned(String, String),
}

/// What stands in the policy against everybody.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Denials {
    /// The statement that denies all of it.
    pub(super) all: Option<String>,
    /// Statements that deny part of it, or perhaps.
    pub(super) some: Vec<String>,
}

impl Grant {
    /// The same, with the action named that it is about.
    pub(super) fn with(self, action: &str) -> Self {
        let named = |by: String| format!("{by}, by {action}");
        match self {
            Self::Given(by) => Self::Given(named(by)),
            Self::Denied(by, why) => Self::Denied(named(by), why),
            Self::Conditioned(by, why) => Self::Conditioned(named(by), why),
        }
    }
}

impl Policy {
    /// Reads a policy.
    ///
    /// # Errors
    /// What is wrong with it, as a clause.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.len() > LONGEST {
            return Err(format!("it is {} bytes long, and S3 takes 20 KiB", text.len()));
        }
        let document: Value = serde_json::from_str(text).map_err(|error| format!("it is no JSON ({error})"))?;
        let statements = match document.as_object().and_then(|document| field(document, "Statement")) {
            Some(Value::Array(statements)) => &statements[..],
            Some(statement) => std::slice::from_ref(statement),
            None => return Err("it has no statements".to_owned()),
        };
        let mut policy = Self::default();
        for (at, statement) in statements.iter().enumerate() {
            let number = at + 1;
            policy.add(number, statement).map_err(|why| format!("its statement number {number} {why}"))?;
        }
        Ok(policy)
    }

    fn add(&mut self, number: usize, statement: &Value) -> Result<(), &'static str> {
        let statement = statement.as_object().ok_or("is none")?;
        let is_allow = match field(statement, "Effect").and_then(Value::as_str) {
            Some("Allow") => true,
            Some("Deny") => false,
            _ => return Err("neither allows nor denies"),
        };
        if !is_everybody(statement)? {
            return Ok(());
        }
        let name = match field(statement, "Sid").and_then(Value::as_str).filter(|sid| !sid.is_empty()) {
            Some(sid) => format!("statement {sid}"),
            None => format!("statement number {number}"),
        };
        let tests = match field(statement, "Condition") {
            None | Some(Value::Null) => Vec::new(),
            Some(condition) => condition::parse(condition).ok_or("has a condition that can't be understood")?,
        };
        let actions = side(statement, "Action", "NotAction", |text| Glob::pattern(&text.to_ascii_lowercase()))?;
        let resources = side(statement, "Resource", "NotResource", Resource::new)?;
        let list = if is_allow { &mut self.allow } else { &mut self.deny };
        list.push(Statement { name, actions, resources, tests });
        Ok(())
    }

    /// What statements give everybody this, or would.
    pub(super) fn grants(&self, access: Access<'_>) -> Vec<Grant> {
        self.allow.iter().filter_map(|statement| self.grant(statement, access)).collect()
    }

    /// Somebody of the public may do something, if nothing denies it.
    pub(super) fn gives_anything(&self) -> bool {
        self.allow.iter().any(|statement| !matches!(condition::meets(&statement.tests), Meets::Nobody(_)))
    }

    /// Something is denied to everybody who can't avoid it.
    pub(super) fn denies_anything(&self) -> bool {
        self.deny.iter().any(|statement| condition::catches(&statement.tests) == Catches::All)
    }

    /// Statements that leave it to access points who gets in.
    pub(super) fn of_access_points(&self) -> impl Iterator<Item = &str> {
        self.allow.iter().filter(|one| condition::is_of_access_points(&one.tests)).map(|one| &*one.name)
    }

    fn grant(&self, statement: &Statement, access: Access<'_>) -> Option<Grant> {
        let mut by = format!("policy {}", statement.name);
        match statement.extent(access) {
            Extent::None => return None,
            Extent::Part => by.push_str(&format!(" ({})", statement.resources.told(access.on))),
            Extent::All => {}
        }
        let mut but = Vec::new();
        match condition::meets(&statement.tests) {
            Meets::All => {}
            Meets::Some(keys) => but.push(format!("as far as its condition on {} lets", keys.join(", "))),
            Meets::Nobody(key) => {
                return Some(Grant::Conditioned(by, format!("its condition on {key} keeps the public out")));
            }
        }
        let Denials { all, some } = self.denials_of(access, &statement.resources.within(access.on));
        if let Some(denial) = all {
            return Some(Grant::Denied(by, format!("{denial} denies it")));
        }
        but.extend(some);
        Some(Grant::Given(but.iter().fold(by, |told, but| format!("{told}, {but}"))))
    }

    /// What stands against it for everybody, whoever gives it.
    pub(super) fn denials(&self, access: Access<'_>) -> Denials {
        self.denials_of(access, std::slice::from_ref(access.on))
    }

    /// What stands against it for everybody on these.
    fn denials_of(&self, access: Access<'_>, given: &[Glob]) -> Denials {
        let mut denials = Denials::default();
        for statement in self.deny.iter().filter(|statement| statement.is_about(access.action)) {
            let extents = given.iter().map(|given| statement.resources.extent(given));
            let (least, most) = extents.fold((Extent::All, Extent::None), |(a, b), x| (a.min(x), b.max(x)));
            match condition::catches(&statement.tests) {
                _ if most == Extent::None => {}
                Catches::Nobody => {}
                Catches::All if least == Extent::All => {
                    denials.all.get_or_insert_with(|| format!("policy {}", statement.name));
                }
                Catches::All => denials.some.push(format!("but not what policy {} denies", statement.name)),
                Catches::Some(keys) => denials.some.push(format!(
                    "perhaps not: policy {} denies it under its condition on {}",
                    statement.name,
                    keys.join(", ")
                )),
            }
        }
        denials
    }
}

impl Statement {
    fn is_about(&self, action: &str) -> bool {
        let action = Glob::literal(&action.to_ascii_lowercase());
        self.actions.all.iter().any(|pattern| pattern.covers(&action)) != self.actions.is_not
    }

    fn extent(&self, access: Access<'_>) -> Extent {
        if self.is_about(access.action) { self.resources.extent(access.on) } else { Extent::None }
    }
}

impl Resource {
    fn new(text: &str) -> Self {
        // Policies are of the bucket's own partition: which one it is makes no difference.
        let partition = text.strip_prefix("arn:aws-").and_then(|rest| rest.split_once(':'));
        let plain = partition.map_or_else(|| text.to_owned(), |(_, rest)| format!("arn:aws:{rest}"));
        let short = plain.strip_prefix("arn:aws:s3:::").and_then(|rest| rest.split_once('/')).map(|(_, key)| key);
        let text = short.unwrap_or(&plain).to_owned();
        // `${*}` and its like stand for the character itself; any other is a variable.
        let (mut pattern, mut rest, mut is_certain) = (String::new(), &*plain, true);
        while let Some((before, after)) = rest.split_once("${") {
            let (_, after) = after.split_once('}').unwrap_or_default();
            pattern.push_str(before);
            pattern.push('*');
            is_certain = false;
            rest = after;
        }
        pattern.push_str(rest);
        Self { glob: Glob::pattern(&pattern), text, is_certain }
    }
}

impl Side<Resource> {
    /// How much of what `on` matches it is about.
    fn extent(&self, on: &Glob) -> Extent {
        let named = self.all.iter().map(|resource| match resource {
            _ if !resource.glob.meets(on) => Extent::None,
            Resource { is_certain: true, glob, .. } if glob.covers(on) => Extent::All,
            _ => Extent::Part,
        });
        match (named.max().unwrap_or(Extent::None), self.is_not) {
            (Extent::None, true) => Extent::All,
            (Extent::All, true) => Extent::None,
            (extent, _) => extent,
        }
    }

    /// What of `on` it is about.
    fn within(&self, on: &Glob) -> Vec<Glob> {
        if self.is_not || self.extent(on) == Extent::All {
            return vec![on.clone()];
        }
        self.all.iter().map(|resource| &resource.glob).filter(|glob| glob.meets(on)).cloned().collect()
    }

    /// Which part of `on` it is about, in words.
    fn told(&self, on: &Glob) -> String {
        let of = self.all.iter().filter(|resource| resource.glob.meets(on));
        let of: Vec<&str> = of.map(|resource| &*resource.text).collect();
        format!("{} {}", if self.is_not { "all but" } else { "only" }, of.join(", "))
    }
}

/// The statement is about everybody, or everybody but some.
fn is_everybody(statement: &Map<String, Value>) -> Result<bool, &'static str> {
    let principal = match (field(statement, "Principal"), field(statement, "NotPrincipal")) {
        (Some(principal), None) => principal,
        (None, Some(_)) => return Ok(true),
        _ => return Err("does not say for whom it is"),
    };
    let is_star = |value: &Value| words(value).is_some_and(|words| words.iter().any(|word| word == "*"));
    match principal {
        Value::Object(kinds) => Ok(["AWS", "*"].iter().any(|kind| field(kinds, kind).is_some_and(is_star))),
        Value::String(_) => Ok(is_star(principal)),
        _ => Err("does not say for whom it is"),
    }
}

/// What stands under the one name or the other.
fn side<T>(
    statement: &Map<String, Value>,
    name: &str,
    not: &str,
    of: impl Fn(&str) -> T,
) -> Result<Side<T>, &'static str> {
    let (value, is_not) = match (field(statement, name), field(statement, not)) {
        (Some(value), None) => (value, false),
        (None, Some(value)) => (value, true),
        _ => return Err("does not say what it is about"),
    };
    let words = words(value).ok_or("does not say what it is about")?;
    Ok(Side { is_not, all: words.iter().map(|word| of(word)).collect() })
}

/// A word or a list of words; numbers and truth values are words too.
pub(super) fn words(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(word) => Some(vec![word.clone()]),
        Value::Bool(_) | Value::Number(_) => Some(vec![value.to_string()]),
        Value::Array(all) => {
            let each = all.iter().map(|one| if one.is_array() { None } else { words(one)?.pop() });
            each.collect()
        }
        Value::Null | Value::Object(_) => None,
    }
}

/// What stands under a name, in whatever letter case: emulators keep what they were given.
fn field<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object.get(name).or_else(|| {
        let (_, value) = object.iter().find(|(other, _)| other.eq_ignore_ascii_case(name))?;
        Some(value)
    })
}
