//! Goes through an approved plan: writes down, switches, reads again, writes down.
