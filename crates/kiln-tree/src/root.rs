//! A directory whose inside is all there is.

use crate::error::{at, unfit};
use crate::meta::stat;
use crate::{Kind, Meta};
use rustix::fs::{
    AtFlags, CWD, Gid, Mode, OFlags, ResolveFlags, Uid, chownat, fchmod, mkdirat, openat, openat2,
    readlinkat,
};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

/// How often a lookup that raced with a rename is tried again.
const RETRIES: usize = 1000;
/// How many symbolic links one path may go through, as the kernel's own limit.
const MAX_LINKS: usize = 40;

/// A directory tree accessed beneath its root. Paths given to its methods may be
/// absolute or relative, which makes no difference.
#[derive(Debug)]
pub struct Root {
    fd: OwnedFd,
}

impl Root {
    /// Opens the tree at a path of the host.
    pub fn open(path: &Path) -> io::Result<Root> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = openat(CWD, path, flags, Mode::empty()).map_err(at(path))?;
        Ok(Root { fd })
    }

    /// The tree of an already opened directory.
    pub fn from_fd(fd: OwnedFd) -> Root {
        Root { fd }
    }

    /// The root directory, possibly an `O_PATH` descriptor.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// The same tree with a descriptor of its own.
    pub fn try_clone(&self) -> io::Result<Root> {
        Ok(Root {
            fd: self.fd.try_clone()?,
        })
    }

    /// Opens a file, following symbolic links inside the root (the last one
    /// unless the flags say `O_NOFOLLOW`). New files get mode 0666 less the umask.
    pub fn open_at(&self, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        self.lookup(path, flags).map_err(at(path))
    }

    /// Opens a directory for reading.
    pub fn open_dir(&self, path: &Path) -> io::Result<OwnedFd> {
        self.open_at(path, OFlags::RDONLY | OFlags::DIRECTORY)
    }

    /// The metadata of what a path leads to.
    pub fn metadata(&self, path: &Path) -> io::Result<Meta> {
        self.meta(path, OFlags::PATH)
    }

    /// The metadata of an entry; its last component is not followed.
    pub fn symlink_metadata(&self, path: &Path) -> io::Result<Meta> {
        self.meta(path, OFlags::PATH | OFlags::NOFOLLOW)
    }

    /// The text of a small regular file, or `None` if there is none. Bytes that
    /// are not UTF-8 are replaced; a file above `max` bytes is an error.
    pub fn read_to_string_limited(&self, path: &Path, max: u64) -> io::Result<Option<String>> {
        let fd = match self.lookup(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY) {
            Ok(fd) => fd,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
            Err(errno) => return Err(at(path)(errno)),
        };
        if crate::meta_of(fd.as_fd())?.kind != Kind::File {
            return Err(unfit(path, "not a regular file"));
        }
        let mut bytes = Vec::new();
        let limit = max.saturating_add(1);
        std::fs::File::from(fd)
            .take(limit)
            .read_to_end(&mut bytes)?;
        if bytes.len() as u64 > max {
            return Err(unfit(path, "file too large"));
        }
        Ok(Some(match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        }))
    }

    /// The resolved directory a path's last component lives in, and that
    /// component; `.` in the directory itself for the root or a path ending in `..`.
    pub fn parent_of(&self, path: &Path) -> io::Result<(OwnedFd, OsString)> {
        match path.file_name() {
            Some(name) => {
                let parent = path.parent().unwrap_or(Path::new("/"));
                Ok((self.open_dir(parent)?, name.to_owned()))
            }
            None => Ok((self.open_dir(path)?, OsString::from("."))),
        }
    }

    /// Creates a directory and its missing parents, following symbolic links
    /// inside the root; the target of a dangling link is created. Every new
    /// directory gets the mode and owner. Gives the last directory, and whether
    /// anything was created.
    pub fn mkdir_all(
        &self,
        path: &Path,
        mode: u32,
        uid: u32,
        gid: u32,
    ) -> io::Result<(OwnedFd, bool)> {
        match self.lookup(path, OFlags::RDONLY | OFlags::DIRECTORY) {
            Ok(fd) => return Ok((fd, false)),
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(at(path)(errno)),
        }
        self.mkdir_walk(path, Mode::from_raw_mode(mode & 0o7777), (uid, gid))
            .map_err(at(path))
    }

    fn mkdir_walk(
        &self,
        path: &Path,
        mode: Mode,
        owner: (u32, u32),
    ) -> rustix::io::Result<(OwnedFd, bool)> {
        let dot = OsStr::new(".");
        let root = open_plain(self.as_fd(), dot)?;
        // The directories from the root down to where the walk is.
        let mut above = Vec::new();
        let mut here = root.try_clone().map_err(|_| Errno::MFILE)?;
        let mut todo: VecDeque<OsString> = steps(path).collect();
        let mut links = 0;
        let mut created = false;
        while let Some(name) = todo.pop_front() {
            if name == ".." {
                if let Some(parent) = above.pop() {
                    here = parent;
                }
                continue;
            }
            let next = match stat(here.as_fd(), &name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(meta) if meta.kind == Kind::Symlink => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(Errno::LOOP);
                    }
                    let target = readlinkat(&here, &name, Vec::new())?.into_bytes();
                    let target = PathBuf::from(OsString::from_vec(target));
                    if target.is_absolute() {
                        above.clear();
                        here = root.try_clone().map_err(|_| Errno::MFILE)?;
                    }
                    for step in steps(&target).collect::<Vec<_>>().into_iter().rev() {
                        todo.push_front(step);
                    }
                    continue;
                }
                Ok(_) => open_plain(here.as_fd(), &name)?,
                Err(Errno::NOENT) => match make(here.as_fd(), &name, mode, owner) {
                    Ok(fd) => {
                        created = true;
                        fd
                    }
                    Err(Errno::EXIST) => {
                        todo.push_front(name);
                        continue;
                    }
                    Err(errno) => return Err(errno),
                },
                Err(errno) => return Err(errno),
            };
            above.push(std::mem::replace(&mut here, next));
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok((openat(&here, dot, flags, Mode::empty())?, created))
    }

    fn meta(&self, path: &Path, flags: OFlags) -> io::Result<Meta> {
        self.lookup(path, flags)
            .and_then(|fd| stat(fd.as_fd(), OsStr::new(""), AtFlags::EMPTY_PATH))
            .map_err(at(path))
    }

    fn lookup(&self, path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let path = if path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            path
        };
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        // O_TMPFILE has the bit of O_DIRECTORY in it.
        let creates = flags.contains(OFlags::CREATE) || flags.contains(OFlags::TMPFILE);
        let mode = if creates {
            Mode::from_raw_mode(0o666)
        } else {
            Mode::empty()
        };
        let mut tries = 0;
        loop {
            match openat2(&self.fd, path, flags | OFlags::CLOEXEC, mode, resolve) {
                Err(Errno::AGAIN) if tries < RETRIES => tries += 1,
                Err(Errno::INTR) => {}
                other => return other,
            }
        }
    }
}

fn open_plain(dir: BorrowedFd<'_>, name: &OsStr) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(dir, name, flags, Mode::empty())
}

fn make(
    dir: BorrowedFd<'_>,
    name: &OsStr,
    mode: Mode,
    (uid, gid): (u32, u32),
) -> rustix::io::Result<OwnedFd> {
    mkdirat(dir, name, Mode::from_raw_mode(0o700))?;
    let fd = crate::dir::open_child_dir(dir, name)?;
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    chownat(&fd, "", Some(uid), Some(gid), AtFlags::EMPTY_PATH)?;
    fchmod(&fd, mode)?;
    Ok(fd)
}

/// The components of a path without root and `.`.
fn steps(path: &Path) -> impl Iterator<Item = OsString> + '_ {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        _ => None,
    })
}
