//! Lists of the files that steps copied, to explain a miss by file.
//!
//! Knowledge, not state: each list is a file that whoever wrote it can tell to
//! be whole, so nothing is synced, and the oldest go when there are too many.

use std::fs::DirEntry;
use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

use crate::{Result, Store, StoreError};

/// How many bytes of lists are kept.
const KEPT: u64 = 64 << 20;

impl Store {
    fn listings(&self) -> PathBuf {
        self.root().join("listings")
    }

    /// Keeps a list under a name of hexadecimal digits.
    pub fn listing_put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let dir = self.listings();
        let path = dir.join(name);
        let fail = |e| StoreError::io("cannot write", &path, e);
        std::fs::create_dir_all(&dir).map_err(fail)?;
        let scratch = self.scratch()?;
        let whole = scratch.path().join(name);
        std::fs::write(&whole, bytes).map_err(fail)?;
        std::fs::rename(&whole, &path).map_err(fail)?;
        self.trim_listings().map_err(fail)
    }

    /// A list that was kept.
    pub fn listing_get(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let path = self.listings().join(name);
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(StoreError::io("cannot read", &path, e)),
        }
    }

    /// Forgets all lists.
    pub(crate) fn listings_clear(&self) -> Result<()> {
        let dir = self.listings();
        match std::fs::remove_dir_all(&dir) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::io("cannot remove", &dir, e))
            }
            _ => Ok(()),
        }
    }

    /// Removes the oldest lists until the rest is small enough.
    fn trim_listings(&self) -> io::Result<()> {
        let mut all: Vec<(SystemTime, u64, PathBuf)> = std::fs::read_dir(self.listings())?
            .filter_map(|e| known(&e.ok()?))
            .collect();
        let mut total: u64 = all.iter().map(|(_, size, _)| size).sum();
        if total <= KEPT {
            return Ok(());
        }
        all.sort();
        for (_, size, path) in all {
            if total <= KEPT / 2 {
                break;
            }
            match std::fs::remove_file(&path) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => total -= size,
            }
        }
        Ok(())
    }
}

fn known(entry: &DirEntry) -> Option<(SystemTime, u64, PathBuf)> {
    let meta = entry.metadata().ok()?;
    Some((meta.modified().ok()?, meta.len(), entry.path()))
}
