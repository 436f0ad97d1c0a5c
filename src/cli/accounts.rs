//! `--account`: one's own account numbers, as flags or from a file: a list, what `aws organizations list-accounts` prints, or a CSV.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, anyhow, bail};
use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::lists;
use crate::finding::accounts::Accounts;
use crate::key::{AccountId, NotAnAccount};

/// The value of one `--account`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum AccountArg {
    Number(AccountId),
    File(PathBuf),
}

impl FromStr for AccountArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix('@') {
            Some("") => Err("write the name of a file after the @".to_owned()),
            Some(file) => Ok(Self::File(file.into())),
            None => AccountId::parse(text)
                .map(Self::Number)
                .map_err(|why| format!("{why}; write an account number, or @FILE for a file of them")),
        }
    }
}

/// All accounts that were given.
///
/// # Errors
/// The first line of a file that is no account, and a file that has none.
pub(super) fn load(args: &[AccountArg]) -> Result<Accounts> {
    let mut all = Vec::new();
    for arg in args {
        match arg {
            AccountArg::Number(account) => all.push(*account),
            AccountArg::File(file) => all.extend(load_file(file)?),
        }
    }
    Ok(all.into_iter().collect())
}

fn load_file(file: &Path) -> Result<Vec<AccountId>> {
    let text = lists::read(file, "account numbers")?;
    let accounts =
        parse(&text).with_context(|| format!("reading account numbers from {} failed", lists::name(file)))?;
    if accounts.is_empty() {
        bail!("there is no account number in {}; write one a line", lists::name(file));
    }
    Ok(accounts)
}

fn parse(text: &str) -> Result<Vec<AccountId>> {
    if text.trim_start().starts_with(['{', '[']) {
        return parse_json(text);
    }
    let lines: Vec<(usize, &str)> =
        (1..).zip(text.lines().map(lists::without_comment)).filter(|(_, l)| !l.is_empty()).collect();
    match lines.first() {
        Some((_, first)) if words(first).all(|word| AccountId::parse(word) == Err(NotAnAccount::Digits)) => {
            let separators = [',', ';', '\t'];
            match separators.into_iter().find(|&separator| first.contains(separator)) {
                Some(separator) => parse_csv(&lines, separator),
                None => parse_list(&lines),
            }
        }
        _ => parse_list(&lines),
    }
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty())
}

/// One a line, or several: `--output text` writes them beside each other.
fn parse_list(lines: &[(usize, &str)]) -> Result<Vec<AccountId>> {
    let words = lines.iter().flat_map(|(number, line)| words(line).map(move |word| (number, word)));
    words.map(|(number, word)| account(*number, word)).collect()
}

/// The word is not shown: who takes the wrong file may have secrets in it.
fn account(line: usize, word: &str) -> Result<AccountId> {
    AccountId::parse(word)
        .map_err(|why| anyhow!("line {line} has no account number: {why}; write one a line, names after a #"))
}

/// What the column of account numbers may be called, in small letters.
const HEADINGS: [&str; 6] = ["id", "account", "accountid", "awsaccountid", "accountnumber", "awsaccount"];

fn parse_csv(lines: &[(usize, &str)], separator: char) -> Result<Vec<AccountId>> {
    let text: String = lines.iter().flat_map(|(_, line)| [line, "\n"]).collect();
    let mut rows = ::csv::ReaderBuilder::new()
        .delimiter(separator as u8)
        .flexible(true)
        .trim(::csv::Trim::All)
        .from_reader(text.as_bytes());
    let (heading_line, _) = lines[0];
    let plain = |heading: &str| -> String {
        heading.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
    };
    let headings: Vec<String> = rows.headers()?.iter().map(plain).collect();
    // The most telling name wins: a table may have an `id` of its own besides.
    let column = HEADINGS.iter().rev().find_map(|name| headings.iter().position(|heading| heading == name));
    let column = column.with_context(|| {
        format!(
            "line {heading_line}: no column is called `account_id` or the like; name one so, or write one number a line"
        )
    })?;
    rows.records()
        .map(|row| {
            let row = row?;
            // A quoted cell may hold line ends: then the number is that of the line on which its row begins.
            let at = row.position().map_or(0, |position| position.line() as usize - 1);
            let number = lines.get(at).map_or(heading_line, |(number, _)| *number);
            account(number, row.get(column).unwrap_or_default())
        })
        .collect()
}

/// `{"Accounts": [{"Id": "…"}]}`, the list in it alone, or a list of the numbers alone.
fn parse_json(text: &str) -> Result<Vec<AccountId>> {
    #[derive(Deserialize)]
    struct Document {
        #[serde(rename = "Accounts")]
        accounts: Vec<Entry>,
    }
    let entries = if text.trim_start().starts_with('[') {
        serde_json::from_str(text)
    } else {
        serde_json::from_str(text).map(|document: Document| document.accounts)
    };
    // What serde says of it may show the values.
    let entries: Vec<Entry> = entries.map_err(|error| {
        anyhow!(
            "line {}, column {}: it should be what `aws organizations list-accounts` prints, `Accounts` with account numbers in \
             quotes, each the `Id` of an entry or by itself",
            error.line(),
            error.column()
        )
    })?;
    Ok(entries.into_iter().map(|Entry(account)| account).collect())
}

