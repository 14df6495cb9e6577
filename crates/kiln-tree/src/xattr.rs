//! Extended attributes of an entry itself, never of a link's target.

use crate::error::at;
use rustix::fs::{XattrFlags, lgetxattr, llistxattr, lsetxattr};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The kernel's limits for one value and for the list of names.
const MAX: usize = 64 * 1024;

/// The extended attributes of `name` in `dir`, sorted by name. A file system
/// without attributes has none.
pub fn xattrs_of(dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<Vec<(OsString, Vec<u8>)>> {
    let path = proc_path(dir, name);
    let names = match sized(512, |buffer| llistxattr(&path, buffer)) {
        Ok(names) => names,
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(Vec::new()),
        Err(errno) => return Err(at(name)(errno)),
    };
    let mut out = Vec::new();
    for key in names.split(|byte| *byte == 0).filter(|key| !key.is_empty()) {
        let key = OsStr::from_bytes(key);
        match sized(256, |buffer| lgetxattr(&path, key, buffer)) {
            Ok(value) => out.push((key.to_owned(), value)),
            Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
            Err(errno) => return Err(at(name)(errno)),
        }
    }
    out.sort_unstable();
    Ok(out)
}

/// Sets one extended attribute of `name` in `dir`.
pub fn set_xattr(dir: BorrowedFd<'_>, name: &OsStr, key: &OsStr, value: &[u8]) -> io::Result<()> {
    lsetxattr(proc_path(dir, name), key, value, XattrFlags::empty()).map_err(at(name))
}

fn proc_path(dir: BorrowedFd<'_>, name: &OsStr) -> PathBuf {
    Path::new("/proc/self/fd")
        .join(dir.as_raw_fd().to_string())
        .join(name)
}

fn sized(
    first: usize,
    mut call: impl FnMut(&mut [u8]) -> rustix::io::Result<usize>,
) -> rustix::io::Result<Vec<u8>> {
    let mut buffer = vec![0; first];
    loop {
        match call(&mut buffer) {
            Ok(len) => {
                buffer.truncate(len);
                return Ok(buffer);
            }
            Err(Errno::RANGE) if buffer.len() < MAX => buffer.resize(MAX, 0),
            Err(errno) => return Err(errno),
        }
    }
}
