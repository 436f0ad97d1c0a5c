//! The flags that say whose side is asked, and as whom.

use std::path::PathBuf;

use clap::{ArgAction, Args};

/// The owner's side: AWS itself, or files that it made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "The owner's side")]
pub(in crate::cli) struct OwnerArgs {
    /// Ask as this profile of the AWS config files; otherwise credentials are found as the AWS CLI finds them
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) profile: Option<String>,

    /// Region whose STS is asked, and where buckets are looked for first; IAM has none
    #[arg(long, value_name = "REGION")]
    pub(in crate::cli) region: Option<String>,

    /// Assume this role first
    #[arg(long, value_name = "ARN")]
    pub(in crate::cli) role_arn: Option<String>,

    /// The external id that the role of --role-arn asks for
    #[arg(long, value_name = "ID", requires = "role_arn")]
    pub(in crate::cli) external_id: Option<String>,

    /// The second factor that the role of --role-arn asks for: its serial number or ARN; its code is asked on the terminal
    #[arg(long, value_name = "SERIAL", requires = "role_arn")]
    pub(in crate::cli) mfa_serial: Option<String>,

    /// The code of the second factor, where there is no terminal to ask on
    #[arg(long, value_name = "CODE", requires = "mfa_serial")]
    pub(in crate::cli) mfa_code: Option<String>,

    /// All accounts of the organization, by the role of --role-name in each; of what is live only accounts that own a leaked key are asked
    #[arg(long, requires = "role_name")]
    pub(in crate::cli) organization: bool,

    /// The role that --organization assumes in each account
    #[arg(long, value_name = "NAME", requires = "organization")]
    pub(in crate::cli) role_name: Option<String>,

    /// Ask nobody: judge by this credential report, the CSV that AWS makes; repeat it for several accounts
    #[arg(long, value_name = "FILE", action = ArgAction::Append)]
    #[arg(conflicts_with_all = ["profile", "region", "role_arn", "organization"])]
    pub(in crate::cli) credential_report: Vec<PathBuf>,

    /// Ask nobody: judge by this dump of access keys, what `aws iam list-access-keys` prints for each user, one after the other
    #[arg(long, value_name = "FILE", action = ArgAction::Append)]
    #[arg(conflicts_with_all = ["profile", "region", "role_arn", "organization"])]
    pub(in crate::cli) access_keys: Vec<PathBuf>,
}

impl OwnerArgs {
    /// Nobody is to be asked.
    pub(in crate::cli) fn is_offline(&self) -> bool {
        !self.credential_report.is_empty() || !self.access_keys.is_empty()
    }
}
