//! What images are made of, as the OCI image specification and Docker have it.
//!
//! * [`Digest`], [`Reference`], [`Platform`]: names, parsed once into types that can be no path
//!   and no URL.
//! * [`ImageConfig`]: the config of an image, Docker's additions included.
//! * [`manifest`]: manifests and indexes, read one way only, and which one is for a platform.
//! * [`layer`]: a directory as a layer's tar, a tar into a directory, whiteouts both ways.
//! * [`archive`]: the docker-archive that `docker load` takes.
//!
//! The crate knows nothing of builds, stores and registries.

pub mod archive;
mod config;
mod digest;
mod error;
mod guard;
pub mod layer;
pub mod manifest;
mod platform;
mod reference;

pub use config::{Empty, Healthcheck, History, ImageConfig, RootFs, RunConfig};
pub use digest::{Digest, Hasher, chain_id, chain_onto};
pub use error::OciError;
pub use platform::Platform;
pub use reference::Reference;
