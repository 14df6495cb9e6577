//! Containers: directories in `containers/` and their rows.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kiln_oci::Digest;
use rusqlite::{Connection, OptionalExtension, Row, params};
use rustix::fs::FlockOperation;
use rustix::io::Errno;

use crate::db::next_seq;
use crate::layers::{Trash, digest};
use crate::lock::{is_at, open};
use crate::{Result, Store, StoreError};

/// What the store knows about a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerRecord {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Its name, without a slash.
    pub name: String,
    /// The image it was made from, which may be gone.
    pub image: Digest,
    /// When it was made (RFC 3339).
    pub created: String,
    /// What it is made of, as its maker wrote it.
    pub config: Vec<u8>,
    /// The layers below what it changed, bottom first.
    pub layers: Vec<Digest>,
    /// The volumes it uses.
    pub volumes: Vec<String>,
}

/// The lock of a container, held.
#[derive(Debug)]
pub struct ContainerLock {
    file: File,
}

impl ContainerLock {
    /// To hand it on to another process.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Takes the lock of a container that is being made in `dir`.
    pub fn new_in(dir: &Path) -> Result<ContainerLock> {
        let path = dir.join(LOCK);
        let file = open(&path)?;
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)
            .map_err(|e| StoreError::io("cannot lock", &path, e))?;
        Ok(ContainerLock { file })
    }
}

const LOCK: &str = "lock";

impl Store {
    /// Where a container is, or would be: `containers/<id>`.
    pub fn container_dir(&self, id: &str) -> PathBuf {
        self.root().join("containers").join(id)
    }

