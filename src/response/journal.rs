//! The journal: one JSON line before and one after each change, flushed to the disk, from which a run is resumed or undone.
