//! Opening a store, and access to its database.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use rustix::fs::FlockOperation;

use crate::{Result, StoreError, db, durable, lock};

/// The local store; see the [crate documentation](crate).
///
/// May be shared between threads. A process that forks opens its own.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    pub(crate) boot: String,
    conn: Mutex<Connection>,
}

impl Store {
    /// Opens the store in the directory `root`, creating it if need be.
    ///
    /// Also deletes what killed processes left in `tmp/` and, after a reboot,
    /// forgets what was not [synced](Store::sync) before it.
    pub fn open(root: &Path) -> Result<Store> {
        Store::open_in_boot(root, durable::boot_id())
    }

    /// Opens a store that this program has opened before in this boot of the
    /// kernel, without looking for what needs to be put in order.
    pub fn open_quickly(root: &Path) -> Result<Store> {
        let conn = Mutex::new(db::open(root).map_err(|e| e.in_store(root))?);
        Ok(Store {
            root: root.to_owned(),
            boot: durable::boot_id(),
            conn,
        })
    }

    pub(crate) fn open_in_boot(root: &Path, boot: String) -> Result<Store> {
        let root =
            std::path::absolute(root).map_err(|e| StoreError::io("cannot resolve", root, e))?;
        for name in [
            "layers",
            "recipes",
            "tmp",
            "locks",
            "contexts",
            "caches",
            "containers",
            "volumes",
        ] {
            make_dir(&root.join(name))?;
        }
        let guard = lock::open_and_lock(&root.join("locks/open"), FlockOperation::LockExclusive)?;
        let conn = db::open(&root).map_err(|e| e.in_store(&root))?;
        let conn = Mutex::new(conn);
        let store = Store { root, boot, conn };
        let trash = store.forget_lost()?;
        drop(guard);
        drop(trash);
        store.sweep_scratch();
        Ok(store)
    }

    /// The store's directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the builder keeps what it remembers about the files of a build
    /// context. Only the path: the file's content is the builder's affair.
    pub fn stat_cache_path(&self, name: &str) -> PathBuf {
        self.root.join("contexts").join(format!("{name}.bin"))
    }

    pub(crate) fn layers_root(&self) -> PathBuf {
        self.root.join("layers")
    }

    pub(crate) fn tmp(&self) -> PathBuf {
        self.root.join("tmp")
    }

    pub(crate) fn locks(&self) -> PathBuf {
        self.root.join("locks")
    }

    fn conn(&self) -> MutexGuard<'_, Connection> {
        // A panic while the lock was held rolled its transaction back.
        self.conn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads from the database.
    pub(crate) fn read<T>(&self, f: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        f(&self.conn()).map_err(|e| e.in_store(&self.root))
    }

    /// Changes the database, without waiting for the disk.
    pub(crate) fn write<T>(&self, f: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        transact(&mut self.conn(), f).map_err(|e| e.in_store(&self.root))
    }

    /// Changes the database and waits until the change is on disk.
    pub(crate) fn write_through<T>(
        &self,
        f: impl FnOnce(&Transaction<'_>) -> Result<T>,
    ) -> Result<T> {
        let mut conn = self.conn();
        let run = || {
            conn.pragma_update(None, "synchronous", "FULL")?;
            let result = transact(&mut conn, f);
            conn.pragma_update(None, "synchronous", "NORMAL")?;
            result
        };
        run().map_err(|e: StoreError| e.in_store(&self.root))
    }
}

/// Runs `f` in a transaction that no other writer overlaps.
fn transact<T>(conn: &mut Connection, f: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let value = f(&tx)?;
    tx.commit()?;
    Ok(value)
}

fn make_dir(path: &Path) -> Result<()> {
    let made = DirBuilder::new().mode(0o700).create(path);
    match made {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|e| StoreError::io("cannot create", path, e)),
        other => other.map_err(|e| StoreError::io("cannot create", path, e)),
    }
}
