//! How the process exits.

use std::process::ExitCode;

/// The three ways to end; the worst wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// 0: nothing found and everything read.
    Clean,
    /// 1, or what `--exit-code` says: something was found.
    Found(u8),
    /// 2: something that was meant to be read was not, or nothing could be done at all.
    Incomplete,
}

impl Exit {
    /// How a scan ends that found `findings` and, unless `complete`, left something unread.
    pub(super) fn of(findings: usize, complete: bool, code: u8) -> Self {
        match (complete, findings) {
            (false, _) => Self::Incomplete,
            (true, 0) => Self::Clean,
            (true, _) => Self::Found(code),
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Clean => 0,
            Exit::Found(code) => code,
            Exit::Incomplete => 2,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unread_input_wins_over_findings() {
        assert_eq!(Exit::of(0, true, 1), Exit::Clean);
        assert_eq!(Exit::of(3, true, 7), Exit::Found(7));
        assert_eq!(Exit::of(3, false, 7), Exit::Incomplete);
        assert_eq!(Exit::of(0, false, 0), Exit::Incomplete);
    }
}
