//! Puts listed files into a writable view: the rules of COPY's destination, owners and modes.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use kiln_tree::{Kind, Meta, Root};
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid};

use crate::error::BuildError;
use crate::listing::{Entry, Match};

/// How the copies look.
#[derive(Debug, Clone, Copy, Default)]
pub struct Look {
    /// Owner of everything, or as in the source.
    pub owner: Option<(u32, u32)>,
    /// Permissions of everything, or as in the source.
    pub mode: Option<u32>,
}

impl Look {
    fn owner_of(&self, meta: &Meta) -> (u32, u32) {
        self.owner.unwrap_or((meta.uid, meta.gid))
    }

    fn mode_of(&self, meta: &Meta) -> Mode {
        Mode::from_raw_mode(self.mode.unwrap_or(meta.mode) & 0o7777)
    }
}

/// Copies into one root; remembers hard links among the copied files.
pub struct Copier<'a> {
    target: &'a Root,
    look: Look,
    /// Owner of directories that must be made on the way.
    parent_owner: (u32, u32),
    links: HashMap<(u64, u64), String>,
}

fn failed(what: &str, path: &str, e: impl std::error::Error + 'static) -> BuildError {
    BuildError::caused(format_args!("{what} {path}"), &e)
}

impl<'a> Copier<'a> {
    /// A copier into `target`.
    pub fn new(target: &'a Root, look: Look) -> Self {
        Copier {
            target,
            look,
            parent_owner: look.owner.unwrap_or((0, 0)),
            links: HashMap::new(),
        }
    }

    /// Makes a directory and its parents, 0755 and with the copy's owner.
    pub fn directory(&self, path: &str) -> Result<OwnedFd, BuildError> {
        let (uid, gid) = self.parent_owner;
        self.target
            .mkdir_all(Path::new(path), 0o755, uid, gid)
            .map(|(fd, _)| fd)
            .map_err(|e| failed("creating directory", path, e))
    }

    /// The path a file called `name` gets when copied to `dest`.
    pub fn file_path(&self, dest: &str, name: &str) -> String {
        let is_dir = dest.ends_with('/')
            || self
                .target
                .metadata(Path::new(dest))
                .is_ok_and(|m| m.kind == Kind::Dir);
        if is_dir {
            format!("{}/{name}", dest.trim_end_matches('/'))
        } else {
            dest.to_owned()
        }
    }

    /// Copies one match of a source.
    pub fn copy(&mut self, source: &Root, m: &Match, dest: &str) -> Result<(), BuildError> {
        let Some((first, below)) = m.entries.split_first() else {
            return Ok(());
        };
        if !m.is_dir() {
            let path = self.file_path(dest, &m.name);
            return self.file_at(source, first, &path);
        }
        let base = dest.trim_end_matches('/');
        let (uid, gid) = self.parent_owner;
        let path = if base.is_empty() { "/" } else { base };
        // The directory itself, if it must be made, is like any made on the way.
        self.target
            .mkdir_all(Path::new(path), 0o755, uid, gid)
            .map_err(|e| match self.target.metadata(Path::new(path)) {
                Ok(m) if m.kind != Kind::Dir => {
                    BuildError::new(format!("cannot copy to non-directory: {path}"))
                }
                _ => failed("creating directory", path, e),
            })?;
        let mut times = Vec::new();
        for entry in below {
            let to = format!("{base}/{}", entry.below);
            if entry.meta.kind == Kind::Dir {
                self.subdirectory(entry, &to)?;
                times.push((to, entry.meta.mtime));
            } else {
                self.file_at(source, entry, &to)?;
            }
        }
        for (path, mtime) in times.iter().rev() {
            self.touch(path, *mtime)?;
        }
        Ok(())
    }

    fn subdirectory(&self, entry: &Entry, to: &str) -> Result<(), BuildError> {
        let (dir, name) = self.parent(to)?;
        let there = kiln_tree::meta_at(dir.as_fd(), &name).ok();
        match there.map(|m| m.kind) {
            None => rustix::fs::mkdirat(&dir, &name, Mode::from_raw_mode(0o755))
                .map_err(|e| failed("creating directory", to, e))?,
            Some(Kind::Dir) => {}
            Some(Kind::Symlink)
                if self
                    .target
                    .metadata(Path::new(to))
                    .is_ok_and(|m| m.kind == Kind::Dir) =>
            {
                return Ok(());
            }
            Some(_) => {
                return Err(BuildError::new(format!(
                    "cannot copy to non-directory: {to}"
                )));
            }
        }
        let fd = open_at(dir.as_fd(), &name, OFlags::RDONLY | OFlags::DIRECTORY)
            .map_err(|e| failed("opening directory", to, e))?;
        self.dress_dir(fd.as_fd(), &entry.meta, to)
    }

