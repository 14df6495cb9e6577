//! `kiln serve` behind docker's own clients.

mod containers;
mod ends;
mod engine;
mod like_docker;
mod protocol;
mod registries;
mod rootless;

pub use engine::Engine;
