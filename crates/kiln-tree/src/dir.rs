//! Listing a directory.

use rustix::fs::{Mode, OFlags, RawDir, openat};
use std::ffi::{OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

const BUFFER: usize = 16 * 1024;

/// The names in a directory in byte order, without `.` and `..`. Opens the
/// directory anew, so an `O_PATH` descriptor will do and its offset is not used.
pub fn read_dir_sorted(dir: BorrowedFd<'_>) -> io::Result<Vec<OsString>> {
    let fd = open_child_dir(dir, OsStr::new("."))?;
    let mut buffer = [MaybeUninit::uninit(); BUFFER];
    let mut entries = RawDir::new(&fd, &mut buffer);
    let mut names = Vec::new();
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(OsStr::from_bytes(name).to_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Opens a subdirectory for reading; fails on a symbolic link.
pub(crate) fn open_child_dir(dir: BorrowedFd<'_>, name: &OsStr) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(dir, name, flags, Mode::empty())
}
