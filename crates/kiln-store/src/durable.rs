//! What survives a power loss.
//!
//! Waiting for the disk after every step would cost more than many steps take.
//! So rows are written without waiting, marked with the id of the running
//! kernel boot and `durable = 0`. As long as that kernel runs, the page cache
//! makes them as good as any, even after `kill -9`. A row from an earlier boot
//! that is still not durable may name bytes that never reached the disk, and
//! opening the store forgets it. [`Store::sync`] makes rows durable.

use std::path::Path;

use rusqlite::params;

use crate::layers::Trash;
use crate::{Result, Store, StoreError};

/// The tables whose rows carry `seq`, `boot` and `durable`.
const TABLES: [&str; 4] = ["layers", "cache", "images", "tags"];

/// Identifies the running kernel boot.
///
/// Where `/proc` does not tell (some sandboxes), all boots look alike and a
/// power loss goes unnoticed.
pub(crate) fn boot_id() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    match id.trim() {
        "" => "unknown".to_owned(),
        id => id.to_owned(),
    }
}

impl Store {
    /// Writes everything stored so far to disk and records that it is there.
    ///
    /// Called once at the end of a build. Afterwards what was stored before
    /// the call survives a power loss.
    pub fn sync(&self) -> Result<()> {
        let pending = TABLES
            .map(|t| format!("SELECT 1 FROM {t} WHERE durable = 0"))
            .join(" UNION ALL ");
        // Other processes may store more while the disk works. Directories
        // are in place before their row's transaction ends, so what was
        // numbered up to here is covered, and nothing later is claimed.
        let upto: Option<i64> = self.read(|conn| {
            let any: bool =
                conn.query_row(&format!("SELECT EXISTS ({pending})"), [], |row| row.get(0))?;
            let counter = conn.query_row("SELECT n FROM counter", [], |row| row.get(0))?;
            Ok(any.then_some(counter))
        })?;
        let Some(upto) = upto else {
            return Ok(());
        };
        sync_file_system(self.root())?;
        self.write_through(|tx| {
            for table in TABLES {
                let safe = if table == "tags" { ", safe = NULL" } else { "" };
                tx.execute(
                    &format!("UPDATE {table} SET durable = 1{safe} WHERE durable = 0 AND seq <= ?"),
                    [upto],
                )?;
            }
            Ok(())
        })
    }

    /// Forgets what an earlier boot stored without syncing it, and everything
    /// that relied on it. Returns the directories, to be deleted by dropping.
    pub(crate) fn forget_lost(&self) -> Result<Trash<'_>> {
        let mut trash = Trash::new(self);
        if !self.anything_lost()? {
            return Ok(trash);
        }
        self.write_through(|tx| {
            const LOST: &str = "durable = 0 AND boot <> ?1";
            let mut lost = tx.prepare(&format!("SELECT diff_id FROM layers WHERE {LOST}"))?;
            for id in lost.query_map([&self.boot], |row| row.get::<_, String>(0))? {
                trash.take_id(&id?)?;
            }
            let boot = params![self.boot];
            tx.execute(&format!("DELETE FROM layers WHERE {LOST}"), boot)?;
            tx.execute(
                &format!(
                    "DELETE FROM cache WHERE ({LOST}) OR (layer IS NOT NULL
                        AND layer NOT IN (SELECT diff_id FROM layers))"
                ),
                boot,
            )?;
            tx.execute(
                &format!(
                    "DELETE FROM images WHERE ({LOST}) OR id IN (SELECT image FROM image_layers
                        WHERE layer NOT IN (SELECT diff_id FROM layers))"
                ),
                boot,
            )?;
            tx.execute(
                "DELETE FROM image_layers WHERE image NOT IN (SELECT id FROM images)",
                [],
            )?;
            // A tag that was moved names again what it named before.
            tx.execute(
                &format!(
                    "UPDATE tags SET image = safe, safe = NULL, durable = 1
                        WHERE {LOST} AND safe IS NOT NULL"
                ),
                boot,
            )?;
            tx.execute(
                &format!("DELETE FROM tags WHERE ({LOST}) OR image NOT IN (SELECT id FROM images)"),
                boot,
            )?;
            Ok(())
        })?;
        Ok(trash)
    }

    fn anything_lost(&self) -> Result<bool> {
        let lost = TABLES
            .map(|t| format!("SELECT 1 FROM {t} WHERE durable = 0 AND boot <> ?1"))
            .join(" UNION ALL ");
        self.read(|conn| {
            let query = format!("SELECT EXISTS ({lost})");
            Ok(conn.query_row(&query, [&self.boot], |row| row.get(0))?)
        })
    }
}

fn sync_file_system(root: &Path) -> Result<()> {
    let fail = |e| StoreError::io("cannot sync", root, e);
    let dir = std::fs::File::open(root).map_err(fail)?;
    rustix::fs::syncfs(&dir).map_err(|e| fail(e.into()))
}
