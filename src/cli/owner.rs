//! Reaches the owner's side: AWS, as whom the flags say, or files.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};

use anyhow::{Context, Result, anyhow, ensure};

use super::args::OwnerArgs;
use super::offline;
use super::output;
use crate::aws::{self, Account, Asked, Identity, Member};
use crate::finding::accounts::Accounts;
use crate::report::sanitize;
use crate::triage::inventory::{Gap, Knowledge};
use crate::triage::lead::Name;

/// Signs in.
///
/// # Errors
/// When there are no credentials, AWS does not take them, or can't be reached; when a second factor is asked for and nobody is there.
pub(super) fn connect(args: &OwnerArgs) -> Result<Account> {
    let identity = Identity {
        profile: args.profile.clone(),
        region: args.region.clone(),
        role_arn: args.role_arn.clone(),
        external_id: args.external_id.clone(),
        mfa: match (&args.mfa_serial, &args.mfa_code) {
            (Some(serial), Some(code)) => Some((serial.clone(), code.clone())),
            (Some(serial), None) => Some((serial.clone(), asked_code(serial)?)),
            (None, _) => None,
        },
    };
    Account::connect(&identity).context("signing in to AWS failed")
}

/// With --organization the other accounts of the organization, as the role in each. One that nobody can look into is told.
///
/// # Errors
/// When the organization can't be listed or a role not be assumed: what is in its account would be missing without a word.
pub(super) fn neighbours(home: &Account, args: &OwnerArgs) -> Result<Vec<Account>> {
    let Some(role) = args.role_name.as_deref().filter(|_| args.organization) else {
        return Ok(Vec::new());
    };
    let told = |gap: Gap| anyhow!("{}", gap.told());
    let mut all = Vec::new();
    for Member { account, is_open } in home.organization().map_err(told)? {
        if account == home.caller().account {
            continue;
        }
        if is_open {
            all.push(home.assume(account, role).map_err(told)?);
        } else {
            output::note(&format!(
                "account {account} is suspended or closed: nobody can look into it, and it is left out"
            ));
        }
    }
    Ok(all)
}

/// What the owner's side knows of these credentials; `accounts` are those that the user named, `home` is who was signed in to before, if
/// somebody was: the code of a second factor is good for once. Where nobody can be asked, what they tell themselves, and why there is no
/// more.
///
/// # Errors
/// When the organization can't be listed, or a file can't be read.
pub(super) fn ask(args: &OwnerArgs, home: Option<Account>, accounts: Accounts, names: &[Name]) -> Result<Asked> {
    if args.is_offline() {
        return offline::load(args, accounts).map(Asked::nobody);
    }
    if !names.iter().any(Name::is_askable) {
        return Ok(Asked::nobody(Knowledge { accounts, ..Knowledge::default() }));
    }
    match home.map_or_else(|| connect(args), Ok) {
        Ok(home) => ask_as(home, args, accounts, names),
        Err(error) => {
            let why = Gap { why: format!("{error:#}"), permission: None };
            let knowledge = Knowledge::of_nobody(accounts, names, &why);
            Ok(Asked { barred: Some(why.why), ..Asked::nobody(knowledge) })
        }
    }
}

/// What the account that is signed in to knows of these credentials, and the organization's others if they are to be asked.
///
/// # Errors
/// When the organization could not be listed.
pub(super) fn ask_as(home: Account, args: &OwnerArgs, accounts: Accounts, names: &[Name]) -> Result<Asked> {
    let role = args.role_name.as_deref().filter(|_| args.organization);
    aws::ask(home, role, accounts, names).context("asking AWS failed")
}

/// Where somebody can be asked whatever standard input and output are.
const TERMINAL: &str = if cfg!(windows) { "CON" } else { "/dev/tty" };

/// Asks for the code that the second factor shows.
fn asked_code(serial: &str) -> Result<String> {
    let nobody = || format!("asking for the code of {serial} failed: there is no terminal; give it by --mfa-code");
    let mut output = File::options().write(true).open(TERMINAL).with_context(nobody)?;
    let mut input = BufReader::new(File::open(TERMINAL).with_context(nobody)?);
    write!(output, "Code of {}: ", sanitize(serial)).and_then(|()| output.flush()).with_context(nobody)?;
    let mut code = String::new();
    input.read_line(&mut code).with_context(nobody)?;
    checked_code(&code)
}

/// What AWS takes for a code. <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>
fn checked_code(code: &str) -> Result<String> {
    let code: String = code.split_whitespace().collect();
    let is_code = code.len() == 6 && code.bytes().all(|c| c.is_ascii_digit());
    ensure!(
        is_code,
        "the code of a second factor is six digits, such as an authenticator shows; try again with the next one"
    );
    Ok(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_six_digits_however_it_is_grouped() {
        assert_eq!(checked_code("123 456\n").unwrap(), "123456");
        for wrong in ["", "\n", "12345", "1234567", "12345a", "١٢٣٤٥٦"] {
            assert!(checked_code(wrong).is_err(), "{wrong}");
        }
    }
}
