//! The credential report: made on demand, slowly, and then the same for four hours, whatever changes meanwhile.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_getting-report.html>

use super::answer::{Refusal, date, element};
use super::world::{Account, Key, User};

/// As long as AWS keeps one.
const KEPT: i64 = 4 * 60 * 60;

/// A report and what is still to come before it can be had.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    made: Option<Made>,
    /// So many times AWS says that it is being made.
    pub(crate) takes: u32,
}

#[derive(Clone, Debug)]
struct Made {
    csv: String,
    generated: i64,
    pending: u32,
}

impl Account {
    /// Makes a report of what stands now, as if that had been at `generated`.
    pub(crate) fn make_report(&mut self, generated: i64) {
        self.report.made = Some(Made { csv: self.csv(), generated, pending: 0 });
    }

    /// `GenerateCredentialReport`.
    pub(super) fn generate_report(&mut self, now: i64) -> String {
        let (state, description) = match &mut self.report.made {
            Some(made) if made.pending > 0 => {
                made.pending -= 1;
                ("INPROGRESS", None)
            }
            Some(made) if now - made.generated < KEPT => ("COMPLETE", None),
            _ => {
                self.make_report(now);
                let takes = self.report.takes;
                self.report.made.as_mut().expect("it was just made").pending = takes;
                ("STARTED", Some("No report exists. Starting a new report generation task"))
            }
        };
        element("State", state) + &description.map(|text| element("Description", text)).unwrap_or_default()
    }

    /// `GetCredentialReport`.
    pub(super) fn get_report(&mut self, now: i64) -> Result<String, Refusal> {
        match &mut self.report.made {
            None => Err(Refusal::new(410, "ReportNotPresent", "Unknown")),
            Some(made) if made.pending > 0 => {
                made.pending -= 1;
                Err(Refusal::new(404, "ReportInProgress", "Unknown"))
            }
            Some(made) if now - made.generated >= KEPT => {
                let why = "The most recent credential report has expired. To generate a new one, use GenerateCredentialReport.";
                Err(Refusal::new(410, "ReportExpired", why))
            }
            Some(made) => Ok(element("Content", aws_smithy_types::base64::encode(&made.csv))
                + &element("ReportFormat", "text/csv")
                + &element("GeneratedTime", date(made.generated))),
        }
    }

    fn csv(&self) -> String {
        let mut lines = vec![HEADER.to_owned(), self.root_row()];
        lines.extend(self.users.values().map(|user| self.row(user)));
        // No line end after the last.
        lines.join("\n")
    }

    fn root_row(&self) -> String {
        let keys: Vec<_> = self.root_keys.values().collect();
        let arn = format!("arn:aws:iam::{}:root", self.number);
        let born = "2019-05-06T07:08:09Z";
        let password = format!("true,2026-01-02T03:04:05Z,{born},not_supported");
        format!("<root_account>,{arn},{born},{password},true,{},{},{CERTIFICATES}", slot(&keys, 0), slot(&keys, 1))
    }

    fn row(&self, user: &User) -> String {
        // Not in the order of creation: by ids.
        let mut ids: Vec<_> = user.keys.iter().collect();
        ids.sort();
        let keys: Vec<_> = ids.into_iter().map(|id| &self.keys[id]).collect();
        let User { name, path, created, has_password, has_mfa, .. } = user;
        let (arn, created) = (format!("arn:aws:iam::{}:user{path}{name}", self.number), date(*created));
        let password = match has_password {
            true => format!("true,no_information,{created},N/A"),
            false => "false,N/A,N/A,N/A".to_owned(),
        };
        format!("{name},{arn},{created},{password},{has_mfa},{},{},{CERTIFICATES}", slot(&keys, 0), slot(&keys, 1))
    }
}

/// The five columns of a slot.
fn slot(keys: &[&Key], index: usize) -> String {
    let Some(key) = keys.get(index) else { return "false,N/A,N/A,N/A,N/A".to_owned() };
    let used = match &key.last_used {
        Some((at, service, region)) => format!("{},{region},{service}", date(*at)),
        None => "N/A,N/A,N/A".to_owned(),
    };
    format!("{},{},{used}", key.status == "Active", date(key.created))
}

const CERTIFICATES: &str = "false,N/A,false,N/A";

const HEADER: &str = "user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,\
    password_next_rotation,mfa_active,access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,\
    access_key_1_last_used_region,access_key_1_last_used_service,access_key_2_active,access_key_2_last_rotated,\
    access_key_2_last_used_date,access_key_2_last_used_region,access_key_2_last_used_service,cert_1_active,\
    cert_1_last_rotated,cert_2_active,cert_2_last_rotated";
