//! Families as they are written, and their cases with everything filled in: the bytes, what must be found in them, what may be.
//! Comparing that with what is found is the business of `score`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path};

use serde::Deserialize;

use super::draw::{Role, Value};
use super::template::{self, Filled};
use super::transform::Wrapped;

/// A file of cases.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Family {
    case: Vec<RawCase>,
}

/// A case as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCase {
    name: String,
    file: String,
    text: String,
    #[serde(default)]
    wrap: Vec<String>,
    expect: Option<Vec<String>>,
    #[serde(default)]
    optional: Vec<String>,
    /// For readers.
    #[serde(default, rename = "why")]
    _why: String,
}

/// A case with its values.
pub(crate) struct Case {
    pub(crate) family: String,
    pub(crate) name: String,
    /// A relative path.
    pub(crate) file: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) expected: Vec<Wanted>,
    /// Values that may be reported or not.
    pub(crate) optional: BTreeSet<String>,
}

/// A value that must be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) template: String,
    pub(crate) role: Role,
    /// Texts any of which will do, the value itself first.
    pub(crate) texts: Vec<String>,
}

/// All cases of all families in a directory, in the order of their names.
///
/// # Errors
/// Everything that is wrong with them, one line each.
pub(crate) fn read_all(directory: &Path) -> Result<Vec<Case>, String> {
    let mut paths: Vec<_> = fs::read_dir(directory)
        .map_err(|error| format!("reading {}: {error}", directory.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    paths.sort();
    let (mut cases, mut wrong) = (Vec::new(), Vec::new());
    for path in paths {
        let family = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).map_err(|error| format!("reading {}: {error}", path.display()))?;
        for case in read(&family, &text) {
            case.map_or_else(|why| wrong.push(why), |case| cases.push(case));
        }
    }
    if wrong.is_empty() { Ok(cases) } else { Err(wrong.join("\n")) }
}

/// The cases of one family, or what is wrong with each.
fn read(family: &str, text: &str) -> Vec<Result<Case, String>> {
    let raw: Family = match toml::from_str(text) {
        Ok(raw) => raw,
        Err(error) => return vec![Err(format!("{family}: {error}"))],
    };
    if raw.case.is_empty() {
        return vec![Err(format!("{family}: has no case"))];
    }
    let mut names = BTreeSet::new();
    let mut cases = Vec::new();
    for case in raw.case {
        let name = format!("{family}/{}", case.name);
        let new = names.insert(case.name.clone());
        let case = if new { case.filled(family) } else { Err("has the name of another case".to_owned()) };
        cases.push(case.map_err(|why| format!("{name}: {why}")));
    }
    cases
}

impl RawCase {
    fn filled(self, family: &str) -> Result<Case, String> {
        let good = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        if !self.name.bytes().all(good) {
            return Err("its name is not lower-case words and hyphens".to_owned());
        }
        if !Path::new(&self.file).components().all(|part| matches!(part, Component::Normal(_))) {
            return Err("its file is not a path below a directory".to_owned());
        }
        let seed = format!("{family}/{}", self.name);
        let filled = template::fill(&self.text, &seed)?;
        let (expected, optional) = self.asked_for(&filled)?;
        let mut wrapped = Wrapped::new(filled.text, &seed);
        for step in &self.wrap {
            wrapped.step(step)?;
        }
        Ok(Case {
            family: family.to_owned(),
            name: self.name,
            file: self.file,
            bytes: wrapped.bytes,
            expected,
            optional,
        })
    }

    /// What must be found, and what may be.
    fn asked_for(&self, filled: &Filled) -> Result<(Vec<Wanted>, BTreeSet<String>), String> {
        let value = |template: &String| {
            let value = filled.values.get(template);
            value.ok_or_else(|| format!("`{template}` is asked for and does not stand in the text"))
        };
        let mut optional: BTreeSet<String> = filled.values.values().flat_map(|value| value.inside.clone()).collect();
        for template in &self.optional {
            let Value { text, also, .. } = value(template)?;
            optional.insert(text.clone());
            optional.extend(also.iter().cloned());
        }
        let expected = match &self.expect {
            Some(named) => named.clone(),
            None => {
                let credentials = filled.values.iter().filter(|(_, value)| value.role != Role::LookAlike);
                credentials.map(|(name, _)| name.clone()).filter(|name| !self.optional.contains(name)).collect()
            }
        };
        let wanted = |template: String| match value(&template)? {
            Value { role: Role::LookAlike, .. } => {
                Err(format!("`{template}` is no credential, so that none can ask for it"))
            }
            Value { role, text, also, .. } => {
                let texts = [std::slice::from_ref(text), also].concat();
                Ok(Wanted { template, role: *role, texts })
            }
        };
        Ok((expected.into_iter().map(wanted).collect::<Result<_, _>>()?, optional))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(fields: &str) -> Result<Case, String> {
        let text = format!("[[case]]\nname = \"a\"\nfile = \"a.env\"\n{fields}");
        read("family", &text).pop().unwrap()
    }

    fn asked_for(fields: &str) -> (Vec<String>, usize) {
        let case = case(fields).unwrap_or_else(|why| panic!("{why}"));
        (case.expected.into_iter().map(|wanted| wanted.template).collect(), case.optional.len())
    }

    const TEXT: &str = "text = '''{{id}} {{secret}} {{b64 {{token}}}} {{hex40}}'''\n";

    #[test]
    fn every_credential_is_asked_for_unless_the_case_says_otherwise() {
        assert_eq!(asked_for(TEXT), (vec!["id".into(), "secret".into(), "token".into()], 0));
        assert_eq!(asked_for(&format!("{TEXT}optional = ['secret', 'hex40']")), (vec!["id".into(), "token".into()], 2));
        assert_eq!(asked_for(&format!("{TEXT}expect = ['id']")), (vec!["id".into()], 0));
        assert_eq!(asked_for(&format!("{TEXT}expect = []")), (vec![], 0));
    }

    #[test]
    fn what_is_inside_of_a_value_may_be_reported() {
        assert_eq!(asked_for("text = '{{bedrock-short}}'"), (vec!["bedrock-short".into()], 2));
        let auth = case("text = '{{ecr-auth}}'").ok().unwrap();
        assert_eq!(auth.expected[0].texts.len(), 2);
    }

    #[test]
    fn a_case_is_wrapped_after_it_is_filled() {
        let case = case("text = \"k={{id}}\\n\"\nwrap = ['utf-16le', 'bom']").ok().unwrap();
        assert_eq!(case.bytes.len(), 2 + 2 * 23);
        assert!(case.bytes.starts_with(b"\xFF\xFEk\0=\0A\0"));
    }

    #[test]
    fn what_is_wrong_with_a_case_is_told() {
        for (fields, why) in [
            ("text = '{{name}}'", "family/a: line 1 of the text: there is no template"),
            ("text = ''\nexpect = ['id']", "`id` is asked for and does not stand in the text"),
            ("text = '{{uuid}}'\nexpect = ['uuid']", "`uuid` is no credential"),
            ("text = ''\nwrap = ['x']", "there is no wrap `x`"),
            ("text = ''\ncolour = 1", "unknown field `colour`"),
            ("text = ''\n[[case]]\nname = 'a'\nfile = 'a'\ntext = ''", "has the name of another case"),
            ("text = ''\n[[case]]\nname = 'A'\nfile = 'a'\ntext = ''", "not lower-case"),
            ("text = ''\n[[case]]\nname = 'b'\nfile = '../a'\ntext = ''", "not a path below"),
        ] {
            let error = case(fields).err().unwrap();
            assert!(error.contains(why), "{error}");
        }
    }
}