/// An account number, or an object that has one as its `Id`.
struct Entry(AccountId);

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EntryVisitor).map(Self)
    }
}

struct EntryVisitor;

impl<'de> Visitor<'de> for EntryVisitor {
    type Value = AccountId;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an account number in quotes, or an object with one as its `Id`")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<AccountId, E> {
        AccountId::parse(text).map_err(E::custom)
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<AccountId, M::Error> {
        let mut account = None;
        while let Some(key) = map.next_key::<String>()? {
            if key == "Id" {
                account = Some(map.next_value::<Entry>()?.0);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        account.ok_or_else(|| M::Error::missing_field("Id"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The accounts as text, or the error with its causes.
    fn parsed(text: &str) -> Result<Vec<String>, String> {
        let accounts = parse(text).map_err(|error| format!("{error:#}"))?;
        Ok(accounts.iter().map(AccountId::to_string).collect())
    }

    #[track_caller]
    fn refused(text: &str, words: &[&str]) {
        let error = parsed(text).unwrap_err();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    }

    const TWO: [&str; 2] = ["111122223333", "000000000001"];

    #[test]
    fn lists_are_read_with_their_comments_and_in_columns() {
        for text in [
            "111122223333\n000000000001",
            "# ours\r\n111122223333 # prod\r\n\r\n  0000-0000-0001\r\n",
            "111122223333\t000000000001\n",
            "111122223333, 000000000001",
        ] {
            assert_eq!(parsed(text).unwrap(), TWO, "{text}");
        }
        assert!(parsed("").unwrap().is_empty() && parsed("# none\n").unwrap().is_empty());
    }

    #[test]
    fn what_organizations_print_is_read() {
        for text in [
            r#"{"Accounts": [{"Id": "111122223333", "Name": "a", "Tags": [{}]}, {"Name": "b", "Id": "000000000001"}]}"#,
            r#" [{"Id": "111122223333"}, {"Id": "000000000001"}]"#,
            r#"["111122223333", "000000000001"]"#,
        ] {
            assert_eq!(parsed(text).unwrap(), TWO, "{text}");
        }
    }

    #[test]
    fn a_column_of_a_csv_is_read() {
        for text in [
            "Account Name,Account ID,Email\n\"a, b\",111122223333,x@y\nc,000000000001,",
            "# exported\nid;aws_account_id\n1;1111-2222-3333\n\n2;000000000001 # b",
            "name\tId\na\t111122223333\nb\t000000000001\n",
        ] {
            assert_eq!(parsed(text).unwrap(), TWO, "{text}");
        }
    }

    #[test]
    fn what_is_no_account_is_refused_with_its_line() {
        refused("111122223333\n# x\n12345", &["line 3", "5 digits"]);
        refused("prod", &["line 1", "not twelve digits"]);
        refused("111122223333 prod", &["line 1", "names after a #"]);
        refused("name,account\na,111122223333\n\nb,1\n", &["line 4", "1 digit"]);
        refused("#\nname,mail\na,b\n", &["line 2", "`account_id`"]);
        refused("{\"Accounts\": [\n{\"Id\": \"1\"}]}", &["line 2", "column 10", "`Id`"]);
        refused("[\n111122223333]", &["line 2", "in quotes"]);
        refused("{\"Users\": []}", &["`Accounts`", "list-accounts"]);
        refused("[\n\n{}]", &["line 3", "`Id`"]);
    }

    #[test]
    fn what_is_no_account_is_not_shown() {
        let secret = "aB3".repeat(13);
        for text in [
            secret.clone(),
            format!("111122223333\n{secret}"),
            format!("account\n{secret}"),
            format!("name,account\na,{secret}"),
            format!("[\"{secret}\"]"),
            format!("{{\"Accounts\": \"{secret}\"}}"),
            format!("{{\"Accounts\": [{{\"Id\": \"{secret}\"}}]}}"),
        ] {
            let error = parsed(&text).unwrap_err();
            assert!(!error.contains(&secret), "{error}");
        }
    }

    #[test]
    fn a_flag_takes_a_number_or_a_file() {
        assert_eq!("111122223333".parse(), Ok(AccountArg::Number(AccountId::parse("111122223333").unwrap())));
        assert_eq!("@a b".parse(), Ok(AccountArg::File("a b".into())));
        for bad in ["@", "accounts.txt", "123"] {
            assert!(bad.parse::<AccountArg>().unwrap_err().contains("FILE") || bad == "@", "{bad}");
        }
    }

    #[test]
    fn a_file_without_accounts_and_one_that_is_not_there_are_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let arg = |path: &Path| vec![AccountArg::File(path.to_owned())];
        assert!(load(&arg(file.path())).unwrap_err().to_string().contains("no account number"));
        assert!(load(&arg(Path::new("/not/there"))).unwrap_err().to_string().contains("/not/there"));
    }
}
