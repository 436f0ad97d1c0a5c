//! The front door: hands over to the porch and exits with what it says.

use std::process::ExitCode;

fn main() -> ExitCode {
    keysweep::cli::main()
}
