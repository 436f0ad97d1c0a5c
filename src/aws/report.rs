//! Gets the credential report, which AWS makes on demand and keeps for four hours. What stands in it is triage's business.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_getting-report.html>

use std::time::Duration;

use tokio::time::sleep;

use super::client::Client;
use super::trouble::Trouble;
use crate::triage::credential_report::{self, CredentialReport};
use crate::triage::inventory::Gap;

const GENERATE: &str = "iam:GenerateCredentialReport";
const GET: &str = "iam:GetCredentialReport";

/// The pauses, in milliseconds, while AWS makes it. It takes two seconds for fifty users; longer than all of these it is not waited for.
const PAUSES: [u64; 14] = [250, 500, 1000, 2000, 3000, 5000, 5000, 5000, 5000, 5000, 5000, 5000, 5000, 5000];

impl Client {
    /// The newest report, a new one if there is none.
    pub(super) async fn credential_report(&self) -> Result<CredentialReport, Gap> {
        let mut pauses = PAUSES.into_iter();
        while !self.make().await? {
            self.pause(&mut pauses).await?;
        }
        let mut may_make = true;
        loop {
            let trouble = match self.read(self.iam.get_credential_report().send()).await {
                Ok(report) => {
                    let content = report.content.map(|content| content.into_inner()).unwrap_or_default();
                    return read(&content, report.generated_time.map_or(0, |time| time.secs()));
                }
                Err(trouble) => trouble,
            };
            match trouble.code.as_str() {
                "ReportInProgress" => self.pause(&mut pauses).await?,
                // It expired between the two calls.
                "ReportNotPresent" | "ReportExpired" if may_make => {
                    may_make = false;
                    while !self.make().await? {
                        self.pause(&mut pauses).await?;
                    }
                }
                _ => return Err(self.gap(&trouble, "getting the credential report", GET).await),
            }
        }
    }

    /// Has one made; true when it is there.
    async fn make(&self) -> Result<bool, Gap> {
        match self.read(self.iam.generate_credential_report().send()).await {
            Ok(answer) => Ok(answer.state.is_some_and(|state| state.as_str() == "COMPLETE")),
            // Somebody else is having one made.
            Err(trouble) if trouble.code == "LimitExceeded" => Ok(false),
            Err(trouble) => Err(self.gap(&trouble, "having a credential report made", GENERATE).await),
        }
    }

    async fn pause(&self, pauses: &mut impl Iterator<Item = u64>) -> Result<(), Gap> {
        match pauses.next() {
            Some(milliseconds) => {
                sleep(Duration::from_millis(milliseconds)).await;
                Ok(())
            }
            None => {
                let seconds = PAUSES.iter().sum::<u64>() / 1000;
                let trouble =
                    Trouble::answer(format!("AWS was not done with it after {seconds} seconds; try again later"));
                Err(self.gap(&trouble, "having a credential report made", GENERATE).await)
            }
        }
    }
}

fn read(content: &[u8], generated: i64) -> Result<CredentialReport, Gap> {
    credential_report::parse(content, generated, true)
        .map_err(|error| Gap { why: format!("reading the credential report failed: {error}"), permission: None })
}
