//! What is known about an entry without reading its content.

use crate::error::{at, unmapped};
use rustix::fs::{AtFlags, FileType, Gid, Statx, StatxFlags, Uid, chownat, makedev, statx};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::io;
use std::os::fd::BorrowedFd;

/// The type of a directory entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link.
    Symlink,
    /// A character device.
    Char,
    /// A block device.
    Block,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}

/// The metadata of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// The type.
    pub kind: Kind,
    /// The permission bits, including set-id and sticky (`07777`).
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// The size in bytes.
    pub size: u64,
    /// The modification time: seconds and nanoseconds.
    pub mtime: (i64, u32),
    /// The change time: seconds and nanoseconds.
    pub ctime: (i64, u32),
    /// The device the entry lives on.
    pub dev: u64,
    /// The inode number.
    pub ino: u64,
    /// How many names the inode has.
    pub nlink: u32,
    /// Major and minor number of a device node.
    pub rdev: (u32, u32),
}

impl Meta {
    /// Whether this is an overlay whiteout: a character device 0:0.
    pub fn is_whiteout(&self) -> bool {
        self.kind == Kind::Char && self.rdev == (0, 0)
    }
}

/// The metadata of `name` in `dir`; a symbolic link is not followed.
pub fn meta_at(dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<Meta> {
    stat(dir, name, AtFlags::SYMLINK_NOFOLLOW).map_err(at(name))
}

/// The metadata of an open file, which may be opened with `O_PATH`.
pub fn meta_of(fd: BorrowedFd<'_>) -> io::Result<Meta> {
    Ok(stat(fd, OsStr::new(""), AtFlags::EMPTY_PATH)?)
}

/// Gives `name` in `dir` to an owner; a symbolic link is not followed. An empty name means `dir`
/// itself.
pub fn set_owner(dir: BorrowedFd<'_>, name: &OsStr, uid: u32, gid: u32) -> io::Result<()> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::EMPTY_PATH;
    let (user, group) = (Uid::from_raw(uid), Gid::from_raw(gid));
    match chownat(dir, name, Some(user), Some(group), flags) {
        // What the kernel says of an id that a user namespace has no place for.
        Err(Errno::INVAL) => Err(unmapped(name, uid, gid)),
        other => other.map_err(at(name)),
    }
}

pub(crate) fn stat(dir: BorrowedFd<'_>, name: &OsStr, flags: AtFlags) -> rustix::io::Result<Meta> {
    let flags = flags | AtFlags::NO_AUTOMOUNT;
    statx(dir, name, flags, StatxFlags::BASIC_STATS).map(from_statx)
}

fn from_statx(s: Statx) -> Meta {
    let kind = match FileType::from_raw_mode(s.stx_mode.into()) {
        FileType::Directory => Kind::Dir,
        FileType::Symlink => Kind::Symlink,
        FileType::CharacterDevice => Kind::Char,
        FileType::BlockDevice => Kind::Block,
        FileType::Fifo => Kind::Fifo,
        FileType::Socket => Kind::Socket,
        _ => Kind::File,
    };
    Meta {
        kind,
        mode: u32::from(s.stx_mode) & 0o7777,
        uid: s.stx_uid,
        gid: s.stx_gid,
        size: s.stx_size,
        mtime: (s.stx_mtime.tv_sec, s.stx_mtime.tv_nsec),
        ctime: (s.stx_ctime.tv_sec, s.stx_ctime.tv_nsec),
        dev: makedev(s.stx_dev_major, s.stx_dev_minor),
        ino: s.stx_ino,
        nlink: s.stx_nlink,
        rdev: (s.stx_rdev_major, s.stx_rdev_minor),
    }
}
