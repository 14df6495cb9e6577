//! Scratch directories in `tmp/`.

use std::ffi::OsStr;
use std::fs::{DirBuilder, File};
use std::os::fd::AsFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::lock::{is_at, open, try_lock};
use crate::{Result, Store, StoreError};

/// A private directory in the store, deleted when dropped.
///
/// Its lock file beside it (`<name>.lock`) is locked for as long as its
/// process lives; what a killed process left behind is recognised by its free
/// lock and deleted by whoever opens the store next.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    lock: PathBuf,
    _file: File,
}

impl Scratch {
    /// The directory, on the same file system as the layers.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn create(tmp: &Path) -> Result<Scratch> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        loop {
            let now = jiff::Timestamp::now().as_nanosecond();
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = format!("{}-{now:x}-{count}", std::process::id());
            let (path, lock) = (tmp.join(&name), tmp.join(format!("{name}{LOCK}")));
            // A sweep may see the lock file before it is locked and take it
            // for a stale one, so what was locked must still be there.
            let Some(file) = try_lock(open(&lock)?, &lock)? else {
                continue;
            };
            if !is_at(&file, &lock) {
                continue;
            }
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => {
                    return Ok(Scratch {
                        path,
                        lock,
                        _file: file,
                    });
                }
                // Only another pid namespace can have picked the same name.
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(e) => {
                    let _ = std::fs::remove_file(&lock);
                    return Err(StoreError::io("cannot create", &path, e));
                }
            }
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // The lock file goes last: as long as there is anything to sweep,
        // there is a lock file to find it by.
        if remove_tree(&self.path).is_ok() {
            let _ = std::fs::remove_file(&self.lock);
        }
    }
}

const LOCK: &str = ".lock";

impl Store {
    /// Makes a new scratch directory.
    pub fn scratch(&self) -> Result<Scratch> {
        Scratch::create(&self.tmp())
    }

    /// Deletes the scratch directories whose process is gone.
    ///
    /// Best effort: what cannot be deleted now (such as files of other uids,
    /// outside the user namespace that owns them) stays for a later sweep.
    pub(crate) fn sweep_scratch(&self) {
        let tmp = self.tmp();
        let Ok(entries) = std::fs::read_dir(&tmp) else {
            return;
        };
        let mut last = String::new();
        for entry in entries.flatten() {
            let file_name = entry.file_name();
            let Some(file_name) = file_name.to_str() else {
                continue;
            };
            let name = file_name.strip_suffix(LOCK).unwrap_or(file_name);
            if name != last {
                sweep_one(&tmp, name);
                last = name.to_owned();
            }
        }
    }
}

fn sweep_one(tmp: &Path, name: &str) {
    let (path, lock) = (tmp.join(name), tmp.join(format!("{name}{LOCK}")));
    let Ok(Some(file)) = open(&lock).and_then(|f| try_lock(f, &lock)) else {
        return;
    };
    if is_at(&file, &lock) && remove_tree(&path).is_ok() {
        let _ = std::fs::remove_file(&lock);
    }
}

/// Deletes a file or directory tree; one that is not there is fine.
pub(crate) fn remove_tree(path: &Path) -> Result<()> {
    let fail = |e: std::io::Error| StoreError::io("cannot remove", path, e);
    match std::fs::symlink_metadata(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(fail(e)),
        Ok(meta) if !meta.is_dir() => return std::fs::remove_file(path).map_err(fail),
        Ok(_) => {}
    }
    let parent = File::open(path.parent().unwrap_or(Path::new("/"))).map_err(fail)?;
    let name = path.file_name().unwrap_or(OsStr::new("."));
    kiln_tree::remove_all(parent.as_fd(), name)
        .map_err(|e| fail(std::io::Error::other(e.to_string())))
}
