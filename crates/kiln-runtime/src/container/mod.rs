//! Containers: processes that outlive whoever started them.
//!
//! [`spec`] is what a container is made of. [`init`] becomes its first
//! process, [`join`] each later one, both between a fork and an exec.

pub(crate) mod init;
pub(crate) mod join;
pub(crate) mod mounts;
pub(crate) mod pty;
mod reaper;
pub(crate) mod spec;
