//! The local store: layers, images, tags and build-cache records.
//!
//! A store is one directory that any number of processes use at once, without
//! a daemon. Small facts live in an SQLite database, bytes live in plain
//! directories beside it:
//!
//! ```text
//! kiln.db        layers, images, tags and cache records (WAL mode)
//! layers/<hex>/  one unpacked layer, named by its diff id
//! recipes/<hex>  how to get the tar of a layer from elsewhere back
//! tmp/<name>/    scratch directories, each guarded by a locked <name>.lock
//! locks/         lock files: `use`, `open`, and one per step being built
//! caches/<k>.<n> directories that steps keep between builds, see `caches.rs`
//! containers/<id>/ what a container changed, its state, log, socket and lock
//! volumes/<name>/  the files of a volume
//! contexts/      per-context file-stat caches, managed by the builder
//! listings/      lists of files that steps copied, to explain misses
//! ```
//!
//! Four rules keep it consistent:
//!
//! * **A row implies its directory.** Directories enter and leave `layers/`
//!   only by `rename`, inside an immediate database transaction, so processes
//!   agree on which of them put a layer there. A directory without a row is
//!   litter from a killed process and is never trusted.
//! * **Nothing is believed across a power loss before it was synced.** Rows
//!   are written without `fsync` and carry the kernel's boot id; see
//!   [`Store::sync`].
//! * **A container's directory is whoever's has its lock.** The process that
//!   creates, starts or removes it has, and its monitor while it runs.
//! * **What a build uses is not collected.** A build holds a shared lock (see
//!   [`Store::hold`]) which deleting layers takes exclusively.

mod blobs;
mod builds;
mod cache;
mod caches;
mod collect;
mod containers;
mod db;
mod digests;
mod durable;
mod error;
mod images;
mod layers;
mod listings;
mod lists;
mod lock;
mod resolve;
mod root;
mod scratch;
mod store;
mod tags;
mod usage;
mod volumes;

pub use blobs::Blob;
pub use builds::BuildRecord;
pub use cache::{CacheRecord, Gone, Input};
pub use caches::{CacheDir, Claim};
pub use collect::Freed;
pub use containers::{ContainerLock, ContainerRecord};
pub use error::{Result, StoreError};
pub use images::ImageRecord;
pub use layers::Layer;
pub use lock::{Hold, KeyLock};
pub use scratch::Scratch;
pub use store::Store;
pub use usage::Usage;
pub use volumes::Volume;

#[cfg(test)]
mod tests;
