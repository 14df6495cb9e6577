//! `cp`: files out of a container and into one.
//!
//! Every path of a container is resolved beneath its root, one descriptor after the other: no link
//! in it leads out, not even one that is made meanwhile.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::time::Duration;

use kiln_oci::layer::{ApplyOptions, Ids, Limits, Whiteouts, apply, write_dir};
use kiln_store::{ContainerLock, Store};
use kiln_tree::{
    Kind, Meta, Root, copy_data, meta_at, meta_of, read_dir_sorted, set_owner, set_xattr, xattrs_of,
};
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, Timespec, Timestamps, makedev, mkdirat, mknodat, openat,
    readlinkat, symlinkat, unlinkat, utimensat,
};
use rustix::io::Errno;

use super::Failure;
use super::create::mount;
use super::live::find;
use crate::{BuildError, Kind as ErrorKind};

/// A container's files, and what keeps them in place.
struct Files {
    root: Root,
    read_only: bool,
    /// Of one that doesn't run: nobody starts it meanwhile.
    _lock: Option<ContainerLock>,
}

fn files(store: &Store, name: &str) -> Result<Files, Failure> {
    let container = find(store, name)?;
    if container.is_running() {
        return Ok(Files {
            root: Root::from_fd(container.connect(store)?.root()?),
            read_only: container.settings.read_only,
            _lock: None,
        });
    }
    let lock = container.lock(store, Duration::from_secs(10))?;
    let lock = lock.ok_or_else(|| Failure::new(format!("container {name} is being started")))?;
    let root = mount(
        store,
        &container.dir(store),
        &container.record.layers,
        false,
    )?;
    Ok(Files {
        root: Root::from_fd(root),
        read_only: container.settings.read_only,
        _lock: Some(lock),
    })
}

/// A path as `cp` understands it.
struct Wanted<'a> {
    path: &'a Path,
    /// It ends in `/` or `/.`: it is a directory, and no link is meant.
    directory: bool,
    /// It ends in `/.`: only what is in it.
    content: bool,
}

