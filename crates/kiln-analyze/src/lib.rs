//! What an image holds, and what of it is of no use: bytes by layer and instruction, files stored
//! twice, overwritten or deleted later, leftovers, risky modes, secrets.
//!
//! Layers are read where the store keeps them: as directories with overlayfs whiteouts. Their
//! metadata is read once; contents only where two sizes are the same, or a name says that a file
//! may be a secret. The result is plain data: a [`Report`], and [`Stack`], the trees behind it.

mod analyze;
mod capability;
mod content;
mod duplicates;
mod error;
mod exposed;
mod instruction;
mod largest;
mod leftovers;
mod parallel;
mod paths;
mod report;
mod rules;
mod scan;
mod secrets;
mod shown;
mod stack;
mod tree;
mod waste;

pub use analyze::{Analysis, analyze};
pub use error::AnalyzeError;
pub use report::{
    Base, Capable, Copied, Duplicate, How, ImageInfo, Layer, Leftover, Measure, Report, Secret,
    Share, SpecialMode, Step, Wasted, Writable,
};
pub use shown::shown;
pub use stack::{Change, Covered, Stack};
pub use tree::{Node, NodeId, Tree};
