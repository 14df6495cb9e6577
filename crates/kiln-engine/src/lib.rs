//! One function per operation on the store, used alike by the command line and by a server.
//!
//! Nothing here prints: results are plain data, progress goes to a `kiln_build::Progress`.

pub mod build;
pub mod images;
pub mod import;
pub mod save;

pub use kiln_build::BuildError;