impl<'a> Wanted<'a> {
    fn new(path: &'a str) -> Wanted<'a> {
        let content = path.ends_with("/.") || path == ".";
        Wanted {
            path: Path::new(path),
            directory: content || path.ends_with('/'),
            content,
        }
    }
}

/// Who owns what is copied, and whether devices come along.
#[derive(Clone, Copy)]
struct How {
    owners: bool,
    devices: bool,
}

/// Copies out of a container: to a path of the host, or as a tar to `out`.
pub fn copy_from(
    store: &Store,
    name: &str,
    source: &str,
    dest: Option<&str>,
    follow: bool,
    owners: bool,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let files = files(store, name)?;
    let wanted = Wanted::new(source);
    let (dir, entry, meta) = looked_up(&files, name, source, follow)?;
    if wanted.directory && meta.kind != Kind::Dir {
        return Err(Failure::new(format!("{source}: not a directory")));
    }
    let how = How {
        owners,
        devices: false,
    };
    let base = base_name(&wanted, &entry);
    match dest {
        Some(dest) => {
            let (to, to_name) = host_target(&meta, &wanted, &base, dest)?;
            copy(dir.as_fd(), &entry, to.as_fd(), &to_name, how)
                .map_err(|e| BuildError::caused(format_args!("copying {source}"), &e))?;
        }
        None => {
            let scratch = store.scratch()?;
            let bad = |e: io::Error| BuildError::caused(scratch.path().display(), &e);
            let to = std::fs::File::open(scratch.path()).map_err(bad)?;
            let how = How {
                owners: true,
                ..how
            };
            let to_name = if wanted.content {
                OsString::from(".")
            } else {
                base
            };
            copy(dir.as_fd(), &entry, to.as_fd(), &to_name, how)
                .map_err(|e| BuildError::caused(format_args!("copying {source}"), &e))?;
            write_dir(to.as_fd(), out)?;
        }
    }
    Ok(())
}

/// What a path of a container is: its name, what is known of it, and where a link leads.
pub fn stat(
    store: &Store,
    name: &str,
    path: &str,
) -> Result<(OsString, Meta, Option<OsString>), Failure> {
    let files = files(store, name)?;
    let wanted = Wanted::new(path);
    let (dir, entry, meta) = looked_up(&files, name, path, false)?;
    let link = match meta.kind {
        Kind::Symlink => readlinkat(&dir, &entry, Vec::new()).ok(),
        _ => None,
    };
    let link = link.map(|l| OsString::from_vec(l.into_bytes()));
    let base = match wanted.path.file_name() {
        Some(name) => name.to_owned(),
        None => OsString::from("/"),
    };
    Ok((base, meta, link))
}

fn looked_up(
    files: &Files,
    name: &str,
    path: &str,
    follow: bool,
) -> Result<(OwnedFd, OsString, Meta), Failure> {
    let missing = |_: io::Error| {
        let text = format!("Could not find the file {path} in container {name}");
        Failure::from(BuildError::new(text).of_kind(ErrorKind::NotFound))
    };
    let (dir, entry) = entry(&files.root, &Wanted::new(path), follow).map_err(missing)?;
    let meta = meta_at(dir.as_fd(), &entry).map_err(missing)?;
    Ok((dir, entry, meta))
}

/// The directory a path's last part lies in, and that part.
fn entry(root: &Root, wanted: &Wanted, follow: bool) -> io::Result<(OwnedFd, OsString)> {
    if wanted.directory || wanted.path.file_name().is_none() {
        return Ok((root.open_dir(wanted.path)?, OsString::from(".")));
    }
    let (dir, name) = root.parent_of(wanted.path)?;
    if follow && meta_at(dir.as_fd(), &name)?.kind == Kind::Symlink {
        return resolved(root, wanted.path);
    }
    Ok((dir, name))
}

/// The place of what a link leads to.
fn resolved(root: &Root, path: &Path) -> io::Result<(OwnedFd, OsString)> {
    let mut path = path.to_owned();
    for _ in 0..40 {
        let (dir, name) = root.parent_of(&path)?;
        if meta_at(dir.as_fd(), &name)?.kind != Kind::Symlink {
            return Ok((dir, name));
        }
        let target = readlinkat(&dir, &name, Vec::new())?;
        let target = OsString::from_vec(target.into_bytes());
        path = match path.parent() {
            Some(parent) => parent.join(target),
            None => target.into(),
        };
    }
    Err(Errno::LOOP.into())
}

/// The name under which something arrives.
fn base_name(wanted: &Wanted, entry: &OsStr) -> OsString {
    match wanted.path.file_name() {
        Some(name) if !wanted.content => name.to_owned(),
        _ if entry != "." => entry.to_owned(),
        _ => OsString::from("."),
    }
}

/// Where something goes on the host: docker's rules.
fn host_target(
    meta: &Meta,
    wanted: &Wanted,
    base: &OsStr,
    dest: &str,
) -> Result<(std::fs::File, OsString), Failure> {
    let path = Path::new(dest);
    let open = |path: &Path| {
        let path = if path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            path
        };
        std::fs::File::open(path).map_err(|e| Failure::from(BuildError::caused(path.display(), &e)))
    };
    if path.is_dir() {
        let name = match wanted.content && meta.kind == Kind::Dir {
            true => OsString::from("."),
            false => base.to_owned(),
        };
        return Ok((open(path)?, name));
    }
    if path.exists() && meta.kind == Kind::Dir {
        return Err(Failure::new(format!(
            "cannot copy a directory to {dest}, which is a file"
        )));
    }
    if dest.ends_with('/') && meta.kind != Kind::Dir {
        return Err(Failure::new(format!("no such directory: {dest}")));
    }
    let name = path
        .file_name()
        .ok_or_else(|| Failure::new(format!("no such directory: {dest}")))?;
    Ok((
        open(path.parent().unwrap_or(Path::new(".")))?,
        name.to_owned(),
    ))
}

