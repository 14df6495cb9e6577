//! `diff`: what a container changed in its file system.

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use kiln_store::{ContainerRecord, Store};
use kiln_tree::{Kind, Meta, Root, meta_at, meta_of, read_dir_sorted, xattrs_of};
use rustix::fs::OFlags;

use super::Failure;
use super::live::find;
use crate::BuildError;

/// What happened to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is new.
    Added,
    /// It is another one, or something in it is.
    Changed,
    /// It is gone.
    Deleted,
}

/// All changes, in the order of their paths.
pub fn diff(store: &Store, name: &str) -> Result<Vec<(Change, PathBuf)>, Failure> {
    let container = find(store, name)?;
    let dir = container.dir(store);
    let mut layers: Vec<PathBuf> = vec![dir.join("init")];
    let stored = container.record.layers.iter().rev();
    layers.extend(stored.map(|d| store.layer_dir(d)));
    let below = kiln_runtime::mount_overlay(&kiln_runtime::Overlay {
        lowers: &layers,
        upper: None,
    })
    .map_err(BuildError::from)?;
    let below = Root::from_fd(below);
    let upper = Root::open(&dir.join("rw")).map_err(|e| BuildError::caused(dir.display(), &e))?;
    let mut out = Vec::new();
    let top = upper
        .open_dir(Path::new("/"))
        .map_err(|e| BuildError::caused(dir.display(), &e))?;
    walk(&below, top.as_fd(), Path::new("/"), &mut out)
        .map_err(|e| BuildError::caused("looking for changes", &e))?;
    out.sort_by(|(_, a), (_, b)| a.cmp(b));
    Ok(out)
}

/// Writes all files of a container as a tar, without what is mounted in it.
pub fn export(
    store: &Store,
    record: &ContainerRecord,
    out: impl std::io::Write,
) -> Result<(), BuildError> {
    let dir = store.container_dir(&record.id);
    let mut layers = vec![dir.join("rw"), dir.join("init")];
    layers.extend(record.layers.iter().rev().map(|d| store.layer_dir(d)));
    let root = Root::from_fd(kiln_runtime::mount_overlay(&kiln_runtime::Overlay {
        lowers: &layers,
        upper: None,
    })?);
    let top = root
        .open_dir(Path::new("/"))
        .map_err(|e| BuildError::caused(dir.display(), &e))?;
    kiln_oci::layer::write_dir(top.as_fd(), out)?;
    Ok(())
}

/// Whether anything below is recorded.
fn walk(
    below: &Root,
    dir: BorrowedFd,
    path: &Path,
    out: &mut Vec<(Change, PathBuf)>,
) -> std::io::Result<bool> {
    let before = out.len();
    for name in read_dir_sorted(dir)? {
        // The container may be at it.
        let Ok(meta) = meta_at(dir, &name) else {
            continue;
        };
        let path = path.join(&name);
        let old = old(below, &path);
        if meta.is_whiteout() {
            if old.is_some() {
                out.push((Change::Deleted, path));
            }
            continue;
        }
        let was_dir = old.as_ref().is_some_and(|o| o.kind == Kind::Dir);
        if meta.kind != Kind::Dir {
            let change = if old.is_some() {
                Change::Changed
            } else {
                Change::Added
            };
            out.push((change, path));
            continue;
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let Ok(child) = rustix::fs::openat(dir, &name, flags, rustix::fs::Mode::empty()) else {
            continue;
        };
        let inner = walk(below, child.as_fd(), &path, out)?;
        let hidden = was_dir && opaque(dir, &name)? && hide(below, child.as_fd(), &path, out)?;
        match &old {
            None => out.push((Change::Added, path)),
            Some(old) if inner || hidden || !same(old, &meta) => {
                out.push((Change::Changed, path));
            }
            Some(_) => {}
        }
    }
    Ok(out.len() > before)
}

fn old(below: &Root, path: &Path) -> Option<Meta> {
    let fd = below
        .open_at(path.parent()?, OFlags::PATH | OFlags::DIRECTORY)
        .ok()?;
    // A link above leads to another directory than the one that was changed.
    meta_of(fd.as_fd()).ok()?;
    meta_at(fd.as_fd(), path.file_name()?).ok()
}

fn same(a: &Meta, b: &Meta) -> bool {
    (a.kind, a.mode, a.uid, a.gid, a.mtime) == (b.kind, b.mode, b.uid, b.gid, b.mtime)
}

fn opaque(dir: BorrowedFd, name: &OsStr) -> std::io::Result<bool> {
    let marks = ["trusted.overlay.opaque", "user.overlay.opaque"];
    let found = xattrs_of(dir, name)?;
    Ok(found
        .iter()
        .any(|(key, value)| marks.iter().any(|m| key == *m) && value == b"y"))
}

/// Records what a directory hides that was there before.
fn hide(
    below: &Root,
    dir: BorrowedFd,
    path: &Path,
    out: &mut Vec<(Change, PathBuf)>,
) -> std::io::Result<bool> {
    let Ok(before) = below.open_dir(path) else {
        return Ok(false);
    };
    let mut any = false;
    for name in read_dir_sorted(before.as_fd())? {
        if meta_at(dir, &name).is_err() {
            out.push((Change::Deleted, path.join(name)));
            any = true;
        }
    }
    Ok(any)
}
