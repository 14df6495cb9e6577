//! A directory of the context as a step sees it: without what `.dockerignore` hides, and where it
//! may be written, with the writes put aside. Nothing is copied: an overlay shows it.

use std::collections::HashSet;
use std::ffi::OsString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use kiln_runtime::{Overlay, detach, mount_overlay};
use kiln_tree::{Kind, Meta, Root, read_dir_sorted};
use rustix::fs::{FileType, Mode, OFlags};

use crate::copy::{Copier, Look};
use crate::error::{BuildError, IoContext};
use crate::listing::Match;

/// A mount of what was listed, files put aside in `dir`.
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
    if !found.is_dir() {
        return match writable {
            true => copied(root, found, dir),
            false => Ok(detach(source.as_fd())?),
        };
    }
    let hidden = hidden(root, found)?;
    if hidden.is_empty() && !writable {
        return Ok(detach(source.as_fd())?);
    }
    // An overlay doesn't show what is mounted in its layers.
    if found.entries.iter().any(|e| e.meta.dev != first.meta.dev) {
        return copied(root, found, dir);
    }
    let mut lowers = Vec::new();
    let make = |name: &str| -> Result<PathBuf, BuildError> {
        let path = dir.join(name);
        std::fs::create_dir_all(&path).context("creating", &path)?;
        Ok(path)
    };
    if !hidden.is_empty() {
        let cover = make("cover")?;
        hide(
            &Root::open(&cover).context("opening", &cover)?,
            found,
            &hidden,
        )?;
        lowers.push(cover);
    }
    lowers.push(PathBuf::from(format!(
        "/proc/self/fd/{}",
        source.as_raw_fd()
    )));
    let mut upper = None;
    if writable {
        let (up, work) = (make("upper")?, make("work")?);
        let fd = std::fs::File::open(&up).context("opening", &up)?;
        dress(fd.as_fd(), &first.meta, &up)?;
        upper = Some((up, work));
    }
    Ok(mount_overlay(&Overlay {
        lowers: &lowers,
        upper: upper.as_ref().map(|(u, w)| (u.as_path(), w.as_path())),
    })?)
}

/// The last resort: what an overlay can't show.
fn copied(root: &Root, found: &Match, dir: &Path) -> Result<OwnedFd, BuildError> {
    let copy = dir.join("copy");
    std::fs::create_dir_all(&copy).context("creating", &copy)?;
    let target = Root::open(&copy).context("opening", &copy)?;
    let mut copier = Copier::new(&target, Look::default());
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

/// Makes a layer that hides them, and leaves all else as it is.
fn hide(cover: &Root, found: &Match, hidden: &[(PathBuf, OsString)]) -> Result<(), BuildError> {
    for (below, name) in hidden {
        let (dir, _) = cover
            .mkdir_all(below, 0o755, 0, 0)
            .context("creating", below)?;
        // An overlay's whiteout is a device of number 0.
        rustix::fs::mknodat(&dir, name, FileType::CharacterDevice, Mode::empty(), 0)
            .context("hiding", below.join(name))?;
    }
    // Where both have a directory, the cover's owner, mode and time count.
    for e in found.entries.iter().filter(|e| e.meta.kind == Kind::Dir) {
        if let Ok(dir) = cover.open_dir(&e.below) {
            dress(dir.as_fd(), &e.meta, &e.path)?;
        }
    }
    Ok(())
}

fn dress(dir: BorrowedFd, meta: &Meta, path: &Path) -> Result<(), BuildError> {
    kiln_tree::set_owner(dir, "".as_ref(), meta.uid, meta.gid)
        .context("setting the owner of the view of", path)?;
    rustix::fs::fchmod(dir, Mode::from_raw_mode(meta.mode & 0o7777))
        .context("setting the mode of the view of", path)?;
    rustix::fs::futimens(dir, &crate::copy::times(meta.mtime))
        .context("setting times of the view of", path)
}
