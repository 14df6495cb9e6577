//! The whole program from outside: the `kiln` binary on real trees, beside a real dockerd.
//!
//! All tests need root and some Debian packages; a test that lacks one fails and names it.
#![allow(clippy::unwrap_used)]

mod analyze;
mod archives;
mod cache;
mod check;
mod commands;
mod concurrency;
mod conformance;
mod containers;
mod contexts;
mod crashes;
mod disk_full;
mod errors;
mod explain;
mod fixes;
mod harness;
mod interrupt;
mod mounts;
mod registries;
mod reproducible;
mod rootless;
mod save_load;
mod serve;
mod store_upkeep;
