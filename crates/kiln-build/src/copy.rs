//! Puts listed files into a writable view: the rules of COPY's destination, owners and modes.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use kiln_tree::{Kind, Meta, Root, meta_at, set_owner};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Timespec, Timestamps};

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
    links: HashMap<(u64, u64), PathBuf>,
    /// The directory of the last file, since the next is most likely there too.
    last: Option<(PathBuf, Rc<OwnedFd>)>,
}

fn failed(what: &str, path: &Path, e: impl std::error::Error + 'static) -> BuildError {
    BuildError::caused(format_args!("{what} {}", path.display()), &e)
}

impl<'a> Copier<'a> {
    /// A copier into `target`.
    pub fn new(target: &'a Root, look: Look) -> Self {
        Copier {
            target,
            look,
            parent_owner: look.owner.unwrap_or((0, 0)),
            links: HashMap::new(),
            last: None,
        }
    }

    /// Makes a directory and its parents, 0755 and with the copy's owner.
    pub fn directory(&self, path: &Path) -> Result<OwnedFd, BuildError> {
        let (uid, gid) = self.parent_owner;
        match self.target.mkdir_all(path, 0o755, uid, gid) {
            Ok((fd, _)) => Ok(fd),
            Err(e) => Err(match self.target.metadata(path) {
                Ok(m) if m.kind != Kind::Dir => not_a_directory(path),
                _ => failed("creating directory", path, e),
            }),
        }
    }

    /// The path a file called `name` gets when copied to `dest`.
    pub fn file_path(&self, dest: &str, name: &OsStr) -> PathBuf {
        let path = Path::new(dest);
        let is_dir = dest.ends_with('/')
            || self
                .target
                .metadata(path)
                .is_ok_and(|m| m.kind == Kind::Dir);
        if is_dir {
            path.join(name)
        } else {
            path.to_owned()
        }
    }

