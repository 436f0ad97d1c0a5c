//! The window: what is shown to people and to other programs.
