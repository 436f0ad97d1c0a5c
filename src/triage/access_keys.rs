//! Dumps of access keys as `aws iam list-access-keys` prints them, several one after the other.