    /// Stores a container whose directory `dir`, in a scratch directory, is
    /// complete. A durable one is on disk when this returns.
    pub fn container_put(&self, r: &ContainerRecord, dir: &Path, durable: bool) -> Result<()> {
        let put = |tx: &rusqlite::Transaction<'_>| {
            let mut taken = tx.prepare_cached("SELECT id FROM containers WHERE name = ?")?;
            let id: Option<String> = taken.query_row([&r.name], |row| row.get(0)).optional()?;
            if let Some(id) = id {
                if self.container_dir(&id).is_dir() {
                    let name = r.name.clone();
                    return Err(StoreError::ContainerName { name, id });
                }
                delete(tx, &id)?;
            }
            for diff_id in &r.layers {
                if !crate::layers::has_row(tx, diff_id)? {
                    return Err(StoreError::MissingLayer { diff_id: *diff_id });
                }
            }
            let seq = next_seq(tx)?;
            tx.prepare_cached(
                "INSERT INTO containers (id, name, image, created, config, seq)
                    VALUES (?, ?, ?, ?, ?, ?)",
            )?
            .execute(params![
                r.id,
                r.name,
                r.image.to_string(),
                r.created,
                r.config,
                seq
            ])?;
            let mut add = tx.prepare_cached(
                "INSERT INTO container_layers (container, position, layer) VALUES (?, ?, ?)",
            )?;
            for (position, layer) in r.layers.iter().enumerate() {
                let position = i64::try_from(position).map_err(StoreError::corrupt)?;
                add.execute(params![r.id, position, layer.to_string()])?;
            }
            let mut add = tx.prepare_cached(
                "INSERT OR IGNORE INTO container_volumes (container, volume) VALUES (?, ?)",
            )?;
            for volume in &r.volumes {
                if !crate::volumes::exists(tx, volume)? {
                    let name = volume.clone();
                    return Err(StoreError::NoVolume { name });
                }
                add.execute(params![r.id, volume])?;
            }
            let target = self.container_dir(&r.id);
            std::fs::rename(dir, &target)
                .map_err(|e| StoreError::io("cannot move into the store:", dir, e))
        };
        match durable {
            true => self.write_through(put),
            false => self.write(put),
        }
    }

    /// All containers, newest first.
    pub fn containers(&self) -> Result<Vec<ContainerRecord>> {
        let mut all = self.read(|conn| {
            let mut statement = conn.prepare(&format!("{SELECT} ORDER BY seq DESC"))?;
            let rows = statement.query_map([], |row| Ok(record(conn, row)))?;
            rows.map(|row| row?).collect::<Result<Vec<_>>>()
        })?;
        all.retain(|c| self.container_dir(&c.id).is_dir());
        Ok(all)
    }

    /// The container of a name, an id, or the beginning of an id.
    pub fn find_container(&self, name: &str) -> Result<ContainerRecord> {
        let given = name;
        let name = name.strip_prefix('/').unwrap_or(name);
        let mut found = self.read(|conn| {
            let of = |rest: &str, key: &str| -> Result<Vec<ContainerRecord>> {
                let mut statement = conn.prepare_cached(&format!("{SELECT} {rest}"))?;
                let rows = statement.query_map([key], |row| Ok(record(conn, row)))?;
                rows.map(|row| row?).collect()
            };
            let exact = of(
                "WHERE id = ?1 OR name = ?1 ORDER BY id = ?1 DESC LIMIT 1",
                name,
            )?;
            let is_hex = name.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
            if exact.is_empty() && is_hex && !name.is_empty() {
                return of("WHERE id >= ?1 AND id < ?1 || 'g' ORDER BY id", name);
            }
            Ok(exact)
        })?;
        found.retain(|c| self.container_dir(&c.id).is_dir());
        match (found.pop(), found.is_empty()) {
            (Some(one), true) => Ok(one),
            (Some(last), false) => {
                found.push(last);
                Err(StoreError::AmbiguousContainer {
                    name: given.to_owned(),
                    candidates: found
                        .iter()
                        .map(|c| format!("{} ({})", c.id.get(..12).unwrap_or(&c.id), c.name))
                        .collect(),
                })
            }
            (None, _) => Err(StoreError::NoContainer {
                name: given.to_owned(),
            }),
        }
    }

    /// Gives a container another name.
    pub fn container_rename(&self, id: &str, name: &str) -> Result<()> {
        self.write_through(|tx| {
            let mut taken = tx.prepare("SELECT id FROM containers WHERE name = ? AND id <> ?")?;
            let other: Option<String> = taken.query_row([name, id], |row| row.get(0)).optional()?;
            if let Some(id) = other {
                let name = name.to_owned();
                return Err(StoreError::ContainerName { name, id });
            }
            tx.execute("UPDATE containers SET name = ? WHERE id = ?", [name, id])?;
            Ok(())
        })
    }

    /// Removes a container, whose lock the caller has, and its directory.
    pub fn container_remove(&self, id: &str, _lock: &ContainerLock) -> Result<()> {
        self.container_remove_locked(id)
    }

    /// As [`Store::container_remove`], for a process that got the lock from
    /// another one.
    pub fn container_remove_locked(&self, id: &str) -> Result<()> {
        let mut trash = Trash::new(self);
        self.write(|tx| {
            delete(tx, id)?;
            trash.take(&self.container_dir(id))
        })
    }

    /// The containers made from an image.
    pub fn containers_of(&self, image: &Digest) -> Result<Vec<ContainerRecord>> {
        let image = *image;
        let mut all = self.containers()?;
        all.retain(|c| c.image == image);
        Ok(all)
    }

    /// Takes a container's lock, waiting for it at the most so long.
    /// Nothing when somebody has it: the container runs, or is being started
    /// or removed.
    pub fn lock_container(&self, id: &str, patience: Duration) -> Result<Option<ContainerLock>> {
        let path = self.container_dir(id).join(LOCK);
        let began = Instant::now();
        let gone = || StoreError::NoContainer {
            name: id.to_owned(),
        };
        loop {
            if !self.container_dir(id).is_dir() {
                return Err(gone());
            }
            let file = match open(&path) {
                Ok(file) => file,
                Err(_) if !self.container_dir(id).is_dir() => return Err(gone()),
                Err(e) => return Err(e),
            };
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) if is_at(&file, &path) => return Ok(Some(ContainerLock { file })),
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) if began.elapsed() >= patience => return Ok(None),
                Err(Errno::WOULDBLOCK | Errno::INTR) => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(e) => return Err(StoreError::io("cannot lock", &path, e)),
            }
        }
    }

    /// Whether somebody has a container's lock.
    pub fn container_locked(&self, id: &str) -> Result<bool> {
        let path = self.container_dir(id).join(LOCK);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(e) => return Err(StoreError::io("cannot open the lock file", &path, e)),
        };
        // Shared, so that two who look don't take each other for an owner.
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => Ok(false),
            Err(Errno::WOULDBLOCK) => Ok(true),
            Err(e) => Err(StoreError::io("cannot lock", &path, e)),
        }
    }
}

fn delete(tx: &rusqlite::Transaction<'_>, id: &str) -> Result<()> {
    tx.execute("DELETE FROM containers WHERE id = ?", [id])?;
    tx.execute("DELETE FROM container_layers WHERE container = ?", [id])?;
    tx.execute("DELETE FROM container_volumes WHERE container = ?", [id])?;
    Ok(())
}

const SELECT: &str = "SELECT id, name, image, created, config FROM containers";

fn record(conn: &Connection, row: &Row<'_>) -> Result<ContainerRecord> {
    let id: String = row.get(0)?;
    let image: String = row.get(2)?;
    let mut layers = conn.prepare_cached(
        "SELECT layer FROM container_layers WHERE container = ? ORDER BY position",
    )?;
    let layers = layers
        .query_map([&id], |row| row.get(0))?
        .map(|row: rusqlite::Result<String>| digest(&row?))
        .collect::<Result<_>>()?;
    let mut volumes = conn.prepare_cached(
        "SELECT volume FROM container_volumes WHERE container = ? ORDER BY volume",
    )?;
    let volumes = volumes
        .query_map([&id], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(ContainerRecord {
        name: row.get(1)?,
        image: digest(&image)?,
        created: row.get(3)?,
        config: row.get(4)?,
        id,
        layers,
        volumes,
    })
}
