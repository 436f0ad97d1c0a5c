//! Working trees and single files.
