//! One function per operation on the store, used alike by the command line and by a server.
//!
//! Nothing here prints: results are plain data, progress goes to a `kiln_build::Progress`.

pub mod build;
pub mod check;
pub mod containers;
pub mod filters;
pub mod images;
pub mod import;
pub mod layers;
pub mod load;
pub mod manifests;
mod parallel;
pub mod prune;
pub mod pull;
pub mod push;
pub mod registry;
pub mod save;
mod stream;
pub mod volumes;
pub mod why;

pub use kiln_build::{BuildError, Kind};

/// Says which disk is full: paths in messages are those of the image, not of the store.
fn full_disk_hint(store: &kiln_store::Store, e: BuildError) -> BuildError {
    if !e.disk_full {
        return e;
    }
    let root = store.root().display();
    e.hint(format!(
        "no space left on the file system of {root}; free some space or remove unused images"
    ))
}
