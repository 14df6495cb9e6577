//! Removing a tree.

use crate::dir::open_child_dir;
use crate::error::at;
use crate::meta::{meta_at, meta_of};
use crate::{Kind, read_dir_sorted};
use rustix::fs::{AtFlags, Mode, chmodat, unlinkat};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A directory on the way down to the one being emptied.
struct Level {
    name: OsString,
    rest: Vec<OsString>,
    id: (u64, u64),
}

/// Removes `name` in `dir` with everything beneath it; directories nobody may
/// read or write are made accessible first. An absent entry is no error. Holds
/// one descriptor however deep the tree is.
pub fn remove_all(dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
    if unlink(dir, name)? {
        return Ok(());
    }
    let (mut fd, first) = enter(dir, name)?;
    let mut levels = vec![first];
    while let Some(level) = levels.last_mut() {
        if let Some(child) = level.rest.pop() {
            if !unlink(fd.as_fd(), &child)? {
                let (child_fd, child_level) = enter(fd.as_fd(), &child)?;
                fd = child_fd;
                levels.push(child_level);
            }
            continue;
        }
        let done = levels.pop().map(|level| level.name).unwrap_or_default();
        let Some(parent) = levels.last() else {
            break;
        };
        let up = open_child_dir(fd.as_fd(), OsStr::new("..")).map_err(at(&done))?;
        let meta = meta_of(up.as_fd())?;
        if (meta.dev, meta.ino) != parent.id {
            return Err(at(&done)(Errno::STALE));
        }
        rmdir(up.as_fd(), &done)?;
        fd = up;
    }
    rmdir(dir, name)
}

/// Unlinks anything but a directory; false if it is a directory.
fn unlink(dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<bool> {
    match unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        Err(Errno::ISDIR) => Ok(false),
        Err(errno) => match meta_at(dir, name) {
            Ok(meta) if meta.kind == Kind::Dir => Ok(false),
            _ => Err(at(name)(errno)),
        },
    }
}

fn rmdir(dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
    match unlinkat(dir, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(at(name)(errno)),
    }
}

fn enter(dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<(OwnedFd, Level)> {
    let meta = meta_at(dir, name)?;
    if meta.kind != Kind::Dir {
        return Err(at(name)(Errno::NOTDIR));
    }
    if meta.mode & 0o700 != 0o700 {
        // A directory somebody else owns stays as it is: opening it tells.
        let mode = Mode::from_raw_mode(meta.mode | 0o700);
        let _ = chmodat(dir, name, mode, AtFlags::empty());
    }
    let fd = open_child_dir(dir, name).map_err(at(name))?;
    let rest = read_dir_sorted(fd.as_fd())?;
    let level = Level {
        name: name.to_owned(),
        rest,
        id: (meta.dev, meta.ino),
    };
    Ok((fd, level))
}
