//! The places mounts need in a root file system: made when they are not
//! there, removed when they were made and are still empty.
//!
//! Everything goes one component at a time from descriptor to descriptor, so
//! that links lead nowhere outside of the root.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, Stat, Timespec, Timestamps, UTIME_OMIT, fstat, futimens,
    mkdirat, openat, readlinkat, statat, unlinkat,
};
use rustix::io::Errno;

use crate::error::{RuntimeError, Step};
use crate::mounts::{is_dir, open_in};

/// Where things are mounted, and whether that is a directory.
const PLACES: [(&str, bool); 6] = [
    ("/proc", true),
    ("/sys", true),
    ("/dev", true),
    ("/etc/resolv.conf", false),
    ("/etc/hosts", false),
    ("/etc/hostname", false),
];

/// What was made; it is removed when this is dropped.
#[derive(Default)]
pub(crate) struct Stubs(Vec<Made>);

struct Made {
    dir: OwnedFd,
    name: Vec<u8>,
    is_dir: bool,
    inode: (u64, u64),
    /// The modification time of `dir` before and after.
    before: Timespec,
    after: Timespec,
}

impl Stubs {
    /// Makes what is missing for the mounts.
    pub fn make(root: BorrowedFd) -> Result<Stubs, RuntimeError> {
        let mut stubs = Stubs::default();
        for (path, is_dir) in PLACES {
            stubs
                .ensure(root, path, is_dir)
                .step(format!("make the mount point {path}"))?;
        }
        Ok(stubs)
    }

    /// Leaves what was made where it is.
    pub fn keep(mut self) {
        self.0.clear();
    }

    /// Makes one place; tells whether it was not there.
    pub fn ensure(&mut self, root: BorrowedFd, path: &str, want_dir: bool) -> io::Result<bool> {
        match open_in(root, path, OFlags::PATH) {
            Ok(fd) if is_dir(&fd)? == want_dir => return Ok(false),
            Ok(_) if want_dir => return Err(Errno::NOTDIR.into()),
            Ok(_) => return Err(Errno::ISDIR.into()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
        let mut trail = vec![root.try_clone_to_owned()?];
        let mut todo: VecDeque<Vec<u8>> = split(path.as_bytes()).collect();
        let mut links = 0;
        while let Some(name) = todo.pop_front() {
            if name == b".." {
                if trail.len() > 1 {
                    trail.pop();
                }
                continue;
            }
            let Some(dir) = trail.last() else { break };
            let last = todo.is_empty();
            let next = match openat(dir, &name[..], look(), Mode::empty()) {
                Ok(fd) => fd,
                Err(Errno::NOENT) => self.create(dir.as_fd(), &name, want_dir || !last)?,
                Err(e) => return Err(e.into()),
            };
            match FileType::from_raw_mode(fstat(&next)?.st_mode) {
                FileType::Symlink => {
                    links += 1;
                    if links > 40 {
                        return Err(Errno::LOOP.into());
                    }
                    let target = readlinkat(&next, "", Vec::new())?.into_bytes();
                    if target.first() == Some(&b'/') {
                        trail.truncate(1);
                    }
                    for part in split(&target).collect::<Vec<_>>().into_iter().rev() {
                        todo.push_front(part);
                    }
                }
                FileType::Directory => trail.push(next),
                _ if last => return Ok(true),
                _ => return Err(Errno::NOTDIR.into()),
            }
        }
        Ok(true)
    }

    fn create(&mut self, dir: BorrowedFd, name: &[u8], is_dir: bool) -> io::Result<OwnedFd> {
        let before = modified(&fstat(dir)?);
        if is_dir {
            mkdirat(dir, name, Mode::from_raw_mode(0o755))?;
        } else {
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::WRONLY;
            openat(
                dir,
                name,
                flags | OFlags::CLOEXEC,
                Mode::from_raw_mode(0o644),
            )?;
        }
        let fd = openat(dir, name, look(), Mode::empty())?;
        let stat = fstat(&fd)?;
        self.0.push(Made {
            dir: dir.try_clone_to_owned()?,
            name: name.to_vec(),
            is_dir,
            inode: (stat.st_dev, stat.st_ino),
            before,
            after: modified(&fstat(dir)?),
        });
        Ok(fd)
    }
}

impl Drop for Stubs {
    fn drop(&mut self) {
        for made in self.0.drain(..).rev() {
            // What cannot be removed is no longer ours, or not empty.
            let _ = made.remove();
        }
    }
}

impl Made {
    fn remove(&self) -> io::Result<()> {
        let stat = statat(&self.dir, &self.name[..], AtFlags::SYMLINK_NOFOLLOW)?;
        if (stat.st_dev, stat.st_ino) != self.inode || (!self.is_dir && stat.st_size != 0) {
            return Ok(());
        }
        let untouched = same(modified(&fstat(&self.dir)?), self.after);
        let flags = if self.is_dir {
            AtFlags::REMOVEDIR
        } else {
            AtFlags::empty()
        };
        unlinkat(&self.dir, &self.name[..], flags)?;
        if untouched {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let dir = openat(&self.dir, ".", flags, Mode::empty())?;
            let last_access = Timespec {
                tv_sec: 0,
                tv_nsec: UTIME_OMIT,
            };
            futimens(
                dir,
                &Timestamps {
                    last_access,
                    last_modification: self.before,
                },
            )?;
        }
        Ok(())
    }
}

fn look() -> OFlags {
    OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC
}

fn split(path: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    path.split(|b| *b == b'/')
        .filter(|part| !part.is_empty() && *part != b".")
        .map(<[u8]>::to_vec)
}

fn modified(stat: &Stat) -> Timespec {
    Timespec {
        tv_sec: stat.st_mtime as _,
        tv_nsec: stat.st_mtime_nsec as _,
    }
}

fn same(a: Timespec, b: Timespec) -> bool {
    (a.tv_sec, a.tv_nsec) == (b.tv_sec, b.tv_nsec)
}

/// Makes the places that a container's mounts need below `root`: those that
/// every root file system has, and `more`, of which each is a directory or a
/// file. No link leads out of the root.
pub fn make_mount_points(root: impl AsFd, more: &[(String, bool)]) -> Result<(), RuntimeError> {
    Stubs::make(root.as_fd())?.keep();
    for (path, is_dir) in more {
        make_mount_point(root.as_fd(), path, *is_dir)?;
    }
    Ok(())
}

/// Makes one such place.
pub(crate) fn make_mount_point(
    root: impl AsFd,
    path: &str,
    is_dir: bool,
) -> Result<(), RuntimeError> {
    let mut stubs = Stubs(Vec::new());
    let made = stubs.ensure(root.as_fd(), path, is_dir);
    stubs.keep();
    made.map(drop).step(format!("make the mount point {path}"))
}
