//! Runs one process in a root file system: namespaces, overlay mounts, a
//! user namespace when the caller is not root, and Docker's default
//! confinement (capabilities, system call filter, masked paths).
//!
//! The order of use: [`helper_main_if_asked`] and [`enter`] first thing in
//! `main`, then [`mount_overlay`] and [`run`] from any thread.

mod cancel;
mod caps;
mod cgroup;
mod confine;
mod container;
mod dev;
mod enter;
mod error;
mod exec;
mod freeze;
mod helper;
mod idmap;
mod init;
pub mod monitor;
mod mounts;
mod overlay;
mod process;
mod procfs;
mod rootfs;
mod run;
mod seccomp;
mod seccomp_caps;
mod seccomp_table;
mod stubs;
mod subid;
mod sys;
mod volumes;
mod wire;

pub use cancel::Cancel;
pub use caps::capabilities;
pub use cgroup::Usage;
pub use container::spec::{
    ContainerMount, ContainerSpec, ExecSpec, HealthSpec, Limits, MountSource, UserNetwork,
};
pub use enter::{Mode, enter};
pub use error::RuntimeError;
pub use helper::helper_main_if_asked;
pub use idmap::detach_as_root;
pub use overlay::{Overlay, mount_overlay, mount_overlay_durable};
pub use process::{Exit, Network, Process, Stream};
pub use run::{run, use_helper};
pub use stubs::make_mount_points;
pub use volumes::{Mount, Private, Source, detach};
