//! Locks between processes: `flock` on files in `locks/`.
//!
//! The kernel drops these locks when their holder dies, however it dies, so
//! none is ever stale.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use kiln_oci::Digest;
use rustix::fs::FlockOperation;
use rustix::io::Errno;

use crate::{Result, Store, StoreError};

/// A shared lock on the whole store: layers are not deleted while it exists.
#[derive(Debug)]
pub struct Hold {
    _file: File,
}

/// An exclusive lock on one key, released when dropped.
#[derive(Debug)]
pub struct KeyLock {
    path: PathBuf,
    _file: File,
}

impl Drop for KeyLock {
    /// Removes the lock file, so that `locks/` does not fill up.
    ///
    /// That is safe because the lock is still held here and because whoever
    /// waits for it checks, once it has the lock, that the path still leads to
    /// the file it locked, and starts over otherwise.
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Store {
    /// Takes the shared lock that keeps layers from being deleted.
    ///
    /// A build takes it before it looks anything up and keeps it until its
    /// image is stored. Waits while another process is deleting layers.
    pub fn hold(&self) -> Result<Hold> {
        let path = self.locks().join("use");
        let _file = open_and_lock(&path, FlockOperation::LockShared)?;
        Ok(Hold { _file })
    }

    /// Takes the exclusive lock on `key`, waiting for whoever has it.
    ///
    /// Processes that are about to run the same step meet here; all but the
    /// first then find its result in the cache.
    pub fn lock_key(&self, key: &str) -> Result<KeyLock> {
        let path = self.locks().join(key_file_name(key));
        loop {
            let file = open_and_lock(&path, FlockOperation::LockExclusive)?;
            if is_at(&file, &path) {
                return Ok(KeyLock { path, _file: file });
            }
        }
    }

    /// The lock that excludes every [`Hold`], if nobody has one now.
    pub(crate) fn try_exclusive(&self) -> Result<Option<Hold>> {
        let path = self.locks().join("use");
        let file = try_lock(open(&path)?, &path)?;
        Ok(file.map(|_file| Hold { _file }))
    }

    /// Removes the key lock files that killed processes left behind.
    pub(crate) fn sweep_key_locks(&self) {
        let Ok(entries) = std::fs::read_dir(self.locks()) else {
            return;
        };
        for entry in entries.flatten() {
            if entry.file_name().to_string_lossy().starts_with(KEY_PREFIX) {
                let path = entry.path();
                if let Ok(Some(file)) = open(&path).and_then(|f| try_lock(f, &path))
                    && is_at(&file, &path)
                {
                    let _ = std::fs::remove_file(&path);
                }
            }
        }
    }
}

const KEY_PREFIX: &str = "key-";

/// Keys are usually hex digests and stay readable; anything else is hashed.
fn key_file_name(key: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.:".contains(&b);
    if key.len() <= 128 && key.bytes().all(plain) {
        return format!("{KEY_PREFIX}{key}");
    }
    format!("{KEY_PREFIX}sha256,{}", Digest::of(key.as_bytes()).hex())
}

/// Opens a lock file, creating it where needed.
pub(crate) fn open(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600);
    options
        .open(path)
        .map_err(|e| StoreError::io("cannot open the lock file", path, e))
}

/// Opens a lock file and waits for its lock.
pub(crate) fn open_and_lock(path: &Path, operation: FlockOperation) -> Result<File> {
    let file = open(path)?;
    rustix::io::retry_on_intr(|| rustix::fs::flock(&file, operation))
        .map_err(|e| StoreError::io("cannot lock", path, e))?;
    Ok(file)
}

/// Takes the exclusive lock on an open file if it is free.
pub(crate) fn try_lock(file: File, path: &Path) -> Result<Option<File>> {
    try_lock_as(file, path, FlockOperation::NonBlockingLockExclusive)
}

/// Takes a lock on an open file if that is possible without waiting.
pub(crate) fn try_lock_as(
    file: File,
    path: &Path,
    operation: FlockOperation,
) -> Result<Option<File>> {
    match rustix::io::retry_on_intr(|| rustix::fs::flock(&file, operation)) {
        Ok(()) => Ok(Some(file)),
        Err(Errno::WOULDBLOCK) => Ok(None),
        Err(e) => Err(StoreError::io("cannot lock", path, e)),
    }
}

/// Whether `path` still names the open `file`.
pub(crate) fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), std::fs::symlink_metadata(path)) {
        (Ok(a), Ok(b)) => a.dev() == b.dev() && a.ino() == b.ino(),
        _ => false,
    }
}