    /// Copies one match of a source.
    pub fn copy(&mut self, source: &Root, m: &Match, dest: &str) -> Result<(), BuildError> {
        let Some((first, below)) = m.entries.split_first() else {
            return Ok(());
        };
        if !m.is_dir() {
            let path = self.file_path(dest, &m.name);
            // A link at the destination of a named file is followed, as docker does.
            let path = match self.target.symlink_metadata(&path) {
                Ok(m) if m.kind == Kind::Symlink => self.resolved(path),
                _ => path,
            };
            return self.file_at(source, first, &path);
        }
        let base = Path::new(dest);
        // The directory itself, if it must be made, is like any made on the way.
        self.directory(base)?;
        let mut times = Vec::new();
        for entry in below {
            let to = base.join(&entry.below);
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

    fn subdirectory(&mut self, entry: &Entry, to: &Path) -> Result<(), BuildError> {
        let (dir, name) = self.parent(to)?;
        match meta_at(dir.as_fd(), &name).ok().map(|m| m.kind) {
            None => rustix::fs::mkdirat(&dir, &name, Mode::from_raw_mode(0o755))
                .map_err(|e| failed("creating directory", to, e))?,
            Some(Kind::Dir) => {}
            Some(Kind::Symlink) if self.target.metadata(to).is_ok_and(|m| m.kind == Kind::Dir) => {
                return Ok(());
            }
            Some(_) => return Err(not_a_directory(to)),
        }
        self.dress(dir.as_fd(), &name, &entry.meta, to)
    }

    fn touch(&self, path: &Path, mtime: (i64, u32)) -> Result<(), BuildError> {
        let fd = self
            .target
            .open_dir(path)
            .map_err(|e| failed("opening directory", path, e))?;
        rustix::fs::futimens(&fd, &times(mtime)).map_err(|e| failed("setting times of", path, e))
    }

    /// The directory a path is in, made if absent, and its last component.
    fn parent(&mut self, path: &Path) -> Result<(Rc<OwnedFd>, OsString), BuildError> {
        let dir = path.parent().unwrap_or(Path::new("/"));
        let name = path.file_name().unwrap_or_default().to_owned();
        if let Some((known, fd)) = &self.last
            && known == dir
        {
            return Ok((Rc::clone(fd), name));
        }
        let fd = Rc::new(self.directory(dir)?);
        self.last = Some((dir.to_owned(), Rc::clone(&fd)));
        Ok((fd, name))
    }

    /// Takes away what is at the place of a file.
    fn clear(&self, dir: BorrowedFd, name: &OsStr, path: &Path) -> Result<(), BuildError> {
        match meta_at(dir, name) {
            Err(_) => Ok(()),
            Ok(m) if m.kind == Kind::Dir => Err(BuildError::new(format!(
                "cannot replace to directory {} with file",
                path.display()
            ))),
            Ok(_) => rustix::fs::unlinkat(dir, name, AtFlags::empty())
                .map_err(|e| failed("replacing", path, e)),
        }
    }

    /// Copies one entry that is no directory to exactly `path`, replacing what is there.
    fn file_at(&mut self, source: &Root, entry: &Entry, path: &Path) -> Result<(), BuildError> {
        let (dir, name) = self.parent(path)?;
        let dir = dir.as_fd();
        self.clear(dir, &name, path)?;
        let meta = &entry.meta;
        if meta.nlink > 1 {
            let id = (meta.dev, meta.ino);
            if let Some(first) = self.links.get(&id) {
                return self.hard_link(&first.clone(), dir, &name, path);
            }
            self.links.insert(id, path.to_owned());
        }
        let mode = self.look.mode_of(meta);
        let device = |kind| {
            let number = rustix::fs::makedev(meta.rdev.0, meta.rdev.1);
            rustix::fs::mknodat(dir, &name, kind, mode, number)
                .map_err(|e| failed("creating", path, e))
        };
        match meta.kind {
            Kind::File => self.regular(source, entry, dir, &name, path)?,
            Kind::Symlink => {
                let target = entry.link.as_deref().unwrap_or_default();
                rustix::fs::symlinkat(target, dir, &name)
                    .map_err(|e| failed("creating link", path, e))?;
            }
            Kind::Fifo => device(FileType::Fifo)?,
            Kind::Char => device(FileType::CharacterDevice)?,
            Kind::Block => device(FileType::BlockDevice)?,
            Kind::Socket | Kind::Dir => return Ok(()),
        }
        self.dress(dir, &name, meta, path)?;
        rustix::fs::utimensat(dir, &name, &times(meta.mtime), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|e| failed("setting times of", path, e))
    }

    /// Sets owner and mode.
    fn dress(
        &self,
        dir: BorrowedFd,
        name: &OsStr,
        meta: &Meta,
        path: &Path,
    ) -> Result<(), BuildError> {
        let (uid, gid) = self.look.owner_of(meta);
        set_owner(dir, name, uid, gid).map_err(|e| failed("setting the owner of", path, e))?;
        if meta.kind == Kind::Symlink {
            return Ok(());
        }
        // After the owner, whose change takes set-id bits away.
        rustix::fs::chmodat(dir, name, self.look.mode_of(meta), AtFlags::empty())
            .map_err(|e| failed("setting the mode of", path, e))
    }

    /// Where a link leads, made absolute; the link itself where that can't be told.
    fn resolved(&self, path: PathBuf) -> PathBuf {
        let target = self
            .target
            .parent_of(&path)
            .ok()
            .and_then(|(dir, name)| rustix::fs::readlinkat(&dir, &name, Vec::new()).ok())
            .and_then(|target| target.into_string().ok());
        let base = path.parent().and_then(Path::to_str);
        match (base, target) {
            (Some(base), Some(target)) => crate::instruction::clean_join(base, &target).into(),
            _ => path,
        }
    }

    fn hard_link(
        &mut self,
        first: &Path,
        dir: BorrowedFd,
        name: &OsStr,
        path: &Path,
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
        path: &Path,
    ) -> Result<(), BuildError> {
        let from = source
            .open_at(&entry.path, OFlags::RDONLY | OFlags::NONBLOCK)
            .map_err(|e| failed("opening", &entry.path, e))?;
        let to = create(dir, name).map_err(|e| failed("creating", path, e))?;
        kiln_tree::copy_data(from.as_fd(), to.as_fd(), entry.meta.size)
            .map_err(|e| failed("writing", path, e))?;
        copy_xattrs(from.as_fd(), to.as_fd());
        Ok(())
    }

    /// Writes a file given inline or downloaded, owned like directories on the way.
    pub fn content(
        &mut self,
        data: &mut dyn Read,
        path: &Path,
        mode: u32,
        mtime: Option<i64>,
    ) -> Result<(), BuildError> {
        let (dir, name) = self.parent(path)?;
        let dir = dir.as_fd();
        self.clear(dir, &name, path)?;
        let to = create(dir, &name).map_err(|e| failed("creating", path, e))?;
        let mut file = std::fs::File::from(to);
        std::io::copy(data, &mut file).map_err(|e| failed("writing", path, e))?;
        let (uid, gid) = self.parent_owner;
        set_owner(dir, &name, uid, gid).map_err(|e| failed("setting the owner of", path, e))?;
        let mode = Mode::from_raw_mode(self.look.mode.unwrap_or(mode));
        rustix::fs::fchmod(&file, mode).map_err(|e| failed("setting the mode of", path, e))?;
        if let Some(t) = mtime {
            rustix::fs::futimens(&file, &times((t, 0)))
                .map_err(|e| failed("setting times of", path, e))?;
        }
        Ok(())
    }
}

fn not_a_directory(path: &Path) -> BuildError {
    BuildError::new(format!("cannot copy to non-directory: {}", path.display()))
}

fn create(dir: BorrowedFd, name: &OsStr) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(dir, name, flags, Mode::from_raw_mode(0o600))
}

/// Both times of a file.
pub fn times(mtime: (i64, u32)) -> Timestamps {
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
fn copy_xattrs(from: BorrowedFd, to: BorrowedFd) {
    let mut names = vec![0u8; 4096];
    let Ok(len) = rustix::fs::flistxattr(from, &mut names) else {
        return;
    };
    for name in names[..len].split(|b| *b == 0).filter(|n| !n.is_empty()) {
        let mut value = vec![0u8; 65536];
        let Ok(n) = rustix::fs::fgetxattr(from, name, &mut value) else {
            continue;
        };
        let _ = rustix::fs::fsetxattr(to, name, &value[..n], rustix::fs::XattrFlags::empty());
    }
}
