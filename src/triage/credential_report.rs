//! The credential report: CSV to rows, and which slot of a row a key stands in.

/// A credential report.
#[derive(Clone, Debug)]
pub struct CredentialReport {
    /// When AWS made it, in seconds since 1970. Of a file: when that was last written, which is the same or later.
    pub generated: i64,
    /// AWS said when; else it is the file's own date.
    pub is_exact: bool,
}
