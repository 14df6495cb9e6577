//! What is mounted in a container besides what every root file system gets.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags, fstatfs, openat};
use rustix::mount::MountAttrFlags;

use super::spec::{ContainerMount, MountSource};
use crate::error::{RuntimeError, Step};
use crate::mounts::{attach, clone_at, is_dir, new_fs, open_in};
use crate::sys;

/// The magic number of procfs.
const PROC: i64 = 0x9fa0;

/// Mounts one thing below `root`. Its place is looked
/// up as the container's processes would: no link leads out.
pub(crate) fn mount(root: &OwnedFd, m: &ContainerMount) -> Result<(), RuntimeError> {
    let what = || format!("mount {}", m.target);
    let (tree, dir) = match &m.source {
        MountSource::Bind(path) => {
            let flags = OFlags::PATH | OFlags::CLOEXEC;
            let step = || format!("bind mount {}", path.display());
            let source = openat(CWD, path.as_path(), flags, Mode::empty()).step(step())?;
            let dir = is_dir(&source).step(step())?;
            (clone_at(source, true).step(step())?, dir)
        }
        MountSource::Tmpfs(options) => (tmpfs(options).step(what())?, true),
    };
    if m.read_only {
        sys::mount_setattr(&tree, sys::RDONLY, true).step(what())?;
    }
    // It is there, unless it lies in something mounted before.
    crate::stubs::make_mount_point(root, &m.target, dir)?;
    let target = open_in(root, &m.target, OFlags::PATH).step(what())?;
    // What is there tells a container's processes about themselves, and hides what it must.
    if fstatfs(&target).step(what())?.f_type as i64 == PROC {
        let why = "it can't be mounted because it is inside /proc";
        return Err(RuntimeError::Setup(format!("{}: {why}", what())));
    }
    if is_dir(&target).step(what())? != dir {
        let kinds = match dir {
            true => "a directory can't be mounted on a file",
            false => "a file can't be mounted on a directory",
        };
        return Err(RuntimeError::Setup(format!("{}: {kinds}", what())));
    }
    attach(tree, target.as_fd()).step(what())
}

/// A file system in memory. Without options it holds neither devices nor
/// programs, as with Docker.
fn tmpfs(options: &[String]) -> io::Result<OwnedFd> {
    let (nosuid, nodev, noexec) = (
        MountAttrFlags::MOUNT_ATTR_NOSUID,
        MountAttrFlags::MOUNT_ATTR_NODEV,
        MountAttrFlags::MOUNT_ATTR_NOEXEC,
    );
    let mut attributes = nosuid | nodev | noexec;
    let mut values = Vec::new();
    for option in options {
        match option.as_str() {
            "rw" | "relatime" | "nosuid" | "nodev" | "noexec" => {}
            "ro" => attributes |= MountAttrFlags::MOUNT_ATTR_RDONLY,
            "suid" => attributes -= nosuid,
            "dev" => attributes -= nodev,
            "exec" => attributes -= noexec,
            "noatime" => attributes |= MountAttrFlags::MOUNT_ATTR_NOATIME,
            other => match other.split_once('=') {
                Some(pair @ ("size" | "mode" | "uid" | "gid" | "nr_inodes", _)) => {
                    values.push(pair);
                }
                _ => {
                    return Err(io::Error::other(format!("unknown tmpfs option {other:?}")));
                }
            },
        }
    }
    new_fs("tmpfs", &values, attributes)
}