/// Copies into a container: a path of the host, or a tar from `input`.
pub fn copy_into(
    store: &Store,
    source: Option<&str>,
    name: &str,
    dest: &str,
    follow: bool,
    owners: bool,
    input: &mut dyn Read,
) -> Result<(), Failure> {
    let files = files(store, name)?;
    if files.read_only {
        return Err(Failure::new("container rootfs is marked read-only"));
    }
    let root = &files.root;
    let to = Wanted::new(dest);
    let Some(source) = source else {
        let dir = root
            .open_dir(to.path)
            .map_err(|e| BuildError::caused(format_args!("{name}:{dest}"), &e))?;
        let options = ApplyOptions {
            whiteouts: Whiteouts::Literal,
            limits: Limits::default(),
            ids: Ids::Keep,
        };
        apply(input, dir.as_fd(), &options)?;
        return Ok(());
    };
    let from = Wanted::new(source);
    let bad = |e: io::Error| BuildError::caused(source, &e);
    let meta = match follow || from.directory {
        true => std::fs::metadata(source),
        false => std::fs::symlink_metadata(source),
    }
    .map_err(bad)?;
    // On the host links are the user's own, and followed.
    let (dir, entry) = match meta.is_dir() {
        true => (
            std::fs::File::open(source).map_err(bad)?,
            OsString::from("."),
        ),
        false => {
            let path = match follow {
                true => std::fs::canonicalize(source).map_err(bad)?,
                false => Path::new(source).to_owned(),
            };
            let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
            let dir = std::fs::File::open(parent.unwrap_or(Path::new("."))).map_err(bad)?;
            let name = path
                .file_name()
                .ok_or_else(|| Failure::new("no file name"))?;
            (dir, name.to_owned())
        }
    };
    let base = match from.path.file_name() {
        Some(name) => name.to_owned(),
        None => std::fs::canonicalize(source)
            .ok()
            .and_then(|p| p.file_name().map(OsStr::to_owned))
            .unwrap_or_else(|| OsString::from(".")),
    };
    let found = root.metadata(to.path);
    let missing = |e: io::Error| BuildError::caused(format_args!("{name}:{dest}"), &e);
    let (to_dir, to_name) = match found {
        Ok(found) if found.kind == Kind::Dir => {
            let name = match from.content && meta.is_dir() {
                true => OsString::from("."),
                false => base,
            };
            (root.open_dir(to.path).map_err(missing)?, name)
        }
        Ok(_) if meta.is_dir() => {
            return Err(Failure::new(format!(
                "cannot copy a directory to {name}:{dest}, which is a file"
            )));
        }
        Ok(_) if to.directory => {
            return Err(Failure::new(format!("{name}:{dest} is not a directory")));
        }
        // What a link leads to is written, within the container.
        Ok(_) => resolved(root, to.path).map_err(missing)?,
        Err(_) if to.directory && !meta.is_dir() => {
            return Err(Failure::new(format!("no such directory: {name}:{dest}")));
        }
        Err(_) => root.parent_of(to.path).map_err(missing)?,
    };
    let how = How {
        owners,
        devices: true,
    };
    copy(dir.as_fd(), &entry, to_dir.as_fd(), &to_name, how)
        .map_err(|e| BuildError::caused(format_args!("copying {source}"), &e))?;
    Ok(())
}

