//! Deleting layers that nothing uses.

use std::ffi::OsString;

use crate::layers::Trash;
use crate::{Result, Store, StoreError};

/// What a collection freed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Freed {
    /// How many layers.
    pub layers: u64,
    /// The bytes of their files, as far as they were known.
    pub bytes: u64,
}

impl Store {
    /// Deletes the layers that no image and no cache record uses, and
    /// directories that killed processes left in `layers/`.
    ///
    /// Fails with [`StoreError::InUse`] while any process has a
    /// [`Hold`](crate::Hold), since builds use layers that nothing names yet.
    pub fn collect(&self) -> Result<Freed> {
        let Some(_alone) = self.try_exclusive()? else {
            return Err(StoreError::InUse {
                path: self.root().to_owned(),
            });
        };
        self.sweep_key_locks();
        let mut trash = Trash::new(self);
        self.write_through(|tx| {
            let mut freed = Freed::default();
            let mut unused = tx.prepare(
                "DELETE FROM layers
                    WHERE NOT EXISTS (SELECT 1 FROM image_layers WHERE layer = diff_id)
                    AND NOT EXISTS (SELECT 1 FROM container_layers WHERE layer = diff_id)
                    AND NOT EXISTS (SELECT 1 FROM cache WHERE layer = diff_id)
                    RETURNING diff_id, size",
            )?;
            let unused = unused.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            for row in unused {
                let (id, size): (String, u64) = row?;
                trash.take_id(&id)?;
                freed.layers += 1;
                freed.bytes += size;
            }
            let mut known = tx.prepare("SELECT 1 FROM layers WHERE diff_id = 'sha256:' || ?")?;
            for name in self.names_in("layers")? {
                if !known.exists([name.to_string_lossy()])? {
                    trash.take(&self.layers_root().join(name))?;
                    freed.layers += 1;
                }
            }
            let mut known = tx.prepare("SELECT 1 FROM containers WHERE id = ?")?;
            for name in self.names_in("containers")? {
                if !known.exists([name.to_string_lossy()])? {
                    trash.take(&self.root().join("containers").join(name))?;
                }
            }
            Ok(freed)
        })
    }

    fn names_in(&self, dir: &str) -> Result<Vec<OsString>> {
        let path = self.root().join(dir);
        let fail = |e| StoreError::io("cannot read", &path, e);
        let entries = std::fs::read_dir(&path).map_err(fail)?;
        entries
            .map(|entry| Ok(entry.map_err(fail)?.file_name()))
            .collect()
    }
}
