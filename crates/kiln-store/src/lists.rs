//! Lists of images that become an index when they are pushed.

use kiln_oci::Reference;
use rusqlite::params;

use crate::{Result, Store, StoreError, tags};

impl Store {
    /// Stores a list, replacing the one of that name; an empty one removes it.
    pub fn list_put(&self, name: &Reference, members: &[Reference]) -> Result<()> {
        self.write_through(|tx| {
            tx.execute("DELETE FROM lists WHERE name = ?", [tags::key(name)])?;
            for (position, member) in members.iter().enumerate() {
                let position = i64::try_from(position).map_err(StoreError::corrupt)?;
                tx.execute(
                    "INSERT INTO lists VALUES (?, ?, ?)",
                    params![tags::key(name), position, tags::key(member)],
                )?;
            }
            Ok(())
        })
    }

    /// The images of a list, none where there is no such list.
    pub fn list_members(&self, name: &Reference) -> Result<Vec<Reference>> {
        self.read(|conn| {
            let mut statement =
                conn.prepare("SELECT member FROM lists WHERE name = ? ORDER BY position")?;
            let rows = statement.query_map([tags::key(name)], |row| row.get(0))?;
            rows.map(|row: rusqlite::Result<String>| tags::reference(&row?))
                .collect()
        })
    }
}
