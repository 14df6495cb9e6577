//! Runs one process in a root file system: namespaces, overlay mounts, a
//! user namespace when the caller is not root, and Docker's default
//! confinement (capabilities, system call filter, masked paths).
//!
//! The order of use: [`helper_main_if_asked`] and [`enter`] first thing in
//! `main`, then [`mount_overlay`] and [`run`] from any thread.

mod cancel;
mod confine;
mod dev;
mod enter;
mod error;
mod exec;
mod helper;
mod idmap;
mod init;
mod mounts;
mod overlay;
mod process;
mod procfs;
mod rootfs;
mod run;
mod seccomp;
mod seccomp_table;
mod stubs;
mod subid;
mod sys;
mod volumes;
mod wire;

pub use cancel::Cancel;
pub use enter::{Mode, enter};
pub use error::RuntimeError;
pub use helper::helper_main_if_asked;
pub use idmap::detach_as_root;
pub use overlay::{Overlay, mount_overlay};
pub use process::{Exit, Network, Process, Stream};
pub use run::{run, use_helper};
pub use volumes::{Mount, Private, Source, detach};