/// Copies an entry of one directory to another one, under a name; `.` means the directories
/// themselves.
fn copy(
    from: BorrowedFd,
    name: &OsStr,
    to: BorrowedFd,
    to_name: &OsStr,
    how: How,
) -> io::Result<()> {
    let meta = match name == "." {
        true => meta_of(from)?,
        false => meta_at(from, name)?,
    };
    if meta.kind == Kind::Dir {
        return directory(from, name, to, to_name, &meta, how);
    }
    match meta_at(to, to_name) {
        Ok(found) if found.kind == Kind::Dir => {
            return Err(io::Error::other(
                "cannot overwrite directory with non-directory",
            ));
        }
        Ok(_) => unlinkat(to, to_name, AtFlags::empty())?,
        Err(_) => {}
    }
    match meta.kind {
        Kind::File => {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let source = openat(from, name, flags, Mode::empty())?;
            if meta_of(source.as_fd())?.kind != Kind::File {
                return Err(Errno::STALE.into());
            }
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            let target = openat(to, to_name, flags, Mode::from_raw_mode(0o600))?;
            copy_data(source.as_fd(), target.as_fd(), meta.size)?;
        }
        Kind::Symlink => {
            let target = readlinkat(from, name, Vec::new())?;
            symlinkat(target, to, to_name)?;
        }
        Kind::Fifo => node(to, to_name, FileType::Fifo, &meta)?,
        Kind::Char if how.devices => node(to, to_name, FileType::CharacterDevice, &meta)?,
        Kind::Block if how.devices => node(to, to_name, FileType::BlockDevice, &meta)?,
        // A device that a container made up is nothing for the host.
        Kind::Char | Kind::Block | Kind::Socket => return Ok(()),
        Kind::Dir => {}
    }
    dress(from, name, to, to_name, &meta, how)
}

fn node(to: BorrowedFd, name: &OsStr, kind: FileType, meta: &Meta) -> io::Result<()> {
    let (major, minor) = meta.rdev;
    let mode = Mode::from_raw_mode(0o600);
    Ok(mknodat(to, name, kind, mode, makedev(major, minor))?)
}

fn directory(
    from: BorrowedFd,
    name: &OsStr,
    to: BorrowedFd,
    to_name: &OsStr,
    meta: &Meta,
    how: How,
) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let source = openat(from, name, flags, Mode::empty())?;
    let mut made = false;
    if to_name != "." {
        match mkdirat(to, to_name, Mode::from_raw_mode(0o700)) {
            Ok(()) => made = true,
            Err(Errno::EXIST) => {
                if meta_at(to, to_name)?.kind != Kind::Dir {
                    return Err(io::Error::other(
                        "cannot overwrite non-directory with directory",
                    ));
                }
            }
            Err(e) => return Err(e.into()),
        }
    }
    let target = openat(to, to_name, flags, Mode::empty())?;
    for child in read_dir_sorted(source.as_fd())? {
        copy(source.as_fd(), &child, target.as_fd(), &child, how)?;
    }
    match made {
        true => dress(from, name, to, to_name, meta, how),
        false => Ok(()),
    }
}

/// Owner, mode, attributes, times.
fn dress(
    from: BorrowedFd,
    name: &OsStr,
    to: BorrowedFd,
    to_name: &OsStr,
    meta: &Meta,
    how: How,
) -> io::Result<()> {
    if how.owners {
        set_owner(to, to_name, meta.uid, meta.gid)?;
    }
    if meta.kind != Kind::Symlink {
        let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::PATH;
        let fd = openat(to, to_name, flags, Mode::empty())?;
        // A set-id bit means something only with the owner it was set for.
        let keep = if how.owners {
            meta.mode
        } else {
            meta.mode & 0o1777
        };
        let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&fd));
        rustix::fs::chmod(path, Mode::from_raw_mode(keep))?;
        for (key, value) in xattrs_of(from, name).unwrap_or_default() {
            if !key.to_string_lossy().contains("overlay.") {
                // Not every file system has them, nor may everybody set all.
                let _ = set_xattr(to, to_name, &key, &value);
            }
        }
    }
    let time = Timespec {
        tv_sec: meta.mtime.0 as _,
        tv_nsec: meta.mtime.1.into(),
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    Ok(utimensat(to, to_name, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}
