//! Volumes: directories of their own that containers mount.

use std::collections::BTreeMap;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::layers::Trash;
use crate::{Result, Store, StoreError};

/// What the store knows about a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// Its name.
    pub name: String,
    /// When it was made (RFC 3339).
    pub created: String,
    /// It was made for one container, and has no name that anybody gave.
    pub anonymous: bool,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

impl Store {
    /// Where the files of a volume are.
    pub fn volume_dir(&self, name: &str) -> PathBuf {
        self.root().join("volumes").join(name).join("_data")
    }

    /// Makes a volume; one that is there already stays as it is. Tells
    /// whether it was made.
    pub fn volume_put(&self, volume: &Volume) -> Result<bool> {
        let labels = serde_json::to_string(&volume.labels).map_err(StoreError::corrupt)?;
        self.write_through(|tx| {
            let dir = self.volume_dir(&volume.name);
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o755)
                .create(&dir)
                .map_err(|e| StoreError::io("cannot create", &dir, e))?;
            let made = tx.execute(
                "INSERT OR IGNORE INTO volumes (name, created, anonymous, labels)
                    VALUES (?, ?, ?, ?)",
                params![volume.name, volume.created, volume.anonymous, labels],
            )?;
            Ok(made > 0)
        })
    }

    /// All volumes, by name.
    pub fn volumes(&self) -> Result<Vec<Volume>> {
        self.read(|conn| {
            let mut statement = conn.prepare(&format!("{SELECT} ORDER BY name"))?;
            let rows = statement.query_map([], |row| Ok(volume(row)))?;
            rows.map(|row| row?).collect()
        })
    }

    /// The volume of a name.
    pub fn volume(&self, name: &str) -> Result<Option<Volume>> {
        self.read(|conn| {
            let mut statement = conn.prepare(&format!("{SELECT} WHERE name = ?"))?;
            let found = statement.query_row([name], |row| Ok(volume(row)));
            found.optional()?.transpose()
        })
    }

    /// The ids of the containers that use a volume.
    pub fn volume_users(&self, name: &str) -> Result<Vec<String>> {
        let mut users = self.read(|conn| users(conn, name))?;
        users.retain(|id| self.container_dir(id).is_dir());
        Ok(users)
    }

    /// Removes a volume that no container uses, with its files.
    pub fn volume_remove(&self, name: &str) -> Result<()> {
        let mut trash = Trash::new(self);
        self.write_through(|tx| {
            let mut users = users(tx, name)?;
            users.retain(|id| self.container_dir(id).is_dir());
            if !users.is_empty() {
                let name = name.to_owned();
                return Err(StoreError::VolumeInUse { name, users });
            }
            if tx.execute("DELETE FROM volumes WHERE name = ?", [name])? == 0 {
                let name = name.to_owned();
                return Err(StoreError::NoVolume { name });
            }
            trash.take(&self.root().join("volumes").join(name))
        })
    }
}

pub(crate) fn exists(conn: &Connection, name: &str) -> Result<bool> {
    let mut statement = conn.prepare_cached("SELECT 1 FROM volumes WHERE name = ?")?;
    Ok(statement.exists([name])?)
}

fn users(conn: &Connection, name: &str) -> Result<Vec<String>> {
    let mut statement =
        conn.prepare_cached("SELECT container FROM container_volumes WHERE volume = ? ORDER BY 1")?;
    let rows = statement.query_map([name], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

const SELECT: &str = "SELECT name, created, anonymous, labels FROM volumes";

fn volume(row: &Row<'_>) -> Result<Volume> {
    let labels: String = row.get(3)?;
    Ok(Volume {
        name: row.get(0)?,
        created: row.get(1)?,
        anonymous: row.get(2)?,
        labels: serde_json::from_str(&labels).map_err(StoreError::corrupt)?,
    })
}
