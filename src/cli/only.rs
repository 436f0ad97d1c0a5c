//! `--only-keys`: the access key ids to look for, out of a list or of whatever has them in it.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::lists;
use crate::key::AccessKeyId;

/// All access key ids of a file, or of standard input for `-`.
///
/// # Errors
/// When there is none, or when a line of a list is none.
pub(super) fn load(file: &Path) -> Result<BTreeSet<AccessKeyId>> {
    let text = lists::read(file, "access key ids")?;
    let ids = parse(&text).with_context(|| format!("reading access key ids from {} failed", lists::name(file)))?;
    if ids.is_empty() {
        bail!("there is no access key id in {}; write one a line", lists::name(file));
    }
    Ok(ids)
}

/// A list has one word a line, which must be an id. From any other text, such as JSON, CSV or a mail, every word is taken that has
/// the shape of an id.
fn parse(text: &str) -> Result<BTreeSet<AccessKeyId>> {
    let lines = || (1..).zip(text.lines().map(lists::without_comment));
    let is_word = |line: &str| line.bytes().all(|c| c.is_ascii_alphanumeric());
    if !lines().all(|(_, line)| is_word(line)) {
        return Ok(text.split(|c: char| !c.is_ascii_alphanumeric()).filter_map(id).collect());
    }
    let mut ids = BTreeSet::new();
    for (number, line) in lines().filter(|(_, line)| !line.is_empty()) {
        match id(line) {
            Some(id) => {
                ids.insert(id);
            }
            // What a column is called.
            None if number == 1 && line.len() != AccessKeyId::LEN => {}
            // Not shown: who takes the wrong file may have secrets in it.
            None => bail!(
                "line {number} is no access key id: AKIA, ASIA, ABIA or ACCA and sixteen capitals or digits; mend it, \
                 or put a # before it"
            ),
        }
    }
    Ok(ids)
}

fn id(word: &str) -> Option<AccessKeyId> {
    AccessKeyId::shaped(word.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "AKIAIOSFODNN7EXAMPLE";
    const TWO: &str = "ASIAI44QH8DHBEXAMPLE";

    fn parsed(text: &str) -> Result<Vec<String>, String> {
        let ids = parse(text).map_err(|error| error.to_string())?;
        Ok(ids.iter().map(AccessKeyId::to_string).collect())
    }

    #[test]
    fn lists_are_read_with_their_comments() {
        for text in [
            format!("{ONE}\n{TWO}"),
            format!("# ours\r\n\r\n{ONE} # ann\r\n  {TWO}\r\n{ONE}\r\n"),
            format!("AccessKeyId\n{ONE}\n{TWO}\n"),
        ] {
            assert_eq!(parsed(&text).unwrap(), [ONE, TWO], "{text}");
        }
    }

    #[test]
    fn every_id_is_taken_from_what_is_no_list() {
        for text in [
            format!(r#"{{"AccessKeyMetadata": [{{"AccessKeyId": "{ONE}"}}, {{"AccessKeyId": "{TWO}"}}]}}"#),
            format!("User,Access key ID\nann,{ONE}\n\"b, c\",{TWO}\n"),
            format!("{ONE}\t{TWO}\n"),
            format!("please look for {ONE}, and (if you can) {TWO}!\n"),
        ] {
            assert_eq!(parsed(&text).unwrap(), [ONE, TWO], "{text}");
        }
        assert!(parsed(&format!("x{ONE} {}", &TWO[..19])).unwrap().is_empty());
    }

    #[test]
    fn a_line_of_a_list_that_is_no_id_is_refused_and_not_shown() {
        let secret = "aB3".repeat(13);
        for (bad, line) in [(secret.as_str(), 3), (&ONE[..19], 3), ("akiaiosfodnn7example", 3)] {
            let error = parsed(&format!("{ONE}\n\n{bad}\n{TWO}")).unwrap_err();
            assert!(error.contains(&format!("line {line} ")) && !error.contains(bad), "{error}");
        }
        assert!(parsed("akiaiosfodnn7example\n").unwrap_err().contains("line 1 "));
    }

    #[test]
    fn nothing_to_look_for_is_an_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(load(file.path()).unwrap_err().to_string().contains("no access key id in"));
        assert!(load(Path::new("/not/there")).unwrap_err().to_string().contains("/not/there"));
    }
}
