//! Git history through the object database.
