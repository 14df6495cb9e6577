//! `/proc` and `/sys`, without what a build has no business to see or
//! change.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::mount::MountAttrFlags;

use crate::error::{RuntimeError, Step};
use crate::mounts::{attach, clone_at, host_device, is_dir, new_fs, open_plain};
use crate::sys;

/// Hidden, as Docker hides them.
const MASKED_PROC: [&str; 10] = [
    "acpi",
    "asound",
    "interrupts",
    "kcore",
    "keys",
    "latency_stats",
    "timer_list",
    "timer_stats",
    "sched_debug",
    "scsi",
];
const MASKED_SYS: [&str; 2] = ["firmware", "devices/virtual/powercap"];
/// Not to be changed, as Docker has it.
const READ_ONLY_PROC: [&str; 5] = ["bus", "fs", "irq", "sys", "sysrq-trigger"];

/// Makes `/proc` for this pid namespace. Where the kernel refuses a new one
/// because the caller's has hidden parts, it is the caller's.
pub(crate) fn new_proc() -> io::Result<OwnedFd> {
    match new_fs("proc", &[], quiet()) {
        Err(e) if e.raw_os_error() == Some(libc::EPERM) => clone_host("/proc"),
        result => result,
    }
}

/// Makes a read-only `/sys`; the caller's where a new one is refused because
/// the network namespace is not ours.
pub(crate) fn new_sys() -> io::Result<OwnedFd> {
    let read_only = quiet() | MountAttrFlags::MOUNT_ATTR_RDONLY;
    match new_fs("sysfs", &[], read_only) {
        Err(e) if e.raw_os_error() == Some(libc::EPERM) => {
            let tree = clone_host("/sys")?;
            sys::mount_setattr(&tree, u64::from(read_only.bits()), true)?;
            Ok(tree)
        }
        result => result,
    }
}

fn quiet() -> MountAttrFlags {
    MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC
}

fn clone_host(path: &str) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    clone_at(openat(CWD, path, flags, Mode::empty())?, true)
}

/// Hides and write-protects parts of `/proc`, once it is attached.
pub(crate) fn restrict_proc(proc: &OwnedFd, empty: &OwnedFd) -> Result<(), RuntimeError> {
    for path in READ_ONLY_PROC {
        read_only(proc, path).step(format!("make /proc/{path} read-only"))?;
    }
    mask(proc, &MASKED_PROC, empty)
}

/// Hides parts of `/sys`, once it is attached, and shows control groups.
pub(crate) fn restrict_sys(sysfs: &OwnedFd, empty: &OwnedFd) -> Result<(), RuntimeError> {
    mask(sysfs, &MASKED_SYS, empty)?;
    let read_only = quiet() | MountAttrFlags::MOUNT_ATTR_RDONLY;
    // In the caller's /sys this is there already, read-only.
    if let Ok(target) = open_plain(sysfs, "fs/cgroup")
        && let Ok(mount) = new_fs("cgroup2", &[], read_only)
    {
        attach(mount, target).step("mount /sys/fs/cgroup")?;
    }
    Ok(())
}

fn read_only(proc: &OwnedFd, path: &str) -> io::Result<()> {
    let Some(target) = existing(proc, path)? else {
        return Ok(());
    };
    let copy = clone_at(&target, true)?;
    sys::mount_setattr(&copy, sys::RDONLY, true)?;
    attach(copy, target)
}

/// Hides files behind the null device, directories behind an empty one.
fn mask(root: &OwnedFd, paths: &[&str], empty: &OwnedFd) -> Result<(), RuntimeError> {
    let null = host_device("null", (1, 3)).step("open the null device")?;
    for path in paths {
        let hide =
            |source: &OwnedFd, target: OwnedFd| attach(clone_at(source.as_fd(), false)?, target);
        let done = match existing(root, path) {
            Ok(None) => Ok(()),
            Ok(Some(target)) => match is_dir(&target) {
                Ok(true) => hide(empty, target),
                Ok(false) => hide(&null, target),
                Err(e) => Err(e),
            },
            Err(e) => Err(e),
        };
        done.step(format!("hide {path}"))?;
    }
    Ok(())
}

fn existing(root: &OwnedFd, path: &str) -> io::Result<Option<OwnedFd>> {
    match open_plain(root, path) {
        Ok(fd) => Ok(Some(fd)),
        Err(e) if matches!(e.raw_os_error(), Some(libc::ENOENT | libc::EACCES)) => Ok(None),
        Err(e) => Err(e),
    }
}
