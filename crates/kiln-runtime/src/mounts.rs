//! Mounts as descriptors: made detached, attached where another descriptor
//! points.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, major, minor, openat2};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
};

/// A new detached file system. An option without a value is a flag.
pub(crate) fn new_fs(
    kind: &str,
    options: &[(&str, &str)],
    attributes: MountAttrFlags,
) -> io::Result<OwnedFd> {
    let fs = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(&fs, "source", kind)?;
    for (key, value) in options {
        if value.is_empty() {
            fsconfig_set_flag(&fs, *key)?;
        } else {
            fsconfig_set_string(&fs, *key, *value)?;
        }
    }
    fsconfig_create(&fs)?;
    Ok(fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, attributes)?)
}

/// Attaches a detached mount on what `target` points to.
pub(crate) fn attach(mount: impl AsFd, target: impl AsFd) -> io::Result<()> {
    Ok(move_mount(
        mount,
        "",
        target,
        "",
        MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH,
    )?)
}

/// A detached copy of the mount at `fd`, showing only what is below it.
pub(crate) fn clone_at(fd: impl AsFd, recursive: bool) -> io::Result<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH;
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    Ok(open_tree(fd, "", flags)?)
}

/// Opens a path below `root` as the processes in it would see it: symbolic
/// links, absolute ones too, stay inside.
pub(crate) fn open_in(root: impl AsFd, path: &str, flags: OFlags) -> io::Result<OwnedFd> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let flags = flags | OFlags::CLOEXEC;
    // The kernel gives up with EAGAIN when something is renamed meanwhile.
    for _ in 0..32 {
        match openat2(&root, path, flags, Mode::empty(), resolve) {
            Err(rustix::io::Errno::AGAIN) => continue,
            result => return Ok(result?),
        }
    }
    Err(rustix::io::Errno::AGAIN.into())
}

/// Opens a path of a file system of the kernel (proc, sysfs), which must
/// lead through no link and no other mount.
pub(crate) fn open_plain(root: impl AsFd, path: &str) -> io::Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    Ok(openat2(
        root,
        path,
        OFlags::PATH | OFlags::CLOEXEC,
        Mode::empty(),
        resolve,
    )?)
}

/// Opens a device node of the host, verifying that it is that device.
pub(crate) fn host_device(name: &str, number: (u32, u32)) -> io::Result<OwnedFd> {
    let path = format!("/dev/{name}");
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(CWD, path.as_str(), flags, Mode::empty())?;
    if !is_device(&fd, number)? {
        return Err(io::Error::other(format!(
            "{path} is not the device it should be"
        )));
    }
    Ok(fd)
}

/// Whether `fd` is the character device of that number.
pub(crate) fn is_device(fd: impl AsFd, number: (u32, u32)) -> io::Result<bool> {
    let stat = fstat(fd)?;
    Ok(
        FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice
            && (major(stat.st_rdev), minor(stat.st_rdev)) == number,
    )
}

/// Whether `fd` is a directory.
pub(crate) fn is_dir(fd: impl AsFd) -> io::Result<bool> {
    Ok(FileType::from_raw_mode(fstat(fd)?.st_mode) == FileType::Directory)
}
