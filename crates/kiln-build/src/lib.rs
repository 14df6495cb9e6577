//! From a Dockerfile and a context to an image in the store.
//!
//! The way of a build: [`resolve::plan`] makes a [`plan::Plan`] out of the parsed Dockerfile and the
//! configs of the base images; [`solve`] takes each needed stage through its steps, in parallel:
//! key → cache record, or run/copy → diff → commit; [`image`] assembles config and history.
//! [`explain`] tells why a step was not cached.
//! A step is data ([`plan::Op`]); its key ([`key`]) covers everything it depends on.
//!
//! This crate draws nothing and talks to no terminal: it sends [`event::Event`]s. The file systems
//! are the store's, the processes the runtime's.

mod base;
pub mod changes;
pub mod context;
mod copy;
pub mod duration;
pub mod error;
pub mod event;
pub mod explain;
pub mod fetch;
pub mod image;
mod instruction;
mod instructions;
pub mod key;
mod listing;
pub mod mounts;
pub mod options;
pub mod plan;
mod ports;
pub mod resolve;
mod snapshot;
mod solve;
mod statcache;
mod steps;
pub mod users;

pub use base::Fetch;
pub use context::Context;
pub use error::BuildError;
pub use error::Kind;
pub use event::{Event, Listed, Makes, Moment, Progress, Silent};
pub use explain::Explanation;
pub use instruction::clean_path;
pub use options::BuildOptions;
pub use snapshot::{commit_dir, view};
pub use solve::{Built, build};
