//! Time stamps that don't tell when a build ran.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use super::{MAX_DEPTH, TOO_DEEP};
use kiln_tree::{Kind, meta_at, read_dir_sorted};
use rustix::fs::{AtFlags, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, openat, utimensat};

/// Sets back to `epoch` (seconds since 1970) every modification time below `dir` that is later.
pub fn clamp_times(dir: BorrowedFd<'_>, epoch: i64) -> io::Result<()> {
    clamp(dir, epoch, 0)
}

fn clamp(dir: BorrowedFd<'_>, epoch: i64, depth: usize) -> io::Result<()> {
    if depth > MAX_DEPTH {
        return Err(io::Error::other(TOO_DEEP));
    }
    for name in read_dir_sorted(dir)? {
        let meta = meta_at(dir, &name)?;
        if meta.kind == Kind::Dir {
            clamp(open_dir(dir, &name)?.as_fd(), epoch, depth + 1)?;
        }
        if meta.mtime > (epoch, 0) && !meta.is_whiteout() {
            let times = Timestamps {
                last_access: Timespec {
                    tv_sec: 0,
                    tv_nsec: UTIME_OMIT,
                },
                last_modification: Timespec {
                    tv_sec: epoch,
                    tv_nsec: 0,
                },
            };
            utimensat(dir, &name, &times, AtFlags::SYMLINK_NOFOLLOW)?;
        }
    }
    Ok(())
}

/// Opens a subdirectory, never through a link.
pub(super) fn open_dir(dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<std::os::fd::OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(dir, name, flags, Mode::empty())?)
}
