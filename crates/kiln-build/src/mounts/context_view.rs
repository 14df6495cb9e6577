//! A directory of the context as a step sees it: without what `.dockerignore` hides, and where it
//! may be written, with the writes put aside. Nothing is copied: an overlay shows it.

use std::collections::HashSet;
use std::ffi::OsString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use kiln_runtime::{Overlay, detach, detach_as_root, mount_overlay};
use kiln_tree::{Kind, Meta, Root, read_dir_sorted};
use rustix::fs::{FileType, Mode, OFlags};

use crate::copy::{Copier, Look};
use crate::error::{BuildError, IoContext};
use crate::listing::Match;

/// A mount of what was listed, files put aside in `dir`.
///
/// As with docker, files of whoever owns the source are root's in it, as far as the kernel can show
/// them so; where it can't, they keep their owners.
pub fn mount(
    root: &Root,
    found: &Match,
    writable: bool,
    dir: &Path,
) -> Result<OwnedFd, BuildError> {
    let source = root
        .open_at(&found.path, OFlags::PATH)
        .context("opening", &found.path)?;
    let Some(first) = found.entries.first() else {
        return Err(BuildError::new("nothing to mount"));
    };
    if !found.is_dir() && writable {
        return copied(root, found, dir);
    }
    let hidden = hidden(root, found)?;
    let (uid, gid) = (first.meta.uid, first.meta.gid);
    let mapped = match (uid, gid) {
        (0, 0) => None,
        _ => detach_as_root(source.as_fd(), uid, gid)?,
    };
    if hidden.is_empty() && !writable {
        return match mapped {
            Some(mount) => Ok(mount),
            None => Ok(detach(source.as_fd())?),
        };
    }
    // An overlay doesn't show what is mounted in its layers.
    if found.entries.iter().any(|e| e.meta.dev != first.meta.dev) {
        return copied(root, found, dir);
    }
    let view = View {
        found,
        hidden: &hidden,
        writable,
    };
    // Before Linux 6.15 a detached mount can't be a layer.
    let swap = (uid, gid);
    match mapped.map(|m| view.overlay(&m, swap, &dir.join("mapped"))) {
        Some(Ok(mount)) => Ok(mount),
        _ => view.overlay(&source, (0, 0), &dir.join("plain")),
    }
}

/// A directory as an overlay shows it.
struct View<'a> {
    found: &'a Match,
    hidden: &'a [(PathBuf, OsString)],
    writable: bool,
}

impl View<'_> {
    /// Mounts it, `lower` being the directory, in which the ids of `swap` and root's are swapped.
    fn overlay(
        &self,
        lower: &OwnedFd,
        swap: (u32, u32),
        dir: &Path,
    ) -> Result<OwnedFd, BuildError> {
        let make = |name: &str| -> Result<PathBuf, BuildError> {
            let path = dir.join(name);
            std::fs::create_dir_all(&path).context("creating", &path)?;
            Ok(path)
        };
        let mut lowers = Vec::new();
        if !self.hidden.is_empty() {
            let cover = make("cover")?;
            let root = Root::open(&cover).context("opening", &cover)?;
            self.hide(&root, swap)?;
            lowers.push(cover);
        }
        lowers.push(PathBuf::from(format!(
            "/proc/self/fd/{}",
            lower.as_raw_fd()
        )));
        let mut upper = None;
        if self.writable {
            let (up, work) = (make("upper")?, make("work")?);
            let fd = std::fs::File::open(&up).context("opening", &up)?;
            if let Some(first) = self.found.entries.first() {
                dress(fd.as_fd(), &first.meta, swap, &up)?;
            }
            upper = Some((up, work));
        }
        Ok(mount_overlay(&Overlay {
            lowers: &lowers,
            upper: upper.as_ref().map(|(u, w)| (u.as_path(), w.as_path())),
        })?)
    }

    /// Makes a layer that hides what is hidden, and leaves all else as it is.
    fn hide(&self, cover: &Root, swap: (u32, u32)) -> Result<(), BuildError> {
        for (below, name) in self.hidden {
            let (dir, _) = cover
                .mkdir_all(below, 0o755, 0, 0)
                .context("creating", below)?;
            // An overlay's whiteout is a device of number 0.
            rustix::fs::mknodat(&dir, name, FileType::CharacterDevice, Mode::empty(), 0)
                .context("hiding", below.join(name))?;
        }
        // Where both have a directory, the cover's owner, mode and time count.
        let entries = self.found.entries.iter();
        for e in entries.filter(|e| e.meta.kind == Kind::Dir) {
            if let Ok(dir) = cover.open_dir(&e.below) {
                dress(dir.as_fd(), &e.meta, swap, &e.path)?;
            }
        }
        Ok(())
    }
}

/// The last resort: what an overlay can't show.
fn copied(root: &Root, found: &Match, dir: &Path) -> Result<OwnedFd, BuildError> {
    let copy = dir.join("copy");
    std::fs::create_dir_all(&copy).context("creating", &copy)?;
    let target = Root::open(&copy).context("opening", &copy)?;
    let look = Look {
        owner: Some((0, 0)),
        mode: None,
    };
    let mut copier = Copier::new(&target, look);
    if found.is_dir() {
        copier.copy(root, found, "/")?;
        return Ok(detach(target.as_fd())?);
    }
    copier.copy(root, found, "/file")?;
    let file = target
        .open_at(Path::new("file"), OFlags::PATH | OFlags::NOFOLLOW)
        .context("opening", &copy)?;
    Ok(detach(file.as_fd())?)
}

/// What is in the listed directories, but not in the list: directory and names.
fn hidden(root: &Root, found: &Match) -> Result<Vec<(PathBuf, OsString)>, BuildError> {
    let shown: HashSet<&Path> = found.entries.iter().map(|e| e.path.as_path()).collect();
    let mut out = Vec::new();
    for e in found.entries.iter().filter(|e| e.meta.kind == Kind::Dir) {
        let fd = root.open_dir(&e.path).context("opening", &e.path)?;
        for name in read_dir_sorted(fd.as_fd()).context("reading", &e.path)? {
            if !shown.contains(e.path.join(&name).as_path()) {
                out.push((e.below.clone(), name));
            }
        }
    }
    Ok(out)
}

fn dress(dir: BorrowedFd, meta: &Meta, swap: (u32, u32), path: &Path) -> Result<(), BuildError> {
    let swapped = |id: u32, other: u32| match id {
        0 => other,
        id if id == other => 0,
        id => id,
    };
    let (uid, gid) = (swapped(meta.uid, swap.0), swapped(meta.gid, swap.1));
    kiln_tree::set_owner(dir, "".as_ref(), uid, gid)
        .context("setting the owner of the view of", path)?;
    rustix::fs::fchmod(dir, Mode::from_raw_mode(meta.mode & 0o7777))
        .context("setting the mode of the view of", path)?;
    rustix::fs::futimens(dir, &crate::copy::times(meta.mtime))
        .context("setting times of the view of", path)
}