    fn dress_dir(&self, fd: BorrowedFd, meta: &Meta, path: &str) -> Result<(), BuildError> {
        let (uid, gid) = self.look.owner_of(meta);
        rustix::fs::fchown(fd, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
            .map_err(|e| failed("setting the owner of", path, e))?;
        rustix::fs::fchmod(fd, self.look.mode_of(meta))
            .map_err(|e| failed("setting the mode of", path, e))
    }

    fn touch(&self, path: &str, mtime: (i64, u32)) -> Result<(), BuildError> {
        let fd = self
            .target
            .open_dir(Path::new(path))
            .map_err(|e| failed("opening directory", path, e))?;
        rustix::fs::futimens(&fd, &times(mtime)).map_err(|e| failed("setting times of", path, e))
    }

    fn parent(&self, path: &str) -> Result<(OwnedFd, OsString), BuildError> {
        let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
        let dir = if dir.is_empty() { "/" } else { dir };
        Ok((self.directory(dir)?, name.into()))
    }

    /// Copies one entry that is no directory to exactly `path`, replacing what is there.
    fn file_at(&mut self, source: &Root, entry: &Entry, path: &str) -> Result<(), BuildError> {
        // A link at the destination of a named file is followed, as docker does.
        let path = match (
            entry.below.is_empty(),
            self.target.symlink_metadata(Path::new(path)),
        ) {
            (true, Ok(m)) if m.kind == Kind::Symlink => self.resolved(path),
            _ => path.to_owned(),
        };
        let (dir, name) = self.parent(&path)?;
        let dir = dir.as_fd();
        if let Ok(m) = kiln_tree::meta_at(dir, &name) {
            if m.kind == Kind::Dir {
                return Err(BuildError::new(format!(
                    "cannot replace to directory {path} with file"
                )));
            }
            rustix::fs::unlinkat(dir, &name, AtFlags::empty())
                .map_err(|e| failed("replacing", &path, e))?;
        }
        let meta = &entry.meta;
        if meta.nlink > 1 {
            let id = (meta.dev, meta.ino);
            match self.links.get(&id) {
                Some(first) => return self.hard_link(first, dir, &name, &path),
                None => {
                    self.links.insert(id, path.clone());
                }
            }
        }
        match meta.kind {
            Kind::File => self.regular(source, entry, dir, &name, &path)?,
            Kind::Symlink => {
                let target = entry.link.as_deref().unwrap_or_default();
                rustix::fs::symlinkat(target, dir, &name)
                    .map_err(|e| failed("creating link", &path, e))?;
            }
            Kind::Fifo => {
                rustix::fs::mknodat(dir, &name, FileType::Fifo, self.look.mode_of(meta), 0)
                    .map_err(|e| failed("creating fifo", &path, e))?
            }
            Kind::Char | Kind::Block => {
                let kind = if meta.kind == Kind::Char {
                    FileType::CharacterDevice
                } else {
                    FileType::BlockDevice
                };
                let dev = rustix::fs::makedev(meta.rdev.0, meta.rdev.1);
                rustix::fs::mknodat(dir, &name, kind, self.look.mode_of(meta), dev)
                    .map_err(|e| failed("creating device", &path, e))?;
            }
            Kind::Socket => return Ok(()),
            Kind::Dir => return Ok(()),
        }
        let (uid, gid) = self.look.owner_of(meta);
        rustix::fs::chownat(
            dir,
            &name,
            Some(Uid::from_raw(uid)),
            Some(Gid::from_raw(gid)),
            AtFlags::SYMLINK_NOFOLLOW,
        )
        .map_err(|e| failed("setting the owner of", &path, e))?;
        if meta.kind != Kind::Symlink {
            // After chown, which takes set-id bits away.
            rustix::fs::chmodat(dir, &name, self.look.mode_of(meta), AtFlags::empty())
                .map_err(|e| failed("setting the mode of", &path, e))?;
        }
        rustix::fs::utimensat(dir, &name, &times(meta.mtime), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|e| failed("setting times of", &path, e))
    }

    /// Where a link leads, made absolute; the link itself where that can't be told.
    fn resolved(&self, path: &str) -> String {
        let Ok((dir, name)) = self.target.parent_of(Path::new(path)) else {
            return path.to_owned();
        };
        let Ok(target) = rustix::fs::readlinkat(&dir, &name, Vec::new()) else {
            return path.to_owned();
        };
        let base = path.rsplit_once('/').map_or("/", |(d, _)| d);
        crate::instruction::clean_join(base, &target.to_string_lossy())
    }

    fn hard_link(
        &self,
        first: &str,
        dir: BorrowedFd,
        name: &OsStr,
        path: &str,
    ) -> Result<(), BuildError> {
        let (from, from_name) = self.parent(first)?;
        rustix::fs::linkat(&from, &from_name, dir, name, AtFlags::empty())
            .map_err(|e| failed("linking", path, e))
    }

    fn regular(
        &self,
        source: &Root,
        entry: &Entry,
        dir: BorrowedFd,
        name: &OsStr,
        path: &str,
    ) -> Result<(), BuildError> {
        let from = source
            .open_at(Path::new(&entry.path), OFlags::RDONLY | OFlags::NONBLOCK)
            .map_err(|e| failed("opening", &entry.path, e))?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let to = open_at(dir, name, flags).map_err(|e| failed("creating", path, e))?;
        kiln_tree::copy_data(from.as_fd(), to.as_fd(), entry.meta.size)
            .map_err(|e| failed("writing", path, e))?;
        copy_xattrs(from.as_fd(), to.as_fd()).map_err(|e| failed("setting attributes of", path, e))
    }

    /// Writes a file given inline or downloaded.
    pub fn inline(
        &mut self,
        data: &[u8],
        path: &str,
        mode: u32,
        mtime: Option<i64>,
    ) -> Result<(), BuildError> {
        let (dir, name) = self.parent(path)?;
        if let Ok(m) = kiln_tree::meta_at(dir.as_fd(), &name)
            && m.kind != Kind::Dir
        {
            rustix::fs::unlinkat(&dir, &name, AtFlags::empty())
                .map_err(|e| failed("replacing", path, e))?;
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let to = open_at(dir.as_fd(), &name, flags).map_err(|e| failed("creating", path, e))?;
        let mut file = std::fs::File::from(to);
        std::io::Write::write_all(&mut file, data).map_err(|e| failed("writing", path, e))?;
        let (uid, gid) = self.parent_owner;
        rustix::fs::fchown(&file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
            .map_err(|e| failed("setting the owner of", path, e))?;
        let mode = Mode::from_raw_mode(self.look.mode.unwrap_or(mode));
        rustix::fs::fchmod(&file, mode).map_err(|e| failed("setting the mode of", path, e))?;
        if let Some(t) = mtime {
            rustix::fs::futimens(&file, &times((t, 0)))
                .map_err(|e| failed("setting times of", path, e))?;
        }
        Ok(())
    }
}

fn open_at(dir: BorrowedFd, name: &OsStr, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(dir, name, flags, Mode::from_raw_mode(0o600))
}

fn times(mtime: (i64, u32)) -> Timestamps {
    let t = Timespec {
        tv_sec: mtime.0,
        tv_nsec: mtime.1.into(),
    };
    Timestamps {
        last_access: t,
        last_modification: t,
    }
}

/// Copies extended attributes; one that the target refuses is left out, as docker does.
fn copy_xattrs(from: BorrowedFd, to: BorrowedFd) -> std::io::Result<()> {
    let mut names = vec![0u8; 4096];
    let len = match rustix::fs::flistxattr(from, &mut names) {
        Ok(0) => return Ok(()),
        Ok(n) => n,
        Err(_) => return Ok(()),
    };
    for name in names[..len].split(|b| *b == 0).filter(|n| !n.is_empty()) {
        let mut value = vec![0u8; 65536];
        let Ok(n) = rustix::fs::fgetxattr(from, name, &mut value) else {
            continue;
        };
        let _ = rustix::fs::fsetxattr(to, name, &value[..n], rustix::fs::XattrFlags::empty());
    }
    Ok(())
}
