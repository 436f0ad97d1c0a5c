//! Rules as data: what `patterns/*.toml` says, read and checked. How rules are run is the scanner's business.
