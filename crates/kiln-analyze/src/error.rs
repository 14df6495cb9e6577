//! What can go wrong.

use std::io;

use kiln_oci::{Digest, OciError};
use kiln_store::StoreError;

/// An image that can't be analysed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnalyzeError {
    /// The store has no such image, or can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The image's config can't be read.
    #[error(transparent)]
    Config(#[from] OciError),
    /// The image went away meanwhile.
    #[error("No such image: {0}")]
    Gone(String),
    /// The store lost a layer.
    #[error("layer {0} of the image is not in the store; build or pull the image again")]
    MissingLayer(Digest),
    /// A file of a layer can't be read.
    #[error("layer {layer}: reading /{path}: {source}")]
    Read {
        /// The layer's number, from 1.
        layer: usize,
        /// The file.
        path: String,
        /// The cause.
        source: io::Error,
    },
    /// More files than numbers for them.
    #[error("the image has more than 4 milliard files")]
    TooMany,
}
