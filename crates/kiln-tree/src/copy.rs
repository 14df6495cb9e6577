//! Copying the content of a file the cheapest way there is.

use rustix::fs::{copy_file_range, ioctl_ficlone};
use rustix::io::{Errno, read, write};
use std::io;
use std::os::fd::BorrowedFd;

const BUFFER: usize = 256 * 1024;
const CHUNK: usize = 1 << 30;

/// Copies the rest of `from` to `to`, both positioned at their start: as a
/// reflink, inside the kernel, or through a buffer, whichever works first.
/// Gives the number of bytes. A size hint of zero skips the kernel's ways,
/// which do nothing for files that only pretend to be empty.
pub fn copy_data(from: BorrowedFd<'_>, to: BorrowedFd<'_>, size_hint: u64) -> io::Result<u64> {
    let mut done = 0;
    if size_hint > 0 {
        if ioctl_ficlone(to, from).is_ok() {
            return Ok(crate::meta_of(to)?.size);
        }
        loop {
            match copy_file_range(from, None, to, None, CHUNK) {
                Ok(0) => break,
                Ok(len) => done += len as u64,
                Err(Errno::INTR) => {}
                Err(
                    errno @ (Errno::NOSPC | Errno::DQUOT | Errno::IO | Errno::FBIG | Errno::NOMEM),
                ) => return Err(errno.into()),
                Err(_) => break,
            }
        }
        if done >= size_hint {
            return Ok(done);
        }
    }
    Ok(done + copy_buffered(from, to)?)
}

fn copy_buffered(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> rustix::io::Result<u64> {
    let mut buffer = vec![0; BUFFER];
    let mut done = 0;
    loop {
        let len = match read(from, &mut buffer[..]) {
            Ok(0) => return Ok(done),
            Ok(len) => len,
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(errno),
        };
        let mut rest = &buffer[..len];
        while !rest.is_empty() {
            match write(to, rest) {
                Ok(0) => return Err(Errno::IO),
                Ok(len) => rest = &rest[len..],
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
        done += len as u64;
    }
}
