//! Directories that steps keep between builds: `RUN --mount=type=cache`.
//!
//! `caches/<key>.<n>/` has the directory `data` and the file `lock`, which whoever uses `data` has
//! locked, alone or together with others. There is more than one `n` where users of one key wanted
//! to be alone at the same time.
//!
//! The directories are all there is: no row names them. They come and go by `rename`, so one that
//! is there is whole, however its maker ended; what steps write in it is theirs to keep whole.

use std::collections::HashSet;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use kiln_tree::{Kind, meta_at, read_dir_sorted};
use rustix::fs::{FlockOperation, Mode, OFlags, openat};

use crate::lock::{is_at, open, try_lock_as};
use crate::{Result, Store, StoreError};

/// Deeper directories are not looked at when sizes are added up.
const MAX_DEPTH: usize = 256;

/// A cache directory in use; the lock goes with the value.
#[derive(Debug)]
pub struct CacheDir {
    data: PathBuf,
    _lock: File,
}

impl CacheDir {
    /// The directory that steps see.
    pub fn path(&self) -> &Path {
        &self.data
    }
}

/// What came of asking for a cache directory.
#[derive(Debug)]
pub enum Claim {
    /// It is yours.
    Got(CacheDir),
    /// There are some, all in use in a way that excludes yours.
    Busy,
    /// There is none.
    Absent,
}

impl Store {
    /// Asks for a directory of `key`, to use it alone or together with others.
    pub fn claim_cache_dir(&self, key: &str, alone: bool) -> Result<Claim> {
        let operation = match alone {
            true => FlockOperation::NonBlockingLockExclusive,
            false => FlockOperation::NonBlockingLockShared,
        };
        let mut busy = false;
        for (_, dir) in self.cache_dirs_of(key)? {
            match lock_dir(&dir, operation)? {
                Some(_lock) => {
                    let data = dir.join("data");
                    return Ok(Claim::Got(CacheDir { data, _lock }));
                }
                None => busy |= dir.exists(),
            }
        }
        Ok(if busy { Claim::Busy } else { Claim::Absent })
    }

    /// Adds the finished directory `data`, best made in a [`Scratch`](crate::Scratch), as one more
    /// of `key`. The caller keeps others from adding one by a [`KeyLock`](crate::KeyLock).
    pub fn add_cache_dir(&self, key: &str, data: &Path) -> Result<()> {
        let scratch = self.scratch()?;
        let dir = scratch.path().join("dir");
        let fail = |what, path: &Path| {
            let path = path.to_owned();
            move |e| StoreError::io(what, &path, e)
        };
        std::fs::create_dir(&dir).map_err(fail("cannot create", &dir))?;
        std::fs::rename(data, dir.join("data")).map_err(fail("cannot move", data))?;
        open(&dir.join("lock"))?;
        let taken: Vec<usize> = self.cache_dirs_of(key)?.into_iter().map(|d| d.0).collect();
        let free = (0..).find(|n| !taken.contains(n)).unwrap_or_default();
        let place = self.caches().join(format!("{key}.{free}"));
        std::fs::rename(&dir, &place).map_err(fail("cannot move into the store:", &dir))
    }

    /// Deletes the cache directories that nobody uses; tells how many.
    pub fn cache_dirs_clear(&self) -> Result<usize> {
        let mut gone = 0;
        for (_, _, dir) in self.all_cache_dirs()? {
            let alone = FlockOperation::NonBlockingLockExclusive;
            let Some(_lock) = lock_dir(&dir, alone)? else {
                continue;
            };
            let scratch = self.scratch()?;
            std::fs::rename(&dir, scratch.path().join("dir"))
                .map_err(|e| StoreError::io("cannot move", &dir, e))?;
            gone += 1;
        }
        Ok(gone)
    }

    /// How many cache directories there are, and the bytes of the files in them.
    pub(crate) fn cache_dirs_usage(&self) -> Result<(u64, u64)> {
        let (mut count, mut bytes) = (0, 0);
        for (_, _, dir) in self.all_cache_dirs()? {
            count += 1;
            // Steps may be at work there: what can't be read is gone already.
            if let Ok(data) = File::open(dir.join("data")) {
                bytes += size_below(&data.into(), 0, &mut HashSet::new());
            }
        }
        Ok((count, bytes))
    }

    fn caches(&self) -> PathBuf {
        self.root().join("caches")
    }

    fn cache_dirs_of(&self, key: &str) -> Result<Vec<(usize, PathBuf)>> {
        let all = self.all_cache_dirs()?.into_iter();
        let mine = all.filter(|(k, ..)| k == key).map(|(_, n, dir)| (n, dir));
        Ok(mine.collect())
    }

    /// Key, number and path of each, in order.
    fn all_cache_dirs(&self) -> Result<Vec<(String, usize, PathBuf)>> {
        let path = self.caches();
        let fail = |e| StoreError::io("cannot read", &path, e);
        let mut out = Vec::new();
        for entry in std::fs::read_dir(&path).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if let Some((key, n)) = name.rsplit_once('.')
                && let Ok(n) = n.parse()
            {
                out.push((key.to_owned(), n, entry.path()));
            }
        }
        out.sort();
        Ok(out)
    }
}

/// Locks a directory, if that is possible now and it is still where it was.
fn lock_dir(dir: &Path, operation: FlockOperation) -> Result<Option<File>> {
    let path = dir.join("lock");
    let file = match open(&path) {
        Ok(file) => file,
        // Deleted since it was listed.
        Err(_) if !dir.exists() => return Ok(None),
        Err(e) => return Err(e),
    };
    let locked = try_lock_as(file, &path, operation)?;
    Ok(locked.filter(|f| is_at(f, &path)))
}

fn size_below(dir: &OwnedFd, depth: usize, seen: &mut HashSet<(u64, u64)>) -> u64 {
    let mut sum = 0;
    for name in read_dir_sorted(dir.as_fd()).unwrap_or_default() {
        let Ok(meta) = meta_at(dir.as_fd(), &name) else {
            continue;
        };
        match meta.kind {
            Kind::File if seen.insert((meta.dev, meta.ino)) => sum += meta.size,
            Kind::Dir if depth < MAX_DEPTH => {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                if let Ok(below) = openat(dir, &name, flags, Mode::empty()) {
                    sum += size_below(&below, depth + 1, seen);
                }
            }
            _ => {}
        }
    }
    sum
}
