//! How much the store holds, and for what.

use rusqlite::Row;

use crate::{Result, Store};

/// Sizes in bytes of files, each layer counted once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// How many images there are.
    pub images: u64,
    /// The layers of images.
    pub image_bytes: u64,
    /// Of those, the layers that only images without a name have.
    pub dangling_bytes: u64,
    /// How many records the build cache has.
    pub cache_records: u64,
    /// The layers that only the build cache has.
    pub cache_bytes: u64,
    /// The layers that nothing has.
    pub unused_bytes: u64,
    /// How many directories steps keep between builds.
    pub cache_dirs: u64,
    /// What is in them.
    pub cache_dir_bytes: u64,
}

impl Store {
    /// Adds up what is stored.
    pub fn usage(&self) -> Result<Usage> {
        let (cache_dirs, cache_dir_bytes) = self.cache_dirs_usage()?;
        self.read(|conn| {
            let mut statement = conn.prepare(
                "WITH l AS (
                    SELECT size,
                        EXISTS (SELECT 1 FROM image_layers WHERE layer = diff_id)
                            OR EXISTS (SELECT 1 FROM container_layers WHERE layer = diff_id)
                            AS used,
                        EXISTS (SELECT 1 FROM image_layers JOIN tags ON tags.image =
                            image_layers.image WHERE layer = diff_id) AS named,
                        EXISTS (SELECT 1 FROM cache WHERE layer = diff_id) AS cached
                    FROM layers)
                SELECT (SELECT COUNT(*) FROM images), (SELECT COUNT(*) FROM cache),
                    COALESCE(SUM(size) FILTER (WHERE used), 0),
                    COALESCE(SUM(size) FILTER (WHERE used AND NOT named), 0),
                    COALESCE(SUM(size) FILTER (WHERE cached AND NOT used), 0),
                    COALESCE(SUM(size) FILTER (WHERE NOT cached AND NOT used), 0)
                FROM l",
            )?;
            let read = |row: &Row<'_>| {
                Ok(Usage {
                    images: row.get(0)?,
                    cache_records: row.get(1)?,
                    image_bytes: row.get(2)?,
                    dangling_bytes: row.get(3)?,
                    cache_bytes: row.get(4)?,
                    unused_bytes: row.get(5)?,
                    cache_dirs,
                    cache_dir_bytes,
                })
            };
            Ok(statement.query_row([], read)?)
        })
    }

    /// Forgets the whole build cache; its layers go with the next
    /// [`Store::collect`]. Returns how many records there were.
    pub fn cache_clear(&self) -> Result<usize> {
        let records = self.write_through(|tx| Ok(tx.execute("DELETE FROM cache", [])?))?;
        self.listings_clear()?;
        Ok(records)
    }
}
