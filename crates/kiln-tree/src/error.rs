//! I/O errors that name the path they are about.

use rustix::io::Errno;
use std::ffi::OsStr;
use std::io;
use std::path::PathBuf;

/// An error of the operating system with the path it is about. Found inside the
/// [`io::Error`]s of this crate, which keep the kind of the original.
#[derive(Debug, thiserror::Error)]
pub enum PathError {
    /// A system call failed.
    #[error("{}: {}", path.display(), io::Error::from(*errno))]
    Os {
        /// The path as the caller gave it.
        path: PathBuf,
        /// The error number.
        errno: Errno,
    },
    /// An owner that the user namespace has no number for.
    #[error(
        "{}: can't belong to user {uid} and group {gid} here: without root, Kiln needs subordinate \
         ids for that (a line for your user in /etc/subuid and /etc/subgid, and the programs \
         newuidmap and newgidmap)",
        path.display()
    )]
    Unmapped {
        /// The path as the caller gave it.
        path: PathBuf,
        /// The user id.
        uid: u32,
        /// The group id.
        gid: u32,
    },
    /// A file is not what it has to be.
    #[error("{}: {what}", path.display())]
    Unfit {
        /// The path as the caller gave it.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// The system's error number of an I/O error, with or without a path.
pub fn errno(error: &io::Error) -> Option<Errno> {
    if let Some(PathError::Os { errno, .. }) =
        error.get_ref().and_then(|inner| inner.downcast_ref())
    {
        return Some(*errno);
    }
    Errno::from_io_error(error)
}

/// Adds the path to an error number.
pub(crate) fn at(path: impl AsRef<OsStr>) -> impl FnOnce(Errno) -> io::Error {
    move |errno| {
        let kind = io::Error::from(errno).kind();
        let path = PathBuf::from(path.as_ref());
        io::Error::new(kind, PathError::Os { path, errno })
    }
}

/// An error for a file which is there but cannot be used.
pub(crate) fn unfit(path: impl AsRef<OsStr>, what: &'static str) -> io::Error {
    let path = PathBuf::from(path.as_ref());
    io::Error::new(io::ErrorKind::InvalidData, PathError::Unfit { path, what })
}

/// An error for an owner that can't be set.
pub(crate) fn unmapped(path: impl AsRef<OsStr>, uid: u32, gid: u32) -> io::Error {
    let path = PathBuf::from(path.as_ref());
    let error = PathError::Unmapped { path, uid, gid };
    io::Error::new(io::ErrorKind::InvalidInput, error)
}
